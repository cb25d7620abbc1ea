"""Rows as they arrived: into the raw tables, and out again for the checks, in parts that fit in memory."""

import datetime as dt
from dataclasses import dataclass, replace

import duckdb
import pandas as pd

from warehouse.beliefs import received
from warehouse.contracts import CONTRACTS, conform, dataset_contract, landed_contract, raw_contract
from warehouse.receipts import free_instant, landed_before, require_landable, told_apart
from warehouse.rows import arrow_table, insert
from warehouse.sources.types import SourceFile

_BY_FILE = "telemetry"
"""Dataset whose rows are judged by those of their battery and file alone, and told of likewise."""
_SMALLER = 3
"""What a part of some files of one battery is smaller by: nothing has to stay together in it but a file."""
_SLICE_ROWS = 1_000_000
"""Rows that are turned into Arrow at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What landing a file did; `already` when that source was there before and nothing was written."""

    source_id: str
    rows: int
    already: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the landed rows that wait for their check: those of `source_ids` from one id to another.

    source_ids: all that wait; of a battery with many rows, of which lowest and highest are then the id, some.
    lowest, highest: inclusive bounds of the first key column (telemetry: battery); None is open, and rows
    without an id belong to the part without `lowest`.
    """

    dataset: str
    source_ids: tuple[str, ...]
    rows: int
    lowest: str | None = None
    highest: str | None = None


def land(connection: duckdb.DuckDBPyConnection, source: SourceFile, landing: dt.datetime) -> Landed:
    """Insert a file's rows and its record, once, inside the caller's transaction; landing: when, in UTC.

    Raises CellError, OptionError as `warehouse.receipts.require_landable`.
    """
    require_landable(connection, source, landing)
    if known := landed_before(connection, source):
        return Landed(source_id=known[0], rows=known[1], already=True)
    frame, rows = told_apart(connection, source), len(source.frame)
    record = {
        "source_id": source.source_id,
        "dataset": source.dataset,
        "source": source.source,
        "file_name": source.file_name,
        "sha256": source.sha256,
        "rows": rows,
        "provider": source.provider,
        "licence": source.licence,
        "attribution": source.attribution,
        "options": source.options,
        "url": source.url,
        "fetched_utc": source.fetched_utc,
        "received_utc": free_instant(connection, source.dataset, landing),
        "checked_utc": None,
        "pruned_utc": None,
        "received": source.received and source.received.told,
    }
    table, contract = CONTRACTS["raw_source"], raw_contract(source.dataset)
    insert(connection, table, arrow_table(pd.DataFrame([record]), table))
    for first in range(0, rows, _SLICE_ROWS):
        part = frame.iloc[first : first + _SLICE_ROWS].assign(source_id=source.source_id)
        insert(connection, contract, arrow_table(part, contract))
    return Landed(source_id=source.source_id, rows=rows, already=False)


def parts(connection: duckdb.DuckDBPyConnection, dataset: str, rows: int) -> list[Part]:
    """Return the rows that wait for their check; telemetry cut into about equal parts of whole batteries.

    A battery that has more rows than a part alone is cut between its files: each is judged by itself.
    """
    contract = raw_contract(dataset)
    waiting = connection.execute(
        "SELECT source_id FROM raw_source WHERE dataset = ? AND checked_utc IS NULL ORDER BY source_id",
        [dataset],
    ).fetchall()
    source_ids = tuple(str(row[0]) for row in waiting)
    if not source_ids:
        return []
    owner = dataset_contract(dataset).key[0]
    counts = connection.execute(
        f"SELECT {owner}, count(*) FROM {contract.name} WHERE source_id IN (SELECT unnest(?)) "  # noqa: S608
        f"GROUP BY {owner} ORDER BY {owner} NULLS FIRST",
        [list(source_ids)],
    ).fetchall()
    if not counts:
        return []
    cuttable = dataset_contract(dataset).daily
    total = sum(count for _, count in counts)
    wanted = total / max(1, round(total / rows))  # equal parts: a small last one costs nearly as much
    found, open_ids, size = list[Part](), list[str | None](), 0

    def close() -> None:
        """Make a part of the batteries that are open; one without an id comes first of all."""
        nonlocal size
        if open_ids:
            first = None if not found else open_ids[0]
            highest = open_ids[-1] if open_ids[-1] is not None else ""
            found.append(
                Part(dataset=dataset, source_ids=source_ids, rows=size, lowest=first, highest=highest)
            )
            open_ids.clear()
            size = 0

    for owner_id, count in counts:
        if dataset == _BY_FILE and owner_id is not None and count > rows and len(source_ids) > 1:
            close()
            found += _by_file(connection, dataset, owner_id, source_ids, max(1, rows // _SMALLER))
            continue
        open_ids.append(owner_id)
        size += count
        if cuttable and size >= wanted and owner_id is not None:
            close()
    close()
    return [_ends(part, number, len(found)) for number, part in enumerate(found)]


def _ends(part: Part, number: int, parts_in_all: int) -> Part:
    """Return the first and the last part without the bound that nothing is beyond."""
    if part.lowest is not None and part.lowest == part.highest:
        return part  # of one battery, and perhaps not all of its files
    if number == parts_in_all - 1:
        part = replace(part, highest=None)
    return replace(part, lowest=None) if number == 0 else part


def _by_file(
    connection: duckdb.DuckDBPyConnection, dataset: str, owner_id: str, source_ids: tuple[str, ...], rows: int
) -> list[Part]:
    """Return parts of one battery, each of some of its files: of `rows`, or one file that has more."""
    counts = connection.execute(
        f"SELECT source_id, count(*) FROM {raw_contract(dataset).name} "  # noqa: S608
        f"WHERE source_id IN (SELECT unnest(?)) AND {dataset_contract(dataset).key[0]} = ? "
        "GROUP BY source_id ORDER BY source_id",
        [list(source_ids), owner_id],
    ).fetchall()
    found, ids, size = list[Part](), list[str](), 0
    for number, (source_id, count) in enumerate(counts):
        ids.append(str(source_id))
        size += count
        following = counts[number + 1][1] if number + 1 < len(counts) else rows
        if size + following > rows or number + 1 == len(counts):
            found.append(
                Part(dataset=dataset, source_ids=tuple(ids), rows=size, lowest=owner_id, highest=owner_id)
            )
            ids, size = [], 0
    return found


def read_part(connection: duckdb.DuckDBPyConnection, part: Part) -> pd.DataFrame:
    """Return the landed rows of a part, in the shape of `landed_contract`, as they came."""
    contract = landed_contract(part.dataset)
    owner = dataset_contract(part.dataset).key[0]
    clauses, values = ["TRUE"], list[object]([list(part.source_ids)])
    if part.lowest is not None:
        clauses.append(f"{owner} >= ?")
        values.append(part.lowest)
    if part.highest is not None:
        clauses.append(f"{owner} <= ?" if part.lowest is not None else f"({owner} IS NULL OR {owner} <= ?)")
        values.append(part.highest)
    frame = (
        connection.sql(
            f"SELECT {', '.join(contract.names)} "  # noqa: S608
            f"FROM {received(part.dataset, 'source_id IN (SELECT unnest(?))')} "
            f"WHERE {' AND '.join(clauses)} ORDER BY received_utc, source_id, source_row",
            params=values,
        )
        .to_arrow_table()
        .to_pandas(date_as_object=True)
    )
    return conform(frame, contract)


def waiting_rows(connection: duckdb.DuckDBPyConnection, dataset: str, before: dt.datetime | None) -> int:
    """Return how many landed rows wait for their check, of those received `before` (tz-aware) if given."""
    waits = "dataset = $dataset AND checked_utc IS NULL"
    if before is None:
        sql, values = f"SELECT coalesce(sum(rows), 0) FROM raw_source WHERE {waits}", {}  # noqa: S608
    else:
        later = f"{waits} AND received IS NOT NULL AND received_utc >= $before"
        values = {"before": before}
        sql = (
            f"SELECT (SELECT coalesce(sum(rows), 0) FROM raw_source WHERE {waits} "  # noqa: S608
            "AND received_utc < $before) + "
            f"(SELECT count(*) FROM {received(dataset, later)} WHERE received_utc < $before)"
        )
    return int(connection.execute(sql, {"dataset": dataset} | values).fetchall()[0][0])
