"""How the text of a table is laid out: its encoding, what stands before and after its header, its marks.

The bytes are made plain UTF-8 with one header line, which is what `rawtable` parses; data rows keep their
numbers.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from warehouse.errors import EmptyFileError, OversizedFileError, UndecodableFileError
from warehouse.sources.rawfile import RawFile

ENCODINGS: Mapping[str, str] = {
    "utf-8": "utf-8-sig", "latin-1": "latin-1", "windows-1252": "cp1252", "utf-16": "utf-16",
}  # fmt: skip
"""What a mapping may say → the codec that reads it; a byte order mark tells which UTF-16."""
MOST_LINES = 1000
COMMENT = "#"
_LOOKED_AT = 100
_SEP = re.compile(rb"^(?:\xef\xbb\xbf)?sep=([,;|\t])[ \t]*\r?\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a mapping says of a text table; the defaults are those of a file that needs no mapping.

    delimiter: None where the file's own `sep=` line, or else a comma, tells. skip_lines: before the header.
    header: names of the columns of a file that has no header. skip_after_header: lines of units or of a
    second header. comments: whether lines before the header that begin with `#` are passed over.
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    skip_lines: int = 0
    header: tuple[str, ...] = ()
    skip_after_header: int = 0
    comments: bool = field(default=False, repr=False)


PLAIN, OURS = Dialect(), Dialect(comments=True)
"""A table of anybody's, and one in our own words."""


def plain_text(file: RawFile, dialect: Dialect) -> tuple[RawFile, str]:
    """Return a text file as UTF-8 that begins with its header, and the mark between its cells.

    Raises UndecodableFileError, EmptyFileError, OversizedFileError.
    """
    data = file.data if dialect.encoding == "utf-8" else _decoded(file, dialect.encoding)
    for _ in range(dialect.skip_lines):
        data = _without_line(data, file.name)
    match = _SEP.match(data)
    if match is not None:
        data = data[match.end() :]
    if dialect.comments:
        data = _without_comments(data)
    mark = dialect.delimiter or (match[1].decode() if match else ",")
    if match is not None and match[1].decode() != mark:
        raise UndecodableFileError(
            f"says itself that it is separated by {match[1].decode()!r}; the mapping says {mark!r}",
            file=file.name,
        )
    if dialect.header:
        line = io.StringIO()
        csv.writer(line, delimiter=mark, lineterminator="\n").writerow(dialect.header)
        data = line.getvalue().encode() + data.removeprefix(b"\xef\xbb\xbf")
    elif dialect.skip_after_header:
        end = data.find(b"\n") + 1
        head, data = data[:end], data[end:]
        for _ in range(dialect.skip_after_header):
            data = _without_line(data, file.name)
        data = head + data
    return (file if data is file.data else replace(file, data=data)), mark


def _decoded(file: RawFile, encoding: str) -> bytes:
    try:
        data = file.data.decode(ENCODINGS[encoding]).encode()
    except UnicodeError as error:
        raise UndecodableFileError(
            f"is not {encoding}, as the mapping says: {error}"[:200], file=file.name
        ) from error
    if len(data) > file.caps.file_bytes:
        raise OversizedFileError(f"is larger than {file.caps.file_bytes:,} bytes as UTF-8", file=file.name)
    return data


def _without_comments(data: bytes) -> bytes:
    """Return text from its first line on that is no comment; a spreadsheet may have quoted those."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at) + 1 or len(data)
        line = data[at : min(end, at + _LOOKED_AT)].removeprefix(b"\xef\xbb\xbf").lstrip(b' \t\r\n"')
        if line and not line.startswith(COMMENT.encode()):
            break
        at = end
    return data[at:] if at else data


def _without_line(data: bytes, name: str) -> bytes:
    end = data.find(b"\n")
    if end < 0:
        raise EmptyFileError("ends before the lines that the mapping skips", file=name)
    return data[end + 1 :]
