"""Single bad cells: each costs its own row, which the checks then set aside, and not the file of the others.

Where more than half of a column is bad the file is in another layout, and is refused as a whole.
"""

import re
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from warehouse.errors import CellError, OptionError, nearest, printable
from warehouse.sources.cells import Cells
from warehouse.sources.numbers import numbers

DATASETS = frozenset({"prices", "tariffs", "sessions"})
"""Whose rows stand for themselves: an interval, a stay."""
NAIVE = (
    "has no offset from UTC: write 2026-06-16T21:30:00Z or …+02:00, or tell the time zone of the file "
    "(--timezone Europe/Berlin)"
)
_OFFSET = re.compile(r".*[0-9]{2}:[0-9]{2}.*(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)")
_COMMA = re.compile(r"[+-]?[0-9.]*,[0-9]+")
_SHOWN = 3


def floats(cells: Cells) -> tuple[pd.Series, tuple[str, ...]]:
    """Return the numbers of a column and notes; NaN where a cell holds a word. Raises CellError."""
    try:
        return cells.floats(), ()
    except CellError:
        texts = _texts(cells)
        if texts is None or sum(bool(text and _COMMA.fullmatch(text)) for text in texts) > 1:
            raise  # decimal commas: a dialect, not a slip
        return numbers(texts, cells.file, cells.column, what="rows")


def times(cells: Cells) -> tuple[pd.Series, tuple[str, ...]]:
    """Return the UTC times of a column and notes; NaT where a cell holds none. Raises CellError."""
    try:
        return cells.times(), ()
    except CellError:
        texts = _texts(cells)
        if texts is None:
            raise
        read = pd.to_datetime(pd.Series(texts, dtype="str"), format="ISO8601", errors="coerce", utc=True)
        known = read.between(pd.Timestamp("1900-01-01", tz="UTC"), pd.Timestamp("2199-12-31", tz="UTC"))
        good = [bool(one) for one in known]
        return _without(cells, texts, good, "is no time", lambda kept: kept.times())


def zoned_times(cells: Cells, timezone: str | None) -> tuple[pd.Series, tuple[str, ...]]:
    """Return the UTC times of a column that have an offset, or stand on the clock of a stated time zone.

    An hour that this clock has twice or never is set aside and told. Raises CellError, OptionError.
    """
    texts = _texts(cells)
    if texts is None:
        typed = cells.data.type
        naive = pa.types.is_date(typed) or (pa.types.is_timestamp(typed) and typed.tz is None)
        if not naive:
            return cells.times(), ()
        if timezone is None:
            cells.refuse_first(pd.Series(cells.data.is_valid().to_numpy(zero_copy_only=False)), NAIVE)
        texts = [None if one is None else one.isoformat() for one in cells.data.to_pylist()]
    told = [text is None or bool(_OFFSET.fullmatch(text)) for text in texts]
    if timezone is None:
        return _without(cells, texts, told, NAIVE, times)
    if all(told):
        return times(cells)
    return _on_clock(cells, texts, told, timezone)


def _on_clock(
    cells: Cells, texts: Sequence[str | None], told: Sequence[bool], timezone: str
) -> tuple[pd.Series, tuple[str, ...]]:
    zone = zone_info(timezone, cells.file)
    bare = [None if offset else text for text, offset in zip(texts, told, strict=True)]
    wall = pd.to_datetime(pd.Series(bare, dtype="str"), format="ISO8601", errors="coerce")
    local = wall.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
    zoned, notes = times(_kept(cells, texts, told))
    found = zoned.where(pd.Series(told), local.astype("datetime64[us, UTC]"))
    doubtful = (wall.notna() & local.isna()).to_numpy()
    wrong = np.array([text is not None for text in bare]) & wall.isna().to_numpy()
    if wrong.sum() * 2 > sum(text is not None for text in texts):
        raise cells.error(int(wrong.argmax()), "is not an ISO 8601 time")
    for marked, why in ((doubtful, f"an hour that {timezone} has twice or never"), (wrong, "no time")):
        if marked.any():
            notes = (*notes, _note(cells, texts, [int(row) for row in np.flatnonzero(marked)], f"is {why}"))
    return found, notes


def zone_info(name: str, file: str) -> ZoneInfo:
    """Return a time zone by its IANA name; OptionError for one that there is not."""
    from zoneinfo import available_timezones

    if name not in available_timezones():
        raise OptionError(
            f"is no time zone{nearest(name, available_timezones())}", file=file, column="timezone", value=name
        )
    return ZoneInfo(name)


def _without(
    cells: Cells,
    texts: Sequence[str | None],
    good: Sequence[bool],
    problem: str,
    read: Callable[[Cells], pd.Series | tuple[pd.Series, tuple[str, ...]]],
) -> tuple[pd.Series, tuple[str, ...]]:
    """Read a column without its bad cells; CellError for the first of them where most are bad."""
    bad = [row for row, (text, fine) in enumerate(zip(texts, good, strict=True)) if text and not fine]
    if 2 * len(bad) > sum(bool(text) for text in texts):
        raise cells.error(bad[0], problem)
    found = read(_kept(cells, texts, [row not in set(bad) for row in range(len(texts))] if bad else good))
    values, notes = found if isinstance(found, tuple) else (found, ())
    return values, (*notes, _note(cells, texts, bad, problem)) if bad else notes


def _kept(cells: Cells, texts: Sequence[str | None], good: Sequence[bool]) -> Cells:
    data = pa.array([text if fine else None for text, fine in zip(texts, good, strict=True)], pa.string())
    return Cells(file=cells.file, column=cells.column, data=data)


def _note(cells: Cells, texts: Sequence[str | None], rows: Sequence[int], problem: str) -> str:
    shown = ", ".join(f"{row + 1} ({printable(str(texts[row]))[:40]})" for row in rows[:_SHOWN])
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return f"column {cells.column!r}: {len(rows)} rows are set aside: row {shown}{more} {problem}"


def _texts(cells: Cells) -> list[str | None] | None:
    """Return a column's cells if they are text."""
    if not (pa.types.is_string(cells.data.type) or pa.types.is_large_string(cells.data.type)):
        return None
    texts: list[str | None] = cells.data.to_pylist()
    return texts
