"""The layout's version: written when the file is made, checked whenever it is opened.

New tables and nullable columns of the contracts are added to an older file as they are; what that cannot do
(fill a table, drop or turn a column) is a numbered step in `warehouse.migrations`.
"""

import duckdb

from warehouse.contracts import CONTRACTS, TableContract, ddl
from warehouse.contracts.render import sql_type
from warehouse.errors import SchemaVersionError, StoreError

SCHEMA_VERSION = 2
"""Version of the tables' layout that this code reads and writes."""


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that are not there yet, in the caller's transaction; an older file is left alone."""
    connection.execute("CREATE TABLE IF NOT EXISTS meta_schema (version BIGINT NOT NULL)")
    connection.execute(
        "INSERT INTO meta_schema SELECT ? WHERE NOT EXISTS (FROM meta_schema)", [SCHEMA_VERSION]
    )
    if found_version(connection) == SCHEMA_VERSION:
        for contract in CONTRACTS.values():
            connection.execute(ddl(contract))


def found_version(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the file's version; StoreError if it is no warehouse, SchemaVersionError if it is newer."""
    try:
        found = connection.execute("SELECT max(version) FROM meta_schema").fetchall()
    except duckdb.CatalogException as error:
        raise StoreError("the file is a DuckDB database but not a warehouse") from error
    version = found[0][0]
    if version is None:
        raise StoreError("the file names no schema version")
    if version > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"the warehouse has schema version {version}, this software reads {SCHEMA_VERSION}: "
            "use the version of the software that wrote it, or a newer one"
        )
    return int(version)


def check_version(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise SchemaVersionError unless the file has our version, StoreError if it is no warehouse at all."""
    version = found_version(connection)
    if version != SCHEMA_VERSION:
        raise SchemaVersionError(
            f"the warehouse has schema version {version}, this software reads {SCHEMA_VERSION}: "
            "`v2g migrate` brings it forward, rows kept"
        )


def grow(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the tables and nullable columns that the file lacks; let be null what may be null now.

    Raises StoreError for what growing cannot do: a column that may not be null, or that is of another type.
    """
    for contract in CONTRACTS.values():
        there = _columns(connection, contract.name)
        if not there:
            connection.execute(ddl(contract))
            continue
        _add_columns(connection, contract, there)


def _add_columns(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, there: dict[str, str]
) -> None:
    required = _required(connection, contract.name)
    for column in contract:
        kind = sql_type(column)
        if column.name in there:
            if there[column.name] != kind:
                raise StoreError(
                    f"{contract.name}.{column.name} is {there[column.name]} in the file and {kind} now"
                )
            if column.nullable and column.name in required:
                connection.execute(f"ALTER TABLE {contract.name} ALTER COLUMN {column.name} DROP NOT NULL")
        elif not column.nullable:
            raise StoreError(f"{contract.name} of the file lacks {column.name}, which may not be null")
        else:
            connection.execute(f"ALTER TABLE {contract.name} ADD COLUMN {column.name} {kind}")


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Return the types of a table's columns as the contracts write them; empty without such a table."""
    found = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND NOT internal", [table]
    ).fetchall()
    return {name: "TIMESTAMPTZ" if kind == "TIMESTAMP WITH TIME ZONE" else kind for name, kind in found}


def _required(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    """Return the columns of a table that may not be null."""
    found = connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND NOT internal AND NOT is_nullable",
        [table],
    ).fetchall()
    return {name for (name,) in found}
