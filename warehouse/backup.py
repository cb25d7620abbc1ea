"""Whole copies of the warehouse: taken in one step, read through before they are trusted, put back whole."""

import os
import shutil
from pathlib import Path

import duckdb

from warehouse.connection import connect
from warehouse.errors import CopyError, LockedError, StoreError
from warehouse.schema import check_version, found_version


def copy_whole(source: Path, target: Path, *, timeout_s: float) -> Path:
    """Copy the database to `target` in one step: a reader sees the old copy or the new, never a part."""
    if target == source:
        raise CopyError(f"the copy {target} would replace the warehouse itself")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with connect(source, write=True, timeout_s=timeout_s) as connection:
            check_version(connection)
            connection.execute("CHECKPOINT")
            shutil.copyfile(source, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def read_through(path: Path, *, timeout_s: float) -> dict[str, int]:
    """Read every value of every table, which checks the checksums of the file; returns rows by table.

    Raises StoreError for a file that is damaged or no warehouse, SchemaVersionError for a newer one.
    """
    with connect(path, write=False, timeout_s=timeout_s) as connection:
        found_version(connection)
        tables = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY table_name").fetchall()
        rows = {}
        for (table,) in tables:
            try:
                read = connection.execute(f"SELECT count(*), bit_xor(hash(one)) FROM {table} AS one")  # noqa: S608
                rows[str(table)] = int(read.fetchall()[0][0])
            except duckdb.Error as error:
                raise StoreError(f"{path}: table {table} cannot be read: {error}") from error
    return rows


def put_back(backup: Path, target: Path, *, timeout_s: float) -> dict[str, int]:
    """Replace the warehouse at `target` by a backup in one step, once all of it has been read.

    Nothing changes if the backup is missing (CopyError) or damaged (StoreError), or if another process holds
    the warehouse (LockedError). A warehouse that cannot be opened is moved aside to NAME.damaged. Returns
    rows by table.
    """
    if not backup.is_file():
        raise CopyError(f"no backup at {backup}")
    if backup.resolve() == target:
        raise CopyError(f"{backup} is the warehouse itself")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.restored")
    try:
        shutil.copyfile(backup, partial)
        rows = read_through(partial, timeout_s=timeout_s)
        if not target.exists():
            partial.replace(target)
            return rows
        try:
            with connect(target, write=True, timeout_s=timeout_s) as connection:
                connection.execute(
                    "CHECKPOINT"
                )  # a write-ahead log left behind would be played onto the copy
                partial.replace(target)
        except LockedError:
            raise
        except StoreError:
            for suffix in (".wal", ""):
                damaged = Path(f"{target}{suffix}")
                if damaged.exists():
                    damaged.replace(f"{target}.damaged{suffix}")
            partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return rows
