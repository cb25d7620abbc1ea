"""Whatever pandas calls missing is null, whatever is a value stays one, and every answer is one document."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.plain import json_text, known, plain, record, records

MOMENT = dt.datetime(2024, 3, 31, 1, 30, tzinfo=dt.UTC)
VALUES: dict[str, tuple[Any, list[Any]]] = {
    "float64": (1.5, [0.0, -0.0, 1e300, 2.5]),
    "Float64": (1.5, [0.0, 2.5]),
    "float32": (1.5, [0.0, 0.5]),
    "int64": (7, [0, -3]),
    "Int64": (7, [0, -3]),
    "Int8": (7, [0, 1]),
    "bool": (True, [True, False]),
    "boolean": (True, [True, False]),
    "object": ("x", ["", "nan", "NaT", 0, False, 1.5]),
    "str": ("x", ["", "nan", "None"]),
    "string[pyarrow]": ("x", ["", "<NA>"]),
    "category": ("x", ["a", "nan"]),
    "datetime64[us, UTC]": (MOMENT, [MOMENT]),
    "datetime64[ns]": (MOMENT.replace(tzinfo=None), [MOMENT.replace(tzinfo=None)]),
    "timedelta64[ns]": (dt.timedelta(hours=1), [dt.timedelta(0), dt.timedelta(minutes=-5)]),
}
NO_MISSING = ("int64", "bool")


def column(kind: str, values: list[Any]) -> pd.Series:
    return pd.Series(values, dtype=kind)


@st.composite
def frames(draw: st.DrawFn) -> tuple[pd.DataFrame, list[dict[str, bool]]]:
    """A frame of any dtypes, and which of its cells are missing."""
    rows = draw(st.integers(0, 5))
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=6, unique=True))
    columns, missing = {}, []
    for kind in kinds:
        gaps = [kind not in NO_MISSING and draw(st.booleans()) for _ in range(rows)]
        words = [None, np.nan, pd.NaT, pd.NA] if kind == "object" else [None]
        cells = [draw(st.sampled_from(words if gap else VALUES[kind][1])) for gap in gaps]
        columns[kind] = column(kind, cells)
        missing.append(gaps)
    stated = [dict(zip(kinds, row, strict=True)) for row in zip(*missing, strict=True)]
    return pd.DataFrame(columns), stated


@given(frames())
def test_missing_is_null_and_nothing_else_is(drawn: tuple[pd.DataFrame, list[dict[str, bool]]]) -> None:
    frame, missing = drawn
    rows = records(frame)
    assert [{key: value is None for key, value in row.items()} for row in rows] == missing
    assert [record(row) for _, row in frame.astype(object).iterrows()] == rows
    text = json_text({"rows": rows, "frame": frame})
    answer = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert answer["rows"] == answer["frame"]
    assert [{key: value is None for key, value in row.items()} for row in answer["rows"]] == missing


@pytest.mark.parametrize("value", [None, math.nan, pd.NaT, pd.NA, np.float32("nan"), np.datetime64("NaT")])
def test_every_word_for_missing_is_none(value: Any) -> None:
    assert known(value) is None
    assert plain([value, {"a": value}]) == [None, {"a": None}]


@pytest.mark.parametrize("value", [0, 0.0, False, "", "nan", "NaT", [], {}])
def test_a_value_is_never_taken_for_missing(value: Any) -> None:
    assert known(value) is value
    assert plain(value) == value


class Word(StrEnum):
    a = "alpha"


class Number(Enum):
    one = 1


@pytest.mark.parametrize(
    ("value", "stated"),
    [
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (math.inf, None),
        (-math.inf, None),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        (pd.Series([1, None]), [1.0, None]),
        ({"b", "a"}, ["a", "b"]),
        ((1, (2, pd.NA)), [1, [2, None]]),
        (Path("/a/b"), "/a/b"),
        (Word.a, "alpha"),
        (Number.one, 1),
        (Decimal("1.10"), "1.10"),
        (dt.date(2024, 3, 31), "2024-03-31"),
        (MOMENT, "2024-03-31T01:30:00+00:00"),
        (pd.Timestamp(MOMENT), "2024-03-31T01:30:00+00:00"),
        (np.datetime64("2024-03-31T01:30"), "2024-03-31T01:30:00"),
        (dt.timedelta(minutes=15), "P0DT0H15M0S"),
        ({dt.date(2024, 3, 31): 1, 2: 3}, {"2024-03-31": 1, "2": 3}),
        (b"\xff\x41", "\ufffdA"),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_what_json_has_no_word_for_is_written_in_one_that_it_has(value: Any, stated: Any) -> None:
    assert plain(value) == stated
    assert json.loads(json_text({"value": value})) == {"value": stated}
