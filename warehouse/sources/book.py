"""The one sheet of an xlsx file → a table; guarded, since a few kilobytes of zip can ask for all memory.

Before the sheet is read: the archive is unpacked once under a byte cap (declared sizes may lie), and the
rectangle its cells span is measured, which the reader would allocate in full for two cells in far corners.
"""

import datetime as dt
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Sequence

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from warehouse.errors import EmptyFileError, OversizedFileError, UndecodableFileError
from warehouse.sources.caps import PACKING_FROM_BYTES
from warehouse.sources.rawfile import RawFile

_MEMBERS = 1_000
_BROKEN_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
    NotImplementedError, RuntimeError, EOFError, OSError, ValueError,
)  # fmt: skip
_CHUNK = 2**16
_CELL = re.compile(rb"""\br=["']([A-Z]{0,3})([0-9]{1,8})["']""")


def read_book(file: RawFile) -> pa.Table:
    """Return the sheet's rows under its first row as header; mixed columns become text, dates stay times.

    Raises OversizedFileError, UndecodableFileError, EmptyFileError.
    """
    _refuse_bomb(file)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(file.data))
        names = book.sheet_names
        rows = book.get_sheet_by_name(names[0]).to_python() if len(names) == 1 else []
    except (CalamineError, OSError, ValueError) as error:
        raise UndecodableFileError(f"is not readable xlsx: {error}", file=file.name) from error
    if len(names) != 1:
        shown = ", ".join(names[:5])
        raise UndecodableFileError(f"has {len(names)} sheets ({shown}); export the one meant", file=file.name)
    if not rows:
        raise EmptyFileError("holds an empty sheet", file=file.name)
    header = [str(cell) for cell in rows[0]]
    columns = list(zip(*rows[1:], strict=True)) or [()] * len(header)
    return pa.Table.from_arrays([_column(cells) for cells in columns], names=header)


def _column(cells: Sequence[object]) -> pa.Array:
    values = [None if cell == "" else cell for cell in cells]
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {float, int} and kinds:
        return pa.array(values, pa.float64())
    if kinds == {dt.datetime}:
        return pa.array(values, pa.timestamp("us"))
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _refuse_bomb(file: RawFile) -> None:
    most = min(file.caps.book_bytes, max(PACKING_FROM_BYTES, file.caps.packing * len(file.data)))
    unpacked = 0
    try:
        with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
            members = archive.infolist()
            if len(members) > _MEMBERS:
                raise OversizedFileError(f"is a zip of {len(members):,} members", file=file.name)
            for member in members:
                unpacked += _unpack(archive, member, file, most - unpacked)
    except _BROKEN_ZIP as error:
        raise UndecodableFileError(f"is not readable xlsx: {error}", file=file.name) from error


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: RawFile, most: int) -> int:
    """Return a member's unpacked size, having looked at how far its cells, if any, reach."""
    size, right, low, tail = 0, 0, 0, b""
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > most:
                raise OversizedFileError(
                    f"unpacks to more than the {file.caps.book_bytes:,} bytes allowed, or to more than "
                    f"{file.caps.packing} times its size; a zip bomb?",
                    file=file.name,
                )
            for column, row in _CELL.findall(tail + chunk):
                right, low = max(right, _column_number(column)), max(low, int(row))
            tail = chunk[-32:]
    if right > file.caps.columns or right * low > file.caps.sheet_cells:
        raise OversizedFileError(
            f"spans {low:,} rows of {right:,} columns; {file.caps.columns:,} columns and "
            f"{file.caps.sheet_cells:,} cells are allowed",
            file=file.name,
        )
    return size


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
