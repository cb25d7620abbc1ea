"""Short-lived, locked-down connections to the database file.

One process may hold the file at a time, and within a process one thread: the file is attached for one read or
one transaction and let go again; who finds it held waits a bounded while and then raises LockedError. What it
is attached to, an empty database in memory that may touch no other file, is made once a process and file:
making one takes longer than most reads. So does attaching: reads that belong together share one attachment
(`shared`), and so does all use of a copy that is this process's own (`held_open`).
"""

import atexit
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from warehouse.errors import DamagedError, LockedError, NoWarehouseError, StoreError, UnwritableError
from warehouse.trouble import holder_of, trouble

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "2GB",  # beyond it, sorts go to temporary files next to the warehouse
}
_FILES = ("", ".wal", ".wal.checkpoint", ".wal.recovery")
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5

_thread_locks: dict[Path, threading.Lock] = {}
_hosts: dict[tuple[int, Path], duckdb.DuckDBPyConnection] = {}
_registry_lock = threading.Lock()
_held_open: set[tuple[int, Path]] = set()
# .shared: files that this thread has attached for several reads; .found_good: of these, looked into already
_thread = threading.local()


@contextmanager
def connect(
    path: Path, *, write: bool, timeout_s: float, create: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection in UTC without access to other files; read-only unless `write`.

    Raises NoWarehouseError if there is no file and `create` is false, LockedError after `timeout_s` of
    waiting, UnwritableError when the disk is full or the file may not be written, DamagedError, StoreError.
    """
    if path in _shared():
        if write:
            raise StoreError(f"{path} cannot be written while it is read at once")
        with _stated(path), _cursor(_shared()[path]) as connection:
            yield connection
        return
    if not create and not path.exists():
        raise NoWarehouseError(f"no warehouse at {path}")
    deadline = time.monotonic() + timeout_s
    lock = _thread_lock(path)
    if not lock.acquire(timeout=timeout_s):
        raise LockedError(f"{path} is in use by another thread of this process; waited {timeout_s:g} s")
    try:
        if (os.getpid(), path) in _held_open:
            with _still_open(path), _stated(path), _cursor(_host(path)) as connection:
                yield connection
            return
        with _stated(path):
            host = _host(path)
            _attach(host, path, write=write, deadline=deadline, timeout_s=timeout_s)
            with _attached(host, path) as connection:
                yield connection
    finally:
        lock.release()


@contextmanager
def shared(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Attach the file once for all that this thread reads within the block: one state of it, whoever waits.

    Nothing is written meanwhile, by anybody; the block is short and computes nothing. Raises as `connect`.
    """
    if path in _shared():
        yield
        return
    with connect(path, write=False, timeout_s=timeout_s):
        _shared()[path] = _host(path)
        try:
            yield
        finally:
            del _shared()[path]
            _found_good().discard(path)


def once_while_shared(path: Path, look: Callable[[], object]) -> None:
    """Look into a file, and no second time within a block of `shared`, in which nothing changes there."""
    if path in _found_good():
        return
    look()
    if path in _shared():
        _found_good().add(path)


@contextmanager
def held_open(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Keep a file attached for all that this process reads and writes within the block: no other can use it.

    For a copy that is this process's own. Not to be nested. Raises as `connect`.
    """
    with _stated(path):
        host, key = _host(path), (os.getpid(), path)
        with _thread_lock(path):
            _attach(host, path, write=True, deadline=time.monotonic() + timeout_s, timeout_s=timeout_s)
            _held_open.add(key)
        try:
            yield
        finally:
            with _thread_lock(path):
                _held_open.discard(key)
                forget(path)


@contextmanager
def _still_open(path: Path) -> Iterator[None]:
    """Open a file anew for each later use after an error that an engine does not come back from."""
    try:
        yield
    except (DamagedError, UnwritableError):
        _held_open.discard((os.getpid(), path))
        forget(path)
        raise


def _found_good() -> set[Path]:
    found: set[Path] = _thread.__dict__.setdefault("found_good", set())
    return found


def _shared() -> dict[Path, duckdb.DuckDBPyConnection]:
    found: dict[Path, duckdb.DuckDBPyConnection] = _thread.__dict__.setdefault("shared", {})
    return found


@contextmanager
def _stated(path: Path) -> Iterator[None]:
    """Raise what went wrong with a file as what it means."""
    try:
        yield
    except duckdb.Error as error:
        if stated := trouble(path, error):
            raise stated from error
        raise


@contextmanager
def _cursor(host: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = host.cursor()
    try:
        connection.execute("USE warehouse")
        yield connection
    finally:
        connection.close()


@contextmanager
def _attached(host: duckdb.DuckDBPyConnection, path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Let the file go however its use ended; what went wrong first is what is raised."""
    try:
        with _cursor(host) as connection:
            yield connection
    except BaseException:
        with suppress(duckdb.Error):
            _detach(host, path)
        raise
    _detach(host, path)


def _detach(host: duckdb.DuckDBPyConnection, path: Path) -> None:
    try:
        host.execute("DETACH warehouse")
    except duckdb.Error:
        forget(path)  # an engine that failed here holds on to the file, and to what it believes of it
        raise


@contextmanager
def transaction(path: Path, *, timeout_s: float, create: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a writing connection inside one transaction: all of it is kept, or none."""
    with connect(path, write=True, timeout_s=timeout_s, create=create) as connection:
        connection.begin()
        try:
            yield connection
        except BaseException:
            with suppress(duckdb.Error):  # after a fatal error there is no transaction left to undo
                connection.rollback()
            raise
        connection.commit()


def forget(path: Path) -> None:
    """Close this process's engine for a file, as after the last use of a copy under a passing name."""
    with _registry_lock:
        host = _hosts.pop((os.getpid(), path), None)
    if host is not None:
        with suppress(duckdb.Error):
            host.close()


def _thread_lock(path: Path) -> threading.Lock:
    with _registry_lock:
        return _thread_locks.setdefault(path, threading.Lock())


def _host(path: Path) -> duckdb.DuckDBPyConnection:
    """Return this process's database in memory for a file; a fork does not share its parent's."""
    key = (os.getpid(), path)
    with _registry_lock:
        if key not in _hosts:
            host = duckdb.connect(":memory:", config=_CONFIG)
            host.execute("SET GLOBAL TimeZone = 'UTC'")
            host.execute(f"SET temp_directory = {_quoted(_spill(path))}")
            own = ", ".join(_quoted(path, suffix) for suffix in _FILES)
            host.execute(f"SET allowed_paths = [{own}]")
            host.execute("SET enable_external_access = false")
            host.execute("SET lock_configuration = true")
            _hosts[key] = host
        return _hosts[key]


def _spill(path: Path) -> Path:
    """Where sorts that outgrow the memory go: next to the file, or a passing folder where that is closed."""
    if os.access(path.parent, os.W_OK):
        return Path(f"{path}.tmp")
    folder = tempfile.mkdtemp(prefix="v2g-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _attach(
    host: duckdb.DuckDBPyConnection, path: Path, *, write: bool, deadline: float, timeout_s: float
) -> None:
    pause = _FIRST_PAUSE_S
    while True:
        try:
            host.execute(f"ATTACH {_quoted(path)} AS warehouse ({'READ_WRITE' if write else 'READ_ONLY'})")
            return
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise trouble(path, error, "cannot be opened") or error from None
            if time.monotonic() + pause > deadline:
                raise LockedError(
                    f"{path} is held by another process; waited {timeout_s:g} s{holder_of(error)}"
                ) from error
        except duckdb.Error as error:
            raise DamagedError(f"{path} cannot be opened: {error}", path=path) from error
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def _quoted(path: Path, suffix: str = "") -> str:
    return "'" + f"{path}{suffix}".replace("'", "''") + "'"
