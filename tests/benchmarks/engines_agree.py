"""Whether the two engines agree: `python -m tests.benchmarks.engines_agree [fleets]` (300).

Random fleets of 1–30 cars over 92, 96 or 100 quarter-hours with any of the features that both engines know
and prices down to −0.5 €/kWh. Each plan is checked; the value of each must not exceed what the other proves
to be the most. Prints every disagreement, then how many fleets, how many were refused, and the gaps.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np

from optimize.account import account
from optimize.check import check_plan
from optimize.errors import OptimizeError, PlanCheckError
from optimize.fleet.errors import UnsupportedError
from optimize.fleet.plan import solve_fleet
from optimize.solve import solve_mode
from optimize.types import DayProblem
from tests.benchmarks.data import benchmark_parser
from tests.optimize.mixed import mixed_day

SHARED = (
    "taper",
    "charger",
    "minimum",
    "rest",
    "contract",
    "tree",
    "base",
    "peak",
    "meter",
    "reserve",
    "co2",
    "follow",
    "horizon",
    "carry",
)
SECONDS = 10.0


def fleet(seed: int) -> DayProblem:
    """The day of a seed."""
    rng = np.random.default_rng([seed, 5])
    features = [feature for feature in SHARED if rng.random() < 0.5]
    cars, slots = int(rng.integers(1, 31)), int(rng.choice([92, 96, 100]))
    return mixed_day(seed, features=features, cars=cars, slots=slots)


def compare(problem: DayProblem, found: Counter[str]) -> tuple[float, float, float] | None:
    """Gap of the fleet engine and seconds of both; None where there is nothing to compare."""
    begun = time.perf_counter()
    try:
        large = solve_fleet(problem, "v2g", SECONDS)
        check_plan(problem, large)
    except UnsupportedError:
        found["not for the fleet engine"] += 1
        return None
    except PlanCheckError as error:
        found["fleet engine's plan refused"] += 1
        print(f"  {error}")
        return None
    middle = time.perf_counter()
    small = solve_mode(problem, "v2g", SECONDS)
    check_plan(problem, small)
    value = account(problem, large).total.objective_eur
    most = small.solver.objective_eur + (2e-6 + small.solver.gap) * max(1.0, abs(small.solver.objective_eur))
    bound = value + large.solver.gap * max(1.0, abs(value))
    agree = value <= most + 1e-6 and small.solver.objective_eur <= bound + 1e-6
    found["agree" if agree else "disagree"] += 1
    found["gap of fleet engine above 1e-4"] += large.solver.gap > 1e-4
    if not agree:
        print(f"  fleet engine {value:.6f} up to {bound:.6f}, HiGHS {small.solver.objective_eur:.6f}")
    return large.solver.gap, middle - begun, time.perf_counter() - middle


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("engines_agree", __doc__)
    parser.add_argument("fleets", nargs="?", type=int, default=300, help="random fleets (300)")
    fleets: int = parser.parse_args(arguments).fleets
    found: Counter[str] = Counter()
    rows = []
    for seed in range(fleets):
        try:
            row = compare(fleet(seed), found)
        except OptimizeError as error:
            found["failed"] += 1
            print(f"  seed {seed}: {error}")
            continue
        if row is not None:
            rows.append(row)
    print(", ".join(f"{name}: {count}" for name, count in sorted(found.items())))
    if rows:
        gap, large, small = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"medians: gap {gap:.1e}, fleet engine {large:.2f} s, HiGHS {small:.2f} s")


if __name__ == "__main__":
    main()
