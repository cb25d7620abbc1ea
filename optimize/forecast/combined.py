"""Prices of a market day before they are published, combined from what several simple forecasts say.

The members are the day before, the same weekday before, the mean of seven like days (workdays, or days of the
weekend) and a regression (`price_regression`). A plan earns by how prices differ within a day, and what it
earns is linear in them, so it wants their mean given the past: weights that are not below zero and fit the
members' deviations from the day's mean to what came (stacked regression, Breiman 1996), over all slots of the
last days, each day in the measure of how much it swung and was said to: else a few days of dear hours alone
would decide. Where members are poor their weights sum to less than one, and the day is foreseen as flatter.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from optimize.arrays import FloatArray, IntArray
from optimize.forecast.naive import Naive, naive_prices
from optimize.forecast.price_regression import LEAST_DAYS, forecast_prices

FITTED_DAYS, LEAST_FITTED_DAYS = 60, 14
"""So many of the last days are what weights are fitted to; with fewer than the second all weigh the same."""
_WINDOWS = (182,)
"""Days that the regression sees: one window, since it has to be made for each fitted day too."""
_NAIVE: tuple[Naive, ...] = ("day_before", "week_ago", "like_days")


def combined_prices(prices: FloatArray, weekday: IntArray) -> FloatArray:
    """The prices of the slots of the day after the last one, in the unit of `prices`.

    prices: [days, slots] of whole days one after another, the newest last; weekday: 0 … 6 of each of them and
    of the day asked, [days + 1]. Raises ProblemError for fewer than 28 days, another shape or a value that is
    no finite number.
    """
    return np.asarray(combined_since(prices, weekday, len(prices))[0])


def combined_since(prices: FloatArray, weekday: IntArray, first: int) -> FloatArray:
    """The same of each day from the row `first` on, by those before it, and of the day asked, [days, slots].

    first: at least 28.
    """
    days = len(prices)
    members = {
        day: _members(prices[:day], weekday[: day + 1])
        for day in range(min(first, max(LEAST_DAYS, first - FITTED_DAYS)), days + 1)
    }
    return np.array([_combined(prices, members, day) for day in range(first, days + 1)])


def _combined(prices: FloatArray, members: dict[int, FloatArray], day: int) -> FloatArray:
    asked = members[day]
    fitted = range(max(LEAST_DAYS, day - FITTED_DAYS), day)
    weights = np.full(len(asked), 1.0 / len(asked))
    if len(fitted) >= LEAST_FITTED_DAYS:
        said, came = [_shape(members[one]) for one in fitted], [_shape(prices[one]) for one in fitted]
        swing = [float(a.std() + b.std()) or 1.0 for a, b in zip(said, came, strict=True)]
        said, came = ([one / by for one, by in zip(rows, swing, strict=True)] for rows in (said, came))
        weights, _ = nnls(np.hstack(said).T, np.concatenate(came))
    return np.asarray(asked.mean() + weights @ _shape(asked))


def _shape(prices: FloatArray) -> FloatArray:
    """Deviations from the mean of the day."""
    return np.asarray(prices - prices.mean(axis=-1, keepdims=True))


def _members(prices: FloatArray, weekday: IntArray) -> FloatArray:
    """What each member says of the day after the last one, [members, slots]."""
    regression = forecast_prices(prices, weekday, windows=_WINDOWS)
    return np.array([*(naive_prices(name, prices, weekday) for name in _NAIVE), regression])
