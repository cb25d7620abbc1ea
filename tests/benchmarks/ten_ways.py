"""One battery sent in ten ways: `python -m tests.benchmarks.ten_ways [--batteries 20] [--ways "5 min"]`.

Hidden batteries of `twin_recovery`, their record thinned as ten senders would (`tests.twin.sent`): every
minute, every 5, 10 and 15 minutes, every 302 s, polls at random, an outage every night, asleep when parked,
while charging alone, and SoC and power alone. The sessions' SoC is reported in whole per cents. Reported of
each way: the quality reached, how often the 90 % intervals of capacity and L0 hold the truth, the half-width
of capacity, and how far the daily driving is from that of the record of every minute.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from tests.benchmarks.data import benchmark_parser
from tests.benchmarks.twin_recovery import AS_OF, Hidden, hide
from tests.twin.sent import WAYS, asked
from twin.calibrate import calibrate_battery
from twin.types import CalibrationRequest

_SOC_SD = 3e-3


def given_sessions(hidden: Hidden) -> pd.DataFrame:
    """The sessions as a car tells them: SoC in whole per cents, and not quite."""
    rng = np.random.default_rng([2029, hidden.spec.seed])
    sessions = hidden.truth.sessions.copy()
    for name in ("arrival_soc", "departure_soc"):
        noisy = sessions[name] + rng.normal(0, _SOC_SD, len(sessions))
        sessions[name] = noisy.clip(0.01, 1.0).round(2)
    return sessions


def compare(hidden: Hidden, ways: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each way of sending a battery's record; the first is what the others are held against."""
    made = CalibrationRequest(
        battery=hidden.spec.battery,
        telemetry=hidden.truth.telemetry,
        checkups=hidden.truth.checkups,
        sessions=given_sessions(hidden),
        as_of_utc=AS_OF,
        input_hash=f"{hidden.spec.battery.battery_id:0<64}",
    )
    rows: list[dict[str, Any]] = []
    for way in ways:
        sent = WAYS[way](hidden.truth, hidden.spec.battery, hidden.spec.seed)
        found = calibrate_battery(asked(made, way, sent))
        half = 1.645 * found.usable_capacity_sd_ah
        row = {
            "battery": hidden.spec.battery.battery_id,
            "way": way,
            "rows": len(sent),
            "quality": found.quality,
            "capacity": found.usable_capacity_ah / hidden.capacity_ah - 1,
            "half": half / hidden.capacity_ah,
            "capacity_held": abs(found.usable_capacity_ah - hidden.capacity_ah) <= half,
            "l0": found.l0_days / hidden.l0_days - 1,
            "l0_held": found.l0_low_days <= hidden.l0_days <= found.l0_high_days,
            "efc": found.duty_efc_per_day,
            "chi2": found.chi2_per_n,
            "reason": found.reason[:70],
        }
        first = rows[0] if rows else row
        row |= {"efc_off": row["efc"] / first["efc"] - 1, "wider": row["half"] / first["half"]}
        rows.append(row)
    return rows


def summary(rows: pd.DataFrame) -> Table:
    """The bars, way by way."""
    table = Table(title=f"{rows['battery'].nunique()} batteries, each sent in {rows['way'].nunique()} ways")
    for name in (
        "way",
        "quality",
        "capacity: error",
        "interval holds",
        "half-width",
        "× 1 min",
        "L0: interval holds",
        "EFC/day off: median",
        "most",
    ):
        table.add_column(name, justify="left" if name in ("way", "quality") else "right")
    for way, own in rows.groupby("way", sort=False):
        table.add_row(
            str(way),
            ", ".join(f"{count} {name}" for name, count in own["quality"].value_counts().items()),
            f"{100 * own['capacity'].abs().median():.2f} %",
            f"{100 * own['capacity_held'].mean():.0f} %",
            f"{100 * own['half'].median():.2f} %",
            f"{own['wider'].median():.2f}",
            f"{100 * own['l0_held'].mean():.0f} %",
            f"{100 * own['efc_off'].abs().median():.1f} %",
            f"{100 * own['efc_off'].abs().max():.1f} %",
        )
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("ten_ways", __doc__)
    parser.add_argument("--batteries", type=int, default=20)
    parser.add_argument("--ways", default=",".join(WAYS), help="which of them, the first to hold against")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    ways = [way.strip() for way in options.ways.split(",")]
    if unknown := [way for way in ways if way not in WAYS]:
        parser.error(f"no such way: {', '.join(unknown)}; there are {', '.join(WAYS)}")
    console = Console(file=sys.stdout, width=140)
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(options.processes) as pool:
        batteries = pool.map(hide, range(options.batteries))
        for own in pool.map(partial(compare, ways=ways), batteries):
            rows += own
            console.print(pd.DataFrame(own).round(4).to_string(index=False))
    console.print(summary(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
