"""How far forecasts were off within the day, and that who allows for it loses less by them."""

from __future__ import annotations

import numpy as np
import pytest

from optimize.forecast.combined import combined_prices, combined_since
from optimize.forecast.doubt import JUDGED_DAYS, doubt
from optimize.forecast.naive import naive_prices

DAYS, HOURS = 120, 24


def market(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Every day dear in the evening, some more than others, with noise; [days, hours] and weekdays."""
    rng = np.random.default_rng(seed)
    evening = 40.0 * (np.abs(np.arange(HOURS) - 19) < 2)
    prices = 60.0 + rng.gamma(2.0, 0.5, (DAYS, 1)) * evening + rng.normal(0.0, 15.0, (DAYS, HOURS))
    return prices, np.arange(DAYS + 1) % 7


def test_what_all_hours_of_a_day_miss_alike_is_no_doubt() -> None:
    prices = np.arange(60.0)[:, None] + np.arange(HOURS)
    assert doubt("day_before", prices, np.arange(61) % 7) == pytest.approx(0.0, abs=1e-9)


def test_it_is_how_far_the_last_days_were_off() -> None:
    prices, weekday = market(1)
    off = [prices[day - 7] - prices[day] for day in range(DAYS - JUDGED_DAYS, DAYS)]
    assert doubt("week_ago", prices, weekday) == pytest.approx(np.mean([abs(d - d.mean()) for d in off]))
    assert doubt("week_ago", 0.1 * prices, weekday) == pytest.approx(
        0.1 * (doubt("week_ago", prices, weekday) or 0.0)
    )


def test_a_forecast_that_knows_more_is_doubted_less() -> None:
    prices, weekday = market(2)
    combined, like, yesterday = (
        doubt(name, prices, weekday) for name in ("combined", "like_days", "day_before")
    )
    assert combined is not None and like is not None and yesterday is not None
    assert 10.0 < combined < like < yesterday


def test_of_too_few_days_nothing_is_said() -> None:
    prices, weekday = market(3)
    assert doubt("week_ago", prices[:7], weekday[:8]) is None
    assert doubt("combined", prices[:28], weekday[:29]) is None
    assert doubt("combined", prices[:29], weekday[:30]) is not None


def test_forecasts_of_past_days_are_those_that_were_made_then() -> None:
    prices, weekday = market(4)
    since = combined_since(prices, weekday, DAYS - 2)
    for row, day in enumerate(range(DAYS - 2, DAYS + 1)):
        assert since[row] == pytest.approx(combined_prices(prices[:day], weekday[: day + 1]))


def test_like_days_are_workdays_or_weekends() -> None:
    prices = np.repeat(np.arange(28.0)[:, None], HOURS, axis=1)  # from a Monday on
    workday = naive_prices("like_days", prices, np.arange(29) % 7)
    assert workday == pytest.approx(np.full(HOURS, np.mean([25, 24, 23, 22, 21, 18, 17])))


def test_who_trades_by_doubted_prices_loses_less_than_half_by_forecasts() -> None:
    """Each day the pair of hours with the widest foretold spread, bought and sold where it is above 70."""
    prices, weekday = market(5)
    gained = {0.0: 0.0, 1.0: 0.0}
    for day in range(60, DAYS):
        past, week = prices[:day], weekday[: day + 1]
        for name in ("day_before", "week_ago", "like_days"):
            said = naive_prices(name, past, week)
            dear, cheap = int(said.argmax()), int(said.argmin())
            for share in gained:
                if said[dear] - said[cheap] > 70.0 + share * (doubt(name, past, week) or 0.0):
                    gained[share] += prices[day, dear] - prices[day, cheap] - 70.0
    assert gained[0.0] < 2.0 * gained[1.0] < 0.0
