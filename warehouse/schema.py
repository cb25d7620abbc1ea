"""The layout's version: written when the file is made, checked whenever it is opened."""

import duckdb

from warehouse.contracts import CONTRACTS, ddl
from warehouse.errors import SchemaVersionError, StoreError

SCHEMA_VERSION = 1
"""Version of the tables' layout that this code reads and writes."""


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that are not there yet, in one transaction; a file of another version is refused."""
    connection.begin()
    connection.execute("CREATE TABLE IF NOT EXISTS meta_schema (version BIGINT NOT NULL)")
    connection.execute(
        "INSERT INTO meta_schema SELECT ? WHERE NOT EXISTS (FROM meta_schema)", [SCHEMA_VERSION]
    )
    check_version(connection)
    for contract in CONTRACTS.values():
        connection.execute(ddl(contract))
    connection.commit()


def check_version(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise SchemaVersionError unless the file has our version, StoreError if it is no warehouse at all."""
    try:
        found = connection.execute("SELECT max(version) FROM meta_schema").fetchall()
    except duckdb.CatalogException as error:
        raise StoreError("the file is a DuckDB database but not a warehouse") from error
    version = found[0][0]
    if version != SCHEMA_VERSION:
        raise SchemaVersionError(
            f"the warehouse has schema version {version}, this software reads {SCHEMA_VERSION}: "
            "use the version of the software that wrote it, or a newer one"
        )
