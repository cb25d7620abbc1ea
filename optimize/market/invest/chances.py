"""An investment over ranges: Monte Carlo of all of them at once, and one at a time (tornado)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from optimize.arrays import FloatArray
from optimize.market.invest.value import Value, value

LEVELS = (0.05, 0.5, 0.95)


class Uncertain(Protocol):
    """What is given by its quantiles."""

    def quantile(self, share: FloatArray) -> FloatArray:
        """The figures that this share lies below; share in (0, 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What NPV is with a figure at its 5 and at its 95 % quantile, all others at their medians."""

    name: str
    at_low: float
    at_high: float
    npv_low_eur: float
    npv_high_eur: float

    @property
    def swing_eur(self) -> float:
        """How far the figure moves NPV."""
        return abs(self.npv_high_eur - self.npv_low_eur)


def drawn(chargers: int, ranges: Mapping[str, Uncertain], *, draws: int, seed: int) -> Value:
    """What comes of so many draws, each figure by itself; the same seed gives the same draws."""
    rng = np.random.default_rng(seed)
    # Never 0 itself, of which a lognormal knows no quantile.
    shares = 1.0 - rng.random((len(ranges), draws))
    shares = np.minimum(shares, np.nextafter(1.0, 0.0))
    figures = {name: one.quantile(share) for (name, one), share in zip(ranges.items(), shares, strict=True)}
    return value(chargers, figures)


def quantiles(figures: FloatArray) -> tuple[float, float, float]:
    """The 5, 50 and 95 % quantiles, each a figure that was drawn: inf among them is one as any other."""
    low, middle, high = np.quantile(figures, LEVELS, method="inverted_cdf")
    return float(low), float(middle), float(high)


def tornado(chargers: int, ranges: Mapping[str, Uncertain]) -> list[Bar]:
    """Each figure's bar, the widest first; of equal ones in the order of `ranges`."""
    at = {name: one.quantile(np.array(LEVELS)) for name, one in ranges.items()}
    bars = []
    for name, (low, _, high) in at.items():
        figures = {other: np.full(2, own[1]) for other, own in at.items()}
        npv = value(chargers, figures | {name: np.array([low, high])}).npv_eur
        bars.append(
            Bar(
                name=name, at_low=float(low), at_high=float(high),
                npv_low_eur=float(npv[0]), npv_high_eur=float(npv[1]),
            )
        )  # fmt: skip
    return sorted(bars, key=lambda bar: -bar.swing_eur)
