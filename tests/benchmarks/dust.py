"""Whether chargers can follow a plan: `python -m tests.benchmarks.dust [CARS …]`.

Prints for each size, kind of fleet and seed, for the fleet engine and for the exact engine on 100 cars of the
same fleet at a grid shrunk alike: active slots, the share of them below 50 W and below 6 A at one phase
(1.38 kW), the share of the energy that these carry, direct changes from charge to discharge or back between
neighbouring quarter-hours a car, how often power begins or changes its direction a car, the proven gap and
the seconds. `--minimum KW` gives every car a least power both ways, `--six-ampere` one of 6 A on
each of its phases, `--seeds N` takes fewer than five seeds,
`--alone` leaves the exact engine out. The counts do not depend on the machine unless the time limit strikes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optimize.check import check_plan
from optimize.fleet.arrays import FleetArrays
from optimize.fleet.plan import solve_fleet
from optimize.fleet.warm import sample
from optimize.solve import solve_mode
from tests.benchmarks.data import benchmark_parser
from tests.benchmarks.fleet_engine import KINDS
from tests.optimize.dust import Dust, dust_of_plan, problem_of
from tests.optimize.fleet_arrays import random_fleet, six_ampere

SAMPLE, SECONDS = 100, 600.0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("dust", __doc__)
    parser.add_argument("cars", nargs="*", type=int, default=[1_000, 10_000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minimum", type=float, default=0.0, metavar="KW")
    parser.add_argument("--six-ampere", action="store_true")
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args(arguments)
    print("kind                     seed engine     cars  active  <50 W %  <6 A %  energy %  flips/car"
          "  starts/car      gap  seconds")  # fmt: skip
    for cars in options.cars:
        for name, kind in KINDS.items():
            for seed in range(1, 1 + options.seeds):
                arrays = random_fleet(cars, seed, **kind)
                if options.six_ampere:
                    arrays = six_ampere(arrays)
                elif options.minimum:
                    arrays = _with_minimum(arrays, options.minimum)
                _row(name, seed, "fleet", arrays)
                if not options.alone:
                    _row(name, seed, "exact", sample(arrays, min(SAMPLE, cars)))


def _with_minimum(arrays: FleetArrays, least_kw: float) -> FleetArrays:
    """The fleet whose cars, where they can, do nothing or at least so much."""
    able = np.zeros(arrays.cars, dtype=np.bool_)
    able[arrays.car[arrays.discharge_limit_kw >= least_kw]] = True
    return replace(
        arrays,
        least_charge_kw=np.full(arrays.cars, least_kw),
        least_discharge_kw=np.where(able, least_kw, 0.0),
    )


def _row(kind: str, seed: int, engine: str, arrays: FleetArrays) -> None:
    problem = problem_of(arrays)
    begun = time.perf_counter()
    plan = (solve_fleet if engine == "fleet" else solve_mode)(problem, "v2g", SECONDS)
    seconds = time.perf_counter() - begun
    check_plan(problem, plan)
    print(line(kind, seed, engine, dust_of_plan(problem, plan), plan.solver.gap, seconds), flush=True)


def line(kind: str, seed: int, engine: str, dust: Dust, gap: float, seconds: float) -> str:
    return (
        f"{kind:24s} {seed:4d} {engine:7s} {dust.cars:7d} {dust.active:7d} {dust.dust_percent:8.2f}"
        f" {dust.weak_percent:7.2f} {100.0 * dust.weak_share:9.2f} {dust.flips / dust.cars:10.3f}"
        f" {dust.starts / dust.cars:11.2f} {gap:8.1e} {seconds:8.2f}"
    )


if __name__ == "__main__":
    main()
