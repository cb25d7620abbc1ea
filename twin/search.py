"""The search for a state in one window: the unknowns, what PyBaMM says there, and steps to where it fits.

Gauss–Newton with PyBaMM's own sensitivities, damped, on residuals that are whitened by the covariance of the
voltages' errors and weighted robustly (Huber).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twin.belief import CurveAlong, OwnCurve
from twin.cell import SENSITIVE, ReferenceCell, day_model
from twin.discrepancy import (
    VOLTAGE_SD_V,
    Curve,
    Slopes,
    besides_curve,
    curve_kernel,
    likely_curve,
    whitening,
)
from twin.errors import SolveError
from twin.health import Array, Health
from twin.replay import MAX_STEPS, Replay

HUBER = 2.5
_ITERATIONS = 8
_CONVERGED = 1e-3
_SETTLED = 0.1  # of cost: a step that changes less moves nothing by a third of its spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The unknowns somewhere in the search, and what PyBaMM says there, in units of `VOLTAGE_SD_V`.

    ``error``, ``slopes``: of the voltages and by the unknowns, as they are; ``residual``, ``jacobian``: the
    same whitened.
    """

    theta: Array
    voltage_v: Array
    error: Array
    slopes: Array
    jacobian: Array
    residual: Array
    weight: Array
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One window to fit: telemetry, first guess and its prior."""

    replay: Replay
    guess: Health
    cell: ReferenceCell
    mean: Array
    precision: Array
    electrolyte: bool
    along: Slopes
    curve_v: float
    windows: float
    noise: Array
    whitening: Array
    offset: Array | None = None
    known: CurveAlong | None = None

    def health(self, theta: Array) -> Health:
        """Health of the unknowns; the SEI thickness is the guess's."""
        return self.cell.fresh.moved(theta[1:4], self.guess.sei_m).first()

    def at(self, theta: Array) -> Point:
        """Replay at ``theta``; the derivatives by theta are chained from PyBaMM's by its inputs."""
        health, cell, capacity = self.health(theta), self.cell, self.cell.circuit.fresh_capacity_ah
        q_n, q_p = health.eps_n * cell.ah_per_eps_n, health.eps_p * cell.ah_per_eps_p
        x, y = float(theta[0]), float((health.lithium_ah - theta[0] * q_n) / q_p)
        if not (0.002 < x < 0.998 and 0.002 < y < 0.998):
            raise SolveError(f"stoichiometries {x:.3f}, {y:.3f} lie outside the electrodes")
        bias = theta[5] * capacity
        current = self.replay.c_rate * capacity
        if self.replay.silent is not None:
            current = current - np.where(self.replay.silent, bias, 0.0)  # no sensor, no bias
        result = day_model(
            cell, MAX_STEPS, ageing=False, electrolyte=self.electrolyte, sensitive=SENSITIVE
        ).solve(
            self.replay.start_s,
            current,
            self.replay.end_s,
            health=health,
            x_n=x,
            y_p=y,
            temperature_degc=self.replay.temperature_degc,
            resistance_ohm=theta[4] / capacity,
            bias_a=bias,
            times_s=self.replay.times_s,
        )
        by = result.sensitivity
        by_x, by_y = by["c_n"] * cell.c_max("Negative"), by["c_p"] * cell.c_max("Positive")
        jacobian = np.column_stack(
            [
                by_x - by_y * q_n / q_p,
                by["eps_n"] * health.eps_n - by_y * x * q_n / q_p,
                by["eps_p"] * health.eps_p - by_y * y,
                by_y * cell.fresh.lithium_ah / q_p,
                by["resistance"] / capacity,
                by["bias"] * capacity,
            ]
        )
        jacobian[:, 5] -= self.along.charge * (
            self.replay.times_s / 3600 - self.replay.seen_hours_at(self.replay.times_s)
        )
        slopes = jacobian / VOLTAGE_SD_V
        error = (self.replay.voltage_v - result.voltage_v) / VOLTAGE_SD_V
        if self.offset is not None:
            error = error + self.along.charge * self.offset / VOLTAGE_SD_V
        if self.known is not None:
            error = error - self.known.mean
        residual, jacobian = self.whitening @ error, self.whitening @ slopes
        weight = np.minimum(1.0, HUBER / np.maximum(np.abs(residual), 1e-9))
        away = theta - self.mean
        return Point(
            theta=theta,
            voltage_v=result.voltage_v,
            error=error,
            slopes=slopes,
            jacobian=jacobian,
            residual=residual,
            weight=weight,
            cost=float((weight * residual**2).sum() + away @ self.precision @ away),
        )

    def step(self, point: Point, damping: float) -> Array:
        """The unknowns after one damped Gauss–Newton step."""
        weighted = point.weight[:, None] * point.jacobian
        normal = point.jacobian.T @ weighted + self.precision
        gradient = weighted.T @ point.residual - self.precision @ (point.theta - self.mean)
        return np.asarray(
            point.theta + np.linalg.solve(normal + damping * np.diag(np.diag(normal)), gradient)
        )

    def likely_curve(self, point: Point) -> Curve:
        """How far the open-circuit curve is off, as seen from ``point``."""
        return likely_curve(
            self.replay,
            self.along,
            point.error + point.slopes @ (point.theta - self.mean),
            point.slopes,
            np.asarray(np.linalg.inv(self.precision)),
            self.noise,
        )

    def whitened(self, **changes: Any) -> Problem:
        """The problem with errors of another covariance."""
        new = replace(self, **changes)
        besides, curve = new.covariances()
        return replace(new, whitening=whitening(besides, curve))

    def covariances(self) -> tuple[Array, Array]:
        """Of the voltages' errors besides the curve's, and of the curve's."""
        besides = besides_curve(self.replay, self.along, self.noise)
        if self.known is not None:
            return besides, self.known.covariance
        size = self.windows * (self.curve_v / VOLTAGE_SD_V) ** 2
        return besides, size * curve_kernel(self.replay, self.along)

    def with_curve(self, curve: OwnCurve, theta: Array) -> Problem:
        """The problem with what is known of the curve, at the charge that ``theta`` begins at."""
        known = curve.along(self.replay, self.cell, self.health(theta), float(theta[0]), self.windows)
        return self.whitened(known=known, curve_v=curve.error_v)


def descend(problem: Problem, best: Point) -> Point:
    """Where the damped Gauss–Newton steps from ``best`` lead."""
    damping = 1e-3
    for _ in range(_ITERATIONS):
        try:
            tried = problem.at(problem.step(best, damping))
        except SolveError:
            damping *= 20
            continue
        if tried.cost >= best.cost + _SETTLED:
            damping *= 20
            continue
        if tried.cost >= best.cost:
            break
        done = best.cost - tried.cost < max(_CONVERGED * tried.cost, _SETTLED)
        best, damping = tried, damping / 5
        if done:
            break
    return best


def first_point(problem: Problem, bias_guess_c: float) -> Point:
    """The prior's mean, with ``bias_guess_c`` where that leads a replay off the cell's limits."""
    try:
        return problem.at(problem.mean)
    except SolveError:
        if bias_guess_c == 0.0:
            raise
    start = problem.mean.copy()
    start[5] = bias_guess_c
    return problem.at(start)
