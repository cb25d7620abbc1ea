"""Prices foreseen: what can be known is found, nothing from after the day is used, bands hold their share."""

from __future__ import annotations

import numpy as np
import pytest

from optimize.errors import ProblemError
from optimize.forecast.band import ErrorBand
from optimize.forecast.price_regression import Outlook, forecast_prices

HOURS = 24


def market(
    days: int, seed: int = 1, noise: float = 1.0
) -> tuple[np.ndarray, np.ndarray, Outlook, np.ndarray]:
    """Prices that bend with what load leaves to others, and the outlook; the last day apart."""
    random = np.random.default_rng(seed)
    weekday = np.arange(days + 1) % 7
    hour = np.arange(HOURS)
    load = 60 + 10 * np.sin((hour - 6) / 24 * 2 * np.pi) - 8.0 * (weekday >= 5)[:, None]
    load = load + random.normal(0, 2, (days + 1, 1))
    sun = 20 * random.uniform(0, 1, (days + 1, 1)) * np.clip(np.sin((hour - 6) / 12 * np.pi), 0, None)
    wind = random.uniform(0, 25, (days + 1, 1)) + np.zeros(HOURS)
    left = load - sun - wind
    prices = 35 + 1.2 * (left - 45) + 0.002 * (left - 45) ** 3 + random.normal(0, noise, left.shape)
    return prices[:-1], weekday, Outlook(load=load, renewables=sun + wind), prices[-1]


def test_with_the_outlook_a_day_unlike_all_before_is_foreseen_within_its_noise() -> None:
    errors, naive = [], []
    for seed in range(8):
        prices, weekday, outlook, came = market(400, seed)
        errors.append(np.abs(forecast_prices(prices, weekday, outlook) - came).mean())
        naive.append(np.abs(prices[-7] - came).mean())
    assert np.mean(errors) < 1.3 and np.mean(errors) < 0.2 * np.mean(naive)  # noise alone: 0.8


def test_a_week_that_comes_again_is_foreseen_without_any_outlook() -> None:
    week = np.random.default_rng(3).uniform(-20, 90, (7, HOURS))
    prices = np.tile(week, (30, 1)) + np.random.default_rng(4).normal(0, 0.5, (210, HOURS))
    forecast = forecast_prices(prices, np.arange(211) % 7)
    assert np.abs(forecast - week[0]).mean() < 1.5


def test_a_week_that_comes_again_is_foreseen_up_to_seven_days_ahead() -> None:
    week = np.random.default_rng(3).uniform(-20, 90, (7, HOURS))
    prices = np.tile(week, (30, 1)) + np.random.default_rng(4).normal(0, 0.5, (210, HOURS))
    for ahead in range(1, 8):
        forecast = forecast_prices(prices, np.arange(210 + ahead) % 7, ahead=ahead)
        assert np.abs(forecast - week[ahead - 1]).mean() < 1.5, ahead
    with pytest.raises(ProblemError, match="ahead is 8"):
        forecast_prices(prices, np.arange(218) % 7, ahead=8)


def test_what_fades_from_day_to_day_is_taken_for_gone_after_a_week() -> None:
    random = np.random.default_rng(8)
    level = np.zeros(300)
    for day in range(1, 300):
        level[day] = 0.7 * level[day - 1] + random.normal(0, 5.0)
    level[-1] = 40.0
    prices = 60.0 + level[:, None] + random.normal(0, 0.5, (300, HOURS))
    found = {ahead: forecast_prices(prices, np.arange(300 + ahead) % 7, ahead=ahead) for ahead in (1, 2, 7)}
    assert found[1].mean() > found[2].mean() + 3.0 > found[7].mean() + 6.0
    assert found[7].mean() == pytest.approx(60.0, abs=5.0)


def test_prices_in_another_unit_are_foreseen_alike() -> None:
    prices, weekday, outlook, _ = market(120)
    in_cent = forecast_prices(prices / 10.0, weekday, outlook)
    assert in_cent == pytest.approx(forecast_prices(prices, weekday, outlook) / 10.0, rel=1e-6)
    in_gw = Outlook(load=outlook.load * 1e3, renewables=outlook.renewables * 1e3)
    assert forecast_prices(prices, weekday, in_gw) == pytest.approx(
        forecast_prices(prices, weekday, outlook), rel=1e-6
    )


def test_a_market_that_stands_still_is_foreseen_to_stand_still() -> None:
    assert forecast_prices(np.full((40, 96), 5.0), np.arange(41) % 7) == pytest.approx(5.0)


def test_a_short_past_is_enough_for_quarter_hours_and_shorter_is_refused() -> None:
    prices = np.random.default_rng(5).uniform(0, 100, (28, 96))
    weekday = np.arange(29) % 7
    assert np.isfinite(forecast_prices(prices, weekday)).all()
    with pytest.raises(ProblemError, match="days is 27"):
        forecast_prices(prices[1:], weekday[1:])
    with pytest.raises(ProblemError, match="shape of weekday"):
        forecast_prices(prices, weekday[:-1])
    with pytest.raises(ProblemError, match="finite"):
        forecast_prices(np.where(prices > 99.0, np.nan, prices), weekday)
    with pytest.raises(ProblemError, match="shape of load"):
        forecast_prices(prices, weekday, Outlook(load=prices, renewables=prices))


def test_a_band_holds_its_share_also_after_the_market_has_become_wilder() -> None:
    random = np.random.default_rng(6)
    band, held = ErrorBand(slots=HOURS), []
    for day in range(700):
        error = random.normal(0, 1.0 if day < 300 else 4.0, HOURS)
        width = band.half_width()
        assert (width is None) == (day < 20)
        if width is not None:
            held.append(np.abs(error) <= width)
        band.learn(error)
    assert 0.87 < np.mean(held[:280]) < 0.93
    assert 0.86 < np.mean(held[340:]) < 0.94
    assert np.all(np.mean(held[340:], axis=0) > 0.82)


def test_a_band_refuses_what_it_cannot_learn_from() -> None:
    with pytest.raises(ProblemError, match="share"):
        ErrorBand(slots=HOURS, share=1.0)
    with pytest.raises(ProblemError, match="24 finite numbers"):
        ErrorBand(slots=HOURS).learn(np.zeros(23))
    with pytest.raises(ProblemError, match="24 finite numbers"):
        ErrorBand(slots=HOURS).learn(np.full(HOURS, np.nan))
