"""What a calibration costs on one core: `python -m tests.benchmarks.twin_calibration`.

For each chemistry, the median of three full calibrations (state, ageing, lives, α, β) of a battery with ten
days of telemetry, after one that built the models, and how many PyBaMM solves it takes.
"""

from __future__ import annotations

import os
import statistics
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

from rich.console import Console
from rich.table import Table

from tests.twin.batteries import request, truth
from twin import cell
from twin.calibrate import calibrate_battery
from twin.chemistry import CHEMISTRIES

SOLVE = cell.DayModel.solve


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


def main() -> None:
    grid = Table(title="One calibration, one core", title_justify="left")
    for column in ("chemistry", "first s", "warm s", "a minute", "PyBaMM solves", "ms a solve"):
        grid.add_column(column, justify="right")
    for name in CHEMISTRIES:
        asked = request(truth(name), name)
        seconds = []
        for _ in range(4):
            with Counter() as counter:
                start = time.perf_counter()
                calibrate_battery(asked)
                seconds.append(time.perf_counter() - start)
        warm, solves = statistics.median(seconds[1:]), counter.solves
        grid.add_row(
            name,
            f"{seconds[0]:.2f}",
            f"{warm:.2f}",
            f"{60 / warm:.0f}",
            str(solves),
            f"{1000 * warm / solves:.1f}",
        )
    Console(file=sys.stdout).print(grid)


if __name__ == "__main__":
    main()
