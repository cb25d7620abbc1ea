"""Contracts as SQL and as a document for people."""

from warehouse.contracts.registry import CONTRACTS
from warehouse.contracts.types import Column, Kind, TableContract

_SQL_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.FLOAT: "DOUBLE",
    Kind.INT: "BIGINT",
    Kind.BOOL: "BOOLEAN",
    Kind.TIME: "TIMESTAMPTZ",
    Kind.DATE: "DATE",
}


def ddl(contract: TableContract) -> str:
    """Return `CREATE TABLE IF NOT EXISTS …` of a contract; keys are enforced except on daily tables."""
    parts = [_column_sql(column) for column in contract]
    if contract.key and not contract.daily:
        parts.append(f"PRIMARY KEY ({', '.join(contract.key)})")
    lines = ",\n  ".join(parts)
    return f"CREATE TABLE IF NOT EXISTS {contract.name} (\n  {lines}\n)"


def sql_type(column: Column) -> str:
    """Return the SQL type of a column."""
    return _SQL_TYPES[column.kind]


def _column_sql(column: Column) -> str:
    return f"{column.name} {sql_type(column)}" + ("" if column.nullable else " NOT NULL")


def data_dictionary() -> str:
    """Return every table and column as Markdown: kind, unit, values, meaning."""
    return "# Data dictionary\n\n" + "\n".join(_table_markdown(contract) for contract in CONTRACTS.values())


def _table_markdown(contract: TableContract) -> str:
    identity = f"Key: {', '.join(contract.key)}." if contract.key else "No key."
    if contract.daily:
        identity += f" Replaced by ({contract.key[0]}, UTC day)."
    rows = "\n".join(
        f"| {column.name} | {column.kind}{' or null' if column.nullable else ''} | {column.unit} "
        f"| {values_of(column)} | {column.description} |"
        for column in contract
    )
    return (
        f"## {contract.name}\n\n{contract.description} {identity}\n\n"
        f"| column | kind | unit | values | meaning |\n|---|---|---|---|---|\n{rows}\n"
    )


def values_of(column: Column) -> str:
    """Return the values that a column may have, as Markdown: a list, bounds, a pattern."""
    if column.allowed is not None:
        return ", ".join(str(value) for value in column.allowed)
    if column.minimum is not None or column.maximum is not None:
        low = "" if column.minimum is None else f"{column.minimum:g}"
        high = "" if column.maximum is None else f"{column.maximum:g}"
        return f"{low} … {high}".strip()
    return f"`{column.pattern}`" if column.pattern else ""
