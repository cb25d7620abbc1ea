"""Rows as they arrived: into the raw tables, and out again for the checks, in parts that fit in memory."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain, groupby

import duckdb
import pandas as pd

from warehouse.beliefs import received
from warehouse.contracts import CONTRACTS, conform, dataset_contract, ingested_contract, raw_contract
from warehouse.errors import ContractError
from warehouse.noted import was_read
from warehouse.receipts import distinct, free_instant, ingested_before, require_ingestible
from warehouse.rows import arrow_table, insert
from warehouse.sources.types import SourceFile

_BY_FILE = "telemetry"
"""Dataset whose rows are judged by those of their battery and file alone, and reported of likewise."""
_SMALLER = 2
"""What a part of some files of one battery is smaller by: nothing has to stay together in it but a file."""
_AROUND = dt.timedelta(hours=6)
"""How far before and after a stretch of a file that is judged alone its samples are read with it."""
_SLICE_ROWS = 1_000_000
"""Rows that are turned into Arrow at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What ingesting a file did; `already` when that source was there before and nothing was written."""

    source_id: str
    rows: int
    already: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the ingested rows that wait for their check: those of `source_ids` from one id to another.

    source_ids: all that wait; of a battery with many rows, of which lowest and highest are then the id, some.
    lowest, highest: inclusive bounds of the first key column (telemetry: battery); None is open, and rows
    without an id belong to the part without `lowest`. start, end: of a file with many rows a stretch,
    half-open; None is open, and rows without a time belong to the part without `start`. rows: without those
    that are read for being neighbours in time.
    """

    dataset: str
    source_ids: tuple[str, ...]
    rows: int
    lowest: str | None = None
    highest: str | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None

    def own(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a frame that are the part's, without those read for being their neighbours."""
        if self.start is None and self.end is None:
            return frame
        times, own = frame["time_utc"], pd.Series(True, index=frame.index)
        if self.start is not None:
            own &= times >= pd.Timestamp(self.start)
        if self.end is not None:
            own &= ~(times >= pd.Timestamp(self.end))
        return frame[own]


def ingest(
    connection: duckdb.DuckDBPyConnection,
    source: SourceFile,
    ingested_utc: dt.datetime,
    more: Iterable[SourceFile] = (),
) -> Batch:
    """Insert a file's rows and its record, once, inside the caller's transaction; ingested_utc: when, in UTC.

    more: the rest of its rows, piece by piece; asked for only where the file had not been ingested. Raises
    CellError, OptionError as `warehouse.receipts.require_ingestible`, ContractError for another file's piece.
    """
    require_ingestible(connection, source, ingested_utc)
    if known := ingested_before(connection, source):
        return Batch(source_id=known[0], rows=known[1], already=True)
    record = {
        "source_id": source.source_id,
        "dataset": source.dataset,
        "source": source.source,
        "file_name": source.file_name,
        "sha256": source.sha256,
        "rows": len(source.frame),
        "provider": source.provider,
        "licence": source.licence,
        "attribution": source.attribution,
        "options": source.options,
        "url": source.url,
        "fetched_utc": source.fetched_utc,
        "received_utc": free_instant(connection, source.dataset, ingested_utc),
        "checked_utc": None,
        "pruned_utc": None,
        "received": source.received and source.received.stated,
        "transactions": source.transactions,
    }
    table, contract = CONTRACTS["raw_source"], raw_contract(source.dataset)
    insert(connection, table, arrow_table(pd.DataFrame([record]), table))
    rows = 0
    for piece in chain((source,), more):
        if piece.source_id != source.source_id:
            raise ContractError(f"{source.file_name} changed while it was read: try again")
        frame = distinct(connection, piece)
        rows += len(frame)
        for first in range(0, len(frame), _SLICE_ROWS):
            part = frame.iloc[first : first + _SLICE_ROWS].assign(source_id=source.source_id)
            insert(connection, contract, arrow_table(part, contract))
    if rows != len(source.frame):
        connection.execute("UPDATE raw_source SET rows = ? WHERE source_id = ?", [rows, source.source_id])
    return Batch(source_id=source.source_id, rows=rows, already=False)


def parts(connection: duckdb.DuckDBPyConnection, dataset: str, rows: int) -> list[Part]:
    """Return the rows that wait for their check; telemetry cut into about equal parts of whole batteries.

    A battery that has more rows than a part alone is cut between its files: each is judged by itself. So is a
    file that has more, in time.
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
        if dataset == _BY_FILE and owner_id is not None and count > rows:
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
    """Return parts of one battery, each of some of its files, or of a stretch of one that has more rows."""
    counts = connection.execute(
        f"SELECT source_id, count(*) FROM {raw_contract(dataset).name} "  # noqa: S608
        f"WHERE source_id IN (SELECT unnest(?)) AND {dataset_contract(dataset).key[0]} = ? "
        "GROUP BY source_id ORDER BY source_id",
        [list(source_ids), owner_id],
    ).fetchall()
    found, ids, size = list[Part](), list[str](), 0
    for number, (source_id, count) in enumerate(counts):
        if count > rows:
            found += _by_time(connection, dataset, owner_id, str(source_id), rows)
            continue
        ids.append(str(source_id))
        size += count
        following = counts[number + 1][1] if number + 1 < len(counts) else rows
        if size + following > rows or number + 1 == len(counts):
            found.append(
                Part(dataset=dataset, source_ids=tuple(ids), rows=size, lowest=owner_id, highest=owner_id)
            )
            ids, size = [], 0
    return found


def _by_time(
    connection: duckdb.DuckDBPyConnection, dataset: str, owner_id: str, source_id: str, rows: int
) -> list[Part]:
    """Return parts of one file of a battery: stretches of days, or of hours where a day has more rows."""
    contract = dataset_contract(dataset)
    hours = connection.execute(
        f"SELECT date_trunc('hour', {contract.time_column}) AS hour, count(*) "  # noqa: S608
        f"FROM {raw_contract(dataset).name} WHERE source_id = ? AND {contract.key[0]} = ? "
        "GROUP BY hour ORDER BY hour NULLS FIRST",
        [source_id, owner_id],
    ).fetchall()
    units = list[tuple[dt.datetime | None, int]]()
    for day, of_day in groupby(hours, key=lambda one: one[0] and one[0].date()):
        own = list(of_day)
        size = sum(count for _, count in own)
        units += own if day is not None and size > rows else [(own[0][0], size)]
    found, begin, size = list[tuple[dt.datetime | None, dt.datetime | None, int]](), None, 0
    for start, count in units:
        if start is not None and size and size + count > rows:
            found.append((begin, start, size))
            begin, size = start, 0
        size += count
    found.append((begin, None, size))
    of_file = Part(dataset=dataset, source_ids=(source_id,), rows=0, lowest=owner_id, highest=owner_id)
    return [replace(of_file, rows=size, start=start, end=end) for start, end, size in found]


def read_part(connection: duckdb.DuckDBPyConnection, part: Part) -> pd.DataFrame:
    """Return the ingested rows of a part, in the shape of `ingested_contract`, as they came.

    Those of a stretch of a file with some hours before and after it: `Part.own` tells them apart.
    """
    contract = ingested_contract(part.dataset)
    was_read(contract.name)
    owner = dataset_contract(part.dataset).key[0]
    clauses, values = ["TRUE"], list[object]([list(part.source_ids)])
    if part.lowest is not None:
        clauses.append(f"{owner} >= ?")
        values.append(part.lowest)
    if part.highest is not None:
        clauses.append(f"{owner} <= ?" if part.lowest is not None else f"({owner} IS NULL OR {owner} <= ?)")
        values.append(part.highest)
    time = contract.time_column
    if part.start is not None:
        clauses.append(f"{time} >= ?")
        values.append(part.start - _AROUND)
    if part.end is not None:
        clauses.append(f"{time} < ?" if part.start is not None else f"({time} IS NULL OR {time} < ?)")
        values.append(part.end + _AROUND)
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
    """Return how many ingested rows wait for their check, of those received `before` (tz-aware) if given."""
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
