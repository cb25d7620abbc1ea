"""How long fleets take to plan: `python -m tests.benchmarks.fleet_engine [CARS …]`.

Prints, apart, what loading or compiling the kernel takes; then for each size and kind of fleet the median
wall and CPU seconds over seeds, iterations, the proven gap and the peak of memory so far. `--highs` adds
HiGHS' simplex and interior point on the same linear programme (up to 500 cars), `--peer PYTHON` adds
energypylinear, run by the Python of its own environment on what it can express: one car's energy, without
wear, limits or reserves.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import time
from pathlib import Path

import highspy
import numpy as np

from optimize.fleet.arrays import FleetArrays
from optimize.fleet.solve import solve_arrays
from tests.optimize.fleet_arrays import random_fleet
from tests.optimize.fleet_lp import fleet_lp

KINDS = {"energy": {"reserves": False, "peak": False, "feeder": False}, "feeder, peak, reserves": {}}
GAPS = {100_000: 1e-3}
SEEDS = {100_000: 2}
HIGHS_MOST = 500
PEER = """
import json, sys, time
import energypylinear as epl
day = json.load(sys.stdin)
begun = time.perf_counter()
for car in day["cars"]:
    battery = epl.Battery(power_mw=car["kw"] / 1e3, capacity_mwh=car["kwh"] / 1e3, efficiency_pct=car["eta"],
        electricity_prices=day["import"], export_electricity_prices=day["export"], freq_mins=15,
        initial_charge_mwh=car["arrival"] / 1e3, final_charge_mwh=car["arrival"] / 1e3)
    battery.optimize(verbose=4)
print(time.perf_counter() - begun)
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cars", nargs="*", type=int, default=[100, 500, 1_000, 10_000])
    parser.add_argument("--highs", action="store_true")
    parser.add_argument("--peer", type=Path)
    options = parser.parse_args()
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
    """energypylinear on whole-day batteries of the fleet's sizes, car by car."""
    if not python.exists():
        print(f"peer: skipped, no {python}")
        return
    import json

    first = np.searchsorted(arrays.car, np.arange(arrays.cars))
    day = {
        "import": (arrays.import_price * 1e3).tolist(),
        "export": (arrays.export_price * 1e3).tolist(),
        "cars": [
            {
                "kw": arrays.charge_limit_kw[s],
                "kwh": arrays.capacity_kwh[i],
                "eta": arrays.efficiency_charge[s] * arrays.efficiency_discharge[s],
                "arrival": arrays.arrival_kwh[s],
            }
            for i, s in enumerate(first)
        ],
    }
    done = subprocess.run(
        [python, "-c", PEER], input=json.dumps(day), capture_output=True, text=True, check=False
    )
    answer = done.stdout.strip().splitlines()[-1:] or [f"failed: {done.stderr.strip()[-300:]}"]
    print(f"peer energypylinear, {arrays.cars} cars one by one, energy alone: {answer[0]} s")


if __name__ == "__main__":
    main()
