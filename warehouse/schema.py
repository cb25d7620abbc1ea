"""The layout's version and fingerprint: written when the file is made, compared whenever it is opened.

New tables and nullable columns of the contracts are added to a file as they are, by `v2g migrate` or the next
write, also within a version; what that cannot do (fill a table, drop or turn a column) is a numbered step in
`warehouse.migrations` and needs a higher `SCHEMA_VERSION`. `python -m tests.warehouse.layouts` records what
the layout is now, and refuses what needs a version of its own; a test holds the record.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from warehouse.connection import once_while_shared
from warehouse.contracts import CONTRACTS, TableContract, ddl
from warehouse.contracts.render import sql_type
from warehouse.errors import SchemaVersionError, StoreError
from warehouse.layout import (
    Difference,
    Layout,
    as_text,
    current_fingerprint,
    current_layout,
    differences,
    fingerprint,
    in_words,
)

SCHEMA_VERSION = 3
"""Version of the tables' layout that this code reads and writes."""

META_COLUMNS = {
    "version": "BIGINT NOT NULL",
    "fingerprint": "VARCHAR",  # of `layout`
    "layout": "VARCHAR",  # JSON: the layout that the file was written with
    # names the last transaction, so that one whose end was not seen can be determined
    "last_write": "VARCHAR",
    "copied": "VARCHAR",  # snapshot, backup, trial; null in a warehouse
    "taken": "VARCHAR",  # of a snapshot: when it was begun, ISO 8601
}
"""Of meta_schema, a table of one row that is no contract: it is read before they can be relied on."""


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that are not there yet, in the caller's transaction; an older file is left alone."""
    columns = ", ".join(f"{name} {kind}" for name, kind in META_COLUMNS.items())
    connection.execute(f"CREATE TABLE IF NOT EXISTS meta_schema ({columns})")
    if connection.execute("FROM meta_schema").fetchall():
        return
    for contract in CONTRACTS.values():
        connection.execute(ddl(contract))
    connection.execute("INSERT INTO meta_schema (version) VALUES (?)", [SCHEMA_VERSION])
    record_layout(connection)


def record_layout(connection: duckdb.DuckDBPyConnection) -> None:
    """Note in the file that it has this code's version and layout."""
    layout = current_layout()
    connection.execute(
        "UPDATE meta_schema SET version = ?, fingerprint = ?, layout = ?",
        [SCHEMA_VERSION, fingerprint(layout), as_text(layout)],
    )


def found_version(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the file's version; StoreError if it is no warehouse, SchemaVersionError if it is newer."""
    version = _noted(connection, "max(version)").fetchall()[0][0]
    if version is None:
        raise StoreError("the file names no schema version")
    if version > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"the warehouse has schema version {version}, this software reads {SCHEMA_VERSION}: "
            "use the version of the software that wrote it, or a newer one"
        )
    return int(version)


def _noted(connection: duckdb.DuckDBPyConnection, wanted: str) -> duckdb.DuckDBPyConnection:
    try:
        return connection.execute(f"SELECT {wanted} FROM meta_schema")  # noqa: S608
    except duckdb.CatalogException as error:
        raise StoreError("the file is a DuckDB database but not a warehouse") from error


def is_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the file notes our version and layout, as nearly every one does: asked before every use."""
    stated = _noted(connection, "COLUMNS('^(version|fingerprint)$')")
    names, rows = [column[0] for column in stated.description or ()], stated.fetchall()
    ours = {"version": SCHEMA_VERSION, "fingerprint": current_fingerprint()}
    return [dict(zip(names, row, strict=True)) for row in rows] == [ours]


def check_version(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise SchemaVersionError unless the file has our version and layout, StoreError if no warehouse."""
    if is_current(connection):
        return
    version = found_version(connection)
    if version != SCHEMA_VERSION:
        raise SchemaVersionError(
            f"the warehouse has schema version {version}, this software reads {SCHEMA_VERSION}: "
            "`v2g migrate` brings it forward, rows kept"
        )
    if found := layout_differences(connection):
        refuse_other_layout(found)
        raise SchemaVersionError(
            f"the warehouse has another layout of schema version {version} than this software: "
            f"{in_words(found)}; `v2g migrate` brings it forward, rows kept"
        )


def check_version_once(path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """`check_version` of an attached file, not again where it stays attached for what is read next."""
    once_while_shared(path, lambda: check_version(connection))


def layout_differences(connection: duckdb.DuckDBPyConnection) -> list[Difference]:
    """Return what the layout that the file was written with has otherwise than the contracts."""
    if connection.execute("SELECT fingerprint FROM meta_schema").fetchall()[0][0] == current_fingerprint():
        return []
    layout = connection.execute("SELECT layout FROM meta_schema").fetchall()[0][0]
    noted = json.loads(layout) if layout else _layout_in_catalog(connection)
    return differences(noted, current_layout())


@contextmanager
def as_noted(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Turn a statement that finds no such column or table into SchemaVersionError where the file lacks it."""
    try:
        yield
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        found = []
        with suppress(duckdb.Error):
            found = differences(_layout_in_catalog(connection), current_layout())
        if lacking := [one for one in found if "is missing" in one.text]:
            raise SchemaVersionError(
                f"the warehouse is not what its layout says: {in_words(lacking)}; `v2g migrate` adds what "
                f"may "
                "be null"
            ) from error
        raise


def refuse_other_layout(found: list[Difference]) -> None:
    """Raise SchemaVersionError for what growing the file would not mend."""
    if fixed := [one for one in found if not one.grows]:
        raise SchemaVersionError(
            f"the warehouse has another layout of schema version {SCHEMA_VERSION} than this software: "
            f"{in_words(fixed)}; use the version of the software that wrote it, or a newer one"
        )


def grow(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the tables and nullable columns that the file lacks; let be null what may be null now.

    Raises StoreError for what growing cannot do: a column that may not be null, or that is of another type.
    """
    for name, kind in META_COLUMNS.items():
        connection.execute(f"ALTER TABLE meta_schema ADD COLUMN IF NOT EXISTS {name} {kind.split()[0]}")
    for contract in CONTRACTS.values():
        there = _columns(connection, contract.name)
        if not there:
            connection.execute(ddl(contract))
            continue
        _add_columns(connection, contract, there)


def _add_columns(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, there: dict[str, tuple[str, bool]]
) -> None:
    for column in contract:
        kind = sql_type(column)
        if column.name in there:
            found = there[column.name][0]
            if found != kind:
                raise StoreError(f"{contract.name}.{column.name} is {found} in the file and {kind} now")
        elif column.nullable:
            connection.execute(f"ALTER TABLE {contract.name} ADD COLUMN {column.name} {kind}")
        else:
            raise StoreError(f"{contract.name} of the file lacks {column.name}, which may not be null")
    names = [column.name for column in contract if column.nullable]
    if strict := [name for name in names if name in there and not there[name][1]]:
        _drop_not_null(connection, contract, strict)


def _drop_not_null(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, columns: list[str]
) -> None:
    """Let columns be null; a table with a key is made anew, as DuckDB alters none that has an index."""
    if not contract.key or contract.daily:
        for column in columns:
            connection.execute(f"ALTER TABLE {contract.name} ALTER COLUMN {column} DROP NOT NULL")
        return
    own = ", ".join(name for name in contract.names if name in _columns(connection, contract.name))
    connection.execute(f"CREATE TEMP TABLE kept AS FROM {contract.name}")
    connection.execute(f"DROP TABLE {contract.name}")
    connection.execute(ddl(contract))
    connection.execute(f"INSERT INTO {contract.name} ({own}) SELECT {own} FROM kept")  # noqa: S608
    connection.execute("DROP TABLE kept")


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, tuple[str, bool]]:
    """Return type, as the contracts write it, and nullability of a table's columns; {} without it."""
    found = connection.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE table_name = ? AND database_name = current_database() AND NOT internal",
        [table],
    ).fetchall()
    return {
        name: ("TIMESTAMPTZ" if kind == "TIMESTAMP WITH TIME ZONE" else kind, bool(nullable))
        for name, kind, nullable in found
    }


def _layout_in_catalog(connection: duckdb.DuckDBPyConnection) -> Layout:
    """Return the layout of a file that notes none, as far as its catalog tells it."""
    layout = {}
    for name, table in current_layout().items():
        if columns := _columns(connection, name):
            kinds = {
                column: kind + ("" if nullable else " NOT NULL")
                for column, (kind, nullable) in columns.items()
            }
            layout[name] = table | {"columns": kinds}
    return layout
