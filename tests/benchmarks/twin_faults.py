"""How sensor faults are named: `python -m tests.benchmarks.twin_faults [CLEAN [FAULTY]]`.

CLEAN synthetic batteries of every chemistry and climate (108) with honest sensors, and nine faults at three
sizes on the first FAULTY of them (10), each judged as by a first calibration: telemetry of
10 to 15 days, sessions with SoC to 1 %, check-ups, and what the cars of the same climate show.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

import numpy as np
from rich.console import Console
from rich.table import Table

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
    """The fault that the twin names."""
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
    fault = observe(request, age_days).fault
    return "none" if fault is None else fault.kind


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


def cases(clean: int, faulty: int) -> list[Case]:
    """The batteries, with cars of the same climate beside each."""
    found = []
    for seed in range(clean):
        rng = np.random.default_rng(40_000 + seed)
        mates = clean_spec(seed).duty.temperature_degc + rng.normal(0, 1.0, 7)
        middle = float(np.median(mates))
        fleet = FleetContext(
            temperature_degc=middle,
            temperature_spread_k=1.48 * float(np.median(np.abs(mates - middle))),
            cars=len(mates),
        )
        found.append(Case(seed=seed, fleet=fleet, faults=seed < faulty))
    return found


def main() -> None:
    clean, faulty = (int(value) for value in (*sys.argv[1:], "108", "10")[:2])
    begin = time.perf_counter()
    with ProcessPoolExecutor(max_workers=2, mp_context=get_context("spawn")) as pool:
        found = [one for several in pool.map(verdicts, cases(clean, faulty)) for one in several]
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
    large = [(put, named) for put, at, named in found if at == "large"]
    alarms = [named for put, _, named in found if put == "none" and named != "none"]
    if large:
        share = sum(put == named for put, named in large) / len(large)
        console.print(f"large faults named rightly: {100 * share:.1f} % of {len(large)}")
    console.print(f"false alarms: {len(alarms)} of {clean} clean batteries {dict(Counter(alarms)) or ''}")
    console.print(f"{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
