"""What is in quarantine: rows, the rules against them, the files they came from, what was released since.

A rule against a row stands until the last decision on it (core_release) is a release. A row is out of the
core table while any rule against it stands.
"""

import datetime as dt
from dataclasses import dataclass

import duckdb
import pandas as pd
import pyarrow as pa

from warehouse.beliefs import RELEASED, known_before, received
from warehouse.beliefs import released as released_sql
from warehouse.beliefs import withdrawn as withdrawn_sql
from warehouse.connection import connect
from warehouse.contracts import (
    CONTRACTS,
    TableContract,
    conform,
    dataset_contract,
    ingested_contract,
    raw_contract,
)
from warehouse.errors import UnknownTableError
from warehouse.schema import check_version_once
from warehouse.store import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows of the quarantine: those of a dataset, and of a rule, battery, file and row if given.

    source: file name, or the beginning of its source_id. released: False = where the rule stands, True =
    where it was released, None = both. touching: of sessions those that touch [first, last) as they were
    ingested, whichever of their ends is reported first; one that lacks an end stands for the moment of the
    other.
    """

    dataset: str
    rule: str | None = None
    battery_id: str | None = None
    source: str | None = None
    source_row: int | None = None
    released: bool | None = False
    touching: tuple[dt.datetime, dt.datetime] | None = None


def standing_rules(known_by: dt.datetime | None) -> tuple[str, list[object]]:
    """Return SQL of rows of the quarantine with their file (s) and their release (r), and what it binds.

    What is withdrawn is in no quarantine either. known_by: decisions count that were made by then.
    """
    before, bound = ("", []) if known_by is None else ("?", [known_before(known_by)] * 2)
    sql = (
        f"FROM core_quarantine q JOIN raw_source s USING (source_id) LEFT JOIN {released_sql(before)} r "
        "ON q.dataset = r.dataset AND q.rule = r.rule AND q.source_id = r.source_id "
        f"AND q.source_row = r.source_row ANTI JOIN {withdrawn_sql(before)} w "
        "ON q.dataset = w.dataset AND q.source_id = w.source_id AND q.source_row = w.source_row"
    )
    return sql, list(bound)


def counted(warehouse: Warehouse, *, known_by: dt.datetime | None = None) -> pd.DataFrame:
    """Return how many rows each rule stands against: dataset, rule, severity, rows, sorted by these.

    known_by: as of `quarantined`. Raises the errors of opening a warehouse.
    """
    bound = "" if known_by is None else " AND s.received_utc < ?"
    found_rows, values = standing_rules(known_by)
    sql = (
        f"SELECT q.dataset, q.rule, q.severity, count(*) AS rows {found_rows} WHERE r.rule IS NULL{bound} "
        "GROUP BY ALL ORDER BY ALL"
    )
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version_once(warehouse.path, connection)
        values += [] if known_by is None else [known_before(known_by)]
        found: pd.DataFrame = connection.sql(sql, params=values).to_arrow_table().to_pandas()
    return found


def quarantined(warehouse: Warehouse, wanted: Wanted, *, known_by: dt.datetime | None = None) -> pd.DataFrame:
    """Return rows of core_quarantine with file_name and `released`, by file, row and rule.

    known_by: tz-aware; of what had been received by then. Raises UnknownTableError for an
    unknown dataset and the errors of opening a warehouse.
    """
    contract = dataset_contract(wanted.dataset)
    raw = raw_contract(wanted.dataset).name
    found_rows, values = standing_rules(known_by)
    sql = f"SELECT q.*, s.file_name, r.rule IS NOT NULL AS released {found_rows} WHERE q.dataset = ?"
    values = [*values, wanted.dataset]
    if wanted.rule is not None:
        sql, values = f"{sql} AND q.rule = ?", [*values, wanted.rule]
    if wanted.source is not None:
        sql += " AND (s.file_name = ? OR starts_with(q.source_id, ?))"
        values += [wanted.source, wanted.source]
    if wanted.source_row is not None:
        sql, values = f"{sql} AND q.source_row = ?", [*values, wanted.source_row]
    if wanted.battery_id is not None:
        if "battery_id" not in contract.names:
            return quarantined(warehouse, Wanted(dataset=wanted.dataset), known_by=known_by).iloc[:0]
        sql += (
            f" AND EXISTS (FROM {raw} x WHERE x.source_id = q.source_id AND x.source_row = q.source_row "
            "AND x.battery_id = ?)"
        )
        values.append(wanted.battery_id)
    if wanted.touching is not None:
        if wanted.dataset != "sessions":
            raise UnknownTableError(f"{wanted.dataset} are no sessions: nothing of them touches a span")
        # An end that is not reported is null, which `least` and `greatest` pass over.
        ends = "(x.arrival_utc, x.departure_utc)"
        sql += (
            f" AND EXISTS (FROM {raw} x WHERE x.source_id = q.source_id AND x.source_row = q.source_row "
            f"AND least{ends} < ? AND (greatest{ends} > ? OR least{ends} >= ?))"
        )
        first, last = wanted.touching
        values += [last, first, first]
    if wanted.released is not None:
        sql, values = f"{sql} AND (r.rule IS NOT NULL) = ?", [*values, wanted.released]
    if known_by is not None:
        sql += (
            " AND (s.received_utc < ? OR (s.received IS NOT NULL AND EXISTS ("
            f"FROM {raw} x WHERE x.source_id = q.source_id AND x.source_row = q.source_row "
            "AND x.received_utc < ?)))"
        )
        values += [known_before(known_by)] * 2
    sql += " ORDER BY s.received_utc, q.source_id, q.source_row, q.rule, q.column_name"
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version_once(warehouse.path, connection)
        found = connection.sql(sql, params=values).to_arrow_table().to_pandas()
    kept = conform(found[list(CONTRACTS["core_quarantine"].names)], CONTRACTS["core_quarantine"])
    return kept.assign(file_name=found["file_name"], released=found["released"].astype(bool))


def released(warehouse: Warehouse, dataset: str) -> pd.DataFrame:
    """Return what is released of a dataset: source_id, source_row, rule."""
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version_once(warehouse.path, connection)
        found: pd.DataFrame = connection.sql(
            f"SELECT source_id, source_row, rule FROM {RELEASED} WHERE dataset = ?",  # noqa: S608
            params=[dataset],
        ).to_df()
    return found


def withdrawn_rows(warehouse: Warehouse, dataset: str, known_by: dt.datetime) -> pd.DataFrame:
    """Return the rows (source_id, source_row, decided_utc) of a dataset withdrawn by a moment, tz-aware."""
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version_once(warehouse.path, connection)
        found: pd.DataFrame = connection.sql(
            f"SELECT source_id, source_row, decided_utc FROM {withdrawn_sql('$before')} "  # noqa: S608
            "WHERE dataset = $dataset",
            params={"before": known_before(known_by), "dataset": dataset},
        ).to_df()
    return found


def raw_rows(warehouse: Warehouse, dataset: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows (source_id, source_row) as they were ingested, shape of `ingested_contract`; pruned ones
    lack.

    Of no rows the file is not asked.
    """
    contract = ingested_contract(dataset)
    if rows.empty:
        return conform(pd.DataFrame(columns=contract.names), contract)
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version_once(warehouse.path, connection)
        register_rows(connection, rows)
        found = connection.sql(
            f"SELECT {', '.join(contract.names)} FROM {received(dataset, 'TRUE')} "  # noqa: S608
            "SEMI JOIN chosen USING (source_id, source_row) ORDER BY received_utc, source_id, source_row"
        ).to_arrow_table()
        return conform(found.to_pandas(date_as_object=True), contract)


def register_rows(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> None:
    """Make the (source_id, source_row) of a frame known to a connection as `chosen`."""
    named = rows[["source_id", "source_row"]].drop_duplicates()
    connection.register("chosen", pa.Table.from_pandas(named, preserve_index=False))


def same_key(contract: TableContract, left: str, right: str) -> str:
    """Return SQL that holds where two rows of a dataset have one key."""
    return " AND ".join(f"{left}.{name} = {right}.{name}" for name in contract.key)
