"""What a site for each car costs: `python -m tests.benchmarks.many_homes [CARS …] [--limits SECONDS …]`.

For each number of homes, alone, all on one feeder (`--feeder`) or on transformers in turn (`--transformers
N`), and for a depot of two sites (`--depot`): the route chosen and why, then for each time limit wall and CPU
seconds of planning mode "v2g", by how much the limit was overrun, the peak of memory that it added, status,
gap and objective. Loading and compiling come first and are distinguished. Every plan is checked.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence

from optimize.check import check_plan
from optimize.engines import plan_in_time
from optimize.fleet.at_once import plan_at_once
from optimize.fleet.route import route
from optimize.types import DayProblem
from tests.benchmarks.data import benchmark_parser
from tests.optimize.fleets import depot_day
from tests.optimize.homes import homes_day


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("many_homes", __doc__)
    parser.add_argument("cars", nargs="*", type=int, default=[190, 500, 1_000])
    parser.add_argument("--limits", nargs="*", type=float, default=[0.05, 1.0, 10.0, 60.0])
    parser.add_argument("--feeder", action="store_true")
    parser.add_argument("--transformers", type=int, default=0)
    parser.add_argument("--depot", action="store_true")
    options = parser.parse_args(arguments)
    begun = time.perf_counter()
    plan_at_once(homes_day(2), "v2g")
    plan_in_time(homes_day(2), "v2g", 60.0)
    print(f"engines ready after {time.perf_counter() - begun:.1f} s")
    for cars in options.cars:
        problem = homes_day(cars, feeder=options.feeder, transformers=options.transformers)
        if options.depot:
            problem = depot_day(cars)
        print(f"{cars} cars: {route(problem, 'v2g').why}")
        print("limit s   wall s    CPU s   over s   more MB  status          gap    objective €")
        for limit in options.limits:
            _row(problem, limit)


def _row(problem: DayProblem, limit: float) -> None:
    before = _peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    plan = plan_in_time(problem, "v2g", limit)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    more = _peak_mb() - before
    check_plan(problem, plan)
    record = plan.solver
    print(
        f"{limit:7.2f} {wall:8.2f} {cpu:8.2f} {max(0.0, wall - limit):8.2f} {more:9.0f}"
        f"  {record.status:10s} {record.gap:8.1e} {record.objective_eur:14.4f}",
        flush=True,
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
