"""The way to a lake, when one file is too small: the same tables as partitioned Parquet, for the same SQL.

DIR/TABLE/data.parquet, telemetry by UTC day: DIR/core_telemetry/day=2026-03-01/data.parquet. Any engine that
reads Parquet takes it from there; in DuckDB

    CREATE VIEW core_telemetry AS
    SELECT * EXCLUDE day FROM read_parquet('DIR/core_telemetry/*/data.parquet', hive_partitioning = true)

and every statement on the table works on the view. Written day by day, each file in one step: an export that
is repeated rewrites what there is, one that was killed leaves whole files.
"""

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from warehouse.contracts import TableContract

_BATCH_ROWS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A table's rows and files in the export."""

    table: str
    rows: int
    files: int


def export_table(connection: duckdb.DuckDBPyConnection, contract: TableContract, folder: Path) -> Exported:
    """Write a table to `folder`/TABLE, daily tables a file a UTC day."""
    root = folder / contract.name
    if not contract.daily:
        rows = _write(connection, contract, "TRUE", [], root / "data.parquet")
        return Exported(table=contract.name, rows=rows, files=1)
    time = contract.time_column
    days: list[tuple[dt.date]] = connection.execute(
        f"SELECT DISTINCT CAST({time} AS DATE) AS day FROM {contract.name} ORDER BY day"  # noqa: S608
    ).fetchall()
    within = f"{time} >= CAST(? AS DATE) AND {time} < CAST(? AS DATE) + 1"
    rows = sum(
        _write(connection, contract, within, [day, day], root / f"day={day}" / "data.parquet")
        for (day,) in days
    )
    return Exported(table=contract.name, rows=rows, files=len(days))


def _write(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    condition: str,
    values: Sequence[object],
    file: Path,
) -> int:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    order = ", ".join(contract.order)
    reader = connection.sql(
        f"SELECT {', '.join(contract.names)} FROM {contract.name} WHERE {condition} ORDER BY {order}",  # noqa: S608
        params=list(values),
    ).to_arrow_reader(_BATCH_ROWS)
    rows = 0
    try:
        with pq.ParquetWriter(partial, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return rows
