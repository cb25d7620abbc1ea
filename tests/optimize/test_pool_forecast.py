"""The least that a pool has plugged in: by hand and by brute force, kinds of days, as often as it says."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from optimize.errors import ProblemError
from optimize.forecast.day_kind import HOLIDAY, WEEKEND, WORKDAY, day_kinds, number_of, weekdays
from optimize.forecast.plug_in import COLUMNS, PlugInHistory
from optimize.forecast.pool import block_minima, pool_minimum, recorded_days

MONDAY = number_of(date(2026, 3, 2))


def test_the_least_of_a_block_by_hand() -> None:
    """Two cars of 11 and 7: both in from 2 to 5, one leaves when a block begins, one comes at its end."""
    begins, ends, sizes = np.array([0.0, 2.0]), np.array([5.0, 8.0]), np.array([11.0, 7.0])
    assert block_minima(begins, ends, sizes, np.array([0.0, 4.0, 8.0, 12.0])).tolist() == [11.0, 7.0, 0.0]
    assert block_minima(begins, ends, sizes, np.array([2.0, 5.0])).tolist() == [18.0]


@pytest.mark.parametrize("seed", range(40))
def test_the_least_of_a_block_is_that_of_every_moment_in_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 13))
    begins = rng.integers(-5, 21, count).astype(float)
    ends = begins + rng.integers(1, 13, count)
    sizes = rng.integers(1, 10, count).astype(float)
    minima = block_minima(begins, ends, sizes, np.array([0.0, 4.0, 8.0, 12.0, 16.0]))
    for block, least in enumerate(minima):
        moments = np.arange(4 * block, 4 * block + 4)  # whole numbers: nothing changes between them
        there = (begins[:, None] <= moments) & (ends[:, None] > moments)
        assert least == (sizes[:, None] * there).sum(axis=0).min()


def test_edges_that_do_not_increase_are_refused() -> None:
    with pytest.raises(ProblemError, match="edges"):
        block_minima(np.zeros(0), np.zeros(0), np.zeros(0), np.array([0.0, 0.0]))


def test_holidays_and_what_lies_between_are_a_kind_of_their_own() -> None:
    """Christmas 2019 fell on a Wednesday, Thanksgiving is a Thursday: the days about them are not sure."""
    holidays = [number_of(date(2019, *day)) for day in ((11, 28), (12, 25))]

    def kinds(first: date, days: int) -> list[int]:
        return day_kinds(number_of(first) + np.arange(days), holidays).tolist()

    assert kinds(date(2019, 11, 25), 7) == [WORKDAY] * 3 + [HOLIDAY] * 2 + [WEEKEND] * 2
    assert kinds(date(2019, 12, 23), 7) == [HOLIDAY] * 5 + [WEEKEND] * 2
    assert kinds(date(2019, 12, 9), 7) == [WORKDAY] * 5 + [WEEKEND] * 2
    assert day_kinds(np.array([number_of(date(2019, 12, 24))]), holidays).tolist() == [HOLIDAY]
    assert weekdays(np.array([0, MONDAY])).tolist() == [3, 0]


def test_a_week_that_nobody_recorded_is_no_absence_and_the_end_is() -> None:
    came = np.array([True] * 3 + [False] * 7 + [True] + [False] * 6 + [True] + [False] * 9)
    assert np.flatnonzero(~recorded_days(came)).tolist() == list(range(3, 10))


def pool(days: int, workday: float = 20.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    numbers = MONDAY + np.arange(days)
    counts = np.random.default_rng(seed).poisson(workday, days).astype(float)
    return numbers, np.where(weekdays(numbers) < 5, counts, 0.0)[:, None]


def test_what_is_foreseen_is_there_as_often_as_it_says() -> None:
    days, minima = pool(400)
    held, noted = [], []
    for row in range(150, 400):
        if weekdays(days[row : row + 1])[0] < 5:
            found = pool_minimum(minima[: row - 1], days[: row - 1], int(days[row]))
            assert found is not None
            held.append(minima[row, 0] >= found.least[0])
            noted.append(found.least[0])
    assert 0.91 <= np.mean(held) <= 0.98
    assert np.mean(noted) >= 0.6 * 20.0


def test_a_pool_that_shrinks_is_foreseen_smaller_and_weekends_apart() -> None:
    days, minima = pool(120)
    minima[-20:] *= 0.5
    found = [  # of a Wednesday, by the days up to Monday
        pool_minimum(part, days[: len(part)], int(days[len(part) - 1]) + 2) for part in (minima[:99], minima)
    ]
    assert found[0] is not None and found[1] is not None
    assert found[1].median[0] < 0.7 * found[0].median[0]
    free = next(day for day in range(int(days[-1]) + 1, int(days[-1]) + 8) if (day + 3) % 7 == 6)
    weekend = pool_minimum(minima, days, free)
    assert weekend is not None and weekend.least.tolist() == [0.0]


def test_a_holiday_is_foreseen_with_care_though_none_was_seen_before() -> None:
    days, minima = pool(92)
    target = int(days[-1]) + 1
    while weekdays(np.array([target]))[0] != 2:
        target += 1
    ordinary, holiday = (pool_minimum(minima, days, target, stated) for stated in ((), (target,)))
    assert ordinary is not None and holiday is not None
    assert ordinary.least[0] > 10.0 and holiday.least[0] == 0.0


def test_what_comes_on_the_day_and_later_is_not_asked_and_too_little_is_nothing() -> None:
    days, minima = pool(60)
    with pytest.raises(ProblemError, match="days"):
        pool_minimum(minima, days, int(days[-1]))
    with pytest.raises(ProblemError, match="share"):
        pool_minimum(minima, days, int(days[-1]) + 1, share=1.0)
    assert pool_minimum(minima[:9], days[:9], int(days[8]) + 1) is None
    assert pool_minimum(minima[:0], days[:0], MONDAY) is None


def test_a_free_day_counts_as_a_weekend_for_a_car() -> None:
    """On a holiday a car of workdays is as unlikely as on a Sunday; the day before is as ever."""
    first = date(2026, 3, 2)
    came = [
        pd.Timestamp(first + timedelta(days=day)) + pd.Timedelta(hours=18) for day in range(70) if day % 7 < 5
    ]
    rows = [("car", one, one + pd.Timedelta(hours=13), 0.2) for one in came]
    holiday = first + timedelta(days=72)
    past = PlugInHistory.of(pd.DataFrame(rows, columns=list(COLUMNS)), [number_of(holiday)])
    before, on = (past.on(day).expect("car") for day in (holiday - timedelta(days=1), holiday))
    assert before is not None and on is not None
    assert before.probability > 0.95 and on.probability < 0.05
