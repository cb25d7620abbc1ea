"""Rows in and out of tables: the few SQL statements of the store.

Table and column names come from contracts alone; values are bound or arrive as Arrow tables, never as SQL
text.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pandas as pd
import pyarrow as pa

from warehouse.beliefs import believed, known_before
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows: column → value, null or list of values; [start, end) on the time column, tz-aware.

    known_by: tz-aware; core tables then show what was believed at that moment.
    """

    where: Mapping[str, Scalar | Sequence[Scalar]] = field(default_factory=dict)
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    known_by: dt.datetime | None = None


def select(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    selection: Selection,
    columns: Sequence[str] | None,
) -> pd.DataFrame:
    """Return rows in reading order, shaped by the contract."""
    names = checked_columns(contract, contract.names if columns is None else columns)
    checked_columns(contract, tuple(selection.where))
    clauses, values = _conditions(contract, selection)
    table = contract.name
    if selection.known_by is not None:
        values["known_by"] = known_before(_aware(contract, selection.known_by))
        table = believed(contract, _all(text for name, text in clauses if name in contract.key))
    sql = (
        f"SELECT {', '.join(names)} FROM {table} WHERE {_all(text for _, text in clauses)} "  # noqa: S608
        f"ORDER BY {', '.join(contract.order)}"
    )
    frame = connection.sql(sql, params=values).to_arrow_table().to_pandas(date_as_object=True)
    # A table is read as it is: one figure that is none (NaN is not null in SQL) costs no other row.
    return project(frame, contract, names, gaps=True)


def _conditions(
    contract: TableContract, selection: Selection
) -> tuple[list[tuple[str, str]], dict[str, object]]:
    """Return (column, SQL) of each condition and the values that the SQL binds by name."""
    clauses: list[tuple[str, str]] = []
    values: dict[str, object] = {}
    for number, (name, wanted) in enumerate(selection.where.items()):
        if wanted is None:
            clauses.append((name, f"{name} IS NULL"))
        elif isinstance(wanted, str | int | float | dt.date):
            clauses.append((name, f"{name} = $wanted_{number}"))
            values[f"wanted_{number}"] = wanted
        else:
            clauses.append((name, f"{name} IN (SELECT unnest($wanted_{number}))"))
            values[f"wanted_{number}"] = list(wanted)
    for label, bound, sign in (("start", selection.start, ">="), ("end", selection.end, "<")):
        if bound is not None:
            if contract.time_column is None:
                raise UnknownTableError(f"{contract.name} has no time column to bound")
            clauses.append((contract.time_column, f"{contract.time_column} {sign} ${label}_utc"))
            values[f"{label}_utc"] = _aware(contract, bound)
    return clauses, values


def _all(clauses: Iterable[str]) -> str:
    return " AND ".join(clauses) or "TRUE"


def _aware(contract: TableContract, bound: dt.datetime) -> dt.datetime:
    if bound.tzinfo is None:
        raise ContractError(f"{contract.name}: the time bound {bound} is naive; give it a time zone")
    return bound
