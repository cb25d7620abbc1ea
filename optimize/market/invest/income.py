"""What a car earns in a year, from days of a fleet, and how sure that is.

Days are drawn in blocks (`optimize.bootstrap`). Of few blocks such draws are too narrow twice over: n blocks
vary about their own mean by √((n − 1)/n) of what they vary about the true one, and a normal tail is thinner
than Student's of n − 1 degrees. Draws are spread about the mean by both, so that two weeks tell little: where
each day keeps half of the one before, 90 % intervals of 14 days hold the mean in 97 % of cases, as drawn in
59 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import ndtri, stdtrit

from optimize.arrays import FloatArray
from optimize.bootstrap import BLOCK_DAYS, FEWEST_BLOCKS, SAMPLES, resampled_means

YEAR_DAYS = 365.25
FEWEST_DAYS = BLOCK_DAYS * FEWEST_BLOCKS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Income:
    """What a car earns in a year. eur: the mean of the days; drawn_eur: as it may be, sorted."""

    eur: float
    drawn_eur: FloatArray

    def quantile(self, share: FloatArray) -> FloatArray:
        """The figures that this share of what was drawn lies below; share in (0, 1)."""
        figures: FloatArray = np.quantile(self.drawn_eur, share)
        return figures


def income(gain_eur: FloatArray, cars: FloatArray, *, seed: int, samples: int = SAMPLES) -> Income:
    """The income per car and year of days in their order: what all cars gained on each, and how many.

    Raises ProblemError for fewer than FEWEST_DAYS days, or for what is not finite.
    """
    days = np.column_stack([gain_eur, cars])
    means = resampled_means(days, samples=samples, seed=seed)
    middle = float(days[:, 0].sum() / days[:, 1].sum()) * YEAR_DAYS
    drawn = means[:, 0] / means[:, 1] * YEAR_DAYS
    return Income(eur=middle, drawn_eur=np.sort(middle + (drawn - middle) * _few(len(days) / BLOCK_DAYS)))


def _few(blocks: float) -> float:
    """By how much draws of so many blocks are too narrow."""
    return float(stdtrit(blocks - 1.0, 0.95) / ndtri(0.95)) * sqrt(blocks / (blocks - 1.0))
