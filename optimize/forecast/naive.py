"""Prices of a market day as they were: on the day before, a week before, or in the mean on days like it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from optimize.arrays import FloatArray, IntArray

Naive = Literal["day_before", "week_ago", "like_days"]
WEEK = 7
"""So many whole days are needed: each weekday is among them."""
_LIKE_DAYS, _SATURDAY = 7, 5


def naive_prices(name: Naive, prices: FloatArray, weekday: IntArray) -> FloatArray:
    """The prices of the slots of the day after the last one, in the unit of `prices`.

    prices: [days, slots] of at least seven whole days one after another, the newest last; weekday: 0 … 6 of
    each of them and of the day asked, [days + 1]. Like days are workdays, or days of the weekend: the last
    seven of them.
    """
    if name != "like_days":
        return np.asarray(prices[-1 if name == "day_before" else -WEEK])
    like = (weekday[:-1] >= _SATURDAY) == (weekday[-1] >= _SATURDAY)
    return np.asarray(prices[like][-_LIKE_DAYS:].mean(axis=0))
