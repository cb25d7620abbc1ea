"""What is known of a cell's state from one day to the next, with the open-circuit curve that is its own.

A full fit tells state and curve from one window, and the two may be off together: what the curve takes up is
not told of the electrodes. That is settled there. The days after are held against the curve as it was found
for the state as it was found: what a window shows besides is a change since then, and it is that change alone
that they tell, however uncertain the state itself is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twin.cell import ReferenceCell
from twin.discrepancy import VOLTAGE_SD_V, kernel_between, slopes_at, smoothness
from twin.health import Array, Health
from twin.replay import Replay

POINTS = 24
# Drift a day of what a prior holds: ageing beyond the foretold, weather for the effective resistance; of the
# curve as a share of its size, by electrodes that age apart.
_DAY_SD = np.array([3e-4, 3e-4, 3e-4, 4e-3, 2e-4])
_CURVE_DAY_SD = 0.02
_BEYOND = 0.02  # of charge, on either side of the usable window


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCurve:
    """A cell's open-circuit voltage less its chemistry's, for a state that is given.

    ``charge``: of the lithium in the negative electrode [C·h, of a new cell's capacity], ascending;
    ``mean_v``, ``covariance``: of the difference there [V, V²]; ``error_v``: standard deviation of what it is
    where nothing shows it [V].
    """

    charge: Array
    mean_v: Array
    covariance: Array
    error_v: float

    @classmethod
    def unknown(cls, cell: ReferenceCell, health: Health, error_v: float) -> OwnCurve:
        """One of which nothing but its size is known, over the usable window of a ``health``."""
        circuit = cell.circuit
        window, ah_n = circuit.window(health), health.eps_n * cell.ah_per_eps_n
        socs = np.linspace(-_BEYOND, 1 + _BEYOND, POINTS)
        x = float(window.x_0) + socs * float(window.x_100 - window.x_0)
        charge = x * ah_n / circuit.fresh_capacity_ah
        slopes = slopes_at(charge, cell, health, 0.0)
        return cls(
            charge=charge,
            mean_v=np.zeros(POINTS),
            covariance=error_v**2 * kernel_between(charge, slopes, charge, slopes),
            error_v=error_v,
        )

    def after(self, days: float) -> OwnCurve:
        """The same some days later."""
        size = (_CURVE_DAY_SD * self.error_v) ** 2 * days
        return replace(self, covariance=self.covariance + size * smoothness(self.charge, self.charge))

    def along(
        self, replay: Replay, cell: ReferenceCell, health: Health, x_0: float, windows: float
    ) -> CurveAlong:
        """The curve at the voltages of a window that begins at ``x_0``.

        ``windows``: that are to be fitted one after another, in all of which it is off alike.
        """
        begin = x_0 * health.eps_n * cell.ah_per_eps_n / cell.circuit.fresh_capacity_ah
        at, points = begin + replay.charge_at(replay.times_s), self.charge
        here, there = (slopes_at(one, cell, health, 0.0) for one in (at, points))
        between = kernel_between(at, here, points, there)
        weights = np.linalg.solve(kernel_between(points, there, points, there), between.T).T
        rest = kernel_between(at, here, at, here) - weights @ between.T
        covariance = weights @ self.covariance @ weights.T + self.error_v**2 * rest
        return CurveAlong(
            curve=self,
            x_0=x_0,
            weights=np.asarray(weights),
            mean=weights @ self.mean_v / VOLTAGE_SD_V,
            covariance=windows * covariance / VOLTAGE_SD_V**2,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveAlong:
    """A curve at the voltages of a window that begins at ``x_0``: ``weights`` of its points there, ``mean``
    and ``covariance`` in units of `VOLTAGE_SD_V`."""

    curve: OwnCurve
    x_0: float
    weights: Array
    mean: Array
    covariance: Array

    def seen(self, error: Array, covariance: Array) -> OwnCurve:
        """The curve after the window. ``error``: measured less what was expected, ``covariance``: of that, in
        units of `VOLTAGE_SD_V`."""
        mixed = self.curve.covariance @ self.weights.T / VOLTAGE_SD_V
        gain = np.linalg.solve(covariance, mixed.T).T
        left = self.curve.covariance - gain @ mixed.T
        return replace(self.curve, mean_v=self.curve.mean_v + gain @ error, covariance=0.5 * (left + left.T))


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePrior:
    """What is known of a state: mean and covariance of five figures.

    In this order: ln eps_n and ln eps_p against fresh, lithium as a share of fresh, resistance (ohm × Ah of
    the reference cell), current bias (C-rate). ``curve``: the cell's own, as a full fit found it; with it
    ``moved``, the covariance of what the state has changed by since then, a part of the whole.
    """

    mean: Array
    covariance: Array
    curve: OwnCurve | None = None
    moved: Array | None = None

    def after(self, days: float) -> StatePrior:
        """The same some days later: as good as it was, less a day's drift for each."""
        drift = _drift(max(days, 0.0))
        later = replace(self, covariance=self.covariance + drift)
        if self.curve is None or self.moved is None:
            return later
        return replace(later, curve=self.curve.after(max(days, 0.0)), moved=self.moved + drift)

    def alone(self) -> StatePrior:
        """The state without the curve."""
        return replace(self, curve=None, moved=None)

    def beside(self, curve: OwnCurve) -> StatePrior:
        """The state of a full fit beside the curve that it leaves to the days after."""
        return replace(self, curve=curve, moved=_drift(1.0))

    def told(self) -> Array:
        """The covariance of what a window may tell of: of a change where the curve is known."""
        return self.covariance if self.moved is None else self.moved

    def fitted(self, mean: Array, left: Array) -> StatePrior:
        """The state after a window that has ``left`` so much of `told`."""
        return replace(
            self,
            mean=mean,
            covariance=self.covariance - self.told() + left,
            moved=None if self.moved is None else left,
        )


def _drift(days: float) -> Array:
    return np.asarray(np.diag(_DAY_SD**2 * days))
