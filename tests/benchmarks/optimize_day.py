"""How long a day takes to plan: `python -m tests.benchmarks.optimize_day [cars …]`.

Prints, for each fleet, the median over repeats of the v2g mode: the linear programme's size, and seconds and
shares of building it (Pyomo, compiling), solving it (HiGHS, wear cuts included) and the rest (plan, check).
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Sequence

from optimize.highs import HighsProgram
from optimize.model import build_day
from optimize.plan import plan_day
from optimize.windows import session_windows
from tests.benchmarks.data import benchmark_parser
from tests.optimize.fleets import depot_day

REPEATS = 5


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("optimize_day", __doc__)
    parser.add_argument("cars", nargs="*", type=int, default=[1, 10, 40, 200], help="of each fleet")
    fleets: list[int] = parser.parse_args(arguments).cars
    plan_day(depot_day(1))  # the first call pays for imports
    print("cars × slots   columns     rows  cuts   total s   build     solve     rest      peak MB")
    for count in fleets:
        problem = depot_day(count)
        totals, builds, solves = [], [], []
        for _ in range(REPEATS):
            begun = time.perf_counter()
            HighsProgram(build_day(problem, session_windows(problem), "v2g").programme, "v2g")
            builds.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            record = plan_day(problem, ["v2g"])["v2g"].solver
            totals.append(time.perf_counter() - begun)
            solves.append(record.solve_seconds)
        total, build, solve = (statistics.median(times) for times in (totals, builds, solves))
        shares = "  ".join(
            f"{part:6.3f} {part / total:3.0%}" for part in (build, solve, total - build - solve)
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{count:4d} × {len(problem.slots):3d}  "
            f" {record.columns:8d} {record.rows:8d} {record.wear_cuts:5d}"
            f"   {total:7.3f}  {shares}   {peak:6.0f}"
        )


if __name__ == "__main__":
    main()
