"""Days that need integers: `python -m tests.benchmarks.integer_days [days] [seconds]` (20, 10).

Random days of 10–30 cars with any features; by turns minimum powers, load levelling, and both. Prints for
each what the search ends with: proven gap, binaries, seconds taken against seconds allowed; then how many
ended open and by how much the limit was overrun at most.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optimize.check import check_plan
from optimize.errors import OptimizeError
from optimize.solve import GAP, solve_mode
from optimize.types import DayProblem
from tests.benchmarks.data import benchmark_parser
from tests.optimize.mixed import FEATURES, mixed_day

KINDS = ("minimum powers", "load levelling", "both")
OTHERS = tuple(feature for feature in FEATURES if feature not in ("minimum", "objective"))


def integer_day(seed: int) -> tuple[str, DayProblem]:
    """What makes a seed's day hard, and the day."""
    rng = np.random.default_rng([seed, 23])
    kind = KINDS[seed % len(KINDS)]
    features = [feature for feature in OTHERS if rng.random() < 0.3]
    if kind != "load levelling":
        features.append("minimum")
    problem = mixed_day(seed, features=features, cars=int(rng.integers(10, 31)), slots=96)
    if kind != "minimum powers":
        problem = replace(problem, objective="load_levelling")
    return kind, problem


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("integer_days", __doc__)
    parser.add_argument("days", nargs="?", type=int, default=20, help="random days (20)")
    parser.add_argument("seconds", nargs="?", type=float, default=10.0, help="for each (10)")
    asked = parser.parse_args(arguments)
    days, seconds = asked.days, asked.seconds
    open_days, overrun, gaps = 0, 0.0, []
    print("seed  cars  what             gap      binaries  objective      seconds")
    for seed in range(days):
        kind, problem = integer_day(seed)
        begun = time.perf_counter()
        try:
            plan = solve_mode(problem, "v2g", seconds)
        except OptimizeError as error:
            print(f"{seed:4d}  {len(problem.cars):4d}  {kind:15s}  {error}", flush=True)
            continue
        taken = time.perf_counter() - begun
        check_plan(problem, plan)
        found = plan.solver
        open_days += found.gap > GAP
        overrun = max(overrun, taken - seconds)
        gaps.append(found.gap)
        print(
            f"{seed:4d}  {len(problem.cars):4d}  {kind:15s}  {found.gap:.1e}  {found.binaries:8d}"
            f"  {found.objective_eur:12.4f}  {taken:7.2f}",
            flush=True,
        )
    print(
        f"open: {open_days} of {days}, above 1e-3: {sum(gap > 1e-3 for gap in gaps)}; gap mean"
        f" {np.mean(gaps):.1e}, most {np.max(gaps):.1e}; overrun at most {overrun:.1f} s"
    )


if __name__ == "__main__":
    main()
