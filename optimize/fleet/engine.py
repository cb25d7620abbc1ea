"""The interior-point loop: Mehrotra's predictor–corrector over cars and coupling together.

S. Mehrotra, "On the implementation of a primal–dual interior point method", SIAM J. Optim. 2 (1992) 575.
Other than there, no single car holds back the step: of thousands some are always about to jump from one
optimum to another, and iterations would grow with their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from optimize.fleet.coupling import Coupling
from optimize.fleet.layout import FloatArray
from optimize.fleet.passes import FURTHEST, LEAST_PRODUCT, STEP_SHARE

# The shares of the cars that may not hold back the common step, of the affine direction and of the final one.
# They are taken along and put right by the next direction (`passes._advance`).
AFFINE_LEFT_OUT, LEFT_OUT = 0.003, 0.03
# The centring never aims below this share of μ.
LEAST_CENTRING = 0.1


class Cars(Protocol):
    """What the loop needs of the cars, wherever they live; see `part.Part`."""

    @property
    def pairs(self) -> int:
        """Number of inequalities."""

    def predict(
        self, y: FloatArray, direction_x: float, direction_z: float, smu: float
    ) -> tuple[FloatArray, FloatArray, FloatArray, float, float]:
        """Take a step; Schur complement, predictor outputs, present outputs, Σ s·z, largest residual."""

    def centre(self, y: FloatArray, mu: float) -> int:
        """Let every car alone find its central point for μ at fixed prices; the iterations it took."""

    def correct(self, y: FloatArray, mu: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Outputs of a unit of centring and of the second order; Σ Δs·z, Σ s·Δz, Σ Δs·Δz; the reaches."""

    def finish(self, y: FloatArray, smu: float) -> FloatArray:
        """Find the direction; the reaches: the longest steps of x and z that each car can take [2, cars]."""

    def bound(self, y: FloatArray) -> float:
        """The least that the cars can cost at prices y, €."""

    def point(self) -> tuple[FloatArray, FloatArray]:
        """x and ν of the iterate."""


@dataclass(slots=True)
class CouplingPoint:
    """The coupling's own iterate: prices y, variables v, their distances to both bounds and the multipliers.

    The distances are kept apart from v: next to a bound, v itself has no digits left for them.
    """

    y: FloatArray
    v: FloatArray
    v_low: FloatArray
    v_high: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def start(cls, coupling: Coupling, y: FloatArray, mu: float) -> CouplingPoint:
        """In the middle of the bounds, at prices y."""
        half = 0.5 * (coupling.upper - coupling.lower)
        return cls(
            y=y.copy(),
            v=coupling.lower + half,
            v_low=half,
            v_high=half.copy(),
            low=mu / half,
            high=mu / half,
        )


class Engine:
    """Iterates: `advance`, then `direct`, again and again."""

    def __init__(self, coupling: Coupling, cars: Cars, coupling_point: CouplingPoint) -> None:
        self.coupling, self.cars, self.coupling_point = coupling, cars, coupling_point
        self.direction_x = self.direction_z = self.smu = 0.0
        self.mu = self.residual = np.inf
        self.left_out = LEFT_OUT
        self.iterations = 0

    def advance(self) -> None:
        """Take the last direction's step; μ and residual are those of the new point."""
        coupling, p = self.coupling, self.coupling_point
        self._S, self._predictor, outputs, self._cars_gap, infeasible = self.cars.predict(
            p.y, self.direction_x, self.direction_z, self.smu
        )
        gap = self._cars_gap + p.low @ p.v_low + p.high @ p.v_high
        self.mu = float(gap / max(1, self.cars.pairs + 2 * p.v.size))
        self._lack = outputs - coupling.F @ p.v - coupling.f0
        self.residual = max(infeasible, float(np.abs(self._lack).max(initial=0.0)))

    def direct(self) -> None:
        """Predict, correct, find the direction; prices and v move with it, the cars at the next `advance`.

        Raises LinAlgError, with nothing moved, where the numbers give no direction.
        """
        coupling, p, F = self.coupling, self.coupling_point, self.coupling.F
        v_low, v_high = p.v_low, p.v_high
        complementarity = self._cars_gap + p.low @ v_low + p.high @ v_high
        lack, from_cars, sum_cars = self._lack, self._predictor, self._cars_gap
        H = p.low / v_low + p.high / v_high
        gradient = coupling.cost - F.T @ p.y
        if coupling.rows:
            M = self._S + (F.multiply(1.0 / H[None, :]).tocsr() @ F.T).toarray()
            M[np.diag_indices_from(M)] *= 1.0 + 1e-13
            factor = cho_factor(M, lower=True, overwrite_a=True, check_finite=False)

        def solve(cars: FloatArray, pull: FloatArray) -> tuple[FloatArray, FloatArray]:
            """Δy and Δv for the cars' outputs and the push on v."""
            dy = np.zeros(0)
            if coupling.rows:
                dy = np.asarray(cho_solve(factor, lack + cars - F @ (pull / H), check_finite=False))
            return dy, (pull + F.T @ dy) / H

        dy, dv = solve(from_cars, -gradient)
        centring, second, sums, reaches = self.cars.correct(p.y + dy, self.mu)
        d_low, d_high = -p.low * (1.0 + dv / v_low), -p.high * (1.0 - dv / v_high)
        ax, az = _reach_of(reaches, AFFINE_LEFT_OUT)
        ax = min(ax, _reach(v_low, dv), _reach(v_high, -dv), 1.0)
        az = min(az, _reach(p.low, d_low), _reach(p.high, d_high), 1.0)
        after = (
            sum_cars
            + ax * sums[0]
            + az * sums[1]
            + ax * az * sums[2]
            + (v_low + ax * dv) @ (p.low + az * d_low)
            + (v_high - ax * dv) @ (p.high + az * d_high)
        )
        ratio = min(1.0, max(after, 0.0) / complementarity) if complementarity > 0.0 else 0.0
        self.smu = smu = float(max(LEAST_CENTRING, ratio**3) * self.mu)
        push_low = (smu + np.clip(-dv * d_low, -self.mu, self.mu)) / v_low
        push_high = (smu + np.clip(dv * d_high, -self.mu, self.mu)) / v_high
        dy, dv = solve(from_cars + smu * centring + second, push_low - push_high - gradient)
        d_low = push_low - p.low - p.low * dv / v_low
        d_high = push_high - p.high + p.high * dv / v_high
        if not (np.isfinite(dy).all() and np.isfinite(dv).all()):
            raise LinAlgError("no finite direction")
        ax, az = _reach_of(self.cars.finish(p.y + dy, smu), self.left_out)
        ax = min(ax, _reach(v_low, dv), _reach(v_high, -dv))
        az = min(az, _reach(p.low, d_low), _reach(p.high, d_high))
        self.direction_x, self.direction_z = (
            float(min(1.0, STEP_SHARE * ax)),
            float(min(1.0, STEP_SHARE * az)),
        )
        p.y = p.y + self.direction_z * dy
        p.v = p.v + self.direction_x * dv
        p.v_low = v_low + self.direction_x * dv
        p.v_high = v_high - self.direction_x * dv
        p.low = np.maximum(p.low + self.direction_z * d_low, LEAST_PRODUCT * smu / p.v_low)
        p.high = np.maximum(p.high + self.direction_z * d_high, LEAST_PRODUCT * smu / p.v_high)
        self.iterations += 1

    def bound(self) -> float:
        """A safe lower bound on the cost of any plan, €, at the point that `advance` reached."""
        y = self.coupling_point.y
        return self.cars.bound(y) + self.coupling.least(y)


def _reach(value: FloatArray, change: FloatArray) -> float:
    """The longest step that keeps value + step·change ≥ 0."""
    falling = change < 0.0
    return float(np.min(-value[falling] / change[falling], initial=FURTHEST))


def _reach_of(reaches: FloatArray, left_out: float) -> tuple[float, float]:
    """The steps that all but a share of the cars can take."""
    if reaches.shape[1] == 0:
        return FURTHEST, FURTHEST
    x, z = np.quantile(reaches, left_out, axis=1, method="lower")
    return float(x), float(z)
