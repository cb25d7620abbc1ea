"""A lake of telemetry next to the table it came from: `python -m tests.benchmarks.lake [--rows 100000000]`.

A minute's telemetry of so many cars for so many days is written to a warehouse by SQL, and from there to
partitioned Parquet by `v2g export`. Then the same statements are asked of the table and of the lake, each in
a process of its own with DuckDB's `--limit` of memory: how many rows, cars and days there are; every car's
day; how often each car had how many volts; a month of one car in quarter-hours. Sums are of whole numbers,
so that their order does not matter. Printed: files and MB, then of the export and each statement wall
seconds and the peak of memory of table and lake, rows of the answer, and whether it is the same; ends with 1
if one is not, or a statement on the lake needs more than `--most` MB.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from flows.workspace import Workspace
from tests.benchmarks.data import benchmark_parser
from tests.benchmarks.watched import cost_of
from warehouse.contracts import CONTRACTS

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
CARS, MINUTES = 400, 1440
STATEMENTS = {
    "all rows": (
        "SELECT count(*), count(DISTINCT battery_id), min(time_utc), max(time_utc) FROM core_telemetry"
    ),
    "days of cars": (
        "SELECT battery_id, time_utc::DATE AS d, count(*), sum(round(current_a * 1000)::BIGINT), "
        "min(voltage_v), max(voltage_v) FROM core_telemetry GROUP BY ALL ORDER BY ALL"
    ),
    "volts of cars": (
        "SELECT battery_id, floor(voltage_v) AS volts, count(*) FROM core_telemetry GROUP BY ALL ORDER BY ALL"
    ),
    "a month of a car": (
        "SELECT time_bucket(INTERVAL 15 MINUTE, time_utc) AS q, count(*), "
        "sum(round(current_a * 1000)::BIGINT) FROM core_telemetry WHERE battery_id = 'car-00007' "
        "AND time_utc >= TIMESTAMPTZ '2026-02-01T00:00Z' AND time_utc < TIMESTAMPTZ '2026-03-01T00:00Z' "
        "GROUP BY ALL ORDER BY ALL"
    ),
}
_ASK = """
import hashlib, sys, duckdb
source, limit, spill, statement = sys.argv[1:]
own = source.endswith(".duckdb")
connection = duckdb.connect(source if own else ":memory:", read_only=own)
connection.execute("SET TimeZone = 'UTC'")
connection.execute("SET enable_progress_bar = false")
connection.execute(f"SET memory_limit = '{limit}MB'")
connection.execute(f"SET temp_directory = '{spill}'")
if not own:
    files = f"read_parquet('{source}/core_telemetry/*/data.parquet', hive_partitioning = true)"
    connection.execute(f"CREATE VIEW core_telemetry AS SELECT * EXCLUDE day FROM {files}")
digest, count = hashlib.sha256(), 0
result = connection.execute(statement)
while rows := result.fetchmany(10_000):
    count += len(rows)
    digest.update(repr(rows).encode())
print(count, digest.hexdigest())
"""


def fill(path: Path, cars: int, days: int) -> None:
    """Write telemetry of every minute, a day at a time; what depends on nothing is the same in every row."""
    contract = CONTRACTS["core_telemetry"]
    named = {
        "battery_id": "printf('car-%05d', c)",
        "time_utc": f"TIMESTAMPTZ '{FIRST.isoformat()}' + to_days(?) + to_minutes(m::INT)",
        "voltage_v": "350.0 + (hash(c, m, ?) % 5000) / 100.0",
        "current_a": "(hash(m, c, ?) % 40001)::DOUBLE / 1000.0 - 20.0",
        "temperature_degc": "15.0",
        "source_id": "'telemetry'",
        "received_utc": f"TIMESTAMPTZ '{FIRST.isoformat()}' + to_days(?)",
    }
    columns = [column for column in named if column in contract.names]
    values = ", ".join(named[column] for column in columns)
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for day in range(days):
            connection.execute(
                f"INSERT INTO core_telemetry ({', '.join(columns)}) SELECT {values} "  # noqa: S608
                f"FROM range({cars}) AS cars(c), range({MINUTES}) AS minutes(m) ORDER BY c, m",
                [day] * values.count("?"),
            )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = benchmark_parser("lake", __doc__)
    parser.add_argument("--rows", type=int, default=100_000_000, help="at least so many, in whole days")
    parser.add_argument("--limit", type=int, default=2000, help="memory that DuckDB may use, MB")
    parser.add_argument("--most", type=int, default=3000, help="memory that a process may need, MB")
    asked = parser.parse_args(arguments)
    days, well = -(-asked.rows // (CARS * MINUTES)), True
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(Path(folder) / "depot", zone="DE-LU")
        table, lake = workspace.root / "warehouse.duckdb", Path(folder) / "lake"
        fill(table, CARS, days)
        words = ["-m", "flows.cli", "export", "--parquet", str(lake), "--table", "core_telemetry"]
        cost = cost_of([*words, "-w", str(workspace.root)])
        size = sum(one.stat().st_size for one in lake.rglob("*.parquet")) / 2**20
        print(f"{days * CARS * MINUTES:,} rows: table {table.stat().st_size / 2**20:,.0f} MB")
        print(f"{days} files, {size:,.0f} MB, in {cost.wall_s:.0f} s with {cost.peak_mb:.0f} MB", flush=True)
        print("statement           table s    MB    lake s    MB   rows same")
        for name, statement in STATEMENTS.items():
            own, other = (
                cost_of(["-c", _ASK, str(source), str(asked.limit), f"{folder}/spill", statement])
                for source in (table, lake)
            )
            same = own.output == other.output
            well &= same and other.peak_mb <= asked.most
            figures = "  ".join(f"{one.wall_s:7.1f} {one.peak_mb:6.0f}" for one in (own, other))
            print(f"{name:18} {figures} {own.output.split()[0]:>8} {'yes' if same else 'NO'}", flush=True)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
