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

from warehouse.beliefs import believed, known_before, received_since
from warehouse.compaction import TABLE as QUARTER_HOURS
from warehouse.compaction import quarter_hours
from warehouse.contracts import CONTRACTS, Kind, TableContract, conform, project
from warehouse.errors import ContractError, UnknownTableError, nearest
from warehouse.noted import was_read, was_written
from warehouse.overlaps import SESSIONS

Scalar = str | int | float | bool | dt.date | dt.datetime | None

_MOMENT = "as_of_utc"
"""What tells of a result whose knowledge it rests on."""

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
    was_written(contract.name)
    # As a stream, which holds nothing once it is read: what is registered stays until the transaction ends.
    batches = (batch for batch in rows.to_batches())
    connection.register("incoming", pa.RecordBatchReader.from_batches(rows.schema, batches))
    try:
        connection.execute(
            f"INSERT INTO {contract.name} ({names}) SELECT {names} FROM incoming"  # noqa: S608
        )
    except duckdb.ConstraintException as error:
        raise ContractError(f"{contract.name}: {error}") from error


def delete_matching(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, rows: pa.Table, columns: Sequence[str]
) -> None:
    """Delete the rows whose `columns` equal those of some incoming row (null equals null).

    By "=" DuckDB passes over what can hold none of them; where both may be null it reads the whole table.
    """
    names = checked_columns(contract, columns)
    alike = {name: "IS NOT DISTINCT FROM" if contract.column(name).nullable else "=" for name in names}
    same = " AND ".join(f"kept.{name} {sign} gone.{name}" for name, sign in alike.items())
    connection.register("incoming", rows)
    connection.execute(
        f"DELETE FROM {contract.name} AS kept "  # noqa: S608
        f"USING (SELECT DISTINCT {', '.join(names)} FROM incoming) AS gone WHERE {same}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows: column → value, null or list of values; [start, end) on the time column, tz-aware.

    known_by: tz-aware; the table as it was known at that moment. newest_by: of each value of these columns
    the rows of the newest as_of_utc alone, of those `before` a moment. touching: of sessions those that are
    not over before the first moment nor begin after the second, whichever of their ends is reported first.
    within: column → the least and the most, themselves included, None for no such bound. last: a column and
    how many rows: those that have the most in it, of equals those that are read last.
    """

    where: Mapping[str, Scalar | Sequence[Scalar]] = field(default_factory=dict)
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    known_by: dt.datetime | None = None
    newest_by: tuple[str, ...] = ()
    before: dt.datetime | None = None
    touching: tuple[dt.datetime, dt.datetime] | None = None
    within: Mapping[str, tuple[Scalar, Scalar]] = field(default_factory=dict)
    last: tuple[str, int] | None = None


def select(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    selection: Selection,
    columns: Sequence[str] | None,
) -> pd.DataFrame:
    """Return rows in reading order, shaped by the contract."""
    names = checked_columns(contract, contract.names if columns is None else columns)
    was_read(contract.name)
    of_last = [selection.last[0]] if selection.last else []
    checked_columns(contract, (*selection.where, *selection.newest_by, *selection.within, *of_last))
    conditions = _conditions(contract, selection)
    table, values = source_of(connection, contract, selection, conditions)
    condition, own = _all(conditions)
    if selection.newest_by:
        # By row number: joined itself, the table would be read whole, its widest columns too.
        by = ", ".join(selection.newest_by)
        condition = (
            f"rowid IN (SELECT rowid FROM {table} SEMI JOIN (SELECT {by}, max({_MOMENT}) AS {_MOMENT} "  # noqa: S608
            f"FROM {table} WHERE {condition} GROUP BY ALL) AS newest USING ({by}, {_MOMENT}) "
            f"WHERE {condition})"
        )
    rows = f"FROM {table} WHERE {condition}"
    if selection.last:
        by = ", ".join(f"{name} DESC NULLS LAST" for name in (*of_last, *contract.order))
        rows = f"FROM ({rows} ORDER BY {by} LIMIT {selection.last[1]:d})"
    sql = f"SELECT {', '.join(names)} {rows} ORDER BY {', '.join(contract.order)}"
    frame = connection.sql(sql, params=own | values).to_arrow_table().to_pandas(date_as_object=True)
    # A table is read as it is: one figure that is none (NaN is not null in SQL) costs no other row.
    return project(frame, contract, names, gaps=True)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a column as SQL, and the values that it binds by name."""

    column: str
    sql: str
    bound: Mapping[str, object] = field(default_factory=dict)


def source_of(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    selection: Selection,
    conditions: Sequence[Condition] = (),
) -> tuple[str, dict[str, object]]:
    """Return SQL of a table as it is, or as it was known, and the values that it binds besides its own.

    Raises UnknownTableError for a table that does not tell what was known when.
    """
    if selection.known_by is None or _MOMENT in contract.names:
        return contract.name, {}
    known: dict[str, object] = {"known_by": known_before(_aware(contract, selection.known_by))}
    if contract.name == QUARTER_HOURS:
        # They do not tell when their samples came: where some came later, they are made of the others.
        samples = CONTRACTS["core_telemetry"]
        since = connection.execute(received_since(samples, "TRUE"), known).fetchall()
        return (quarter_hours(believed(samples, "TRUE")), known) if since else (contract.name, {})
    of_key, values = _all([one for one in conditions if one.column in contract.key])
    if contract.name == SESSIONS:  # whether one holds depends on others of its car
        of_key, values = "TRUE", {}
    since = connection.execute(received_since(contract, of_key), values | known).fetchall()
    return (believed(contract, of_key), values | known) if since else (contract.name, {})


def _conditions(contract: TableContract, selection: Selection) -> list[Condition]:
    """Return the conditions of a selection; `known_by` of a core table is none: see `source_of`."""
    found: list[Condition] = []
    for number, (name, wanted) in enumerate(selection.where.items()):
        label = f"wanted_{number}"
        if wanted is None:
            found.append(Condition(name, f"{name} IS NULL"))
        elif isinstance(wanted, str | int | float | dt.date):
            found.append(Condition(name, f"{name} = ${label}", {label: wanted}))
        else:
            found.append(Condition(name, f"{name} IN (SELECT unnest(${label}))", {label: list(wanted)}))
    for number, (name, (least, most)) in enumerate(selection.within.items()):
        for label, end, sign in ((f"least_{number}", least, ">="), (f"most_{number}", most, "<=")):
            if end is not None:
                stated = _aware(contract, end) if isinstance(end, dt.datetime) else end
                found.append(Condition(name, f"{name} {sign} ${label}", {label: stated}))
    for label, bound, sign in (("start", selection.start, ">="), ("end", selection.end, "<")):
        if bound is not None:
            if contract.time_column is None:
                raise UnknownTableError(f"{contract.name} has no time column to bound")
            name = contract.time_column
            value = _aware(contract, bound)
            found.append(Condition(name, f"{name} {sign} ${label}_utc", {f"{label}_utc": value}))
    if selection.touching is not None:
        first, last = (_aware(contract, moment) for moment in selection.touching)
        ends = "(arrival_utc, departure_utc)"
        sql = f"least{ends} < $until AND greatest{ends} > $since"
        found.append(Condition("arrival_utc", sql, {"since": first, "until": last}))
    computed = _MOMENT in contract.names
    if selection.newest_by and not computed:
        raise UnknownTableError(f"{contract.name} has no {_MOMENT}: none of its rows is the newest")
    for label, bound, sign in (("before", selection.before, "<"), ("as_of", selection.known_by, "<=")):
        if bound is not None and computed:
            sql = f"{_MOMENT} {sign} ${label}"
            found.append(Condition(_MOMENT, sql, {label: _aware(contract, bound)}))
    return found


def _all(conditions: Iterable[Condition]) -> tuple[str, dict[str, object]]:
    """Return SQL that holds where every condition does, and the values that it binds."""
    found = list(conditions)
    values = {name: value for one in found for name, value in one.bound.items()}
    return " AND ".join(one.sql for one in found) or "TRUE", values


def _aware(contract: TableContract, bound: dt.datetime) -> dt.datetime:
    if bound.tzinfo is None:
        raise ContractError(f"{contract.name}: the time bound {bound} is naive; give it a time zone")
    return bound
