"""What a backup that is put back must not take back: answers that spent ε, and the log of erasures.

They stand in the warehouse that is replaced, and are written into the copy before it takes its place.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from warehouse.connection import connect, transaction
from warehouse.contracts import CONTRACTS
from warehouse.migrations import bring_forward

_LASTING = ("out_erasure", "out_private_release")


def carry_over(replaced: duckdb.DuckDBPyConnection, copy: Path, *, timeout_s: float) -> dict[str, list[str]]:
    """Write into a copy the rows that it lacks of those that last; returns their keys by table.

    A copy of an earlier layout is brought forward only where there are such rows.
    """
    lacking = {}
    with connect(copy, write=False, timeout_s=timeout_s) as connection:
        for table in _LASTING:
            if rows := _lacking(replaced, connection, table):
                lacking[table] = rows
    if not lacking:
        return {}
    with transaction(copy, timeout_s=timeout_s) as connection:
        bring_forward(connection)
        for table, rows in lacking.items():
            connection.register("lasting", rows)
            connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM lasting")  # noqa: S608
            connection.unregister("lasting")
    with connect(copy, write=True, timeout_s=timeout_s) as connection:
        connection.execute("CHECKPOINT")
    return {table: rows[_key(table)].to_pylist() for table, rows in lacking.items()}


def _lacking(
    replaced: duckdb.DuckDBPyConnection, copy: duckdb.DuckDBPyConnection, table: str
) -> pa.Table | None:
    if not _has(replaced, table):
        return None
    key = _key(table)
    held = []
    if _has(copy, table):
        held = [one for (one,) in copy.execute(f"SELECT {key} FROM {table}").fetchall()]  # noqa: S608
    rows = replaced.sql(
        f"SELECT * FROM {table} WHERE {key} NOT IN (SELECT unnest($held::VARCHAR[]))",  # noqa: S608
        params={"held": held},
    ).to_arrow_table()
    return rows if rows.num_rows else None


def _has(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() AND table_name = ?", [table]
    )
    return bool(found.fetchall())


def _key(table: str) -> str:
    (key,) = CONTRACTS[table].key
    return key
