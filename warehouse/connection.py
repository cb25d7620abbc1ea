"""Short-lived, locked-down connections to the database file.

One process may hold the file at a time, and within a process one thread: connections are opened for one read
or one transaction and closed again; who finds the file held waits a bounded while and then raises
LockedError.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from warehouse.errors import LockedError, NoWarehouseError, StoreError

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",
}
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5

_thread_locks: dict[Path, threading.Lock] = {}
_registry_lock = threading.Lock()


@contextmanager
def connect(
    path: Path, *, write: bool, timeout_s: float, create: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection in UTC without access to other files; read-only unless `write`.

    Raises NoWarehouseError if there is no file and `create` is false, LockedError after `timeout_s` of
    waiting.
    """
    if not create and not path.exists():
        raise NoWarehouseError(f"no warehouse at {path}")
    deadline = time.monotonic() + timeout_s
    lock = _thread_lock(path)
    if not lock.acquire(timeout=timeout_s):
        raise LockedError(f"{path} is in use by another thread of this process; waited {timeout_s:g} s")
    try:
        with _open(path, write=write, deadline=deadline, timeout_s=timeout_s) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET lock_configuration = true")
            yield connection
    finally:
        lock.release()


@contextmanager
def transaction(path: Path, *, timeout_s: float, create: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a writing connection inside one transaction: all of it is kept, or none."""
    with connect(path, write=True, timeout_s=timeout_s, create=create) as connection:
        connection.begin()
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


def _thread_lock(path: Path) -> threading.Lock:
    with _registry_lock:
        return _thread_locks.setdefault(path, threading.Lock())


def _open(path: Path, *, write: bool, deadline: float, timeout_s: float) -> duckdb.DuckDBPyConnection:
    pause = _FIRST_PAUSE_S
    while True:
        try:
            return duckdb.connect(str(path), read_only=not write, config=_CONFIG)
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise StoreError(f"{path} cannot be opened: {error}") from error
            if time.monotonic() + pause > deadline:
                raise LockedError(f"{path} is held by another process; waited {timeout_s:g} s") from error
        except duckdb.Error as error:
            raise StoreError(f"{path} cannot be opened: {error}") from error
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)
