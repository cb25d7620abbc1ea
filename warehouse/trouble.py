"""What DuckDB's own words for trouble mean: a full disk, a damaged file, or neither.

DuckDB says most of it in the text alone: a failed checksum is a plain `Error` where a row is read and a
`FatalException` where a transaction ends.
"""

import os
import re
from pathlib import Path

import duckdb

from warehouse.errors import DamagedError, StoreError, UnwritableError, printable
from warehouse.files import UNWRITABLE_CODES

_UNWRITABLE = (
    *(os.strerror(code) for code in UNWRITABLE_CODES),
    "max_temp_directory_size",
    "failed to offload",
)
_PID = re.compile(r"\(PID ([1-9]\d*)\)")
_DAMAGED = (
    "Corrupt",
    "corrupt",
    "checksum",
    "not a valid DuckDB database file",
    "Failed to deserialize",
    "Could not read enough bytes",
    "could not read from file",
)


def trouble(path: Path, error: duckdb.Error, failed: str = "cannot be read or written") -> StoreError | None:
    """Return the error to raise for one of DuckDB's, or None where that is no trouble of the file's."""
    text = str(error)
    message = f"{path} {failed}: {_cause(text)}"
    if any(words in text for words in _UNWRITABLE):
        return UnwritableError(message)
    if any(words in text for words in _DAMAGED) or isinstance(error, duckdb.SerializationException):
        return DamagedError(message, path=path)
    if isinstance(error, duckdb.IOException | duckdb.TransactionException | duckdb.FatalException):
        return StoreError(message)
    return None


def holder_of(error: duckdb.Error) -> str:
    """Return who holds the file, as ": process 4711 (v2g)"; empty where DuckDB does not tell."""
    match = _PID.search(str(error))
    if match is None:
        return ""
    try:
        name = Path(f"/proc/{match[1]}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        name = ""
    return f": process {match[1]}" + (f" ({printable(name)})" if name else "")


def _cause(text: str) -> str:
    """The first line of what DuckDB says, or the error that it says was behind it."""
    return text.rpartition("Original error: ")[2].strip().partition("\n")[0]
