"""Forecasts of real cells from the first 40 % of their records: `python -m tests.benchmarks.real_cells`.

Groups: LG MJ1 cycled at 0, 10 and 25 °C, LG MJ1 stored, 24 Sanyo UR18650E of Baumhöfer et al., cells cycled
in three other laboratories by C-rate. Every group is a fleet: each cell is fitted on its own, the fits make
the fleet's prior (`twin.prior`), and each is fitted again with it; nothing of the later 60 % is seen before
it is compared. "twin" is the ensemble with the twin's own priors, its median and its band, as a page shows
them; "PyBaMM" is that member alone. Next to them stand four usual baselines on the same split.
``--split axis`` takes 40 % of the record's cycles or days, ``rows`` 40 % of its check-ups; ``--laboratory``
gives PyBaMM priors that are wider, and trusts check-ups more.

What the sources leave open is assumed: MJ1 cycles at C/2; Sanyo cycles at 1C between 25 and 75 % of charge
(half an equivalent full cycle each); which stored cell rested at what charge (60 % for all).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.optimize import least_squares

from tests.benchmarks.data import add_data_option, benchmark_parser, data_folder, file_of, require
from twin.ageing import AgeingFit, fit_ageing, health_at
from twin.cell import reference_cell
from twin.duty import Profile
from twin.ensemble.answer import structure_statistics
from twin.ensemble.fit import Observed
from twin.ensemble.mixture import fit_all
from twin.ensemble.stress import Stress, stress_of
from twin.errors import SolveError
from twin.forecast import forecast_capacity
from twin.health import Array
from twin.hindcast import checkups_ahead, physics_ahead
from twin.prior import CHEMISTRY_PRIOR, AgeingPrior, SiblingStatistics, fleet_prior
from twin.rates import RateModel, rate_model

DATA = data_folder() / "ageing"
SHARE = 0.4
_DEEPEST_BY_PYBAMM = 0.9  # of full cycles at speed: less than the voltage limits would cut off
CHECKUP_SD = 0.002  # in a laboratory
# A laboratory's duty is far from a car's: the factors may be, too, less that of the film, which knows time
# and temperature more than current.
LABORATORY = replace(
    CHEMISTRY_PRIOR, sd=CHEMISTRY_PRIOR.sd * np.array([2, 4, 1, 1, 1, 1, 1]), capacity_sd=CHECKUP_SD
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One cell: ages [d of its duty], capacity over its first, the rates of its duty."""

    name: str
    ages: Array
    capacity: Array
    model: RateModel
    stress: Stress


Duty = tuple[RateModel, Stress]


def cycling(
    chemistry: str, depth: float, c_rate: float, temperature_degc: float, charge_c_rate: float | None = None
) -> tuple[Duty, float]:
    """A day of full-speed cycles around half charge, and its equivalent full cycles."""
    charge = c_rate if charge_c_rate is None else charge_c_rate
    hours = depth / c_rate, depth / charge
    cycles = int(23.5 / sum(hours))
    starts = np.concatenate([[0.0], np.cumsum(np.tile(hours, cycles))]) * 3600
    rates = np.append(np.tile([-c_rate, charge], cycles), 0.0)
    profile = Profile(
        start_s=starts,
        c_rate=rates,
        start_soc=0.5 + depth / 2,
        temperature_degc=temperature_degc,
        of_usable=True,
    )
    return (rate_model(reference_cell(chemistry), profile), stress_of(profile)), cycles * depth


def storage(chemistry: str, soc: float, temperature_degc: float) -> Duty:
    """A day at rest."""
    profile = Profile(
        start_s=np.array([0.0]), c_rate=np.array([0.0]), start_soc=soc, temperature_degc=temperature_degc
    )
    return rate_model(reference_cell(chemistry), profile), stress_of(profile)


def columns(data: Path, name: str) -> Iterator[tuple[Array, Array]]:
    """Pairs of columns of an LG file; padding with zeros or blanks at their ends left out."""
    file = file_of(data, "mj1", f"LG_INR18650MJ1_{name}.csv")
    table = pd.read_csv(file, header=None, skiprows=1).to_numpy(dtype=float)
    for i in range(0, table.shape[1], 2):
        x, y = table[:, i], table[:, i + 1]
        kept = np.isfinite(x) & np.isfinite(y)
        kept[1:] &= x[1:] > 0
        yield x[kept], y[kept]


def groups(data: Path = DATA.parent) -> Iterator[tuple[str, list[Record]]]:
    """The records by group."""
    cycled = list(columns(data, "closs_cycling_aging"))
    for i, degc in enumerate((0, 10, 25)):
        (model, stress), efc = cycling("nmc811", 0.8, 0.5, degc)
        yield (
            f"MJ1 cycled {degc} °C",
            [
                Record(name=f"{degc}-{k}", ages=x / efc, capacity=y / y[0], model=model, stress=stress)
                for k, (x, y) in enumerate(cycled[3 * i : 3 * i + 3])
            ],
        )
    rested = list(columns(data, "closs_calendar_aging"))
    at_rest = [storage("nmc811", 0.6, degc) for degc in (25.0, 45.0)]
    yield (
        "MJ1 stored",
        [
            Record(
                name=f"rest-{k}",
                ages=x,
                capacity=1 - y / 100,
                model=at_rest[k // 6][0],
                stress=at_rest[k // 6][1],
            )
            for k, (x, y) in enumerate(rested)
        ],
    )
    (model, stress), efc = cycling("nmc532", 0.5, 1.0, 25)
    table = pd.read_csv(file_of(data, "sanyo"))
    yield (
        "Sanyo UR18650E",
        [
            Record(
                name=str(cell),
                ages=one["cycle"].to_numpy() * 0.5 / efc,
                capacity=(one["capacity_Ah"] / one["capacity_Ah"].iloc[0]).to_numpy(),
                model=model,
                stress=stress,
            )
            for cell, one in table.groupby("cell")
        ],
    )
    yield from cycled_elsewhere(data)


def cycled_elsewhere(data: Path) -> Iterator[tuple[str, list[Record]]]:
    """Cells of three laboratories by chemistry and charging; of the undocumented ones NCA is assumed."""
    table = pd.read_csv(file_of(data, "cycled"))
    for (origin, kind, rate), own in table.groupby(["origin", "chemistry", "charge_c_rate"]):
        name = "nmc811" if "811" in kind else "nmc532" if "NMC" in kind else "nca"
        degc, discharge = float(own["temperature_degc"].iloc[0]), float(own["discharge_c_rate"].iloc[0])
        depth = min(1.0, _DEEPEST_BY_PYBAMM)
        try:
            (model, stress), efc = cycling(name, depth, discharge, degc, float(rate))
        except SolveError as error:
            print(f"{origin} {kind} at {rate}C cannot be run: {error}", file=sys.stderr)
            continue
        yield (
            f"{origin} {name} {rate:g}C",
            [
                Record(
                    name=str(cell),
                    ages=np.maximum(one["cycle"].to_numpy(dtype=float) / efc, 1e-3),
                    capacity=(one["capacity_ah"] / one["capacity_ah"].iloc[0]).to_numpy(),
                    model=model,
                    stress=stress,
                )
                for cell, one in own.groupby("cell")
            ],
        )


def observed_rows(record: Record, split: str) -> int:
    """How many check-ups are observed."""
    if split == "rows":
        return int(SHARE * len(record.ages))
    return int((record.ages <= SHARE * record.ages[-1]).sum())


def fit_cells(records: list[Record], split: str, base: AgeingPrior) -> list[AgeingFit]:
    """Fits of all cells of a group, each with the prior that its siblings teach."""

    def fits(prior_of: Callable[[int], AgeingPrior]) -> list[AgeingFit]:
        made = []
        for i, record in enumerate(records):
            n = observed_rows(record, split)
            made.append(
                fit_ageing(
                    record.model,
                    age_days=float(record.ages[n - 1]),
                    checkup_age_days=record.ages[:n],
                    capacity_share=record.capacity[:n],
                    resistance_share=np.full(n, np.nan),
                    state=None,
                    prior=prior_of(i),
                )
            )
        return made

    statistics = [
        SiblingStatistics(
            mean=fit.sample.mean(axis=0),
            sd=fit.sample.std(axis=0),
            prior_mean=base.mean,
            prior_sd=base.sd,
            surprise=fit.surprise,
            scatter=fit.scatter,
            structures=structure_statistics(
                fit_all(record.stress, *observed_of(record, split, fit.capacity_sd))
            ),
        )
        for record, fit in zip(records, fits(lambda _: base), strict=True)
    ]
    return fits(lambda i: fleet_prior(base, statistics[:i] + statistics[i + 1 :]))


def observed_of(record: Record, split: str, capacity_sd: float) -> tuple[Observed, int]:
    """The check-ups are observed, and how many."""
    n = observed_rows(record, split)
    capacity = record.capacity[:n]
    ages = np.maximum(record.ages[:n], 1e-3)
    return Observed(ages=ages, capacity=capacity, sd=capacity_sd * capacity, last_days=float(ages[-1])), n


def baselines(ages: Array, capacity: Array, end: float) -> dict[str, float]:
    """Least-squares extrapolations of four usual forms."""
    t, last = ages / ages[-1], end / ages[-1]
    line = np.polyfit(t, capacity, 1)
    root = np.polyfit(np.sqrt(t), capacity, 1)
    power = least_squares(
        lambda p: p[0] - p[1] * t ** p[2] - capacity, [1, 0.1, 1], bounds=([0.8, 0, 0.1], [1.2, 2, 4])
    ).x
    exponential = least_squares(lambda p: p[0] * np.exp(-p[1] * t) - capacity, [1, 0.1]).x
    return {
        "linear": float(np.polyval(line, last)),
        "√": float(np.polyval(root, np.sqrt(last))),
        "power": float(power[0] - power[1] * last ** power[2]),
        "exponential": float(exponential[0] * np.exp(-exponential[1] * last)),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Absolute errors at the last check-up by method, and which truths the 90 % band held."""

    errors: dict[str, list[float]]
    last_held: list[bool]
    held: list[float]
    width: float
    discrepancy: float


def score(records: list[Record], split: str, base: AgeingPrior) -> Score:
    """Forecast a group and compare."""
    errors: dict[str, list[float]] = {}
    last_held, held, widths = [], [], []
    fits = fit_cells(records, split, base)
    for record, fit in zip(records, fits, strict=True):
        n = observed_rows(record, split)
        theta, now = np.vstack([fit.mean, fit.sample]), float(record.ages[n - 1])
        band = forecast_capacity(
            record.model,
            theta,
            health_at(record.model, theta, now),
            record.ages[n:] - now,
            discrepancy=fit.prior.discrepancy,
            measured_sd=fit.capacity_sd,
        )
        days, (observed, _) = record.ages[n:] - now, observed_of(record, split, fit.capacity_sd)
        physics = physics_ahead(record.model, theta[1:], now, days, fit.prior.discrepancy)
        low, median, high = checkups_ahead(record.model, record.stress, fit, observed, n, days, physics)
        inside = (low <= record.capacity[n:]) & (record.capacity[n:] <= high)
        last_held.append(bool(inside[-1]))
        held.append(float(inside.mean()))
        widths.append(float(high[-1] - low[-1]))
        guesses = {"twin": float(median[-1]), "PyBaMM": float(band.median[-1])} | baselines(
            record.ages[:n], record.capacity[:n], float(record.ages[-1])
        )
        for method, guess in guesses.items():
            errors.setdefault(method, []).append(abs(guess - float(record.capacity[-1])))
    return Score(
        errors=errors,
        last_held=last_held,
        held=held,
        width=float(np.median(widths)),
        discrepancy=float(np.mean([fit.prior.discrepancy for fit in fits])),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("real_cells", __doc__)
    parser.add_argument("--laboratory", action="store_true", help="priors of PyBaMM for laboratories")
    parser.add_argument("--cells", type=int, default=0, metavar="N", help="so many of a group, 0 all")
    parser.add_argument("--split", choices=("axis", "rows"), default="axis")
    add_data_option(parser)
    asked = parser.parse_args(arguments)
    require(parser, asked.data, "mj1", "sanyo", "cycled")
    split, base = asked.split, LABORATORY if asked.laboratory else CHEMISTRY_PRIOR
    table = Table(title=f"SoH at the last check-up, absolute error in % (median / p90), 40 % of {split}")
    for name in ("group", "cells", "twin", "PyBaMM", "linear", "√", "power", "exponential"):
        table.add_column(name)
    for name in ("90 % band holds last", "holds all", "wide", "discrepancy"):
        table.add_column(name, justify="right")
    for name, records in groups(asked.data):
        result = score(records[: asked.cells or None], split, base)
        print(name, file=sys.stderr, flush=True)
        table.add_row(
            name,
            str(len(result.held)),
            *(f"{100 * np.median(e):.2f} / {100 * np.quantile(e, 0.9):.2f}" for e in result.errors.values()),
            f"{100 * np.mean(result.last_held):.0f} %",
            f"{100 * np.mean(result.held):.0f} %",
            f"{100 * result.width:.1f}",
            f"{result.discrepancy:.2f}",
        )
    Console(file=sys.stdout, width=160).print(table)


if __name__ == "__main__":
    main()
