"""Truths of another structure than the twin's: `python -m tests.benchmarks.foreign_laws [--whole]`.

Batteries that age by published semi-empirical laws (`twin.ensemble.laws`), each law in turn in three
climates, with a cell's own sizes and a driver's own days; check-ups each half year, sessions and the months'
temperatures, no telemetry. A law is *taken out of the ensemble* where it is the truth. Compared with the true
L0, α and β by the same protocol (`twin.lives`): whether 90 % intervals hold them, the mean interval score of
their logarithms (Gneiting and Raftery, J. Am. Stat. Assoc. 102, 2007; less is better), and β's factor off;
next to it the same without any check-up (the prior), and √t of the same check-ups with one constant wear per
cycle for all batteries, both with the spread that they really have.

By default laws and curves alone answer, which takes half a second a battery; with ``--whole`` the twin with
PyBaMM, as it is published, which takes some. ``--siblings N``: with what N other batteries of the same law,
on other duties and in other climates, teach.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from tests.benchmarks.data import benchmark_parser
from tests.benchmarks.law_batteries import CHECKUP_SD, NAMES, SHARES, Hidden, hide, left_out
from twin.ageing import checkup_arrays
from twin.calibrate import calibrate_battery
from twin.duty import StandardDuty
from twin.ensemble.answer import structure_statistics
from twin.ensemble.fit import Observed
from twin.ensemble.mixture import answers, fit_all, mix, v2g_days
from twin.ensemble.siblings import NO_SIBLINGS, Beliefs, believed
from twin.ensemble.stress import Stress, stress_of
from twin.health import Array
from twin.life import HORIZON_DAYS
from twin.past import lived_through, ordinary_day
from twin.prior import CHEMISTRY_PRIOR

FIGURES = ("alpha", "beta", "l0")
MISS = 2 / 0.1
LEAST = 1e-3  # of a figure: what is less counts as this
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """Low, middle and high of each figure."""

    l0: Triple
    alpha: Triple
    beta: Triple


def whole(hidden: Hidden, *, checkups: bool = True) -> Stated:
    """What the twin publishes."""
    request = hidden.request
    found = calibrate_battery(request if checkups else replace(request, checkups=request.checkups[:0]))

    def of(name: str, unit: str) -> Triple:
        low, middle, high = (getattr(found, f"{name}{end}_{unit}") for end in ("_low", "", "_high"))
        return low, middle, high

    return Stated(l0=of("l0", "days"), alpha=of("alpha", "day_per_efc"), beta=of("beta", "day_per_efc"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What laws and curves are asked about: duty now, the day lived so far, check-ups, state."""

    duty: StandardDuty
    past: Stress
    observed: Observed
    soh: float


def known_of(hidden: Hidden, *, checkups: bool = True) -> Known:
    """What the twin knows of a battery; its capacity today by √t of its check-ups."""
    request, battery = hidden.request, hidden.request.battery
    age = (request.as_of_utc - battery.commissioned_utc).total_seconds() / 86400
    duty = ordinary_day(request)
    lived = lived_through(
        duty,
        request.telemetry,
        request.sessions,
        commissioned_utc=battery.commissioned_utc,
        as_of_utc=request.as_of_utc,
    )
    ages, capacity, _ = checkup_arrays(
        request.checkups,
        battery.commissioned_utc,
        nominal_ah=battery.nominal_capacity_ah,
        ohm_ah_per_pack_ohm=1.0,
    )
    slope, new = np.polyfit(np.sqrt(ages), capacity, 1) if len(ages) > 1 else (0.0, capacity[-1])
    soh = float(new + slope * np.sqrt(age))
    observed = Observed(ages=ages, capacity=capacity, sd=CHECKUP_SD * capacity, last_days=age)
    if not checkups:
        observed = Observed(
            ages=np.array([age]), capacity=np.array([soh]), sd=np.array([0.03]), last_days=age
        )
    return Known(duty=duty, past=stress_of(lived.duty.profile()), observed=observed, soh=soh)


def without_physics(hidden: Hidden, *, checkups: bool = True, beliefs: Beliefs = NO_SIBLINGS) -> Stated:
    """What laws and curves say, PyBaMM left out."""
    known = known_of(hidden, checkups=checkups)
    duty, soh = known.duty, known.soh
    shares = duty.v2g_limit() / soh * SHARES
    cycles = np.where(shares > min(0.45, duty.target_soc - 0.1), 2, 1)
    fits = fit_all(known.past, known.observed, len(known.observed.ages) if checkups else 0, beliefs)
    drawn = answers(
        fits,
        known.past,
        v2g_days(duty, shares / cycles, cycles, soh),
        duty,
        age_days=known.observed.last_days,
        end_soh=min(0.8, soh - 0.02),
        fast=0.0,
        discrepancy=CHEMISTRY_PRIOR.discrepancy,
    )
    found = mix(hidden.request.battery.chemistry, drawn, shares, beliefs)
    return Stated(l0=found.l0, alpha=found.alpha, beta=found.beta)


def taught(hidden: Hidden, siblings: int) -> Beliefs:
    """What others of the same law teach."""
    index = int(hidden.request.input_hash)
    statistics = []
    for turn in range(siblings):
        known = known_of(hide(index + len(NAMES) * (100 + turn)))
        with left_out(hidden.law):
            statistics.append(
                structure_statistics(fit_all(known.past, known.observed, len(known.observed.ages)))
            )
    return believed(statistics)


def calibrate(index: int, *, physics: bool, siblings: int) -> tuple[Hidden, Stated, Stated]:
    """The battery by its check-ups, and by nothing, both without its law."""
    hidden = hide(index)
    beliefs = taught(hidden, siblings)
    with left_out(hidden.law):
        if physics:
            return hidden, whole(hidden), whole(hidden, checkups=False)
        return hidden, without_physics(hidden, beliefs=beliefs), without_physics(hidden, checkups=False)


def interval_score(low: Array, high: Array, true: Array) -> Array:
    """Of logarithms, at 90 %."""
    low, high, true = (np.log(np.maximum(one, LEAST)) for one in (low, high, true))
    return np.asarray(high - low + MISS * np.maximum(low - true, 0) + MISS * np.maximum(true - high, 0))


def root(hidden: Hidden) -> float:
    """L0 by √t of the check-ups."""
    request = hidden.request
    age = (request.as_of_utc - request.battery.commissioned_utc).total_seconds() / 86400
    times = (request.checkups["time_utc"] - request.battery.commissioned_utc).dt.total_seconds() / 86400
    capacity = request.checkups["capacity_ah"] / request.battery.nominal_capacity_ah
    slope, new = np.polyfit(np.sqrt(times), capacity, 1)
    soh = new + slope * np.sqrt(age)
    end = min(0.8, soh - 0.02)
    if slope >= 0:
        return HORIZON_DAYS
    return float(np.clip(((end - new) / slope) ** 2 - age, 30.0, HORIZON_DAYS))


def rows(done: Sequence[tuple[Hidden, Stated, Stated]]) -> pd.DataFrame:
    """One row a battery and figure."""
    lists = []
    for hidden, found, bare in done:
        for name in FIGURES:
            low, middle, high = np.maximum(getattr(found, name), LEAST)
            low_before, before, high_before = np.maximum(getattr(bare, name), LEAST)
            lists.append(
                {
                    "battery": hidden.request.battery.battery_id,
                    "degc": hidden.request.climate["temperature_degc"].iloc[0],
                    "checkups": len(hidden.request.checkups),
                    "what": name,
                    "true": max(hidden.truth[name], LEAST),
                    "told": middle,
                    "low": low,
                    "high": high,
                    "prior": before,
                    "prior_low": low_before,
                    "prior_high": high_before,
                    "simple": root(hidden) if name == "l0" else np.nan,
                }
            )
    table = pd.DataFrame(lists)
    for name in FIGURES[:2]:
        # One wear per cycle for all: the middle of the truths, which is more than anyone knows.
        mine = table["what"] == name
        table.loc[mine, "simple"] = float(np.exp(np.log(table.loc[mine, "true"]).mean()))
    for name in FIGURES:
        mine = table["what"] == name
        off = np.log(table.loc[mine, "true"] / table.loc[mine, "simple"])
        spread = 1.645 * float(np.sqrt((off**2).mean()))
        table.loc[mine, "simple_low"] = table.loc[mine, "simple"] * np.exp(-spread)
        table.loc[mine, "simple_high"] = table.loc[mine, "simple"] * np.exp(spread)
    return table


def summary(table: pd.DataFrame) -> Table:
    """Coverage, score and factor off, by figure."""
    grid = Table(title="Truths by published laws, each left out of the ensemble", title_justify="left")
    for column in ("figure", "by", "90 % holds", "interval score", "factor off", "too high", "width (ratio)"):
        grid.add_column(column, justify="right")
    for name, own in table.groupby("what"):
        true = own["true"].to_numpy()
        for by, stem in (("twin", ""), ("no check-ups", "prior_"), ("√t, one constant", "simple_")):
            middle = own["told" if by == "twin" else stem[:-1]].to_numpy()
            low, high = own[f"{stem}low"].to_numpy(), own[f"{stem}high"].to_numpy()
            held = (low <= true) & (true <= high)
            grid.add_row(
                str(name),
                by,
                f"{held.sum()} of {len(held)}",
                f"{interval_score(low, high, true).mean():.2f}",
                f"{np.exp(np.median(np.abs(np.log(middle / true)))):.2f}",
                f"{(middle > 2 * true).sum()}",
                f"{np.exp(np.median(np.log(high / low))):.1f}",
            )
    return grid


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("foreign_laws", __doc__)
    parser.add_argument("--batteries", type=int, default=33)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="the twin as published, with PyBaMM")
    parser.add_argument("--siblings", type=int, default=0, metavar="N", help="that teach (without --whole)")
    parser.add_argument("--each", action="store_true", help="a row a battery, too")
    asked = parser.parse_args(arguments)
    indices = range(asked.batteries)
    calibrated = partial(calibrate, physics=asked.whole, siblings=asked.siblings)
    if asked.processes > 1:
        with ProcessPoolExecutor(asked.processes) as pool:
            done = list(pool.map(calibrated, indices))
    else:
        done = [calibrated(index) for index in indices]
    table, console = rows(done), Console(file=sys.stdout, width=150)
    if asked.each:
        console.print(table.round(3).to_string())
    console.print(summary(table))


if __name__ == "__main__":
    main()
