"""A distribution as weighted values: quantiles, the share above a value, the score against what came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimize.arrays import FloatArray
from optimize.errors import ProblemError


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """points [n]: the values, in any order; weights [n] ≥ 0, not all 0. Raises ProblemError for others."""

    points: FloatArray
    weights: FloatArray

    def __post_init__(self) -> None:
        points, weights = (np.asarray(one, dtype=np.float64) for one in (self.points, self.weights))
        if points.shape != weights.shape or points.ndim != 1 or not points.size:
            raise ProblemError("distribution", "weights", weights.shape, f"must be as {points.shape}")
        if not np.isfinite(points).all() or (weights < 0.0).any() or not weights.sum() > 0.0:
            raise ProblemError("distribution", "weights", weights, "must be ≥ 0 and not all 0, values finite")
        order = np.argsort(points, kind="stable")
        object.__setattr__(self, "points", points[order])
        object.__setattr__(self, "weights", weights[order] / weights.sum())

    def quantile(self, share: float) -> float:
        """The least value that a share (0–1) of the weight does not exceed."""
        reached = np.cumsum(self.weights) >= share - 1e-12
        return float(self.points[int(np.argmax(reached))] if reached.any() else self.points[-1])

    def above(self, value: float) -> float:
        """The share of the weight above a value, 0–1."""
        return float(self.weights[self.points > value].sum())

    def beyond(self, value: float) -> Weighted | None:
        """The distribution given that it is above a value; None where nothing is."""
        over = self.points > value
        return Weighted(self.points[over], self.weights[over]) if self.weights[over].sum() > 0.0 else None

    def crps(self, came: float) -> float:
        """Continuous ranked probability score ∫ (F(z) − 1[z ≥ came])² dz, in the unit of the values.

        Gneiting and Raftery 2007; 0 is best.
        """
        grid = np.sort(np.append(self.points, came))
        share = np.append(0.0, np.cumsum(self.weights))[np.searchsorted(self.points, grid[:-1], side="right")]
        return float(np.sum((share - (grid[:-1] >= came)) ** 2 * np.diff(grid)))
