"""How sensor faults are named: `python -m tests.benchmarks.twin_faults [--from SEED]`.

Synthetic batteries of every chemistry and climate with honest sensors, drawn from the seeds that begin at
``--from``, and nine faults at three sizes on the first ``--faulty`` of them, each judged as by a first
calibration: telemetry of 10 to 15 days, sessions with SoC to 1 %, check-ups, and what the cars of the same
climate show. The limits of `twin.faults` were set on seeds below 108: others are the fair test.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

import numpy as np
from rich.console import Console
from rich.table import Table

from tests.benchmarks.data import benchmark_parser
from tests.twin.faulty import AS_OF, SIZES, broken, clean_spec, clean_truth, swap_partner
from twin.observe import observe
from twin.synthetic import Truth, TruthSpec
from twin.types import BatterySpec, CalibrationRequest, FleetContext

NAMES = ("small", "medium", "large")
Verdicts = list[tuple[str, str, str]]
"""(fault put in, size, fault named): "none" where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A clean battery, what its site shows, and whether faults are put into it too."""

    seed: int
    fleet: FleetContext
    faults: bool


def judge(battery: BatterySpec, made: Truth, fleet: FleetContext) -> str:
    """The fault that the twin names; "disputed" where it names none and does not believe its fit."""
    request = CalibrationRequest(
        battery=battery,
        telemetry=made.telemetry,
        checkups=made.checkups,
        sessions=made.sessions,
        as_of_utc=AS_OF,
        input_hash="0" * 64,
        fleet=fleet,
    )
    age_days = (AS_OF - battery.commissioned_utc).total_seconds() / 86400
    observed = observe(request, age_days)
    if observed.fault is not None:
        return observed.fault.kind
    return "none" if observed.doubt is None else "disputed"


def verdicts(case: Case) -> Verdicts:
    """What is said of one battery, clean and with every fault of every size."""
    spec = clean_spec(case.seed)
    made = clean_truth(spec)
    found = [("none", "clean", judge(spec.battery, made, case.fleet))]
    if not case.faults:
        return found
    for kind, sizes in SIZES.items():
        for name, size in zip(NAMES, sizes, strict=True):
            battery, record = broken(kind, size, spec, made, _partner(kind, size, spec))
            found.append((kind, name, judge(battery, record, case.fleet)))
    return found


def _partner(kind: str, size: float, spec: TruthSpec) -> tuple[TruthSpec, Truth] | None:
    if kind != "swapped_battery":
        return None
    other = swap_partner(spec, size)
    return other, clean_truth(other)


def cases(clean: int, faulty: int, first: int = 0) -> list[Case]:
    """The batteries of the seeds from ``first`` on, with cars of the same climate next to each."""
    found = []
    for seed in range(first, first + clean):
        rng = np.random.default_rng(40_000 + seed)
        mates = clean_spec(seed).duty.temperature_degc + rng.normal(0, 1.0, 7)
        middle = float(np.median(mates))
        fleet = FleetContext(
            temperature_degc=middle,
            temperature_spread_k=1.48 * float(np.median(np.abs(mates - middle))),
            cars=len(mates),
        )
        found.append(Case(seed=seed, fleet=fleet, faults=seed < first + faulty))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("twin_faults", __doc__)
    parser.add_argument("--clean", type=int, default=108)
    parser.add_argument("--faulty", type=int, default=10)
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="SEED")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args(arguments)
    begin = time.perf_counter()
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        judged = pool.map(verdicts, cases(asked.clean, asked.faulty, asked.first))
        found = [one for several in judged for one in several]
    grid = Table(title="Faults named, batteries", title_justify="left")
    for column in ("fault", *NAMES, "named otherwise"):
        grid.add_column(column, justify="left" if column == "named otherwise" else "right")
    for kind in SIZES:
        rows = {size: [named for put, at, named in found if (put, at) == (kind, size)] for size in NAMES}
        right = [f"{named.count(kind)} of {len(named)}" for named in rows.values()]
        wrong = Counter(
            f"{size}: {name}" for size, named in rows.items() for name in named if name not in (kind, "none")
        )
        grid.add_row(kind, *right, ", ".join(f"{text} ×{count}" for text, count in wrong.items()))
    console = Console(file=sys.stdout, width=110)
    console.print(grid)
    for size in NAMES:
        stated = [put == named for put, at, named in found if at == size]
        if stated:
            share = 100 * sum(stated) / len(stated)
            console.print(f"{size} faults named rightly: {sum(stated)} of {len(stated)} ({share:.1f} %)")
    alarms = [named for put, _, named in found if put == "none" and named != "none"]
    console.print(
        f"false alarms: {len(alarms)} of {asked.clean} clean batteries {dict(Counter(alarms)) or ''}"
    )
    console.print(f"{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
