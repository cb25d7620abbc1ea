"""One day of a fleet's telemetry, a sample a minute, from a Parquet file into the core tables and out again.

python -m tests.benchmarks.telemetry_day [--batteries 10000] [--order battery|time]

Ingested, checked and compacted as `v2g ingest` and `v2g check` do it; then the same file once more, the same
day in a file of other bytes, and one battery's day read. The day is made up, cars that drive and then charge,
and the same each time.
"""

from __future__ import annotations

import hashlib
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.workspace import Workspace
from tests.benchmarks.data import benchmark_parser

DAY = datetime(2026, 3, 1, tzinfo=UTC)
AS_OF = DAY + timedelta(days=1, hours=6)
MINUTES, CELLS_SERIES, CAPACITY_AH = 1440, 96, 160.0


def write_day(file: Path, batteries: int, *, order: str = "battery", compression: str = "snappy") -> int:
    """Write the day of a fleet, battery by battery or minute by minute; returns the rows written."""
    names = np.array([f"car-{number:05d}" for number in range(batteries)])
    along, across = (batteries, MINUTES) if order == "battery" else (MINUTES, batteries)
    writer, rows = None, 0
    for first in range(0, along, max(1, 500_000 // across)):
        part = np.arange(first, min(along, first + max(1, 500_000 // across)))
        if order == "battery":
            who, when = np.repeat(part, MINUTES), np.tile(np.arange(MINUTES), part.size)
        else:
            who, when = np.tile(np.arange(batteries), part.size), np.repeat(part, batteries)
        table = _samples(names, who, when, np.random.default_rng(first))
        writer = writer or pq.ParquetWriter(file, table.schema, compression=compression)
        writer.write_table(table)
        rows += table.num_rows
    if writer is not None:
        writer.close()
    return rows


def _samples(names: np.ndarray, who: np.ndarray, when: np.ndarray, rng: np.random.Generator) -> pa.Table:
    """A car leaves between 6 and 9, drives 40 min each way, and charges from its return."""
    leaves, sessions, amperes = 360 + who * 7919 % 180, 420 + who * 104729 % 120, 8.0 + who * 31 % 12
    back = leaves + 40 + sessions
    charged = np.clip(when - back - 50, 0, 240) / 60 * amperes
    driven = (np.clip(when - leaves, 0, 40) + np.clip(when - back, 0, 40)) / 60 * 40.0
    current = np.where((when >= back + 50) & (when < back + 290), amperes, 0.0)
    driving = ((when >= leaves) & (when < leaves + 40)) | ((when >= back) & (when < back + 40))
    soc = 0.6 + (charged - driven) / CAPACITY_AH
    current = np.where(driving, -40.0, current)
    voltage = CELLS_SERIES * (3.35 + 0.75 * soc + 0.001 * current) + rng.normal(0.0, 0.05, who.size)
    temperature = 12.0 + 6.0 * np.sin((when - 540) / MINUTES * 2 * np.pi) + rng.normal(0.0, 0.1, who.size)
    times = pd.DatetimeIndex(
        pd.Timestamp(DAY).as_unit("us") + pd.to_timedelta(np.arange(MINUTES), unit="min")
    )
    return pa.table(
        {
            "battery_id": pa.DictionaryArray.from_arrays(pa.array(who, pa.int32()), names).cast(pa.string()),
            "time_utc": pa.array(times).take(pa.array(when)),
            "voltage_v": voltage.round(2),
            "current_a": (current + rng.normal(0.0, 0.02, who.size)).round(2),
            "temperature_degc": temperature.round(1),
            "soc_reported": soc.round(3),
        }
    )


def make_workspace(root: Path, batteries: int) -> Workspace:
    """A workspace that knows the cars of the day."""
    workspace = Workspace.create(root / "depot", zone="DE-LU")
    site = {"site_id": "yard", "zone": "DE-LU", "import_limit_kw": 9e4, "export_limit_kw": 9e4}
    car = {
        "site_id": "yard", "chemistry": "nmc811", "nominal_capacity_ah": CAPACITY_AH,
        "nominal_energy_kwh": 57.0, "cells_series": CELLS_SERIES, "cells_parallel": 32,
        "commissioned_utc": "2024-01-01T00:00:00Z", "charge_limit_kw": 11.0, "discharge_limit_kw": 11.0,
        "efficiency_charge": 0.93, "efficiency_discharge": 0.93, "soc_min": 0.1, "soc_max": 0.95,
        "replacement_value_eur": 7200.0, "scrap_value_eur": 900.0,
    }  # fmt: skip
    frames = {
        "sites": pd.DataFrame([site]).assign(import_limit_kw=2e4, export_limit_kw=2e4),
        "fleet": pd.DataFrame([{"battery_id": f"car-{number:05d}", **car} for number in range(batteries)]),
    }
    for dataset, frame in frames.items():
        frame.to_csv(root / f"{dataset}.csv", index=False)
        ingest(Context.of(workspace, DAY), dataset, [root / f"{dataset}.csv"])
    check(Context.of(workspace, DAY))
    return workspace


def take_in(workspace: Workspace, file: Path, as_of: datetime) -> dict[str, float]:
    """Ingest and check a file; seconds of each, and of all cores together."""
    started, cpu = time.perf_counter(), time.process_time()
    ingest(Context.of(workspace, as_of), "telemetry", [file], source="parquet")
    ingested = time.perf_counter()
    check(Context.of(workspace, as_of))
    return {
        "ingest": ingested - started,
        "check, promote, compact": time.perf_counter() - ingested,
        "in all": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
    }


def fingerprint(workspace: Workspace, batteries: int) -> dict[str, str]:
    """Rows and a hash of the values of the core tables, read a tenth of the fleet at a time."""
    fields = {}
    for table in ("core_telemetry", "core_telemetry_15min"):
        digest, rows, step = hashlib.sha256(), 0, max(1, batteries // 10)
        for first in range(0, batteries, step):
            ids = [f"car-{number:05d}" for number in range(first, min(batteries, first + step))]
            frame = workspace.warehouse.read(table, where={"battery_id": ids})
            values = frame.drop(columns=["source_id", "received_utc", "source_row"], errors="ignore")
            digest.update(pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes())
            rows += len(frame)
        fields[table] = f"{rows} rows {digest.hexdigest()[:12]}"
    return fields


def read_ms(workspace: Workspace, batteries: int, times: int = 25) -> tuple[float, float]:
    """Median and worst milliseconds to read one battery's day, from opening the file to the frame."""
    taken = []
    for turn in range(times):
        name = f"car-{turn * 7919 % batteries:05d}"
        started = time.perf_counter()
        frame = workspace.warehouse.read(
            "core_telemetry", where={"battery_id": name}, start=DAY, end=DAY + timedelta(days=1)
        )
        taken.append(1000 * (time.perf_counter() - started))
        assert len(frame) == MINUTES
    return statistics.median(taken), max(taken)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("telemetry_day", __doc__)
    parser.add_argument("--batteries", type=int, default=10_000)
    parser.add_argument("--order", choices=("battery", "time"), default="battery")
    asked = parser.parse_args(arguments)
    grid = Table(title=f"{asked.batteries} batteries, file by {asked.order}", title_justify="left")
    for column in ("pass", "ingest s", "check, promote, compact s", "in all s", "CPU s", "rows/s", "peak GB"):
        grid.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        workspace = make_workspace(root, asked.batteries)
        rows = write_day(root / "day.parquet", asked.batteries, order=asked.order)
        before = None
        for title, file in (("first", "day"), ("same file", "day"), ("same day, other bytes", "again")):
            if file == "again":
                write_day(root / "again.parquet", asked.batteries, order=asked.order, compression="zstd")
            seconds = take_in(workspace, root / f"{file}.parquet", AS_OF)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            grid.add_row(
                title,
                *(f"{one:.1f}" for one in seconds.values()),
                f"{rows / seconds['in all']:,.0f}",
                f"{peak:.2f}",
            )
            now = fingerprint(workspace, asked.batteries)
            print(title, now, "unchanged" if now == before else "", flush=True)
            before = now
        median, worst = read_ms(workspace, asked.batteries)
    Console(file=sys.stdout, width=110).print(grid)
    print(f"one battery's day: median {median:.1f} ms, worst {worst:.1f} ms")


if __name__ == "__main__":
    main()
