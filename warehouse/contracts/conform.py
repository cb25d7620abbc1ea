"""Bring a frame into the exact shape of its table, or say why it does not fit."""

import datetime as dt
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from warehouse.contracts.types import Column, Kind, TableContract
from warehouse.errors import ContractError, nearest


def conform(frame: pd.DataFrame, contract: TableContract) -> pd.DataFrame:
    """Return `frame` with the contract's columns, order and dtypes, rows in their order, index 0…n−1.

    dtypes: text `str`, float `float64` (null = NaN), int `int64` (nullable `Int64`), bool `bool` (nullable
    `boolean`), time `datetime64[us, UTC]`, date `object` of `datetime.date`. Nullable columns may be missing.
    Raises ContractError for a missing, unknown or unconvertible column, a forbidden null, a naive time.
    """
    return project(frame, contract, contract.names)


def project(
    frame: pd.DataFrame, contract: TableContract, names: Sequence[str], *, gaps: bool = False
) -> pd.DataFrame:
    """Conform to some columns of a contract; shapes, units and errors as `conform`.

    gaps: let pass what is null and should not be, NaN for a number.
    """
    if unknown := [str(name) for name in frame.columns if name not in names]:
        raise ContractError(f"{contract.name}: unknown column {unknown[0]!r}{nearest(unknown[0], names)}")
    if frame.empty and list(frame.columns) == list(names):
        return _nothing(contract, tuple(names)).copy()
    shaped = frame.reset_index(drop=True)
    dtypes = dict(zip(shaped.columns, shaped.dtypes, strict=True))
    for name in names:
        column = contract.column(name)
        if not _fits(dtypes.get(name), column):  # what fits is taken as it is: of rows just read nearly all
            shaped[name] = _column(shaped, column, contract.name)
        if not column.nullable and not gaps:
            _whole(shaped[name], contract.name)
    if list(shaped.columns) != list(names):
        shaped = shaped[list(names)]
    shaped.columns = pd.Index(names)  # plain ones, whatever the frame's were called together
    return shaped


@cache
def _nothing(contract: TableContract, names: tuple[str, ...]) -> pd.DataFrame:
    """No row: most tables of most plans."""
    shaped = {name: _convert(pd.Series([], dtype=object), contract.column(name)) for name in names}
    return pd.DataFrame(shaped, columns=pd.Index(names))


_TIME = pd.DatetimeTZDtype("us", "UTC")
_FITTING: dict[tuple[Kind, bool], Any] = {
    **{(Kind.TEXT, nullable): pd.StringDtype(na_value=np.nan) for nullable in (False, True)},
    **{(Kind.FLOAT, nullable): np.dtype("float64") for nullable in (False, True)},
    **{(Kind.TIME, nullable): _TIME for nullable in (False, True)},
    (Kind.INT, False): np.dtype("int64"),
    (Kind.INT, True): pd.Int64Dtype(),
    (Kind.BOOL, False): np.dtype("bool"),
    (Kind.BOOL, True): pd.BooleanDtype(),
}
"""The dtype of a column, by its kind and whether it may be null; of dates each value is looked at."""


def _fits(dtype: Any, column: Column) -> bool:
    """Whether a column of this dtype, None for no column, is as the contract has it."""
    wanted = _FITTING.get((column.kind, column.nullable))
    if dtype is None or wanted is None or dtype != wanted:  # numpy takes None for float64
        return False
    return column.kind is not Kind.TIME or dtype.tz is _TIME.tz


def _column(frame: pd.DataFrame, column: Column, table: str) -> pd.Series:
    if column.name not in frame.columns:
        if not column.nullable:
            raise ContractError(f"{table}: column {column.name!r} is missing")
        values = pd.Series([None] * len(frame), dtype=object)
    else:
        values = frame[column.name]
    try:
        return _convert(values, column)
    except (ValueError, TypeError, OverflowError) as error:
        raise ContractError(f"{table}.{column.name}: not {column.kind}: {error}") from error


def _whole(values: pd.Series, table: str) -> None:
    missing = values.isna().to_numpy()
    if missing.any():
        raise ContractError(
            f"{table}.{values.name}: {int(missing.sum())} of {len(values)} values are null, "
            f"the first in row {int(np.argmax(missing))}"
        )


def _convert(values: pd.Series, column: Column) -> pd.Series:
    match column.kind:
        case Kind.TEXT:
            return _text(values)
        case Kind.FLOAT:
            return pd.to_numeric(values).astype("float64")
        case Kind.INT:
            return _integer(values, nullable=column.nullable)
        case Kind.BOOL:
            return _boolean(values, nullable=column.nullable)
        case Kind.TIME:
            return _time(values)
        case Kind.DATE:
            if set(map(type, values)) == {dt.date}:  # as rows that were just read have them
                return values.astype(object)
            return values.map(_date, na_action="ignore").astype(object)


def _text(values: pd.Series) -> pd.Series:
    if not isinstance(values.dtype, pd.StringDtype):
        strange = [value for value in values.dropna().unique() if not isinstance(value, str)]
        if strange:
            raise TypeError(f"{strange[0]} is {type(strange[0]).__name__}")
    return values.astype("str")


def _integer(values: pd.Series, *, nullable: bool) -> pd.Series:
    numbers = pd.to_numeric(values)
    if nullable or numbers.isna().any():
        return numbers.astype("Int64")
    whole = numbers.astype("int64")
    if not (whole == numbers).all():
        raise ValueError(f"{numbers[whole != numbers].iloc[0]} is not whole")
    return whole


def _boolean(values: pd.Series, *, nullable: bool) -> pd.Series:
    booleans = values.astype("boolean")
    return booleans if nullable or booleans.isna().any() else booleans.astype("bool")


def _time(values: pd.Series) -> pd.Series:
    if values.isna().all():
        return pd.Series(pd.NaT, index=values.index, dtype="datetime64[us, UTC]")
    times = values if isinstance(values.dtype, pd.DatetimeTZDtype) else pd.to_datetime(values)
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        raise TypeError("times are naive; give them a time zone")
    return times.dt.tz_convert("UTC").dt.as_unit("us")


def _date(value: object) -> dt.date:
    if isinstance(value, dt.datetime):
        raise TypeError(f"{value!r} is a time, not a date")
    if isinstance(value, dt.date):
        return value
    if isinstance(value, str):
        return dt.date.fromisoformat(value)
    raise TypeError(f"{value!r} is {type(value).__name__}, not a date")
