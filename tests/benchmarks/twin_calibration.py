"""What a calibration costs on one core: `python -m tests.benchmarks.twin_calibration`.

For each chemistry, after one of each that built the models: the median of two full calibrations (state,
ageing, lives, α, β, wear) of a battery with ten days of telemetry, and of five daily updates of the same
battery a day later, in CPU seconds of this process, with the PyBaMM solves of one; memory at the end.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

import pandas as pd
from rich.console import Console
from rich.table import Table

from tests.twin.batteries import AS_OF, request, truth
from twin import cell, rates
from twin.calibrate import calibrate_battery
from twin.chemistry import CHEMISTRIES
from twin.types import Calibration, CalibrationRequest

SOLVE = cell.DayModel.solve
BARS = {"full": 8, "daily": 150}


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


def seen_by(name: str, as_of: pd.Timestamp, previous: Calibration | None) -> CalibrationRequest:
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


def main() -> None:
    grid = Table(title="One calibration, one core", title_justify="left")
    for column in ("chemistry", "what", "CPU s", "a minute", "PyBaMM solves", "told"):
        grid.add_column(column, justify="left" if column in ("what", "told") else "right")
    yesterday = AS_OF - pd.Timedelta(days=1)
    for name in CHEMISTRIES:
        truth(name)
        before = calibrate_battery(seen_by(name, yesterday, None))
        for what, previous, times in (("full", None, 2), ("daily", before, 5)):

            def asked(name: str = name, previous: Calibration | None = previous) -> CalibrationRequest:
                return seen_by(name, AS_OF, previous)

            seconds, solves = timed(asked, times)
            told = calibrate_battery(asked()).reason.partition(";")[0]
            grid.add_row(name, what, f"{seconds:.2f}", f"{60 / seconds:.0f}", str(solves), told)
    console = Console(file=sys.stdout, width=110)
    console.print(grid)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"bars a minute: {BARS}; memory of this process {memory:.0f} MB of 600")


if __name__ == "__main__":
    main()
