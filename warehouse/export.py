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
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.contracts import TableContract
from warehouse.errors import CopyError
from warehouse.files import make_folder, new_file, partial_of, sync

_BATCH_ROWS = 200_000
_MARK = b"v2g_table"


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
    _require_own(file, contract)
    make_folder(file.parent)
    partial = partial_of(file)
    order = ", ".join(contract.order)
    reader = connection.sql(
        f"SELECT {', '.join(contract.names)} FROM {contract.name} WHERE {condition} ORDER BY {order}",  # noqa: S608
        params=list(values),
    ).to_arrow_reader(_BATCH_ROWS)
    rows = 0
    try:
        schema = reader.schema.with_metadata({_MARK: contract.name.encode()})
        with new_file(partial) as stream:
            with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
                for batch in reader:
                    writer.write_batch(batch.replace_schema_metadata(schema.metadata))
                    rows += batch.num_rows
            sync(stream)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return rows


def _require_own(file: Path, contract: TableContract) -> None:
    """Raise CopyError for a file that is there and no earlier export of the table."""
    if not os.path.lexists(file):
        return
    try:
        schema = pq.read_schema(file) if file.is_file() and not file.is_symlink() else None
    except (OSError, pa.ArrowException):
        schema = None
    if schema is not None:
        mark = (schema.metadata or {}).get(_MARK)
        # Earlier versions left no mark.
        if mark == contract.name.encode() or (mark is None and set(schema.names) <= set(contract.names)):
            return
    raise CopyError(f"{file} is there and no export of {contract.name}: only an earlier one is replaced")
