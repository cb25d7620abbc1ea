"""Rows in and out of tables: the few SQL statements of the store.

Table and column names come from contracts alone; values are bound or arrive as Arrow tables, never as SQL
text.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

import duckdb
import pandas as pd
import pyarrow as pa

from warehouse.contracts import Kind, TableContract, conform, project
from warehouse.errors import ContractError, UnknownTableError, nearest

Scalar = str | int | float | bool | dt.date | dt.datetime | None

_ARROW_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.FLOAT: pa.float64(),
    Kind.INT: pa.int64(),
    Kind.BOOL: pa.bool_(),
    Kind.TIME: pa.timestamp("us", tz="UTC"),
    Kind.DATE: pa.date32(),
}


def checked_columns(contract: TableContract, names: Sequence[str]) -> tuple[str, ...]:
    """Return `names` if all are columns of the contract; UnknownTableError names the nearest one."""
    for name in names:
        if name not in contract.names:
            raise UnknownTableError(f"{contract.name} has no column {name!r}{nearest(name, contract.names)}")
    return tuple(names)


def arrow_table(frame: pd.DataFrame, contract: TableContract) -> pa.Table:
    """Return a conformed frame as Arrow; NaN becomes null."""
    schema = pa.schema([(column.name, _ARROW_TYPES[column.kind]) for column in contract])
    return pa.Table.from_pandas(conform(frame, contract), schema=schema, preserve_index=False)


def insert(connection: duckdb.DuckDBPyConnection, contract: TableContract, rows: pa.Table) -> None:
    """Insert Arrow rows of the contract's shape; a second row with the same key raises ContractError."""
    names = ", ".join(contract.names)
    connection.register("incoming", rows)
    try:
        connection.execute(
            f"INSERT INTO {contract.name} ({names}) SELECT {names} FROM incoming"  # noqa: S608
        )
    except duckdb.ConstraintException as error:
        raise ContractError(f"{contract.name}: {error}") from error


def delete_matching(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, rows: pa.Table, columns: Sequence[str]
) -> None:
    """Delete the rows whose `columns` equal those of some incoming row (null equals null)."""
    names = checked_columns(contract, columns)
    same = " AND ".join(f"kept.{name} IS NOT DISTINCT FROM gone.{name}" for name in names)
    connection.register("incoming", rows)
    connection.execute(
        f"DELETE FROM {contract.name} AS kept "  # noqa: S608
        f"USING (SELECT DISTINCT {', '.join(names)} FROM incoming) AS gone WHERE {same}"
    )


def select(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    *,
    where: Mapping[str, Scalar | Sequence[Scalar]],
    start: dt.datetime | None,
    end: dt.datetime | None,
    columns: Sequence[str] | None,
) -> pd.DataFrame:
    """Return rows in reading order, shaped by the contract; [start, end) bounds the time column."""
    names = checked_columns(contract, contract.names if columns is None else columns)
    checked_columns(contract, tuple(where))
    clauses, values = _conditions(contract, where, start, end)
    sql = f"SELECT {', '.join(names)} FROM {contract.name}"  # noqa: S608
    if clauses:
        sql += f" WHERE {' AND '.join(clauses)}"
    sql += f" ORDER BY {', '.join(contract.order)}"
    frame = connection.sql(sql, params=values).to_arrow_table().to_pandas(date_as_object=True)
    return project(frame, contract, names)


def _conditions(
    contract: TableContract,
    where: Mapping[str, Scalar | Sequence[Scalar]],
    start: dt.datetime | None,
    end: dt.datetime | None,
) -> tuple[list[str], list[object]]:
    clauses: list[str] = []
    values: list[object] = []
    for name, wanted in where.items():
        if wanted is None:
            clauses.append(f"{name} IS NULL")
        elif isinstance(wanted, str | int | float | dt.date):
            clauses.append(f"{name} = ?")
            values.append(wanted)
        else:
            clauses.append(f"{name} IN (SELECT unnest(?))")
            values.append(list(wanted))
    for bound, sign in ((start, ">="), (end, "<")):
        if bound is not None:
            if contract.time_column is None:
                raise UnknownTableError(f"{contract.name} has no time column to bound")
            if bound.tzinfo is None:
                raise ContractError(f"{contract.name}: the time bound {bound} is naive; give it a time zone")
            clauses.append(f"{contract.time_column} {sign} ?")
            values.append(bound)
    return clauses, values
