"""Rows and values as programs take them: the one place where pandas' and numpy's become Python's.

pandas has several words for "missing" (NaN, NaT, NA, None), each of them truthy or unequal to itself, so that
`or None`, `is None` and `== x` all take them for values. Here they are None, and nothing else is: 0, False,
"" and "nan" are values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd

_AS_THEY_ARE = frozenset({str, int, bool, type(None), date, Decimal})


def known(value: Any) -> Any:
    """A single value: None where it is missing, Python's own type instead of numpy's, else as it is."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is float:
        return None if value != value else value  # NaN alone is unequal to itself
    if isinstance(value, np.generic):
        value = pd.Timestamp(value) if isinstance(value, np.datetime64) else value
        value = pd.Timedelta(value) if isinstance(value, np.timedelta64) else value
        value = value.item() if isinstance(value, np.generic) else value
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    return None if isinstance(value, float) and math.isnan(value) else value


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame by column, every value as `known` gives it; times and dates stay what they are."""
    names = [str(key) for key in frame.columns]
    if not names:
        return [{} for _ in range(len(frame))]
    columns = [_cells(frame.iloc[:, place]) for place in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _cells(column: pd.Series) -> list[Any]:
    """The values of a column, each as `known` gives it."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biu":
        return column.tolist()
    texts = isinstance(column.dtype, pd.StringDtype)  # boxed at once, not one by one
    return [known(value) for value in (column.to_numpy(dtype=object) if texts else column.tolist())]


def record(row: pd.Series) -> dict[str, Any]:
    """`records` of one row of a frame."""
    return {str(key): known(value) for key, value in row.items()}


def plain(value: Any) -> Any:
    """A value, or all that it holds, as JSON has it.

    Missing is null, and so is infinity, for which JSON has no word. Times, dates and spans are ISO 8601; what
    JSON does not know is its text.
    """
    value = known(value)
    match value:
        case None | bool() | int() | str() if not isinstance(value, Enum):
            return value
        case float():
            return value if math.isfinite(value) else None
        case Enum():
            return plain(value.value)
        case pd.Timestamp() | pd.Timedelta() | datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return pd.Timedelta(value).isoformat()
        case Mapping():
            return {_key(key): plain(item) for key, item in value.items()}
        case pd.DataFrame():
            return [plain(row) for row in records(value)]
        case set() | frozenset():
            return sorted((plain(item) for item in value), key=str)
        case bytes():
            return value.decode(errors="replace")
        case np.ndarray() | pd.Series() | pd.Index() | Iterable():
            return [plain(item) for item in value]
    return str(value)


def json_text(value: Any) -> str:
    """The whole JSON document of a value, ended by a line break."""
    return json.dumps(plain(value), indent=2, allow_nan=False) + "\n"


def _key(key: Any) -> str:
    key = plain(key)
    return key if isinstance(key, str) else json.dumps(key)
