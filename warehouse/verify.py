"""Whether a database file is whole: every row read, every block's checksum computed.

Reading all rows leaves out the blocks of indexes, which DuckDB loads when something is written: a flipped bit
there is met by the next plan. So the checksum that DuckDB keeps in front of every block is computed here as
well. A block that fails may be one that is in use nowhere; then the whole of a scratch copy is rewritten,
which is how DuckDB itself comes to every block that matters.
"""

import stat
from pathlib import Path
from typing import BinaryIO

import duckdb
import numpy as np

from warehouse.connection import connect, forget
from warehouse.errors import DamagedError
from warehouse.files import copy_open, partial_of
from warehouse.schema import found_version
from warehouse.trouble import trouble

_HEADERS_BYTES = 3 * 4096
_CHECKSUM_BYTES = 8
_SEED, _FACTOR = 5381, np.uint64(0xBF58476D1CE4E5B9)


def verify(path: Path, *, timeout_s: float) -> dict[str, int]:
    """Look at all of a file that nobody writes to meanwhile; returns rows by table.

    Raises DamagedError, StoreError for what is no warehouse, SchemaVersionError for a newer one, and
    UnwritableError where there is no room for the scratch copy that a suspicious block asks for.
    """
    rows = read_through(path, timeout_s=timeout_s)
    with path.open("rb") as stream:
        judge_blocks(path, stream, timeout_s=timeout_s)
    return rows


def judge_blocks(path: Path, stream: BinaryIO, *, timeout_s: float) -> None:
    """Look at every block of a file that the caller holds open; raises DamagedError as `verify` does.

    Closing a file lets go of this process's lock on it: who reads on from what was judged keeps it open.
    """
    if blocks := failing_blocks(path, stream):
        _rewrite(path, stream, blocks, timeout_s=timeout_s)


def read_through(path: Path, *, timeout_s: float) -> dict[str, int]:
    """Read every value of every table, which checks the checksums of their blocks; returns rows by table."""
    with connect(path, write=False, timeout_s=timeout_s) as connection:
        found_version(connection)
        rows = {}
        for table in _tables(connection):
            try:
                read = connection.execute(f"SELECT count(*), bit_xor(hash(one)) FROM {table} AS one")  # noqa: S608
                rows[table] = int(read.fetchall()[0][0])
            except duckdb.Error as error:
                known = trouble(path, error)
                if known is not None and not isinstance(known, DamagedError):
                    raise known from error
                raise DamagedError(f"{path}: table {table} cannot be read: {error}", path=path) from error
    return rows


def failing_blocks(path: Path, stream: BinaryIO) -> list[int]:
    """Return the numbers of the blocks whose checksum is wrong, and of those that the file ends before.

    Neither is damage by itself: a block that was let go of, the last one too, may never have been written.
    """
    with connect(path, write=False, timeout_s=0) as connection:
        (stated,) = connection.execute(
            "SELECT block_size, total_blocks FROM pragma_database_size() "
            "WHERE database_name = current_database()"
        ).fetchall()
        size, blocks = int(stated[0]), int(stated[1])
    failing = []
    stream.seek(_HEADERS_BYTES)
    for number in range(blocks):
        block = stream.read(size)
        stored = int.from_bytes(block[:_CHECKSUM_BYTES], "little")
        if len(block) < size or stored != _checksum(block[_CHECKSUM_BYTES:]):
            failing.append(number)
    return failing


def is_regular(path: Path) -> bool:
    """Whether a path names a file, not a folder, pipe or device; links are followed."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _checksum(data: bytes) -> int:
    """DuckDB's checksum of a block (src/common/checksum.cpp): words, each times a constant, xor-ed."""
    words = np.frombuffer(data[: len(data) // 8 * 8], dtype="<u8")
    return int(np.bitwise_xor.reduce(words * _FACTOR)) ^ _SEED


def _rewrite(path: Path, stream: BinaryIO, blocks: list[int], *, timeout_s: float) -> None:
    """Rewrite every table of a scratch copy; raises DamagedError where DuckDB meets what it cannot use."""
    scratch = partial_of(path, "scratch")
    try:
        copy_open(stream, scratch)
        with connect(scratch, write=True, timeout_s=timeout_s) as connection:
            for table in _tables(connection):
                connection.begin()
                connection.execute(f"CREATE TEMP TABLE kept AS FROM {table}")
                connection.execute(f"DELETE FROM {table}")  # noqa: S608
                connection.execute(f"INSERT INTO {table} FROM kept")
                connection.execute("DROP TABLE kept")
                connection.commit()
            connection.execute("CHECKPOINT")
    except DamagedError as error:
        shown = ", ".join(str(block) for block in blocks[:5])
        reason = str(error).removeprefix(f"{scratch} ")
        raise DamagedError(f"{path} is damaged in block {shown}; it {reason}", path=path) from error
    finally:
        forget(scratch)
        for suffix in ("", ".wal"):
            Path(f"{scratch}{suffix}").unlink(missing_ok=True)


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    found = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database() "
        "AND NOT temporary ORDER BY ALL"
    ).fetchall()
    return [f'"{schema}"."{table}"' if schema != "main" else str(table) for schema, table in found]


def same_file(one: Path, other: Path) -> bool:
    """Whether two names are one file: by another path, a symbolic or a hard link."""
    try:
        return one.samefile(other)
    except OSError:
        return False
