"""From checked rows to core tables: one belief a key, the later received one.

The winner of a key depends on the beliefs alone (received time, then source; a source believes one thing of a
key), not on the order or number of times they are promoted: merging is commutative, associative and
idempotent, so replay in any order ends in the same table. Sessions of one car do not overlap either, whatever
their ids: see `warehouse.overlaps`. Keyed tables are replaced key by key, daily tables
by (battery, UTC day): without a primary key, which would make telemetry inserts ten times slower. Rows of a
daily table are stored by battery and time, so that a read skips whatever is not its battery and day.
"""

import datetime as dt
from collections.abc import Sequence

import duckdb
import pyarrow as pa

from warehouse.beliefs import WITHDRAWN, latest_first
from warehouse.compaction import compact
from warehouse.contracts import AMENDED, CONTRACTS, DATASETS, TableContract, raw_contract
from warehouse.noted import was_written
from warehouse.overlaps import SESSIONS, cars_of_incoming, reopen, set_aside_overlaps
from warehouse.rows import delete_matching, insert

_PLACE = "old.source_id = incoming.source_id AND old.source_row = incoming.source_row"


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


def store_amended(connection: duckdb.DuckDBPyConnection, dataset: str, rows: pa.Table) -> None:
    """Keep checked rows as they are where that is not as they were ingested, inside the caller's transaction.

    An earlier belief that comes forward again, or is read as of a moment, is then what the checks made of it.
    """
    contract = AMENDED.get(dataset)
    if contract is None or not rows.num_rows:
        return
    connection.register("incoming", rows)
    connection.execute(f"DELETE FROM {contract.name} AS old USING incoming WHERE {_PLACE}")  # noqa: S608
    names, values = ", ".join(contract.names), DATASETS[dataset].names
    connection.execute(
        f"INSERT INTO {contract.name} ({names}) SELECT {', '.join(f'incoming.{n}' for n in contract.names)} "  # noqa: S608
        f"FROM incoming JOIN {raw_contract(dataset).name} AS old ON {_PLACE} "
        f"WHERE {' OR '.join(f'incoming.{n} IS DISTINCT FROM old.{n}' for n in values)}"
    )


def merge(connection: duckdb.DuckDBPyConnection, contract: TableContract, rows: pa.Table) -> None:
    """Merge Arrow rows of a core table into it, inside the caller's transaction."""
    was_written(contract.name)
    if contract.name == SESSIONS:
        connection.register("incoming", rows)
        reopen(connection, cars_of_incoming(connection))
    counting = _counting(connection, contract, rows)
    if counting.num_rows:
        _merge_keys(connection, contract, counting)
    if contract.name == SESSIONS:
        set_aside_overlaps(connection)


def _counting(connection: duckdb.DuckDBPyConnection, contract: TableContract, rows: pa.Table) -> pa.Table:
    """Return the rows that nobody has withdrawn, however often their file is checked."""
    datasets = [name for name, declared in DATASETS.items() if contract.name == f"core_{declared.name}"]
    gone = f"(FROM {WITHDRAWN} WHERE dataset IN (SELECT unnest(?)))"
    if not connection.execute(f"SELECT 1 FROM {gone} LIMIT 1", [datasets]).fetchall():  # noqa: S608
        return rows
    connection.register("incoming", rows)
    found: pa.Table = connection.sql(
        f"SELECT {', '.join(contract.names)} FROM incoming "  # noqa: S608
        f"ANTI JOIN {gone} AS gone USING (source_id, source_row)",
        params=[datasets],
    ).to_arrow_table()
    return found


def _merge_keys(connection: duckdb.DuckDBPyConnection, contract: TableContract, rows: pa.Table) -> None:
    """Let the later of two beliefs on a key hold."""
    names = ", ".join(contract.names)
    parts = _partition(contract)
    same = " AND ".join(f"{part.format('core')} = touched.part_{i}" for i, part in enumerate(parts))

    connection.register("incoming", rows)
    labels = ", ".join(f"{part.format('incoming')} AS part_{i}" for i, part in enumerate(parts))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT {labels} FROM incoming"  # noqa: S608
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE standing AS SELECT {names} FROM {contract.name} AS core "  # noqa: S608
        f"SEMI JOIN touched ON {same} {_time_bounds(contract)}"
    )
    _one_belief_a_key(connection, contract)
    same_key = " AND ".join(f"arriving.{name} = standing.{name}" for name in contract.key)
    stands = "(standing.received_utc, standing.source_id) > (arriving.received_utc, arriving.source_id)"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE merged AS "  # noqa: S608
        f"SELECT {names} FROM arriving ANTI JOIN standing ON {same_key} AND {stands} UNION ALL "
        f"SELECT {names} FROM standing ANTI JOIN arriving ON {same_key} AND NOT {stands}"
    )
    connection.execute(f"DELETE FROM {contract.name} AS core USING touched WHERE {same}")  # noqa: S608
    connection.execute(
        f"INSERT INTO {contract.name} ({names}) "  # noqa: S608
        f"SELECT {names} FROM merged ORDER BY {', '.join(contract.order)}"
    )
    if contract.name == "core_telemetry":
        compact(connection, "merged")
    for table in ("touched", "standing", "arriving", "merged"):
        connection.execute(f"DROP TABLE {table}")


def _one_belief_a_key(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> None:
    """Make `arriving` of `incoming`; sorted for the later of two beliefs only where there are two."""
    names, key = ", ".join(contract.names), ", ".join(contract.key)
    rows, keys = connection.execute(
        f"SELECT count(*), count(DISTINCT ({key})) FROM incoming"  # noqa: S608
    ).fetchall()[0]
    later = f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {latest_first(contract)}) = 1"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE arriving AS "  # noqa: S608
        f"SELECT {names} FROM incoming {later if rows != keys else ''}"
    )


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
