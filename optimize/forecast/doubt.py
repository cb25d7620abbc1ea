"""By how much less a kWh counts that is fed back at a price that nobody has published.

A plan feeds back where foretold prices differ most: of all pairs of slots it picks those whose spread a
forecast overstates (the optimiser's curse, Smith and Winkler 2006), so that on average less comes of it than
was foretold, be the forecast right on average of all slots. By as much as a foretold price of a slot was off
within its day, on average of the last days, has its plan to gain more before it feeds back.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from optimize.arrays import FloatArray, IntArray
from optimize.forecast.combined import combined_since
from optimize.forecast.naive import WEEK, Naive, naive_prices
from optimize.forecast.price_regression import LEAST_DAYS

JUDGED_DAYS = 28
"""So many of the last days tell how far off a forecast is."""


def doubt(name: Naive | Literal["combined"], prices: FloatArray, weekday: IntArray) -> float | None:
    """How far a forecast of that name was off within the day, on average, in the unit of `prices`.

    prices: [days, slots] of whole days one after another, the newest last; weekday: 0 … 6 of each of them and
    of the day after, [days + 1]. Deviations are from the mean of each day: what all slots of a day have in
    common earns nothing. None where there is no day that such a forecast could have been made of.
    """
    days = len(prices)
    first = max(LEAST_DAYS if name == "combined" else WEEK, days - JUDGED_DAYS)
    if first >= days:
        return None
    if name == "combined":
        said = combined_since(prices, weekday, first)[:-1]
    else:
        said = np.array([naive_prices(name, prices[:d], weekday[: d + 1]) for d in range(first, days)])
    off = said - prices[first:]
    return float(np.abs(off - off.mean(axis=1, keepdims=True)).mean())
