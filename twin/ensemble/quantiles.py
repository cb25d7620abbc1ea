"""Quantiles of weighted draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twin.health import Array

QUANTILES = (0.05, 0.5, 0.95)


def quantiles(values: Array, weight: Array, at: Sequence[float] = QUANTILES) -> Array:
    """Weighted quantiles."""
    order = np.argsort(values, kind="stable")
    ladder = np.cumsum(weight[order])
    places = np.searchsorted(ladder, np.asarray(at) * ladder[-1]).clip(0, len(values) - 1)
    return np.asarray(values[order][places])
