"""Bad rows found and good rows lost: `python -m tests.benchmarks.planted_rows [SEED]`.

A million rows of a synthetic fleet (telemetry, prices, sessions, check-ups), bad rows of 23 kinds planted
among them: how many of each kind are quarantined, for the right reason, and how many good rows with them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

from rich.console import Console
from rich.table import Table

from tests.benchmarks.data import benchmark_parser
from tests.data_checks.planting import harvest, plant
from tests.data_checks.realistic import depot

CARS, DAYS, COUNT = 29, 25, 100


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("planted_rows", __doc__)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    seed: int = parser.parse_args(arguments).seed
    frames = depot(CARS, DAYS, seed)
    harvest(plant(depot(3, 4, seed), 8, seed))  # imports Great Expectations
    soil = plant(frames, COUNT, seed)
    start = time.process_time()
    found = harvest(soil)
    seconds = time.process_time() - start
    grid = Table(title=f"Planted bad rows, seed {seed}", title_justify="left")
    for column in ("kind", "dataset", "rule", "planted", "quarantined", "right reason"):
        grid.add_column(column, justify="left" if column in ("kind", "dataset", "rule") else "right")
    for kind, counts in found.kinds.items():
        dataset, rule, _ = soil.planted[kind]
        grid.add_row(kind, dataset, rule, *map(str, counts))
    grid.add_section()
    grid.add_row("all", "", "", *(str(sum(column)) for column in zip(*found.kinds.values(), strict=True)))
    out = Console(file=sys.stdout, width=110)
    out.print(grid)
    out.print(
        f"good rows {found.good:,}, lost {found.lost} ({found.lost / found.good:.4%}); "
        f"checked in {seconds:.1f} s of one core"
    )


if __name__ == "__main__":
    main()
