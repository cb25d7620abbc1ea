"""Forecasts combined: the one that is right is found, what nobody knows is foreseen as flat."""

from __future__ import annotations

import numpy as np
import pytest

from optimize.errors import ProblemError
from optimize.forecast.combined import combined_prices
from optimize.forecast.price_regression import forecast_prices

HOURS = 24


def noise(days: int, seed: int, scale: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, (days, HOURS))


def test_a_week_that_comes_again_is_foreseen() -> None:
    week = noise(7, 3, 30.0)
    prices = np.tile(week, (15, 1)) + noise(105, 4, 0.5)
    shape = week[0] - week[0].mean()
    found = combined_prices(prices, np.arange(106) % 7)
    assert np.abs(found - found.mean() - shape).mean() < 3.0


def test_what_the_day_before_tells_is_taken_from_it() -> None:
    shapes = np.cumsum(noise(120, 5, 5.0), axis=0)  # every day is as the one before, more or less
    found = combined_prices(shapes[:-1], np.arange(120) % 7)
    yesterday = shapes[-2] - shapes[-2].mean()
    assert np.corrcoef(found, yesterday)[0, 1] > 0.99
    assert found.std() == pytest.approx(yesterday.std(), rel=0.1)


def test_of_pure_chance_nothing_is_foreseen() -> None:
    prices = 50.0 + noise(120, 6, 20.0)
    found = combined_prices(prices, np.arange(121) % 7)
    assert found.mean() == pytest.approx(50.0, abs=5.0)
    assert found.std() < 4.0  # any member alone: 7.6 to 20
    assert prices[:7].mean(axis=0).std() > 5.0


def test_prices_in_another_unit_are_foreseen_alike() -> None:
    prices, weekday = 40.0 + noise(90, 7, 10.0), np.arange(91) % 7
    assert combined_prices(prices / 10, weekday) == pytest.approx(combined_prices(prices, weekday) / 10)


def test_with_few_days_all_weigh_the_same() -> None:
    prices, weekday = noise(30, 8, 10.0), np.arange(31) % 7
    like = [day for day in range(30) if (weekday[day] >= 5) == (weekday[30] >= 5)][-7:]
    members = np.array([prices[29], prices[23], prices[like].mean(axis=0), forecast_prices(prices, weekday)])
    assert combined_prices(prices, weekday) == pytest.approx(members.mean(axis=0))


def test_too_few_days_are_refused() -> None:
    with pytest.raises(ProblemError, match="days"):
        combined_prices(noise(27, 9, 1.0), np.arange(28) % 7)
