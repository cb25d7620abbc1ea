"""How sure a mean over days is, where days follow each other: the circular block bootstrap.

Whole blocks of consecutive days are drawn with replacement, around the end to the beginning, so that what
one day has to do with the next sessions (Politis and Romano 1992). A figure made of several means, as a ratio
of two, is made anew of each resample: what its days share is drawn together.
"""

from __future__ import annotations

import numpy as np

from optimize.arrays import FloatArray
from optimize.errors import ProblemError

BLOCK_DAYS, SAMPLES, SEED = 7, 2000, 18
FEWEST_BLOCKS = 2


def resampled_means(
    values: FloatArray, *, block_days: int = BLOCK_DAYS, samples: int = SAMPLES, seed: int = SEED
) -> FloatArray:
    """The means of resampled days, [samples, k]; values: figures of consecutive days, [days, k], finite.

    Raises ProblemError for fewer than FEWEST_BLOCKS blocks of days, or for what is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    days = len(values)
    if days < FEWEST_BLOCKS * block_days:
        raise ProblemError("bootstrap", "days", days, f"must be at least {FEWEST_BLOCKS * block_days}")
    if not np.isfinite(values).all():
        raise ProblemError("bootstrap", "values", float("nan"), "must be finite")
    rng = np.random.default_rng(seed)
    blocks = -(-days // block_days)
    begins = rng.integers(0, days, size=(samples, blocks))
    drawn = (begins[:, :, None] + np.arange(block_days)).reshape(samples, -1)[:, :days] % days
    means: FloatArray = values[drawn].mean(axis=1)
    return means


def interval(figures: FloatArray, level: float = 0.9) -> tuple[float, float]:
    """The middle `level` of resampled figures, their quantiles on both sides; level in (0, 1)."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(figures, [tail, 1.0 - tail])
    return float(low), float(high)
