"""Whole copies of the warehouse: taken in one step, verified before they are trusted, put back whole.

A copy notes what it is. A snapshot replaces an earlier snapshot and nothing else, a backup replaces nothing;
neither is ever written over the warehouse itself, whatever name or link leads there. A backup may be written
encrypted (`warehouse.sealed`).
"""

import datetime as dt
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import duckdb

from warehouse.backups import note_backup
from warehouse.carried import carry_over
from warehouse.connection import connect, forget, shared
from warehouse.erasure.again import LOG as ERASURES
from warehouse.erasure.again import Note, erase_again, noted
from warehouse.errors import (
    CopyError,
    DamagedError,
    LockedError,
    NoWarehouseError,
    StoreError,
    UnwritableError,
)
from warehouse.files import copy_private, make_folder, partial_of, place
from warehouse.migrations import bring_forward
from warehouse.rebuild import rebuild
from warehouse.schema import SCHEMA_VERSION, found_version
from warehouse.sealed import DATABASE, LOG, Disclose, Enclose, is_sealed, seal, unseal
from warehouse.verify import is_regular, judge_blocks, read_through, same_file, verify

_SIDES = (".wal", ".tmp", ".wal.checkpoint", ".wal.recovery")
"""What DuckDB keeps next to a file: a copy of that name would be taken for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A backup in its place: rows by table, and what was known that it does not know.

    erased_again: cars that it held and that had been erased since. unnamed: erasures of which the replaced
    warehouse's log alone tells, so that nobody knows whom it brings back. carried: keys of the rows by table
    that were taken over from there; None where there was no warehouse that could be read.
    """

    rows: dict[str, int]
    erased_again: int = 0
    unnamed: tuple[str, ...] = ()
    carried: dict[str, list[str]] | None = field(default=None)


def take_snapshot(source: Path, target: Path, *, timeout_s: float, taken: dt.datetime | None = None) -> Path:
    """Copy the database to `target` in one step: a reader sees the old copy or the new, never a part.

    taken: tz-aware, a moment before this call: it notes that all that was kept by then is in it. Raises
    CopyError for a target that is there and no earlier snapshot.
    """
    _refuse(source, target, replaces=True, timeout_s=timeout_s)
    partial = _copied(source, target, "snapshot", timeout_s=timeout_s, taken=taken)
    try:
        place(partial, target, replace=True)
    finally:
        _remove(partial)
    return target


def snapshot_taken(path: Path, *, timeout_s: float) -> dt.datetime | None:
    """Return the moment that a snapshot notes, UTC; None for a file that is none, or notes no moment."""
    if not path.exists() or not _is_snapshot(path, timeout_s=timeout_s):
        return None
    try:
        with connect(path, write=False, timeout_s=timeout_s) as connection:
            stated = connection.execute("SELECT taken FROM meta_schema").fetchall()[0][0]
    except duckdb.BinderException:  # of before it was noted
        return None
    finally:
        forget(path)
    return None if stated is None else dt.datetime.fromisoformat(stated)


def take_trial(source: Path, target: Path, empty: Sequence[str], *, timeout_s: float) -> Path:
    """Copy the database to `target`, where nothing is, and empty some of its tables before it gets that name.

    Raises CopyError for a target that is there.
    """
    _refuse(source, target, replaces=False, timeout_s=timeout_s)
    partial = _copied(source, target, "trial", timeout_s=timeout_s)
    try:
        with connect(partial, write=True, timeout_s=timeout_s) as connection:
            bring_forward(connection)
            for table in empty:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 a name of the contracts
            connection.execute("CHECKPOINT")
        place(partial, target, replace=False)
    finally:
        _remove(partial)
    return target


def take_backup(
    source: Path, target: Path, *, timeout_s: float, noted: bool, enclose: Enclose | None = None
) -> dict[str, int]:
    """Copy the database to `target`, verify the copy before it gets that name; returns rows by table.

    enclose: encrypts its pieces for the reader; then a warehouse that is not whole is not written. Raises
    CopyError for a target that is there, DamagedError for a warehouse that is not whole. If no row of
    it is lost, only an index, `target` is written all the same, from the rows, and the message says so.
    noted: have it known as the newest backup (`warehouse.backups`).
    """
    _refuse(source, target, replaces=False, timeout_s=timeout_s)
    if enclose is not None:
        rows = _take_sealed(source, target, enclose, timeout_s=timeout_s)
        if noted:
            note_backup(source, target)
        return rows
    damage = None
    try:
        partial = _copied(source, target, "backup", timeout_s=timeout_s)
    except DamagedError as error:
        raise DamagedError(str(error).replace(str(partial_of(target)), str(source)), path=source) from error
    try:
        try:
            rows = verify(partial, timeout_s=timeout_s)
        except DamagedError as error:
            damage = str(error).replace(str(partial), str(source))
            rows = _rebuilt(source, partial, damage, timeout_s=timeout_s)
        _place_backup(partial, target)
    finally:
        _remove(partial)
    if noted:
        note_backup(source, target)
    if damage:
        raise DamagedError(
            f"{damage}. No row is lost: all {sum(rows.values()):,} are in {target}", path=source
        )
    return rows


def check_backup(path: Path, *, timeout_s: float) -> dict[str, int]:
    """Verify a copy that was taken earlier, changing nothing; returns rows by table, raises DamagedError."""
    if not is_regular(path):
        raise CopyError(f"no backup at {path}")
    if is_sealed(path):
        raise CopyError(f"{path} is encrypted: who has its key checks it by restoring it")
    try:
        return verify(path.resolve(), timeout_s=timeout_s)
    finally:
        forget(path.resolve())


def put_back(backup: Path, target: Path, *, timeout_s: float, disclose: Disclose | None) -> Restored:
    """Replace the warehouse at `target` by a backup in one step, once all of it was verified.

    disclose: opens the pieces of an encrypted backup, None for a plain one. Who was erased since it was taken
    is erased from what is put back; the log of erasures and the answers that spent ε are taken over. Nothing
    changes if the backup is missing, encrypted and not to be opened (CopyError) or damaged (DamagedError), if
    what was erased cannot be read (CopyError), or if another process holds the warehouse or begins an erasure
    (LockedError). A warehouse that cannot be opened is moved aside to NAME.damaged.
    """
    if not is_regular(backup):
        raise CopyError(f"no backup at {backup}")
    if same_file(backup, target):
        raise CopyError(f"{backup} is the warehouse itself")
    if is_sealed(backup) != (disclose is not None):
        how = (
            "is not encrypted: leave the key out"
            if disclose
            else "is encrypted: name its key and certificate"
        )
        raise CopyError(f"{backup} {how}")
    make_folder(target.parent)
    partial, notes = partial_of(target, "restored"), noted(target)
    try:
        if disclose is None:
            _copy_with_log(backup, partial)
        else:
            unseal(backup, {DATABASE: partial, LOG: Path(f"{partial}.wal")}, disclose)
        _settle_copy(partial, None, timeout_s=timeout_s)
        rows = verify(partial, timeout_s=timeout_s)
        if erased := erase_again(partial, notes, timeout_s=timeout_s):
            rows = verify(partial, timeout_s=timeout_s)
        carried = None
        if target.exists():
            carried = _make_way(target, partial, notes, timeout_s=timeout_s)
        else:
            partial.replace(target)
    except DamagedError as error:
        if error.path == partial:
            text = str(error).replace(str(partial), str(backup))
            raise DamagedError(text, path=backup) from error
        raise
    finally:
        _remove(partial)
    known = {one.erasure_id for one in notes}
    unnamed = [one for one in (carried or {}).get(ERASURES, []) if one not in known]
    return Restored(rows=rows, erased_again=len(erased), unnamed=tuple(unnamed), carried=carried)


def _refuse(source: Path, target: Path, *, replaces: bool, timeout_s: float) -> None:
    """Raise CopyError for a target that is not this copy's to write."""
    if not source.exists():
        raise NoWarehouseError(f"no warehouse at {source}")
    if same_file(source, target) or source == target:
        raise CopyError(f"the copy {target} would replace the warehouse itself")
    if target.name.endswith(_SIDES) or any(same_file(Path(f"{source}{side}"), target) for side in _SIDES):
        raise CopyError(f"{target} has the name of what a database keeps next to it")
    if side_file := next((side for side in _SIDES if os.path.lexists(f"{target}{side}")), None):
        raise CopyError(f"{target}{side_file} lies there and would be taken for the copy's")
    if not os.path.lexists(target):
        return
    if not replaces:
        raise CopyError(f"{target} is there already: a backup replaces nothing")
    if not is_regular(target) or not _is_snapshot(target, timeout_s=timeout_s):
        raise CopyError(f"{target} is there and no snapshot: only an earlier snapshot is replaced")


def _is_snapshot(path: Path, *, timeout_s: float) -> bool:
    """Whether a file says that it is a snapshot; older ones do not say, and lie in no workspace's place."""
    try:
        with connect(path, write=False, timeout_s=timeout_s) as connection:
            if found_version(connection) < SCHEMA_VERSION:
                return not (path.parent / "v2g.toml").exists()
            return connection.execute("SELECT copied FROM meta_schema").fetchall() == [("snapshot",)]
    except LockedError:
        raise
    except (StoreError, duckdb.Error):
        return False
    finally:
        forget(path)


def _copied(
    source: Path,
    target: Path,
    kind: Literal["snapshot", "backup", "trial"],
    *,
    timeout_s: float,
    taken: dt.datetime | None = None,
) -> Path:
    """Copy the database to a passing name next to `target`; no write permission for the source is needed."""
    make_folder(target.parent)
    partial = partial_of(target)
    try:
        with connect(source, write=False, timeout_s=timeout_s) as connection:  # nobody writes meanwhile
            found_version(connection)
            _copy_with_log(source, partial)
        _settle_copy(partial, kind, timeout_s=timeout_s, taken=taken)
    except BaseException:
        _remove(partial)
        raise
    return partial


def _copy_with_log(source: Path, partial: Path) -> None:
    # The log first: closing a file lets go of this process's lock on it.
    log = Path(f"{source}.wal")
    if is_regular(log):
        copy_private(log, Path(f"{partial}.wal"))
    copy_private(source, partial)


def _settle_copy(
    partial: Path, kind: str | None, *, timeout_s: float, taken: dt.datetime | None = None
) -> None:
    """Have a copy hold all that its write-ahead log holds, and say what it is."""
    with connect(partial, write=True, timeout_s=timeout_s) as connection:
        if found_version(connection) >= SCHEMA_VERSION:
            connection.execute("ALTER TABLE meta_schema ADD COLUMN IF NOT EXISTS taken VARCHAR")
            moment = None if taken is None else taken.isoformat()
            connection.execute("UPDATE meta_schema SET copied = ?, taken = ?", [kind, moment])
        connection.execute("CHECKPOINT")


def _take_sealed(source: Path, target: Path, enclose: Enclose, *, timeout_s: float) -> dict[str, int]:
    """Verify the database and write it encrypted, read under one lock: no plain copy is made."""
    make_folder(target.parent)
    partial, log = partial_of(target), Path(f"{source}.wal")
    try:
        with shared(source, timeout_s=timeout_s), ExitStack() as held:  # nobody writes meanwhile
            rows = read_through(source, timeout_s=timeout_s)
            files = {DATABASE: held.enter_context(source.open("rb"))}
            judge_blocks(source, files[DATABASE], timeout_s=timeout_s)
            if is_regular(log):
                files[LOG] = held.enter_context(log.open("rb"))
            seal(files, partial, enclose)
        _place_backup(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return rows


def _place_backup(partial: Path, target: Path) -> None:
    try:
        place(partial, target, replace=False)
    except FileExistsError:
        raise CopyError(f"{target} is there already: a backup replaces nothing") from None


def _rebuilt(source: Path, partial: Path, damage: str, *, timeout_s: float) -> dict[str, int]:
    """Make the copy anew from the rows; DamagedError with the first `damage` if some cannot be read."""
    fresh = partial.with_name(f"{partial.name}.rebuilt")
    try:
        rebuild(partial, fresh)
        rows = verify(fresh, timeout_s=timeout_s)
        forget(partial)
        fresh.replace(partial)
    except DamagedError as error:
        raise DamagedError(damage, path=source) from error
    finally:
        _remove(fresh)
    return rows


def _make_way(
    target: Path, partial: Path, notes: Sequence[Note], *, timeout_s: float
) -> dict[str, list[str]] | None:
    """Put a copy in the place of a warehouse; returns the keys of rows that it took over from there."""
    carried = None
    try:
        with connect(target, write=True, timeout_s=timeout_s) as connection:
            connection.execute("CHECKPOINT")  # a log left behind would be played onto the copy
            _require_same(target, notes)
            try:
                carried = carry_over(connection, partial, timeout_s=timeout_s)
            except StoreError as error:  # of the copy: the warehouse that is there stays
                raise CopyError(f"what lasts cannot be taken over into the backup: {error}") from error
            partial.replace(target)
    except (LockedError, UnwritableError, CopyError):
        raise
    except StoreError:
        if not partial.exists():  # it is in its place; what failed was letting go of the old one
            return carried
        _require_same(target, notes)
        aside = _free_name(target)
        for suffix in (".wal", ""):
            damaged = Path(f"{target}{suffix}")
            if damaged.exists():
                damaged.replace(f"{aside}{suffix}")
        partial.replace(target)
    finally:
        forget(target)
    return carried


def _require_same(target: Path, notes: Sequence[Note]) -> None:
    """An erasure notes itself first, and then works on the warehouse: under its lock nothing is missed."""
    if noted(target) != notes:
        raise LockedError(f"an erasure has begun in {target} meanwhile: restore again")


def _free_name(target: Path) -> Path:
    aside, number = Path(f"{target}.damaged"), 1
    while aside.exists():
        aside, number = Path(f"{target}.damaged-{number}"), number + 1
    return aside


def _remove(partial: Path) -> None:
    forget(partial)
    for suffix in ("", ".wal"):
        Path(f"{partial}{suffix}").unlink(missing_ok=True)
