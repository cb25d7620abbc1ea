"""A long log is read piece by piece, so that its rows never lie in memory together.

That is for telemetry in the tables' own words whose times never go back: only there is known, before the
rows are read, which of them a piece needs to see of the one before it. Of CSV only what is whole from end to
end is cut, a row a line; anything else is read at once, and judged by whoever does.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from warehouse.errors import SourceError
from warehouse.sources.carry import CARRIED_MINUTES
from warehouse.sources.cells import Cells
from warehouse.sources.parquet import ParquetColumns
from warehouse.sources.rawfile import RawFile, Span
from warehouse.sources.torn import BLOCK_BYTES

PIECE_ROWS = 2_000_000
_TIMES = {"telemetry": ("time_utc", "Unix Time / s", "unix_time_second")}
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_LEAST_LINE_BYTES = 16  # a shorter row holds no time and two values
_SCANNED_BYTES = 2**26

_Moments = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cuts:
    """Where pieces begin, last the end of the file, and from which row on each is read."""

    starts: list[int]
    before: list[int]


def pieces(dataset: str, file: RawFile, rows: int = PIECE_ROWS) -> Iterator[RawFile]:
    """Yield the file with the rows of one piece after the other, of about `rows`; or once as it is.

    A piece begins with a stamp that the one before it does not have. One of CSV holds its own lines alone.
    """
    if dataset not in _TIMES or file.is_xlsx:
        yield file
        return
    cut = _parquet if file.is_parquet else _text
    try:
        found = cut(file, dataset, rows)
    except (SourceError, ValueError):  # whoever reads it says what is wrong
        found = None
    if found is None:
        yield file
        return
    spans = [
        Span(begin=begin, first=first, end=end)
        for begin, first, end in zip(found.before, found.starts, found.starts[1:], strict=False)
    ]
    if file.is_parquet:
        yield from (replace(file, span=span) for span in spans)
        return
    header, lines = _lines(file.data, [at for span in spans for at in (span.begin, span.end)])
    for span in spans:
        yield replace(file, data=header + file.data[lines[span.begin] : lines[span.end]], span=span)


def _parquet(file: RawFile, dataset: str, rows: int) -> _Cuts | None:
    columns = ParquetColumns(file)
    (header,) = (name for name in _TIMES[dataset] if name in columns)
    if columns.rows <= rows:
        return None
    columns.refuse_bomb()
    moments, second = _moments(columns[header])
    return None if moments is None else _cuts(dataset, moments, second, rows)


def _text(file: RawFile, dataset: str, rows: int) -> _Cuts | None:
    """Return the cuts of a CSV file in which each line is a row; its times are read one block at a time."""
    data = file.data
    if len(data) < rows * _LEAST_LINE_BYTES or b"\0" in data:
        return None
    named = next(csv.reader([data[: data.find(b"\n")].decode("utf-8-sig").strip()]), [])
    (header,) = (name for name in _TIMES[dataset] if name in named)
    if len(set(named)) < len(named):
        return None
    reader = pacsv.open_csv(
        pa.BufferReader(data),
        convert_options=pacsv.ConvertOptions(
            column_types={header: pa.string()},
            include_columns=[header],
            strings_can_be_null=True,
            null_values=[""],
        ),
        read_options=pacsv.ReadOptions(
            block_size=BLOCK_BYTES, column_names=named, skip_rows=1, use_threads=False
        ),
    )
    parts = list[NDArray[np.int64]]()
    for block in reader:
        cells = Cells(file=file.name, column=header, data=block.column(0))
        times = cells.times() if header == "time_utc" else cells.epoch_seconds()
        if times.isna().any():
            return None
        parts.append(times.to_numpy(dtype="datetime64[us]").astype(np.int64))
    moments = np.concatenate(parts)
    if not rows < moments.size <= file.caps.rows or _breaks(data) != moments.size + data.endswith(b"\n"):
        return None
    return _cuts(dataset, moments, _PER_SECOND["us"], rows)


def _cuts(dataset: str, moments: _Moments, second: int, rows: int) -> _Cuts | None:
    if np.any(moments[1:] < moments[:-1]):
        return None
    wanted = moments[rows : moments.size : rows]
    starts = np.unique(np.searchsorted(moments, wanted))
    starts = starts[starts > 0]
    if not len(starts):
        return None
    around = 60 * second * max(CARRIED_MINUTES[dataset].values())
    before = np.searchsorted(moments, moments[starts] - around)
    return _Cuts(starts=[0, *starts.tolist(), moments.size], before=[0, *before.tolist()])


def _moments(column: pa.ChunkedArray) -> tuple[_Moments | None, int]:
    """Return times as numbers and how many are a second; None where one is missing or they are text."""
    kind = column.type
    if column.null_count:
        return None, 1
    if pa.types.is_timestamp(kind):
        return column.cast(pa.int64()).to_numpy(), _PER_SECOND[kind.unit]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column.to_numpy(), 1
    return None, 1


def _scans(data: bytes) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield where line breaks stand, by parts of the text: the part's beginning, and places in it."""
    for begin in range(0, len(data), _SCANNED_BYTES):
        part = np.frombuffer(data, np.uint8, min(_SCANNED_BYTES, len(data) - begin), begin)
        yield begin, np.flatnonzero(part == ord("\n"))


def _breaks(data: bytes) -> int:
    return sum(places.size for _, places in _scans(data))


def _lines(data: bytes, rows: list[int]) -> tuple[bytes, dict[int, int]]:
    """Return the header's line, and where the line of each of some rows begins; past the last, the end."""
    wanted, found, seen = np.unique(rows), dict[int, int](), 0
    for begin, places in _scans(data):
        for row in wanted[(wanted >= seen) & (wanted < seen + places.size)].tolist():
            found[row] = begin + int(places[row - seen]) + 1
        seen += places.size
    return data[: found[0]], {row: found.get(row, len(data)) for row in rows}
