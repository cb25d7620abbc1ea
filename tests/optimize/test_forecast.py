"""Distributions of weighted values, and what is expected of a car by its own days and its fleet's."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimize.errors import ProblemError
from optimize.forecast.plug_in import COLUMNS, PlugInHistory
from optimize.forecast.weighted import Weighted

FIRST = date(2026, 3, 2)  # a Monday
values = st.lists(st.floats(-50.0, 50.0), min_size=1, max_size=30)


def weighted(*numbers: float, weights: list[float] | None = None) -> Weighted:
    return Weighted(np.array(numbers), np.array(weights or [1.0] * len(numbers)))


def test_quantiles_of_a_hand_solved_table() -> None:
    one = weighted(3.0, 1.0, 2.0, weights=[1.0, 2.0, 1.0])
    assert [one.quantile(share) for share in (0.0, 0.5, 0.51, 0.75, 0.76, 1.0)] == [1, 1, 2, 2, 3, 3]
    assert one.above(1.0) == 0.5
    beyond = one.beyond(1.5)
    assert beyond is not None and beyond.points.tolist() == [2.0, 3.0]
    assert beyond.weights.tolist() == [0.5, 0.5]
    assert one.beyond(3.0) is None


def test_the_score_of_a_hand_solved_table() -> None:
    assert weighted(2.0).crps(5.0) == pytest.approx(3.0)  # one value: the distance
    assert weighted(0.0, 1.0).crps(0.0) == pytest.approx(0.25)
    assert weighted(0.0, 1.0).crps(2.0) == pytest.approx(0.25 + 1.0)


@given(values, st.floats(-60.0, 60.0))
def test_the_score_is_that_of_the_energy_form(numbers: list[float], came: float) -> None:
    """E|X − y| − E|X − X'|/2, by every pair."""
    x = np.array(numbers)
    other = np.abs(x - came).mean() - np.abs(x[:, None] - x[None, :]).mean() / 2.0
    assert weighted(*numbers).crps(came) == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize(
    ("numbers", "weights"), [([], []), ([1.0], [0.0]), ([1.0], [-1.0]), ([np.nan], [1.0])]
)
def test_what_is_no_distribution_is_refused(numbers: list[float], weights: list[float]) -> None:
    with pytest.raises(ProblemError, match="weights"):
        Weighted(np.array(numbers), np.array(weights))


def sessions(
    car: str, days: list[int], arrival: float = 18.0, hours: float = 13.0, need: float = 0.2
) -> list[tuple]:
    midnight = [pd.Timestamp(FIRST + timedelta(days=day)) for day in days]
    came = [day + pd.Timedelta(hours=arrival) for day in midnight]
    return [(car, one, one + pd.Timedelta(hours=hours), need) for one in came]


def history(*rows: list[tuple]) -> PlugInHistory:
    return PlugInHistory.of(pd.DataFrame([row for own in rows for row in own], columns=list(COLUMNS)))


def workdays(weeks: int) -> list[int]:
    return [7 * week + day for week in range(weeks) for day in range(5)]


def test_a_car_that_comes_on_workdays_is_expected_then_and_not_on_sundays() -> None:
    past = history(sessions("car", workdays(8)))
    monday, sunday = (past.on(FIRST + timedelta(days=56 + shift)).expect("car") for shift in (0, 6))
    assert monday is not None and sunday is not None
    assert (monday.probability, sunday.probability) == (pytest.approx(1.0), pytest.approx(0.0, abs=0.02))
    assert monday.arrival.quantile(0.5) == pytest.approx(18.0)
    assert monday.departure.quantile(0.5) == pytest.approx(31.0)
    assert monday.need.quantile(0.5) == pytest.approx(0.2)


def test_of_two_sessions_of_a_day_the_longer_is_the_main_one() -> None:
    past = history(sessions("car", workdays(4)), sessions("car", workdays(4), arrival=9.0, hours=2.0))
    assert len(past.day) == 20
    expected = past.on(FIRST + timedelta(days=28)).expect("car")
    assert expected is not None and expected.arrival.quantile(0.5) == pytest.approx(18.0)


def test_the_fleet_decides_for_a_car_with_little_past_and_hardly_for_one_with_much() -> None:
    fleet = [sessions(f"car-{number}", workdays(8), arrival=20.0) for number in range(5)]
    target = FIRST + timedelta(days=56)
    new, old = (
        history(*fleet, sessions("own", days, arrival=8.0, hours=8.0)).on(target).expect("own")
        for days in ([54], workdays(8))
    )
    assert new is not None and old is not None
    assert new.arrival.above(15.0) > 0.5 > 0.1 > old.arrival.above(15.0)


def test_need_grows_with_the_days_since_the_car_charged_last() -> None:
    often = sessions("car", list(range(0, 28, 1)), need=0.1)
    seldom = [row for day in range(30, 100, 5) for row in sessions("car", [day], need=0.5)]
    past = history(often, seldom)
    soon, late = (past.on(FIRST + timedelta(days=95 + gap)).expect("car") for gap in (1, 5))
    assert soon is not None and late is not None
    assert soon.need.quantile(0.5) < 0.3 < late.need.quantile(0.5)


def test_what_comes_later_changes_nothing() -> None:
    target = FIRST + timedelta(days=30)
    known = sessions("car", workdays(4))
    then = history(known).on(target).expect("car")
    now = (
        history(known, sessions("car", [31, 32, 40], arrival=3.0), sessions("other", [35]))
        .on(target)
        .expect("car")
    )
    assert then is not None and now is not None
    for name in ("arrival", "departure", "need"):
        one, other = getattr(then, name), getattr(now, name)
        assert one.points.tolist() == other.points.tolist()
    assert then.probability == now.probability


def test_a_car_that_never_came_is_not_foreseen_and_a_session_turned_round_is_refused() -> None:
    past = history(sessions("car", [3]))
    assert past.on(FIRST + timedelta(days=9)).expect("stranger") is None
    assert past.on(FIRST).expect("car") is None
    with pytest.raises(ProblemError, match="car 'car': departure"):
        history(sessions("car", [3], hours=-1.0))
