"""From checked rows to core tables: one belief a key, the later received one.

The winner of a key depends on the beliefs alone (received time, then source, then values), not on the order
or number of times they are promoted: merging is commutative, associative and idempotent, so replay in any
order ends in the same table. Keyed tables are replaced key by key, daily tables by (battery, UTC day):
without a primary key, which would make telemetry inserts ten times slower. Rows of a daily table are stored
by battery and time, so that a read skips whatever is not its battery and day.
"""

import datetime as dt
from collections.abc import Sequence

import duckdb
import pyarrow as pa

from warehouse.beliefs import latest_first
from warehouse.compaction import compact
from warehouse.contracts import CONTRACTS, TableContract
from warehouse.rows import delete_matching, insert


def replace_quarantine(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, *, of: str, checked: pa.Table | Sequence[str]
) -> None:
    """Put bad rows of a dataset in the place of the earlier ones of what was checked.

    checked: rows (source_id, source_row), or whole sources by id.
    """
    contract = CONTRACTS["core_quarantine"]
    if isinstance(checked, pa.Table):
        connection.register("judged", checked)
        connection.execute(
            "DELETE FROM core_quarantine AS old USING judged WHERE old.dataset = ? "
            "AND old.source_id = judged.source_id AND old.source_row = judged.source_row",
            [of],
        )
    else:
        connection.execute(
            "DELETE FROM core_quarantine WHERE dataset = ? AND source_id IN (SELECT unnest(?))",
            [of, list(checked)],
        )
    insert(connection, contract, rows)


def finish(
    connection: duckdb.DuckDBPyConnection,
    dataset: str,
    checks: pa.Table,
    source_ids: Sequence[str],
    checked: dt.datetime,
) -> None:
    """Keep the outcome of the checks and mark the sources checked, inside the caller's transaction."""
    contract = CONTRACTS["out_check"]
    delete_matching(connection, contract, checks, contract.key)
    insert(connection, contract, checks)
    connection.execute(
        "UPDATE raw_source SET checked_utc = ? WHERE dataset = ? AND source_id IN (SELECT unnest(?))",
        [checked, dataset, list(source_ids)],
    )


def merge(connection: duckdb.DuckDBPyConnection, contract: TableContract, rows: pa.Table) -> None:
    """Merge Arrow rows of a core table into it, inside the caller's transaction."""
    if rows.num_rows == 0:
        return
    names = ", ".join(contract.names)
    parts = _partition(contract)
    same = " AND ".join(f"{part.format('core')} = touched.part_{i}" for i, part in enumerate(parts))
    within = _time_bounds(contract)
    latest = latest_first(contract)

    connection.register("incoming", rows)
    labels = ", ".join(f"{part.format('incoming')} AS part_{i}" for i, part in enumerate(parts))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT {labels} FROM incoming"  # noqa: S608
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE merged AS SELECT {names} FROM ("  # noqa: S608
        f"SELECT {names} FROM {contract.name} AS core SEMI JOIN touched ON {same} {within}"
        f"UNION ALL SELECT {names} FROM incoming"
        f") QUALIFY row_number() OVER (PARTITION BY {', '.join(contract.key)} ORDER BY {latest}) = 1"
    )
    connection.execute(f"DELETE FROM {contract.name} AS core USING touched WHERE {same}")  # noqa: S608
    connection.execute(
        f"INSERT INTO {contract.name} ({names}) "  # noqa: S608
        f"SELECT {names} FROM merged ORDER BY {', '.join(contract.order)}"
    )
    if contract.name == "core_telemetry":
        compact(connection, "merged")
    connection.execute("DROP TABLE merged")
    connection.execute("DROP TABLE touched")


def _partition(contract: TableContract) -> tuple[str, ...]:
    """Return the expressions (of an alias) that name what a row replaces: its key, or its battery and day."""
    if contract.daily:
        return (f"{{}}.{contract.key[0]}", f"CAST({{}}.{contract.time_column} AS DATE)")
    return tuple(f"{{}}.{name}" for name in contract.key)


def _time_bounds(contract: TableContract) -> str:
    """Return a WHERE that lets the database skip all days but the touched ones."""
    if not contract.daily:
        return ""
    return (
        f"WHERE core.{contract.time_column} >= (SELECT min(part_1) FROM touched) "  # noqa: S608
        f"AND core.{contract.time_column} < (SELECT max(part_1) + 1 FROM touched) "
    )
