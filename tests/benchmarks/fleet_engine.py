"""How long fleets take to plan: `python -m tests.benchmarks.fleet_engine [CARS …]`.

Prints, apart, what loading or compiling the kernel takes; then for each size and kind of fleet the median
wall and CPU seconds over seeds, iterations, the proven gap and the peak of memory so far. `--highs` adds
HiGHS' simplex and interior point on the same linear programme (up to 500 cars), `--peer PYTHON` adds
energypylinear, run by the Python of its own environment on what it can express: one car's energy, without
wear, limits or reserves.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import highspy
import numpy as np

from optimize.fleet.arrays import FleetArrays
from optimize.fleet.solve import solve_arrays
from optimize.solve import solve_mode
from optimize.types import DayProblem
from tests.benchmarks.data import benchmark_parser
from tests.optimize.fleet_arrays import random_fleet
from tests.optimize.fleet_lp import fleet_lp
from tests.optimize.fleets import car, day, session_of

KINDS = {"energy": {"reserves": False, "peak": False, "feeder": False}, "feeder, peak, reserves": {}}
GAPS = {100_000: 1e-3}
SEEDS = {100_000: 2}
HIGHS_MOST = 500
PEER = """
import json, sys, time
import energypylinear as epl
day = json.load(sys.stdin)
begun, cost = time.perf_counter(), 0.0
for car in day["cars"]:
    battery = epl.Battery(power_mw=car["kw"] / 1e3, capacity_mwh=car["kwh"] / 1e3, efficiency_pct=car["eta"],
        electricity_prices=day["import"], export_electricity_prices=day["export"], freq_mins=15,
        initial_charge_mwh=car["arrival"] / 1e3, final_charge_mwh=car["arrival"] / 1e3)
    found = battery.optimize(verbose=4).results
    cost += (found["site-import_power_mwh"] * found["site-electricity_prices"]).sum()
    cost -= (found["site-export_power_mwh"] * found["site-export_electricity_prices"]).sum()
print(json.dumps({"seconds": time.perf_counter() - begun, "cost": cost}))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("fleet_engine", __doc__)
    parser.add_argument("cars", nargs="*", type=int, default=[100, 500, 1_000, 10_000])
    parser.add_argument("--highs", action="store_true")
    parser.add_argument("--peer", type=Path)
    options = parser.parse_args(arguments)
    begun = time.perf_counter()
    for kind in KINDS.values():
        solve_arrays(random_fleet(3, 0, **kind), gap=1e-2)
    print(f"kernel ready after {time.perf_counter() - begun:.1f} s (compiled once, then kept on disk)")
    print("cars     kind                     wall s   CPU s  iterations  gap      peak MB  wall s by seed")
    for cars in options.cars:
        for name, kind in KINDS.items():
            _row(cars, name, kind)
            if options.highs and cars <= HIGHS_MOST:
                _highs(random_fleet(cars, 1, **kind))
    if options.peer:
        _peer(options.peer, random_fleet(20, 1, reserves=False))


def _row(cars: int, name: str, kind: dict[str, bool]) -> None:
    walls, cpus, iterations, gaps = [], [], [], []
    for seed in range(1, 1 + SEEDS.get(cars, 5)):
        arrays = random_fleet(cars, seed, **kind)
        wall, cpu = time.perf_counter(), time.process_time()
        found = solve_arrays(arrays, gap=GAPS.get(cars, 1e-4), time_limit_seconds=900.0)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        iterations.append(found.iterations)
        gaps.append(found.gap)
        del found  # or the peak is that of two fleets
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    each = " ".join(f"{wall:.1f}" for wall in walls)
    print(
        f"{cars:<8d} {name:24s} {statistics.median(walls):6.2f} {statistics.median(cpus):7.2f}"
        f"  {statistics.median(iterations):10.0f}  {max(gaps):.1e} {peak:8.0f}  {each}",
        flush=True,
    )


def _highs(arrays: FleetArrays) -> None:
    """HiGHS on the same programme, wear by its tangent at no duty: easier than the engine's."""
    for solver in ("simplex", "ipx"):
        highs = highspy.Highs()
        for option, value in (("output_flag", False), ("solver", solver), ("time_limit", 60.0)):
            highs.setOptionValue(option, value)
        highs.passModel(fleet_lp(arrays))
        begun = time.perf_counter()
        highs.run()
        status = highs.modelStatusToString(highs.getModelStatus())
        print(f"         HiGHS {solver:18s} {time.perf_counter() - begun:6.2f}  {status}", flush=True)


def _peer(python: Path, arrays: FleetArrays) -> None:
    """energypylinear and this project's formulation on whole-day batteries of the fleet's sizes, one by one.

    Each charges with all of its losses, and ends as it begins.
    """
    if not python.exists():
        print(f"peer: skipped, no {python}")
        return
    first = np.searchsorted(arrays.car, np.arange(arrays.cars))
    cars = [
        {
            "kw": float(arrays.charge_limit_kw[s]),
            "kwh": float(arrays.capacity_kwh[i]),
            "eta": float(arrays.efficiency_charge[s] * arrays.efficiency_discharge[s]),
            "arrival": float(arrays.arrival_kwh[s]),
        }
        for i, s in enumerate(first)
    ]
    asked = {
        "import": (arrays.import_cost * 1e3).tolist(),
        "export": (arrays.export_value * 1e3).tolist(),
        "cars": cars,
    }
    done = subprocess.run(
        [python, "-c", PEER], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"peer: failed: {done.stderr.strip()[-300:]}")
        return
    peer = json.loads(done.stdout.strip().splitlines()[-1])
    cost, begun = 0.0, time.perf_counter()
    for one in cars:
        cost -= solve_mode(_whole_day(arrays, one), "v2g", 60.0).solver.objective_eur
    print(f"{len(cars)} batteries one by one: energypylinear {peer['seconds']:.2f} s, {peer['cost']:.4f} €")
    print(f"                         here           {time.perf_counter() - begun:.2f} s, {cost:.4f} €")


def _whole_day(arrays: FleetArrays, one: dict[str, float]) -> DayProblem:
    """A peer's battery as a car that is plugged in all day."""
    soc = one["arrival"] / one["kwh"]
    battery = car(
        "A",
        capacity_kwh=one["kwh"],
        charge_limit_kw=one["kw"] * one["eta"],
        discharge_limit_kw=one["kw"],
        efficiency_charge=one["eta"],
    )
    return day(
        arrays.import_cost,
        [battery],
        [session_of("A", 0, arrays.slots, soc, soc, hours=arrays.slot_hours)],
        export=arrays.export_value,
        hours=arrays.slot_hours,
    )


if __name__ == "__main__":
    main()
