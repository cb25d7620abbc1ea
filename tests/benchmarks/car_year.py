"""A year of a car's telemetry at a sample a second, ingested and checked: time and memory of all processes.

python -m tests.benchmarks.car_year [--days 365] [--files month|one] [--format parquet|csv]

31.5 million rows are made up (a car that drives and charges every day), written a file a month or all in one,
and taken in by `v2g ingest` and `v2g check`, each a process of its own whose memory is watched with all that
it starts. Besides: the rows let in, what was held back and what the checks say of the current's sign.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from flows.workspace import Workspace
from tests.benchmarks.data import benchmark_parser
from tests.benchmarks.telemetry_day import CAPACITY_AH, CELLS_SERIES, make_workspace
from tests.benchmarks.watched import Cost, cost_of

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
SECONDS = 86_400
_DRIVE_A, _DRIVE_S, _CHARGE_S = 40.0, 2400, 4 * 3600
_CLI = "from flows.cli import main; raise SystemExit(main())"


def write_days(folder: Path, days: int, *, files: str, suffix: str) -> list[Path]:
    """Write the days, a file a month or all in one; the paths in the order of time."""
    written: list[Path] = []
    writer: pq.ParquetWriter | pacsv.CSVWriter | None = None
    for number in range(days):
        day = BEGIN + timedelta(days=number)
        path = folder / f"car-{day:%Y-%m}.{suffix}" if files == "month" else folder / f"car.{suffix}"
        table = _day(number)
        if path not in written:
            if writer is not None:
                writer.close()
            made = pq.ParquetWriter if suffix == "parquet" else pacsv.CSVWriter
            writer = made(path, table.schema)
            written.append(path)
        assert writer is not None
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return written


def _day(number: int) -> pa.Table:
    """One day of the car: two drives at changing powers, and a charge in the evening that makes up for it."""
    rng = np.random.default_rng([2033, number])
    second = np.arange(SECONDS)
    leaves = int(rng.integers(6 * 3600, 9 * 3600))
    back = leaves + _DRIVE_S + int(rng.integers(7 * 3600, 9 * 3600))
    current = np.zeros(SECONDS)
    for begin in (leaves, back):
        pedal = np.repeat(rng.uniform(0.2, 1.8, _DRIVE_S // 20), 20)
        current[begin : begin + _DRIVE_S] = -_DRIVE_A * pedal / pedal.mean()
    plugged = back + _DRIVE_S + 900
    current[plugged : plugged + _CHARGE_S] = 2 * _DRIVE_A * _DRIVE_S / _CHARGE_S
    soc = 0.8 + np.cumsum(current) / 3600 / CAPACITY_AH
    voltage = CELLS_SERIES * (3.35 + 0.75 * soc + 0.0008 * current) + rng.normal(0.0, 0.05, SECONDS)
    degc = 12.0 + 6.0 * np.sin((second / SECONDS - 0.375) * 2 * np.pi) + rng.normal(0.0, 0.1, SECONDS)
    start = pd.Timestamp(BEGIN).as_unit("us") + pd.Timedelta(days=number)
    return pa.table(
        {
            "battery_id": pa.array(["car-00000"]).take(pa.array(np.zeros(SECONDS, dtype=int))),
            "time_utc": pa.array(pd.DatetimeIndex(start + pd.to_timedelta(second, unit="s"))),
            "voltage_v": voltage.round(2),
            "current_a": (current + rng.normal(0.0, 0.05, SECONDS)).round(2),
            "temperature_degc": degc.round(1),
            "soc_reported": soc.round(3),
        }
    )


def commands(workspace: Workspace, files: Sequence[Path]) -> Iterator[tuple[str, list[str]]]:
    """The command lines that take the files in."""
    root = ["--workspace", str(workspace.root)]
    yield "ingest", ["-c", _CLI, "ingest", "telemetry", *map(str, files), *root]
    yield "check", ["-c", _CLI, "check", *root]


def said_of(workspace: Workspace) -> str:
    """How many rows are in, are not, and what the checks reported of the whole."""
    warehouse = workspace.warehouse
    checks = warehouse.read("out_check", where={"dataset": "telemetry", "scope": "*"})
    stated = checks.loc[checks["message"] != "", ["rule", "severity", "rows_failed", "message"]]
    held_back = len(warehouse.read("core_quarantine", columns=["rule"]))
    lines = [f"{warehouse.extent('telemetry').rows:,} rows in the core table, {held_back} held back"]
    lines += [
        f"  {rule} ({severity}): {rows} rows, {text}" for rule, severity, rows, text in stated.to_numpy()
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("car_year", __doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--files", choices=("month", "one"), default="month")
    parser.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    asked = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"
    grid = Table(title=f"{asked.days * SECONDS:,} rows, {asked.format}, {asked.files}", title_justify="left")
    for column in ("command", "wall s", "CPU s", "peak MB"):
        grid.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        workspace = make_workspace(root, 1)
        files = write_days(root, asked.days, files=asked.files, suffix=asked.format)
        costs = list[Cost]()
        for name, words in commands(workspace, files):
            cost = cost_of(words, ends=(0, 3, 4))
            print(f"{name}: exit {cost.code}", file=sys.stderr, flush=True)
            costs.append(cost)
            grid.add_row(name, f"{cost.wall_s:.0f}", f"{cost.cpu_s:.0f}", f"{cost.peak_mb:.0f}")
        wall, cpu = sum(one.wall_s for one in costs), sum(one.cpu_s for one in costs)
        grid.add_row("both", f"{wall:.0f}", f"{cpu:.0f}", f"{max(one.peak_mb for one in costs):.0f}")
        Console(file=sys.stdout, width=110).print(grid)
        print(said_of(workspace))


if __name__ == "__main__":
    main()
