"""A transaction whose end is known also when the disk is full or the file damaged.

DuckDB may fail before a transaction is kept, or after: it is in the write-ahead log and only the file could
not take it in. Every transaction leaves its name in the file, so that who was told of a failure can be
determined the truth about what was being written.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from warehouse.connection import connect, transaction
from warehouse.errors import DamagedError, StoreError, UnwritableError


@contextmanager
def named_transaction(
    path: Path, what: str, *, timeout_s: float, create: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """`transaction`; the message of an UnwritableError or DamagedError says whether `what` is kept."""
    name, ending = secrets.token_hex(8), False
    try:
        with transaction(path, timeout_s=timeout_s, create=create) as connection:
            yield connection
            connection.execute("UPDATE meta_schema SET last_write = ?", [name])
            ending = True
    except (UnwritableError, DamagedError) as error:
        kept = _is_last(path, name, timeout_s=timeout_s) if ending else False
        error.args = (f"{str(error).rstrip(chr(46))}. {_STATED[kept].format(what=what)}",)
        raise


_STATED = {
    True: "{what}: written all the same",
    False: "{what}: not written, the warehouse is as it was",
    None: "Whether it was written cannot be determined: {what}",
}


def _is_last(path: Path, name: str, *, timeout_s: float) -> bool | None:
    """Whether the last transaction in the file is the one of that name; None where that cannot be read."""
    try:
        with connect(path, write=False, timeout_s=timeout_s) as connection:
            found = connection.execute("SELECT last_write FROM meta_schema").fetchall()
    except (StoreError, duckdb.Error):
        return None
    return found == [(name,)]
