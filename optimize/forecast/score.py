"""How good forecasts were: error, rank within the day, score, coverage, and whether coverage drifts.

A share that ought to be held is judged by days, not by quarter-hours: those of a day miss together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optimize.arrays import FloatArray, checked_array

DRIFT_DAYS, DRIFT_SIGMAS, DRIFT_LEAST = 28, 3.0, 0.03
"""Coverage drifts where over the last days it is so many standard errors and points off what it says."""
_FEWEST = 7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Banded:
    """What was foreseen and came, each [days, slots]: low ≤ middle ≤ high at quantiles that are named."""

    quantiles: tuple[float, float, float]
    low: FloatArray
    middle: FloatArray
    high: FloatArray
    came: FloatArray
    naive: FloatArray
    """Another forecast to compare with; NaN where it has none."""

    def held(self) -> FloatArray:
        """Whether the band held, 0 or 1, [days, slots]."""
        return np.asarray((self.came >= self.low) & (self.came <= self.high), dtype=np.float64)

    def scores(self) -> Mapping[str, float]:
        """mae; rmae: of that of the naive one; kendall_tau within the day; crps; coverage; sharpness.

        crps is twice the mean pinball loss over the three quantiles (an approximation of the integral over
        all; Gneiting, Raftery 2007); sharpness the band's mean width.
        """
        error, other = np.abs(self.middle - self.came), np.abs(self.naive - self.came)
        both = np.isfinite(other)
        found = {
            "mae": float(error.mean()),
            "kendall_tau": float(
                np.nanmean([kendall_tau(*day) for day in zip(self.middle, self.came, strict=True)])
            ),
            "crps": float(2.0 * np.mean([
                pinball(values, self.came, quantile).mean()
                for values, quantile in zip((self.low, self.middle, self.high), self.quantiles, strict=True)
            ])),
            "coverage": float(self.held().mean()),
            "sharpness": float((self.high - self.low).mean()),
        }  # fmt: skip
        if both.any() and other[both].mean() > 0.0:
            found["rmae"] = float(error[both].mean() / other[both].mean())
        return {name: value for name, value in found.items() if np.isfinite(value)}


def pinball(values: FloatArray, came: FloatArray, quantile: float) -> FloatArray:
    """The loss of quantile forecasts, in the unit of the values; 0 is best."""
    over = came - values
    return np.asarray(np.maximum(quantile * over, (quantile - 1.0) * over))


def kendall_tau(one: FloatArray, other: FloatArray) -> float:
    """Rank correlation τ_b of two rows, [n]; NaN where either is all alike (Kendall 1945)."""
    one, other = (checked_array("rank", "values", row, np.shape(row)) for row in (one, other))
    first, second = (np.sign(row[:, None] - row[None, :]) for row in (one, other))
    ties = np.sqrt(float((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / ties if ties > 0.0 else float("nan")


def drift(daily: FloatArray, nominal: float) -> float | None:
    """The mean of the last days' coverage [days], 0–1, where it is off what it says; None where it is not.

    NaN days do not count; None as well where fewer than a week do.
    """
    last = daily[np.isfinite(daily)][-DRIFT_DAYS:]
    if len(last) < _FEWEST:
        return None
    mean = float(last.mean())
    # Of days that were all alike the spread is that of one that was not.
    spread = max(float(last.std(ddof=1)), float(np.sqrt(nominal * (1.0 - nominal))) / np.sqrt(len(last)))
    off = abs(mean - nominal)
    return mean if off > DRIFT_LEAST and off > DRIFT_SIGMAS * spread / np.sqrt(len(last)) else None
