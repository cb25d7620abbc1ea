"""Prices of a market day before they are published: ridge regressions on the days before, averaged.

All slots of a day have the same regressors: the prices of the last three days that are known and of a week
before, the mean of the last one and of the last seven, the weekday and, where they are given, forecasts of
load and of wind and sun: of the day itself, of the day before and of a week before, and of what is left for
other plants (load less wind and sun) also the square, the cube and the change since the day before, since
prices bend where that is scarce or nothing. So one singular value decomposition of a window serves all slots
and all strengths of shrinkage, of which generalised cross-validation (Golub, Heath, Wahba 1979) takes the
best for each slot.
Prices and regressors are brought to a common scale by median and median absolute deviation and tamed by asinh
(Uniejewski, Weron, Ziel 2018), which holds for prices below zero as well. Windows of several lengths are
averaged: short ones follow a market that changes, long ones have seen more (Marcjasz, Serafin, Weron 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimize.arrays import FloatArray, IntArray, checked_array
from optimize.errors import ProblemError

WINDOWS = (182, 365, 730, 1456)
LEAST_DAYS, MOST_AHEAD = 28, 7
_WEEK = 7
_SHRINKAGE = np.geomspace(1e-3, 2.0, 10)
_MAD = 1.4826  # of a normal distribution, its standard deviation over its median absolute deviation
_MOST_FREE = 0.98  # share of a window's days that a fit may spend on its coefficients


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlook:
    """Forecasts of load and of wind and sun, [days + ahead, slots], in one unit; the last row: of the day."""

    load: FloatArray
    renewables: FloatArray

    def checked(self, shape: tuple[int, int]) -> Outlook:
        """The same, whose tables have that shape and no gaps; raises ProblemError."""
        load, renewables = (
            checked_array("price forecast", name, getattr(self, name), shape)
            for name in ("load", "renewables")
        )
        return Outlook(load=load, renewables=renewables)


def forecast_prices(
    prices: FloatArray,
    weekday: IntArray,
    outlook: Outlook | None = None,
    windows: Sequence[int] = WINDOWS,
    ahead: int = 1,
) -> FloatArray:
    """The prices of the slots of the day after the last one, or `ahead` (1 … 7) days after it.

    In the unit of `prices`: [days, slots] of whole days one after another, the newest last. weekday: 0 … 6 of
    each of them and up to the day asked, [days + ahead]. windows: how many of the last days each regression
    sees; those longer than the past see all of it, once. Each day is told by what was known so many days
    before. Raises ProblemError for fewer than 28 days, another shape or a value that is no finite number.
    """
    days, slots = prices.shape
    if days < LEAST_DAYS:
        raise ProblemError("price forecast", "days", days, f"must be at least {LEAST_DAYS}")
    if not 1 <= ahead <= MOST_AHEAD:
        raise ProblemError("price forecast", "ahead", ahead, f"must be 1 to {MOST_AHEAD}")
    prices = checked_array("price forecast", "prices", prices, (days, slots))
    until = days + ahead
    week = np.eye(7)[checked_array("price forecast", "weekday", weekday, (until,)).astype(int)]
    stated = None if outlook is None else outlook.checked((until, slots))
    table = np.hstack([_regressors(prices, ahead, stated), week])
    observed = sorted({min(window, days - ahead - _WEEK + 1) for window in windows})
    each = [_of_window(prices[-one:], table[[*range(days - one, days), -1]]) for one in observed]
    return np.asarray(np.mean(each, axis=0))


def _regressors(prices: FloatArray, ahead: int, outlook: Outlook | None) -> FloatArray:
    """What each day is given by, but its weekday, [days + ahead, …]; the first rows lack some of it."""
    stated = np.vstack([prices, np.zeros((ahead, prices.shape[1]))])
    mean = stated.mean(axis=1, keepdims=True)
    week = np.mean([_before(stated, lag) for lag in range(ahead, ahead + _WEEK)], axis=0)
    lags = dict.fromkeys([ahead, ahead + 1, ahead + 2, _WEEK])
    parts = [*(_before(stated, lag) for lag in lags), _before(mean, ahead), week]
    if outlook is not None:
        for table in (outlook.load, outlook.renewables):
            parts += [table, _before(table, 1), _before(table, 7)]
        left = outlook.load - outlook.renewables
        left = (left - left.mean()) / (left.std() or 1.0)
        parts += [left**2, left**3, left - _before(left, 1)]
    return np.hstack(parts)


def _before(table: FloatArray, days: int) -> FloatArray:
    """What the table says so many days before each of its days; the first ones are without meaning."""
    return np.roll(table, days, axis=0)


def _of_window(prices: FloatArray, told: FloatArray) -> FloatArray:
    """The forecast of one regression; told: regressors and weekday, a row more, the last of the day asked."""
    regressors, week = told[:, :-_WEEK], told[:, -_WEEK:]
    scaled, _, _ = _tamed(regressors, regressors[:-1])
    table = np.hstack([scaled, week])
    centre, spread = table[:-1].mean(axis=0), table[:-1].std(axis=0)
    table = (table - centre) / np.where(spread > 1e-9, spread, 1.0)
    target, middle, width = _tamed(prices.reshape(-1, 1), prices.reshape(-1, 1))
    target = target.reshape(prices.shape)
    level = target.mean(axis=0)
    left, strength, right = np.linalg.svd(table[:-1], full_matrices=False)
    share = left.T @ (target - level)
    asked = right @ table[-1]
    days, best = len(prices), np.full(prices.shape[1], np.inf)
    found = level.copy()
    for shrinkage in _SHRINKAGE:
        kept = strength**2 / (strength**2 + shrinkage * days)
        free = kept.sum() / days
        if free > _MOST_FREE:
            continue
        missed = target - level - left @ (kept[:, None] * share)
        score = (missed**2).mean(axis=0) / (1.0 - free) ** 2
        weight = asked * strength / (strength**2 + shrinkage * days)
        better = score < best
        best = np.where(better, score, best)
        found = np.where(better, level + weight @ share, found)
    return np.asarray(np.sinh(found) * width[0] + middle[0])


def _tamed(table: FloatArray, observed: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """asinh of columns less their median over their deviation, as seen; median and deviation."""
    middle = np.median(observed, axis=0)
    width = _MAD * np.median(np.abs(observed - middle), axis=0)
    width = np.where(width > 1e-9, width, 1.0)
    return np.arcsinh((table - middle) / width), middle, width
