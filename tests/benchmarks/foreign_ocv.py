"""Packs whose open-circuit voltage is another: `python -m tests.benchmarks.foreign_ocv [--packs 30]`.

Packs of `foreign_cells`, 5 to 90 mV from their chemistry's literature set at equal state of charge, each
calibrated on four days in a row, once with its check-ups and once without any. Reported of the last day: what
the calibration rests on, how often the 90 % interval of capacity holds the truth and how wide it is; of all
days: the furthest that the state of health moved in one, and how many were priced from a fit to voltage over
its own gate; and L0 against that of the check-ups alone. ``--lost 0.015``: instead, packs without check-ups
that lose so much of all after a full calibration, and how much of it the daily updates have reported after
each of six days, against the same pack without the loss.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

import pandas as pd
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.benchmarks.data import benchmark_parser
from tests.benchmarks.foreign_cells import ForeignPack, foreign_pack
from tests.twin.faulty import AS_OF, clean_truth
from twin.calibrate import calibrate_battery
from twin.prior import CHI2_LIMIT
from twin.types import Calibration, CalibrationRequest

DAYS, AFTER = 4, 6
JUMP = 0.01
_Z90 = 1.645


def studied(pack: ForeignPack) -> list[dict[str, Any]]:
    """A row with check-ups, and a row without."""
    bare = calibrate_battery(_asked(pack, AS_OF, None, checkups=True, telemetry=False))
    return [_row(pack, bare, checkups=checkups) for checkups in (True, False)]


def _asked(
    pack: ForeignPack,
    as_of: pd.Timestamp,
    previous: Calibration | None,
    *,
    checkups: bool,
    telemetry: bool = True,
) -> CalibrationRequest:
    made = pack.truth
    known = made.telemetry["time_utc"] <= as_of if telemetry else slice(0)
    return CalibrationRequest(
        battery=pack.spec.battery,
        telemetry=made.telemetry[known],
        checkups=made.checkups if checkups else made.checkups[:0],
        sessions=made.sessions[made.sessions["arrival_utc"] <= as_of],
        as_of_utc=as_of,
        input_hash=f"{as_of:%Y%m%d}{checkups:d}" * 7,
        previous=previous,
    )


def _row(pack: ForeignPack, bare: Calibration, *, checkups: bool) -> dict[str, Any]:
    found: list[Calibration] = []
    for back in range(DAYS - 1, -1, -1):
        believed = [one for one in found if one.quality != "disputed"]
        as_of = AS_OF - pd.Timedelta(days=back)
        asked = _asked(pack, as_of, believed[-1] if believed else None, checkups=checkups)
        found.append(calibrate_battery(asked))
    last, true_ah = found[-1], pack.truth.hidden["usable_capacity_ah"]
    half = _Z90 * last.usable_capacity_sd_ah
    return {
        "pack": pack.spec.battery.battery_id,
        "mV": pack.rms_mv,
        "most mV": pack.most_mv,
        "checkups": len(pack.truth.checkups) if checkups else 0,
        "quality": last.quality,
        "chi2": last.chi2_per_n,
        "true": true_ah / pack.spec.battery.nominal_capacity_ah,
        "off": last.usable_capacity_ah / true_ah - 1,
        "half": half / true_ah,
        "held": abs(last.usable_capacity_ah - true_ah) <= half,
        "jump": max(abs(b.soh - a.soh) for a, b in pairwise(found)),
        "over": sum(one.quality == "calibrated" and (one.chi2_per_n or 0.0) > CHI2_LIMIT for one in found),
        "sensor": sum(one.sensor_fault is not None for one in found),
        "l0": last.l0_days / bare.l0_days,
        "reason": last.reason,
        "qualities": " ".join(one.quality[:4] for one in found),
    }


def followed(pack: ForeignPack, lost: float) -> list[dict[str, Any]]:
    """A row: the share of a loss that daily updates tell, by the days since: of a pack with it less of the
    same without."""
    began, spec = AS_OF - pd.Timedelta(days=AFTER), pack.spec
    less = clean_truth(replace(spec, capacity_scale=spec.capacity_scale * (1 - lost))).telemetry
    whole = pack.truth.telemetry
    after = pd.concat([whole[whole["time_utc"] <= began], less[less["time_utc"] > began]], ignore_index=True)
    first = calibrate_battery(_asked(pack, began, None, checkups=False))
    chains = []
    for telemetry in (whole, after):
        own, found = replace(pack, truth=replace(pack.truth, telemetry=telemetry)), [first]
        for day in range(1, AFTER + 1):
            as_of = began + pd.Timedelta(days=day)
            found.append(calibrate_battery(_asked(own, as_of, found[-1], checkups=False)))
        chains.append(found)
    nominal = spec.battery.nominal_capacity_ah
    true = pack.truth.hidden["usable_capacity_ah"] / nominal
    stated = {
        f"day {k}": (a.soh - b.soh) / (lost * true) for k, (a, b) in enumerate(zip(*chains, strict=True)) if k
    }
    ends = [chain[-1] for chain in chains]
    return [
        {"pack": spec.battery.battery_id, "mV": pack.rms_mv}
        | stated
        | {
            "full": sum(one.reason.partition(" ")[0] != "state" for chain in chains for one in chain[1:]),
            "first": first.soh - true,
            "last": ends[0].soh - true,
            "sd first": first.usable_capacity_sd_ah / nominal,
            "sd last": ends[0].usable_capacity_sd_ah / nominal,
            "held": sum(
                abs(one.soh - is_so) < _Z90 * one.usable_capacity_sd_ah / nominal
                for one, is_so in zip(ends, (true, (1 - lost) * true), strict=True)
            ),
        }
    ]


def shown_loss(table: pd.DataFrame, lost: float) -> Table:
    """How much of a loss was reported, by day, and whether capacity is within its interval at the end."""
    grid = Table(
        title=f"{len(table)} packs, with and without a loss of {lost:.1%} overnight: what was reported of it"
    )
    for name in ("after", "least", "5 %", "median", "95 %", "off by (rms)"):
        grid.add_column(name, justify="right" if name != "after" else "left")
    for day in range(1, AFTER + 1):
        own = table[f"day {day}"]
        low, middle, high = own.quantile([0.05, 0.5, 0.95])
        off = float(((own - 1) ** 2).mean() ** 0.5)
        grid.add_row(f"{day} d", *(f"{one:.2f}" for one in (own.min(), low, middle, high, off)))
    rms = {name: 100 * float((table[name] ** 2).mean() ** 0.5) for name in ("first", "last")}
    grid.caption = (
        f"{table['full'].sum()} of {2 * AFTER * len(table)} days asked for a full calibration; 90 % "
        f"intervals of the last day hold {table['held'].sum()} of {2 * len(table)}; without the loss it is "
        f"off by {rms['first']:.1f} % (rms) at first, {rms['last']:.1f} % at last, reported to be "
        f"{100 * table['sd first'].median():.1f} and {100 * table['sd last'].median():.1f} %"
    )
    return grid


def summary(table: pd.DataFrame) -> Table:
    """The bars, with check-ups, without, and of both."""
    grid = Table(title=f"{table['pack'].nunique()} packs of foreign open-circuit voltage")
    for name in (
        "", "rests on", "capacity: off", "90 % holds", "half-width", "furthest in a day",
        f"days > {JUMP:.0%}", "over the gate", "sensors named", "L0 by check-ups'",
    ):  # fmt: skip
        grid.add_column(name, justify="right" if name else "left")
    parts = {
        "with check-ups": table[table["checkups"] > 0],
        "without": table[table["checkups"] == 0],
        "all": table,
    }
    for name, own in parts.items():
        low, middle, high = own["l0"].quantile([0.05, 0.5, 0.95])
        grid.add_row(
            name,
            ", ".join(f"{count} {quality}" for quality, count in own["quality"].value_counts().items()),
            f"{100 * own['off'].abs().median():.1f} %",
            f"{own['held'].sum()} of {len(own)} ({100 * own['held'].mean():.0f} %)",
            f"{100 * own['half'].median():.1f} %",
            f"{100 * own['jump'].max():.1f} %",
            f"{(own['jump'] > JUMP).sum()}",
            f"{own['over'].sum()}",
            f"{(own['sensor'] > 0).sum()}",
            f"{middle:.2f} ({low:.2f}–{high:.2f})",
        )
    return grid


def made_and_studied(index: int, first: int, lost: float) -> list[dict[str, Any]]:
    """The rows of the index-th pack."""
    pack = foreign_pack(index, first)
    return followed(pack, lost) if lost else studied(pack)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("foreign_ocv", __doc__)
    parser.add_argument("--packs", type=int, default=30)
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="SEED")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--lost", type=float, default=0.0, metavar="SHARE", help="packs that lose so much")
    parser.add_argument("--each", action="store_true", help="a row a pack, too")
    asked = parser.parse_args(arguments)
    one = partial(made_and_studied, first=asked.first, lost=asked.lost)
    rows: list[dict[str, Any]] = []
    with (
        ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        task = progress.add_task("packs", total=asked.packs)
        for found in pool.map(one, range(asked.packs)):
            rows += found
            progress.advance(task)
    table, console = pd.DataFrame(rows), Console(file=sys.stdout, width=170)
    if asked.each:
        console.print(table.round(3).to_string(max_colwidth=120))
    console.print(shown_loss(table, asked.lost) if asked.lost else summary(table))


if __name__ == "__main__":
    main()
