"""What has come lately: files with the lot of their rows, and samples of what the checks held back.

Both look at the last days alone on which a file came, so that they cost no more in an old warehouse.
"""

import datetime as dt
from collections.abc import Sequence

import pandas as pd

from warehouse.beliefs import known_before, withdrawn
from warehouse.connection import connect
from warehouse.contracts import CONTRACTS
from warehouse.quarantine import standing_rules
from warehouse.schema import check_version_once
from warehouse.store import Warehouse

_FILE = ("source_id", "dataset", "source", "file_name", "provider", "received_utc", "checked_utc", "rows")
_LATEST = "(SELECT max(received_utc) FROM raw_source WHERE received_utc < ?)"


def arrivals(warehouse: Warehouse, known_by: dt.datetime, lately: dt.timedelta) -> pd.DataFrame:
    """Return the files that came no longer than `lately` before the last one, the newest first.

    A row a file, with source_id, dataset, source, file_name, provider, received_utc, checked_utc and rows of
    raw_source, and of these rows: waiting, that no check has seen; held, that rules stand against;
    withdrawn, by a person; promoted, all others (a row that repeats another of its file shares the lot of
    that). rules: names of those that stand against some, None for none. known_by: tz-aware; files that had
    come, and decisions that were made, by then. Raises the errors of opening a warehouse.
    """
    before = known_before(known_by)
    stood, bound = standing_rules(known_by)
    sql = f"""
        WITH files AS MATERIALIZED (
            SELECT {", ".join(_FILE)} FROM raw_source WHERE received_utc < ? AND received_utc >= {_LATEST} - ?
        ), held AS (
            SELECT q.source_id, count(DISTINCT q.source_row) AS held,
                string_agg(DISTINCT q.rule, ', ' ORDER BY q.rule) AS rules {stood}
            WHERE r.rule IS NULL AND q.source_id IN (SELECT source_id FROM files) GROUP BY q.source_id
        ), gone AS (
            SELECT source_id, count(*) AS gone FROM {withdrawn("?")}
            WHERE source_id IN (SELECT source_id FROM files) GROUP BY source_id
        ), lots AS (
            SELECT files.*, rules, CASE WHEN checked_utc IS NULL THEN rows ELSE 0 END AS waiting,
                CASE WHEN checked_utc IS NULL THEN 0 ELSE coalesce(held, 0) END AS held,
                CASE WHEN checked_utc IS NULL THEN 0 ELSE coalesce(gone, 0) END AS withdrawn
            FROM files LEFT JOIN held USING (source_id) LEFT JOIN gone USING (source_id)
        )
        SELECT *, rows - waiting - held - withdrawn AS promoted FROM lots
        ORDER BY received_utc DESC, source_id
    """  # noqa: S608
    return _asked(warehouse, sql, [before, before, lately, *bound, before])


def held_samples(warehouse: Warehouse, known_by: dt.datetime, since: dt.datetime, most: int) -> pd.DataFrame:
    """Return of each dataset and rule the newest rows that it stands against, `most` at most.

    Columns of core_quarantine, file_name, received_utc of the file, and held: how many there are in all. Of
    files received from `since` on; both moments tz-aware, known_by as of `arrivals`. Raises the errors of
    opening a warehouse.
    """
    stood, bound = standing_rules(known_by)
    names = ", ".join(f"q.{name}" for name in CONTRACTS["core_quarantine"].names)
    sql = f"""
        SELECT {names}, s.file_name, s.received_utc, count(*) OVER (PARTITION BY q.dataset, q.rule) AS held
        {stood} WHERE r.rule IS NULL AND s.received_utc < ? AND s.received_utc >= ?
        QUALIFY row_number() OVER (
            PARTITION BY q.dataset, q.rule
            ORDER BY s.received_utc DESC, q.source_id, q.source_row, q.column_name
        ) <= {most:d}
        ORDER BY q.dataset, q.rule, s.received_utc DESC, q.source_id, q.source_row, q.column_name
    """
    return _asked(warehouse, sql, [*bound, known_before(known_by), since])


def _asked(warehouse: Warehouse, sql: str, values: Sequence[object]) -> pd.DataFrame:
    with connect(warehouse.path, write=False, timeout_s=warehouse.lock_timeout_s) as connection:
        check_version_once(warehouse.path, connection)
        found: pd.DataFrame = connection.sql(sql, params=list(values)).to_arrow_table().to_pandas()
    return found
