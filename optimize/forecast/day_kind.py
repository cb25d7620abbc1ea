"""Workdays, weekends and days about which one cannot be sure: public holidays and what lies between.

A day is a number: days since 1970-01-01, a Thursday.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import numpy as np
import numpy.typing as npt

WORKDAY, WEEKEND, HOLIDAY = 0, 1, 2
"""HOLIDAY: a public holiday on a workday, or one of at most two workdays between days that are free."""
_SATURDAY, _WEEK = 5, 7
_BETWEEN = 2
_EPOCH = date(1970, 1, 1).toordinal()


def number_of(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _EPOCH


def weekdays(days: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """0 (Monday) … 6 of days."""
    return (days + 3) % _WEEK


def free_days(days: npt.NDArray[np.int64], holidays: Collection[int]) -> npt.NDArray[np.bool_]:
    """Which days are of a weekend or public holidays, [n]."""
    return np.asarray((weekdays(days) >= _SATURDAY) | np.isin(days, list(holidays)))


def day_kinds(days: npt.NDArray[np.int64], holidays: Collection[int]) -> npt.NDArray[np.int64]:
    """WORKDAY, WEEKEND or HOLIDAY of days in any order, [n]."""
    if not days.size:
        return np.zeros(0, dtype=np.int64)
    first = int(days.min()) - _WEEK
    span = np.arange(first, int(days.max()) + _WEEK + 1)
    weekend, free = free_days(span, ()), free_days(span, holidays)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], free, [True]])))
    between = np.zeros(len(span), dtype=np.bool_)
    for begin, end in zip(edges[::2], edges[1::2], strict=True):  # runs of workdays
        between[begin:end] = end - begin <= _BETWEEN
    between[: _WEEK - 1] = between[1 - _WEEK :] = False  # runs that the span cuts
    kinds = np.where(weekend, WEEKEND, np.where(free | between, HOLIDAY, WORKDAY))
    return np.asarray(kinds[days - first], dtype=np.int64)
