"""Single bad cells: each costs its own row, which the checks then set aside, and not the file of the others.

Where more than half of a column is bad the file is in another layout, and is refused as a whole.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from warehouse.errors import CellError, EmptyFileError, OptionError, nearest
from warehouse.sources.cells import Cells
from warehouse.sources.localtime import utc_of
from warehouse.sources.rawtable import RawTable

DATASETS = frozenset({"prices", "tariffs", "sessions"})
"""Whose rows stand for themselves: an interval, a session."""
NAIVE = (
    "has no offset from UTC: write 2026-06-16T21:30:00Z or …+02:00, or tell the time zone of the file "
    "(--timezone Europe/Berlin)"
)
Columns = Mapping[str, tuple[str, Callable[[Cells], pd.Series]]]
_OFFSET = re.compile(r".*[0-9]{2}:[0-9]{2}.*(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)")


def spared(cells: Cells, read: Callable[[Cells], pd.Series]) -> tuple[pd.Series, tuple[str, ...]]:
    """Read a column without the cells that cannot be, whose values are missing, and return notes on those.

    read: a method of `Cells` that raises CellError. Raises CellError for the first where most are bad.
    """
    try:
        return read(cells), ()
    except CellError:
        filled = int(cells.data.is_valid().to_numpy(zero_copy_only=False).sum())
        bad: list[tuple[int, CellError]] = []
        for one in _unreadable(cells, read, 0, len(cells.data)):
            bad.append(one)
            if 2 * len(bad) > filled:
                raise
    return read(_kept(cells, [at for at, _ in bad])), tuple(
        cells.set_aside([at for at, error in bad if error.problem == why], why)
        for why in dict.fromkeys(error.problem for _, error in bad)
    )


def whole_rows(table: RawTable, columns: Columns, what: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of which every column can be read, with source_row, and notes on the others.

    columns: our name → the header and how its cells are read. what: what the rows are. Raises CellError where
    most of a column is bad, ColumnError, EmptyFileError where no row is whole.
    """
    frame, notes = pd.DataFrame({"source_row": np.arange(1, table.rows + 1)}), list[str]()
    for name, (header, read) in columns.items():
        frame[name], stated = spared(Cells.found(table, header), read)
        notes += stated
    whole = frame.notna().all(axis=1)
    if not whole.any():
        raise EmptyFileError(f"holds no {what} of which every value is there", file=table.file)
    if not whole.all():
        row = int(frame.loc[~whole, "source_row"].iloc[0])
        notes.append(f"{int((~whole).sum())} {what}s lack a value and were left out, the first in row {row}")
    return frame[whole], notes


def zoned_times(cells: Cells, timezone: str | None) -> tuple[pd.Series, tuple[str, ...]]:
    """Return the UTC times of a column that have an offset, or stand on the clock of a stated time zone.

    An hour that this clock has twice or never is set aside and reported. Raises CellError, OptionError.
    """
    texts = texts_of(cells)
    if texts is None:
        typed = cells.data.type
        naive = pa.types.is_date(typed) or (pa.types.is_timestamp(typed) and typed.tz is None)
        if not naive:
            return cells.times(), ()
        if timezone is None:
            cells.refuse_first(pd.Series(cells.data.is_valid().to_numpy(zero_copy_only=False)), NAIVE)
        texts = [None if one is None else one.isoformat() for one in cells.data.to_pylist()]
        cells = replace(cells, data=pa.array(texts, pa.string()))
    naive_rows = [at for at, text in enumerate(texts) if text is not None and not _OFFSET.fullmatch(text)]
    if timezone is not None:
        return _on_clock(cells, naive_rows, timezone) if naive_rows else spared(cells, Cells.times)
    if 2 * len(naive_rows) > sum(text is not None for text in texts):
        raise cells.error(naive_rows[0], NAIVE)
    times, notes = spared(_kept(cells, naive_rows), Cells.times)
    return times, (*notes, cells.set_aside(naive_rows, NAIVE)) if naive_rows else notes


def zone_info(name: str, file: str) -> ZoneInfo:
    """Return a time zone by its IANA name; OptionError for one that there is not."""
    if name not in _zones():
        raise OptionError(
            f"is no time zone{nearest(name, _zones())}", file=file, column="timezone", value=name
        )
    return ZoneInfo(name)


@lru_cache
def _zones() -> frozenset[str]:
    from zoneinfo import available_timezones

    return frozenset(available_timezones())


def texts_of(cells: Cells) -> list[str | None] | None:
    """Return a column's cells if they are text."""
    if not (pa.types.is_string(cells.data.type) or pa.types.is_large_string(cells.data.type)):
        return None
    texts: list[str | None] = cells.data.to_pylist()
    return texts


def _on_clock(cells: Cells, naive_rows: Sequence[int], timezone: str) -> tuple[pd.Series, tuple[str, ...]]:
    """Return times of which those without an offset stand on a clock."""
    zone = zone_info(timezone, cells.file).key
    others = sorted(set(range(len(cells.data))) - set(naive_rows))
    wall, bad = spared(_kept(cells, others), Cells.wall_times)
    local, doubtful = utc_of(cells, wall, zone, singly=True)
    zoned, notes = spared(_kept(cells, naive_rows), Cells.times)
    return zoned.where(wall.isna(), local), (*notes, *bad, *doubtful)


def _unreadable(
    cells: Cells, read: Callable[[Cells], pd.Series], low: int, high: int
) -> Iterator[tuple[int, CellError]]:
    """Find the cells of [low, high) that cannot be read, by halves."""
    try:
        read(replace(cells, data=cells.data.slice(low, high - low), rows=None))
    except CellError as error:
        if high - low == 1:
            yield low, error
            return
        middle = (low + high) // 2
        yield from _unreadable(cells, read, low, middle)
        yield from _unreadable(cells, read, middle, high)


def _kept(cells: Cells, without: Sequence[int]) -> Cells:
    """Return a column without some of its cells."""
    keep = np.ones(len(cells.data), dtype=bool)
    keep[list(without)] = False
    data = pa.array(
        [one if fine else None for one, fine in zip(cells.data.to_pylist(), keep, strict=True)],
        cells.data.type,
    )
    return replace(cells, data=data)
