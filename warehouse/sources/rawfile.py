"""From a path to a file's bytes: only of regular files, only so many, and unpacked if they are gzip."""

import errno
import hashlib
import io
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from warehouse.errors import (
    EmptyFileError,
    MissingFileError,
    OversizedFileError,
    SourceError,
    UndecodableFileError,
    printable,
)
from warehouse.sources.caps import CAPS, PACKING_FROM_BYTES, Caps

PARQUET_MAGIC, ZIP_MAGIC, GZIP_MAGIC = b"PAR1", b"PK\x03\x04", b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
NUL_BYTES = "holds NUL bytes; expected CSV as UTF-8 text, or Parquet"
_GZIP = 31
_CHUNK = 2**16
_KINDS = {
    stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFCHR: "device", stat.S_IFBLK: "device",
    stat.S_IFSOCK: "socket", stat.S_IFLNK: "symbolic link",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Rows `first` to `end` of a file, counted from 0, the last excluded; read from `begin` on."""

    begin: int
    first: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """A file's name (what does not print is written out) and bytes.

    sha256: of the file as it came, that is before gzip was undone; of `data` unless given. torn: takes up the
    rows that are no rows of its table, by whoever reads that. span: which of its rows are read; None: all.
    """

    name: str
    data: bytes = field(repr=False)
    sha256: str = ""
    caps: Caps = CAPS
    torn: dict[int, SourceError] = field(default_factory=dict, repr=False, compare=False)
    span: Span | None = None

    def __post_init__(self) -> None:
        if not self.sha256:
            object.__setattr__(self, "sha256", hashlib.sha256(self.data).hexdigest())

    @property
    def is_parquet(self) -> bool:
        """Whether the bytes say Parquet, whatever the name says."""
        return self.data.startswith(PARQUET_MAGIC)

    @property
    def is_xlsx(self) -> bool:
        """Whether the bytes say zip, which of the layouts read here only xlsx is."""
        return self.data.startswith(ZIP_MAGIC)


def load(path: Path, caps: Caps = CAPS, *, follow: bool = True) -> RawFile:
    """Return a file's bytes; raises MissingFileError, EmptyFileError, OversizedFileError, Undecodable…

    follow: whether a symbolic link is followed; one that is not is never opened, nor is a device.
    """
    name = printable(path.name)
    data = _read(path, caps, follow=follow)
    sha256 = hashlib.sha256(data).hexdigest()
    if data.startswith(GZIP_MAGIC):
        data = _gunzip(data, name, caps)
    if not data[:_CHUNK].strip() and not data.strip():
        raise EmptyFileError("is empty", file=name)
    while data.startswith(_BOM * 2):  # a programme that marks what was marked before it
        data = data[len(_BOM) :]
    return RawFile(name=name, data=data, sha256=sha256, caps=caps)


def _read(path: Path, caps: Caps, *, follow: bool) -> bytes:
    name, shown = printable(path.name), printable(str(path))
    try:
        if not follow:
            _require_file(path.lstat().st_mode, shown)
        # Not blocking: opening a pipe would otherwise wait for somebody to write. Not following: what was a
        # file a moment ago may be a link now.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError("there is no such file", file=shown) from None
    except OSError as error:
        link = error.errno == errno.ELOOP and not follow
        reason = "it is a symbolic link, not a file" if link else error.strerror
        raise MissingFileError(f"cannot be read: {reason}", file=shown) from error
    except ValueError:
        raise MissingFileError("is not a path", file=shown) from None
    try:
        status = os.fstat(descriptor)
        _require_file(status.st_mode, shown)
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            data = stream.read(caps.file_bytes + 1) if status.st_size <= caps.file_bytes else b""
    finally:
        os.close(descriptor)
    if max(status.st_size, len(data)) > caps.file_bytes:
        raise OversizedFileError(f"is larger than {caps.file_bytes:,} bytes; split it", file=name)
    return data


def _require_file(mode: int, shown: str) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "special file")
        raise MissingFileError(f"cannot be read: it is a {kind}, not a file", file=shown)


def _gunzip(data: bytes, name: str, caps: Caps) -> bytes:
    """Undo gzip, twice: first to see what it holds, in constant memory, and only then to keep it."""
    most = min(caps.file_bytes, max(PACKING_FROM_BYTES, caps.packing * len(data)))
    size, blank, text = 0, True, True
    for piece in _pieces(data, name):
        if size == 0:
            text = not piece.startswith((PARQUET_MAGIC, ZIP_MAGIC))
        size += len(piece)
        if size > most:
            raise OversizedFileError(
                f"unpacks to more than {most:,} bytes from {len(data):,}; a gzip bomb?", file=name
            )
        if text and b"\0" in piece:
            raise UndecodableFileError(NUL_BYTES, file=name)
        blank = blank and not piece.strip()
    if blank:
        raise EmptyFileError("is empty", file=name)
    unpacked = io.BytesIO()  # hands its bytes over without copying them
    for piece in _pieces(data, name):
        unpacked.write(piece)
    return unpacked.getvalue()


def _pieces(data: bytes, name: str) -> Iterator[bytes]:
    """Unpack the members of a gzip file in pieces of 64 kB at most, however well they were packed."""
    member = zlib.decompressobj(wbits=_GZIP)
    for start in range(0, len(data), _CHUNK):
        left = data[start : start + _CHUNK]
        while left:
            if member.eof:
                member = zlib.decompressobj(wbits=_GZIP)
            try:
                piece = member.decompress(left, _CHUNK)
                left = member.unused_data if member.eof else member.unconsumed_tail
                while not member.eof and not left and len(piece) == _CHUNK:
                    yield piece
                    piece = member.decompress(b"", _CHUNK)
            except zlib.error as error:
                raise UndecodableFileError(f"is not whole gzip: {error}", file=name) from error
            if piece:
                yield piece
    if not member.eof:
        raise UndecodableFileError("is not whole gzip: it ends too early", file=name)
