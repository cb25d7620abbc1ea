"""A database file without the rows of an owner's cars, in the place of the one that had them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from warehouse.connection import connect, forget, transaction
from warehouse.erasure.named import Named
from warehouse.erasure.rows import count_rows, entries_of, erase_rows, found_in, sources_of
from warehouse.errors import DamagedError, LockedError, NoWarehouseError, StoreError
from warehouse.files import partial_of
from warehouse.rebuild import rebuild

_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a file holds of an owner: the names with those found there, rows, entries of the ledger, files.

    sources: SHA-256 of an ingested file with rows of theirs → its name.
    """

    named: Named
    rows: int
    entries: tuple[int, ...]
    sources: dict[str, str]


def look(path: Path, asked: Named, *, timeout_s: float) -> Held:
    """What a file holds of an owner; raises the errors of opening it."""
    with connect(path, write=False, timeout_s=timeout_s) as connection:
        named = found_in(connection, asked)
        return Held(
            named=named,
            rows=count_rows(connection, named),
            entries=tuple(entries_of(connection, named)),
            sources=sources_of(connection, named),
        )


def erase_database(path: Path, named: Named, *, timeout_s: float) -> None:
    """Delete the rows and scrub the texts in one transaction, then put a file made anew in its place.

    Killed between these, or before, the same again ends in the same file. Raises LockedError where another
    process holds it or writes without a pause, and what opening a database raises.
    """
    with transaction(path, timeout_s=timeout_s) as connection:
        erase_rows(connection, named)
    make_anew(path, timeout_s=timeout_s)


def make_anew(path: Path, *, timeout_s: float) -> None:
    """Write a database's rows into a new file in its place: what was deleted is in no block of it."""
    fresh = partial_of(path, "anew")
    try:
        for _ in range(_TRIES):
            with connect(path, write=True, timeout_s=timeout_s) as connection:
                connection.execute("CHECKPOINT")  # the log would tell what was deleted
            forget(path)
            before = _state(path)
            for left in (fresh, Path(f"{fresh}.wal")):
                left.unlink(missing_ok=True)
            rebuild(path, fresh)
            try:
                with connect(path, write=True, timeout_s=timeout_s) as connection:
                    if _state(path) == before:
                        connection.execute("CHECKPOINT")
                        fresh.replace(path)
                        return
            except (LockedError, NoWarehouseError, DamagedError):
                raise
            except StoreError:
                if fresh.exists():
                    raise  # it is in its place otherwise; what failed was letting go of the old one
                return
            finally:
                forget(path)
        raise LockedError(f"{path} is written to without a pause: try again")
    finally:
        for left in (fresh, Path(f"{fresh}.wal")):
            left.unlink(missing_ok=True)


def _state(path: Path) -> tuple[int, int, int, bool]:
    """What a write would change: the file's name on disk, size, moment of its last change, and its log."""
    stat, log = path.stat(), Path(f"{path}.wal")
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, log.exists() and log.stat().st_size > 0
