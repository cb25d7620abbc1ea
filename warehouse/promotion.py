"""From checked rows to core tables: one belief a key, the later received one.

The winner of a key depends on the beliefs alone (received time, then source, then values), not on the order
or number of times they are promoted: merging is commutative, associative and idempotent, so replay in any
order ends in the same table. Keyed tables are replaced key by key, daily tables by (battery, UTC day):
without a primary key, which would make telemetry inserts ten times slower.
"""

import duckdb
import pyarrow as pa

from warehouse.contracts import TableContract

_BELIEF = ("received_utc", "source_id")


def merge(connection: duckdb.DuckDBPyConnection, contract: TableContract, rows: pa.Table) -> None:
    """Merge Arrow rows of a core table into it, inside the caller's transaction."""
    if rows.num_rows == 0:
        return
    names = ", ".join(contract.names)
    parts = _partition(contract)
    same = " AND ".join(f"{part.format('core')} = touched.part_{i}" for i, part in enumerate(parts))
    within = _time_bounds(contract)
    values = [name for name in contract.names if name not in (*contract.key, *_BELIEF)]
    latest = ", ".join(f"{name} DESC NULLS LAST" for name in (*_BELIEF, *values))

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
