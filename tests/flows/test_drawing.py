"""Charts of the pages: what is drawn lies where its values say, and nothing from data is markup."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.publish.drawing import Axis, Band, Bars, Dots, Line, Panel, Rule, Tick, figure, numbers, times
from tests.flows.svg import WIDTH, lines, words

AXIS = Axis(0.0, 10.0, [Tick(0.0, "0"), Tick(10.0, "10")])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.booleans())
@settings(deadline=None, max_examples=200)
def test_an_axis_holds_its_values_between_round_ends(values: list[float], zero: bool) -> None:
    axis = numbers(np.array(values), zero=zero)
    ticks = np.array([tick.at for tick in axis.ticks])
    hair = 1e-8 * (axis.high - axis.low)
    assert axis.low <= min(values) + hair and max(values) - hair <= axis.high and 2 <= len(ticks) <= 13
    assert (ticks[0], ticks[-1]) == (axis.low, axis.high)
    assert len({tick.label for tick in axis.ticks}) == len(ticks)
    assert not zero or axis.low - hair <= 0.0 <= axis.high + hair


def test_labels_are_plain_numbers() -> None:
    assert [tick.label for tick in numbers(np.array([-0.2, 0.3])).ticks] == [
        "−0.2", "−0.1", "0.0", "0.1", "0.2", "0.3",
    ]  # fmt: skip
    assert [tick.label for tick in numbers(np.array([0.0, 4200.0])).ticks][-1] == "5,000"
    nothing = [tick.label for tick in numbers(np.array([])).ticks]
    assert nothing == ["−1.0", "−0.5", "0.0", "0.5", "1.0"]


@pytest.mark.parametrize("hours", [0, 30, 60 * 24, 9000 * 24])
def test_an_axis_of_times_has_some_labels_and_not_too_many(hours: int) -> None:
    span, start = timedelta(hours=hours), datetime(2024, 3, 30, 17, 20, tzinfo=UTC)
    axis = times(start, start + span)
    assert axis.low < axis.high and 1 <= len(axis.ticks) <= 26
    assert all(axis.low <= tick.at <= axis.high for tick in axis.ticks)


def test_lines_are_where_their_values_are_and_break_where_there_is_none() -> None:
    y = Axis(-1.0, 1.0, [])
    line = Line("v2g", np.array([0.0, 5.0, 6.0, 10.0]), np.array([1.0, -1.0, np.nan, 0.0]))
    drawn = figure([Panel(title="power, kW", x=AXIS, y=y, marks=[line], height=100)])
    first, second = lines(drawn, "power")
    assert first.tolist() == [[0.0, 0.0], [WIDTH / 2, 100.0]] and second.tolist() == [[WIDTH, 50.0]]
    still = Line("v2g", np.array([5.0, 5.0]), np.array([0.0, 0.0]))
    drawn = figure([Panel(title="power, kW", x=AXIS, y=y, marks=[still], height=100)])
    assert lines(drawn, "power")[0].tolist() == [[WIDTH / 2, 50.0]] and 'd="M5000 500"' in drawn
    steps = Line("v2g", np.array([0.0, 5.0, 10.0]), np.array([1.0, -1.0, -1.0]), step=True)
    (drawn_steps,) = lines(figure([Panel(title="power", x=AXIS, y=y, marks=[steps], height=100)]), "power")
    assert drawn_steps.tolist() == [[0, 0], [500, 0], [500, 100], [1000, 100]]


def test_nothing_to_draw_draws_nothing_and_ends_nowhere() -> None:
    none = np.array([])
    marks = [Line("a", none, none), Dots("a", none, none), Bars("a", none, none), Band("a", none, none, none)]
    drawn = figure([Panel(title="empty", x=AXIS, marks=[*marks, Rule("limit", 2.0)])])
    assert drawn.count("<path") == 2 and "nan" not in drawn


def test_text_of_data_is_text() -> None:
    hostile = "<script>alert(1)</script>\"' & ]]>"
    axis = Axis(0.0, 1.0, [Tick(0.5, hostile)])
    drawn = figure([Panel(title=hostile, x=axis, x_title=hostile, marks=[])], {"v2g": hostile})
    assert "<script" not in drawn and words(drawn).count(hostile) == 4
