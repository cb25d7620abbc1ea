"""When rows were received: with their file, or each at a moment of its own; and no two beliefs at once.

Of two beliefs on one key the later received one holds, so that no two may share an instant: what is ingested
later counts as received microseconds later. A file that tells its rows' moments is moved as a whole, and only
where one of its rows would meet another on its key (of sessions also: another of its car).
"""

import datetime as dt
from collections.abc import Sequence
from itertools import count

import duckdb
import pandas as pd

from warehouse.contracts import CONTRACTS, core_contract, dataset_contract, raw_contract
from warehouse.errors import OptionError
from warehouse.rows import arrow_table
from warehouse.sources.received import refuse_later
from warehouse.sources.types import SourceFile

_WINDOW_US = 1_000
"""Microseconds within which moments are one instant to a reader (see `warehouse.beliefs`)."""


def ingested_before(connection: duckdb.DuckDBPyConnection, source: SourceFile) -> tuple[str, int] | None:
    """Return the id and rows of the source that has all that this one says, if one was ingested.

    That is the same source, or for a file that says nothing of its rows' moments the same file with them. A
    file that says them after it was ingested without is another source: it says more. Raises OptionError
    where the same file was ingested with other moments, since its rows cannot have been received twice.
    """
    same = connection.execute(
        "SELECT source_id, rows, received FROM raw_source WHERE source_id = ? OR (dataset = ? AND sha256 = ? "
        "AND source = ? AND options IS NOT DISTINCT FROM ? AND received IS NOT NULL) "
        "ORDER BY source_id <> ?",
        [
            source.source_id, source.dataset, source.sha256, source.source, source.options,
            source.source_id,
        ],
    ).fetchall()  # fmt: skip
    if not same:
        return None
    source_id, rows, stated = same[0]
    if source_id != source.source_id and source.received is not None:
        raise OptionError(
            f"the same file was ingested with its rows received by {stated!r}: they cannot be received twice",
            file=source.file_name, column="received", value=source.received.stated,
        )  # fmt: skip
    return str(source_id), int(rows)


def require_ingestible(
    connection: duckdb.DuckDBPyConnection, source: SourceFile, ingested_utc: dt.datetime
) -> None:
    """Raise CellError or OptionError where a file's moments cannot be meant; ingested_utc: tz-aware."""
    if ingested_before(connection, source) is None and source.received is not None:
        refuse_later(source.frame, source.received, ingested_utc, source.file_name)


def free_instant(connection: duckdb.DuckDBPyConnection, dataset: str, received: dt.datetime) -> dt.datetime:
    """Return `received`, or the first microsecond after it at which nothing of the dataset was received."""
    window = dt.timedelta(microseconds=_WINDOW_US)
    taken = {
        row[0].astimezone(dt.UTC)
        for row in connection.execute(
            f"SELECT received_utc FROM {raw_contract(dataset).name} "  # noqa: S608
            "WHERE received_utc >= ? AND received_utc < ? UNION "
            "SELECT received_utc FROM raw_source WHERE dataset = ? AND received_utc >= ?",
            [received, received + window, dataset, received],
        ).fetchall()
    }
    while received in taken:
        received += dt.timedelta(microseconds=1)
    return received


def distinct(connection: duckdb.DuckDBPyConnection, source: SourceFile) -> pd.DataFrame:
    """Return a file's rows, moved by the microseconds at which none meets another on its key."""
    if source.received is None:
        return source.frame
    taken = _taken(connection, source.dataset, source.frame, dataset_contract(source.dataset).key)
    if source.dataset == "sessions":
        taken |= _taken(connection, source.dataset, source.frame, ("battery_id",))
    shift = next(number for number in count() if number not in taken)
    if not shift:
        return source.frame
    return source.frame.assign(received_utc=source.frame["received_utc"] + pd.Timedelta(microseconds=shift))


def _taken(
    connection: duckdb.DuckDBPyConnection, dataset: str, frame: pd.DataFrame, key: Sequence[str]
) -> set[int]:
    """Return by how many microseconds a row may not be moved: another with the same `key` is there."""
    raw, core, names = raw_contract(dataset).name, core_contract(dataset).name, ", ".join(key)
    wanted = [*dataset_contract(dataset).names, "source_row", "received_utc"]
    rows = frame.loc[frame["received_utc"].notna(), wanted]
    if rows.empty:
        return set()
    connection.register("telling", arrow_table(rows.assign(source_id=""), CONTRACTS[raw]))
    # An instant's window is met in its own millisecond or the next: an equal one, so that the join is a hash.
    found = connection.execute(
        f"WITH told AS (SELECT {names}, epoch_us(received_utc) AS us, "  # noqa: S608
        f"unnest([us // {_WINDOW_US}, us // {_WINDOW_US} + 1]) AS slot FROM telling), "
        f"known AS (SELECT {names}, epoch_us(received) AS us, us // {_WINDOW_US} AS slot FROM ("
        f"SELECT {names}, coalesce(r.received_utc, s.received_utc) AS received FROM {raw} AS r "
        "JOIN raw_source AS s USING (source_id) "
        f"UNION ALL SELECT {names}, received_utc AS received FROM {core})) "
        f"SELECT DISTINCT known.us - told.us FROM told JOIN known USING ({names}, slot) "
        f"WHERE known.us - told.us BETWEEN 0 AND {_WINDOW_US - 1}"
    ).fetchall()
    return {int(row[0]) for row in found}
