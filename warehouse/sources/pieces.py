"""A long log in Parquet is read piece by piece, so that its rows never lie in memory together.

That is for telemetry in the tables' own words whose times never go back: only there is known, before the rows
are read, which of them a piece needs to see of the one before it.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from warehouse.errors import SourceError
from warehouse.sources.carry import CARRIED_MINUTES
from warehouse.sources.parquet import ParquetColumns
from warehouse.sources.rawfile import RawFile, Span

PIECE_ROWS = 2_000_000
_TIMES = {"telemetry": ("time_utc", "Unix Time / s", "unix_time_second")}
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def pieces(dataset: str, file: RawFile, rows: int = PIECE_ROWS) -> Iterator[RawFile]:
    """Yield the file with the rows of one piece after the other, of about `rows`; or once as it is.

    A piece begins with a stamp that the one before it does not have.
    """
    cuts, before = _cuts(dataset, file, rows) if file.is_parquet and dataset in _TIMES else ([0], [0])
    if len(cuts) < 3:
        yield file
        return
    for begin, first, end in zip(before, cuts, cuts[1:], strict=False):
        yield replace(file, span=Span(begin=begin, first=first, end=end))


def _cuts(dataset: str, file: RawFile, rows: int) -> tuple[list[int], list[int]]:
    """Return where pieces begin, last the end of the file, and from where on each is read."""
    try:
        columns = ParquetColumns(file)
        (header,) = (name for name in _TIMES[dataset] if name in columns)
        if columns.rows <= rows:
            return [0], [0]
        columns.refuse_bomb()
        moments, second = _moments(columns[header])
    except (SourceError, ValueError):  # whoever reads it says what is wrong
        return [0], [0]
    if moments is None or np.any(moments[1:] < moments[:-1]):
        return [0], [0]
    wanted = moments[rows : moments.size : rows]
    starts = np.unique(np.searchsorted(moments, wanted))
    starts = starts[starts > 0]
    around = 60 * second * max(CARRIED_MINUTES[dataset].values())
    before = np.searchsorted(moments, moments[starts] - around)
    return [0, *starts.tolist(), moments.size], [0, *before.tolist()]


def _moments(column: pa.ChunkedArray) -> tuple[NDArray[np.int64] | NDArray[np.float64] | None, int]:
    """Return times as numbers and how many are a second; None where one is missing or they are text."""
    kind = column.type
    if column.null_count:
        return None, 1
    if pa.types.is_timestamp(kind):
        return column.cast(pa.int64()).to_numpy(), _PER_SECOND[kind.unit]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column.to_numpy(), 1
    return None, 1
