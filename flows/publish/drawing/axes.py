"""Scales of a chart and where their labels stand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np

Values = TypeVar("Values", float, np.ndarray)
_STEPS = (1.0, 2.0, 5.0, 10.0)
_HOURS = (1, 2, 3, 6, 12, 24, 48, 168, 336, 720, 2160, 8760)
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a value; `minor`: left out where the page is narrow."""

    at: float
    label: str
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `high`, low < high, and their labels."""

    low: float
    high: float
    ticks: Sequence[Tick]

    def share(self, values: Values) -> Values:
        """Where a value or several lie between low (0) and high (1)."""
        return (values - self.low) / (self.high - self.low)


def numbers(*values: np.ndarray, zero: bool = False, most: int = 5, exact: bool = False) -> Axis:
    """An axis over all finite values, to round numbers at its ends unless `exact`; `zero`: 0 is on it."""
    finite = np.concatenate([np.empty(0), *(np.ravel(np.asarray(one, dtype=np.float64)) for one in values)])
    finite = finite[np.isfinite(finite)]
    if zero or not finite.size:
        finite = np.append(finite, 0.0)
    low, high = float(finite.min()), float(finite.max())
    if high - low < 1e-9 * max(1.0, abs(high)):  # one value: some room around it
        room = abs(high) * 0.1 or 1.0
        low, high = low - room, high + room
    step = _step((high - low) / most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    at = [step * number for number in range(first, last + 1)]
    if not exact:
        low, high = at[0], at[-1]
    inside = [value for value in at if low - 1e-9 * step <= value <= high + 1e-9 * step]
    return Axis(low, high, [Tick(value, f"{value + 0.0:,.{digits}f}".replace("-", "−")) for value in inside])


def times(low: datetime, high: datetime, most: int = 8) -> Axis:
    """An axis of UTC seconds since 1970, labelled by day and clock, or by day where it spans many."""
    begin, end = low.timestamp(), high.timestamp()
    end = max(end, begin + _HOUR_S)
    hours = next((step for step in _HOURS if (end - begin) / _HOUR_S / step <= most), _HOURS[-1])
    step = hours * _HOUR_S
    at = np.arange(math.ceil(begin / step) * step, end + 1, step)
    form = "%d %b %H:%M" if hours < 24 else "%d %b" if hours < 720 else "%b %Y"
    ticks = [
        Tick(float(moment), f"{datetime.fromtimestamp(moment, UTC):{form}}", minor=number % 2 == 1)
        for number, moment in enumerate(at)
    ]
    return Axis(begin, end, ticks)


def _step(least: float) -> float:
    """The smallest of 1, 2, 5, 10 × 10ⁿ that is no less than `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * one for one in _STEPS if power * one >= least * (1 - 1e-9))
