"""Prices of a market day before they are published, combined from what several simple forecasts say.

The members are the day before, the same weekday before, the mean of seven like days (workdays, or days of the
weekend) and a regression (`price_regression`). A plan earns by how prices differ within a day, and what it
earns is linear in them, so it wants their mean given the past: weights that are not below zero and fit the
members' deviations from the day's mean to what came (stacked regression, Breiman 1996), over all slots of the
last days. Where members are poor their weights sum to less than one, and the day is foreseen as flatter.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from optimize.arrays import FloatArray, IntArray
from optimize.forecast.price_regression import LEAST_DAYS, forecast_prices

FITTED_DAYS, LEAST_FITTED_DAYS = 60, 14
"""So many of the last days are what weights are fitted to; with fewer than the second all weigh the same."""
_WINDOWS = (182,)
"""Days that the regression sees: one window, since it has to be made for each fitted day too."""
_LIKE_DAYS, _WEEK, _SATURDAY = 7, 7, 5


def combined_prices(prices: FloatArray, weekday: IntArray) -> FloatArray:
    """The prices of the slots of the day after the last one, in the unit of `prices`.

    prices: [days, slots] of whole days one after another, the newest last; weekday: 0 … 6 of each of them and
    of the day asked, [days + 1]. Raises ProblemError for fewer than 28 days, another shape or a value that is
    no finite number.
    """
    days = len(prices)
    asked = _members(prices, weekday, days)
    fitted = range(max(LEAST_DAYS, days - FITTED_DAYS), days)
    weights = np.full(len(asked), 1.0 / len(asked))
    if len(fitted) >= LEAST_FITTED_DAYS:
        said = np.hstack([_shape(_members(prices, weekday, day)) for day in fitted])
        weights, _ = nnls(said.T, np.concatenate([_shape(prices[day]) for day in fitted]))
    return np.asarray(asked.mean() + weights @ _shape(asked))


def _shape(prices: FloatArray) -> FloatArray:
    """Deviations from the mean of the day."""
    return np.asarray(prices - prices.mean(axis=-1, keepdims=True))


def _members(prices: FloatArray, weekday: IntArray, day: int) -> FloatArray:
    """What each member says of a day by those before it, [members, slots]."""
    regression = forecast_prices(prices[:day], weekday[: day + 1], windows=_WINDOWS)
    like = (weekday[:day] >= _SATURDAY) == (weekday[day] >= _SATURDAY)
    return np.array(
        [
            prices[day - 1],
            prices[day - _WEEK],
            prices[:day][like][-_LIKE_DAYS:].mean(axis=0),
            regression,
        ]
    )
