"""Why an xlsx file is not even opened: a few kilobytes of zip can ask for all memory.

The archive is unpacked once, piece by piece and kept nowhere (declared sizes may lie): how much it is, how
many cells there are and what rectangle they span, which the reader would allocate in full for two cells in
far corners, and how long the shared texts are that cells repeat by their number.
"""

import io
import lzma
import re
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from warehouse.errors import OversizedFileError, UndecodableFileError
from warehouse.sources.caps import PACKING_FROM_BYTES
from warehouse.sources.rawfile import RawFile

_MEMBERS = 1_000
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What xlsx is packed in; the others unpack without end from a single read."""
_BROKEN_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
    NotImplementedError, RuntimeError, EOFError, OSError, ValueError,
)  # fmt: skip
_CHUNK, _TAIL = 2**16, 256
_SPARSE_FROM, _SPARSE = 100_000, 10
"""A sheet may span this many cells, and beyond that this many times the cells that it has."""
_CELL = re.compile(rb"""<(?:\w+:)?c[\s/>]""")
_PLACE = re.compile(rb"""\br=["']([A-Z]{0,3})([0-9]{1,8})["']""")
_SHARED_CELL = re.compile(rb"""\bt=["']s["']""")
_SHARED_NUMBER = re.compile(rb"""\bt=["']s["'][^<>]*>\s*<(?:\w+:)?v[^<>]*>\s*([0-9]{1,9})\s*<""")
_SHARED_TEXT = re.compile(rb"""<(?:\w+:)?si[\s/>]""")


@dataclass(slots=True, kw_only=True)
class _Book:
    """What was seen in the archive; text_bytes: of each shared text, in order."""

    size: int = 0
    cells: int = 0
    right: int = 0
    low: int = 0
    shared_cells: int = 0
    text_bytes: "array[int]" = field(default_factory=lambda: array("q"))


def refuse_bomb(file: RawFile) -> None:
    """Raise OversizedFileError or UndecodableFileError for what would take more memory than it may."""
    book = _Book()
    try:
        with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
            members = archive.infolist()
            if len(members) > _MEMBERS:
                raise OversizedFileError(f"is a zip of {len(members):,} members", file=file.name)
            for member in members:
                if member.compress_type not in _PACKINGS:
                    raise UndecodableFileError(
                        f"is not readable xlsx: {member.filename!r} is packed in a way that xlsx is not",
                        file=file.name,
                    )
                _look(archive, member, file, book)
            longest = max(book.text_bytes, default=0)
            if book.shared_cells * longest > file.caps.book_bytes:
                _refuse_texts(archive, file, book, longest)
    except _BROKEN_ZIP as error:
        raise UndecodableFileError(f"is not readable xlsx: {error}", file=file.name) from error


def _look(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: RawFile, book: _Book) -> None:
    """Unpack one member and note what it holds."""
    most = min(file.caps.book_bytes, max(PACKING_FROM_BYTES, file.caps.packing * len(file.data)))
    cells, right, low, offset, begun = 0, 0, 0, 0, -1
    for text, new in _pieces(archive, member):
        book.size += new
        if book.size > most:
            raise OversizedFileError(
                f"unpacks to more than the {file.caps.book_bytes:,} bytes allowed, or to more than "
                f"{file.caps.packing} times its size; a zip bomb?",
                file=file.name,
            )
        fresh = len(text) - new  # what lies before it was in the piece before
        cells += sum(1 for found in _CELL.finditer(text) if found.end() > fresh)
        book.shared_cells += sum(1 for found in _SHARED_CELL.finditer(text) if found.end() > fresh)
        for column, row in _PLACE.findall(text):
            right, low = max(right, _column_number(column)), max(low, int(row))
        for found in _SHARED_TEXT.finditer(text):
            at = offset - fresh + found.start()
            if found.end() > fresh:
                if begun >= 0:
                    book.text_bytes.append(at - begun)
                begun = at
        offset += new
        if cells > file.caps.sheet_cells or len(book.text_bytes) > file.caps.sheet_cells:
            raise _too_far(file, low, right)
    if begun >= 0:
        book.text_bytes.append(offset - begun)
    if right > file.caps.columns or right * low > file.caps.sheet_cells:
        raise _too_far(file, low, right)
    if right * low > _SPARSE_FROM + _SPARSE * cells:
        raise OversizedFileError(f"spans {right * low:,} cells and holds {cells:,}", file=file.name)


def _refuse_texts(archive: zipfile.ZipFile, file: RawFile, book: _Book, longest: int) -> None:
    """Add up what the cells say that repeat a shared text; what cannot be determined counts as the longest
    one."""
    total, stated = 0, 0
    for member in archive.infolist():
        for text, new in _pieces(archive, member):
            for found in _SHARED_NUMBER.finditer(text):
                if found.end() > len(text) - new:
                    number, stated = int(found[1]), stated + 1
                    total += book.text_bytes[number] if number < len(book.text_bytes) else 0
    total += max(0, book.shared_cells - stated) * longest
    if total > file.caps.book_bytes:
        raise OversizedFileError(
            f"repeats its texts to {total:,} bytes; {file.caps.book_bytes:,} are allowed", file=file.name
        )


def _pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[tuple[bytes, int]]:
    """Yield the end of the piece before with each piece of a member, and how many bytes are new."""
    tail = b""
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK):
            text = tail + chunk
            yield text, len(chunk)
            tail = text[-_TAIL:]


def _too_far(file: RawFile, low: int, right: int) -> OversizedFileError:
    return OversizedFileError(
        f"spans {low:,} rows of {right:,} columns; {file.caps.columns:,} columns and "
        f"{file.caps.sheet_cells:,} cells are allowed",
        file=file.name,
    )


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
