"""What a calibration costs on one core: `python -m tests.benchmarks.twin_calibration [--nightly 1000]`.

For each chemistry, after one of each that built the models: the median of two full calibrations (state,
ageing, lives, α, β, wear) of a battery with ten days of telemetry, and of five daily updates of the same
battery a day later, in CPU seconds of this process, with the PyBaMM solves of one; memory at the end.
``--nightly``: instead, wall seconds of a night's daily updates of so many batteries, each with noise of its
own on the voltage, over ``--processes`` (2) that start cold.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from tests.benchmarks.data import benchmark_parser
from tests.twin.batteries import AS_OF, battery, request, truth
from twin import cell, rates
from twin.calibrate import calibrate_battery, calibrate_chunk
from twin.chemistry import CHEMISTRIES
from twin.types import Calibration, CalibrationRequest

SOLVE = cell.DayModel.solve
BARS = {"full": 8, "daily": 150}
NIGHT_BAR_S = 300
CHUNK = 20


class Counter:
    """Counts the PyBaMM solves of a block."""

    def __enter__(self) -> Counter:
        self.solves = 0

        def counted(*args, **kwargs):  # type: ignore[no-untyped-def]
            self.solves += 1
            return SOLVE(*args, **kwargs)

        cell.DayModel.solve = counted  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        cell.DayModel.solve = SOLVE  # type: ignore[method-assign]


def observed_by(name: str, as_of: pd.Timestamp, previous: Calibration | None) -> CalibrationRequest:
    """The battery's request as of a moment."""
    made = truth(name)
    known = made.telemetry[made.telemetry["time_utc"] < as_of]
    return request(made, name, telemetry=known, as_of_utc=as_of, previous=previous, input_hash="e" * 64)


def timed(asked: Callable[[], CalibrationRequest], times: int) -> tuple[float, int]:
    """Median CPU seconds of some calibrations after a first, and the solves of the last."""
    calibrate_battery(asked())
    seconds = []
    for _ in range(times):
        rates._learnt.cache_clear()  # the next battery's days are others
        with Counter() as counter:
            begin = time.process_time()
            calibrate_battery(asked())
            seconds.append(time.process_time() - begin)
    return statistics.median(seconds), counter.solves


def tonight(name: str, seed: int, base: CalibrationRequest) -> CalibrationRequest:
    """The request of one battery of the night: another's record with noise of its own."""
    noise = np.random.default_rng(seed).normal(0.0, 1e-3, len(base.telemetry)) * base.battery.cells_series
    telemetry = base.telemetry.assign(voltage_v=base.telemetry["voltage_v"] + noise)
    return replace(
        base,
        battery=battery(name, battery_id=f"n{seed:04d}-{name}"),
        telemetry=telemetry,
        input_hash=f"{seed:064d}",
    )


def updated(chunk: list[tuple[str, int, CalibrationRequest]]) -> tuple[list[str], float]:
    """What is reported of each battery of a chunk, and the memory of this process [MB]."""
    found = calibrate_chunk([tonight(*one) for one in chunk])
    reasons = [one.reason.partition(" of ")[0].partition(";")[0] for one in found]
    return reasons, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def night(batteries: int, processes: int) -> None:
    """Time the daily updates of a night."""
    yesterday = AS_OF - pd.Timedelta(days=1)
    bases = {}
    for name in CHEMISTRIES:
        before = calibrate_battery(observed_by(name, yesterday, None))
        bases[name] = observed_by(name, AS_OF, before)
    names = list(bases)
    asked = [(names[k % len(names)], k, bases[names[k % len(names)]]) for k in range(batteries)]
    chunks = [asked[at : at + CHUNK] for at in range(0, batteries, CHUNK)]
    begin = time.perf_counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(updated, chunks))
    seconds = time.perf_counter() - begin
    stated = Tally(reason for reasons, _ in done for reason in reasons)
    memory = max(memory for _, memory in done)
    print(f"{batteries} daily updates in {seconds:.0f} s on {processes} processes, {memory:.0f} MB a worker")
    print(f"bar: {NIGHT_BAR_S} s for 1,000; told: {dict(stated)}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("twin_calibration", __doc__)
    parser.add_argument("--nightly", type=int, default=0, metavar="BATTERIES")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args(arguments)
    if asked.nightly:
        night(asked.nightly, asked.processes)
        return
    grid = Table(title="One calibration, one core", title_justify="left")
    for column in ("chemistry", "what", "CPU s", "a minute", "PyBaMM solves", "told"):
        grid.add_column(column, justify="left" if column in ("what", "told") else "right")
    yesterday = AS_OF - pd.Timedelta(days=1)
    for name in CHEMISTRIES:
        truth(name)
        before = calibrate_battery(observed_by(name, yesterday, None))
        for what, previous, times in (("full", None, 2), ("daily", before, 5)):

            def asked(name: str = name, previous: Calibration | None = previous) -> CalibrationRequest:
                return observed_by(name, AS_OF, previous)

            seconds, solves = timed(asked, times)
            answer = calibrate_battery(asked()).reason.partition(";")[0]
            grid.add_row(name, what, f"{seconds:.2f}", f"{60 / seconds:.0f}", str(solves), answer)
    console = Console(file=sys.stdout, width=110)
    console.print(grid)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"bars a minute: {BARS}; memory of this process {memory:.0f} MB of 600")


if __name__ == "__main__":
    main()
