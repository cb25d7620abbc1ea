"""The one sheet of an xlsx file → a table; guarded by `bookguard`, read in blocks of rows."""

import datetime as dt
import io
import itertools
from collections.abc import Iterator, Sequence

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from warehouse.errors import EmptyFileError, UndecodableFileError
from warehouse.sources.bookguard import refuse_bomb
from warehouse.sources.rawfile import RawFile

_BLOCK_ROWS = 20_000
"""Rows that are Python's objects at once."""


def read_book(file: RawFile) -> pa.Table:
    """Return the sheet's rows under its first row as header; mixed columns become text, dates stay times.

    Raises OversizedFileError, UndecodableFileError, EmptyFileError.
    """
    refuse_bomb(file)
    try:
        rows = _sheet(file)
        header = [str(cell) for cell in next(rows, [])]
        blocks = [[_values(cells) for cells in zip(*block, strict=True)] for block in _blocks(rows)]
    except (CalamineError, OSError, ValueError) as error:
        raise UndecodableFileError(f"is not readable xlsx: {error}", file=file.name) from error
    if not header:
        raise EmptyFileError("holds an empty sheet", file=file.name)
    columns = [_column([block[number] for block in blocks]) for number in range(len(header))]
    return pa.Table.from_arrays(columns, names=header)


def cells_of_book(file: RawFile) -> list[list[str]]:
    """Return the sheet's rows as texts, with what stands above its header; raises as `read_book`."""
    refuse_bomb(file)
    try:
        rows = [["" if cell is None else str(cell).strip() for cell in row] for row in _sheet(file)]
    except (CalamineError, OSError, ValueError) as error:
        raise UndecodableFileError(f"is not readable xlsx: {error}", file=file.name) from error
    if not rows:
        raise EmptyFileError("holds an empty sheet", file=file.name)
    return rows


def _sheet(file: RawFile) -> Iterator[Sequence[object]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(file.data))
    names = book.sheet_names
    if len(names) != 1:
        shown = ", ".join(names[:5])
        raise UndecodableFileError(f"has {len(names)} sheets ({shown}); export the one meant", file=file.name)
    return iter(book.get_sheet_by_name(names[0]).iter_rows())


def _blocks(rows: Iterator[Sequence[object]]) -> Iterator[list[Sequence[object]]]:
    while block := list(itertools.islice(rows, _BLOCK_ROWS)):
        yield block


def _values(cells: Sequence[object]) -> pa.Array:
    """Return a block's cells of one column: numbers, times, or texts as they would be shown."""
    values = [None if cell == "" else cell for cell in cells]
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pa.nulls(len(values))
    if kinds <= {float, int}:
        return pa.array(values, pa.float64())
    if dt.datetime in kinds and kinds <= {dt.datetime, dt.date}:  # a midnight comes as a date
        return pa.array([_moment(value) for value in values], pa.timestamp("us"))
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _moment(value: object) -> object:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time())
    return value


def _column(blocks: Sequence[pa.Array]) -> pa.ChunkedArray:
    """Return one column of its blocks: text, where they are of several kinds."""
    kinds = {block.type for block in blocks if not pa.types.is_null(block.type)}
    kind = kinds.pop() if len(kinds) == 1 else pa.string()
    return pa.chunked_array(
        [block.cast(kind) if pa.types.is_null(block.type) else _as(block, kind) for block in blocks], kind
    )


def _as(block: pa.Array, kind: pa.DataType) -> pa.Array:
    if block.type == kind:
        return block
    return pa.array([None if value is None else str(value) for value in block.to_pylist()], kind)
