"""Stage A: what a pack's voltage says of its state, by Gauss–Newton with PyBaMM's own sensitivities.

One window of telemetry (about a day and a half) is replayed through SPM. Unknown are the stoichiometry at its
start, both active materials, the lithium inventory, an effective series resistance and a constant current
bias. Voltages are means of ``BIN_S`` long bins or snapshots, weighted robustly (Huber), and their errors are
taken as correlated as the residuals show, since what SPM leaves out (electrolyte, hysteresis, temperature
inside the pack) does not average away. The cell's own open-circuit curve is not its chemistry's: how far it
is off is estimated with the state, and what it may be off by is no longer reported of the electrodes. It and
the charge that wanders where the current was not seen are errors of known covariance (`twin.discrepancy`),
which residuals and derivatives are whitened by (generalised least squares). A window that the model cannot
follow, or follows only with an absurd bias, is refused: bad sensors are named, not fitted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.cell import SENSITIVE, ReferenceCell, day_model
from twin.discrepancy import (
    LEAST_V,
    VOLTAGE_SD_V,
    Curve,
    Slopes,
    likely_curve,
    noise_of,
    slopes_of,
    whitening,
)
from twin.errors import SolveError
from twin.health import Array, Health
from twin.recount import LOAD_OHM_AH, asked_by_voltage, recounted
from twin.replay import MAX_STEPS, Replay

BIAS_SD_C = 2e-3  # prior spread of the current bias, as a C-rate
BIAS_LIMIT_C = 8e-3
_BIAS_OBSERVED_SD_C = 7e-4  # of what flows at rest: standby, and the sensor's zero under load
# Drift a day of what the prior holds: ageing beyond the foretold, weather for the effective resistance.
_DAY_SD = np.array([3e-4, 3e-4, 3e-4, 4e-3, 2e-4])
_ITERATIONS = 8
_HUBER = 2.5
_CONVERGED = 1e-3
_NO_BETTER = 0.1  # of cost: a step that changes less moves nothing by a third of its spread
# Prior spreads: x at start, ln eps_n, ln eps_p, lithium (share of fresh), resistance (ohm × Ah of the
# reference cell), current bias (C-rate).
_PRIOR_SD = np.array([0.15, 0.10, 0.10, 0.12, 0.10, BIAS_SD_C])
_ROOM = 0.02  # of charge, left at either end
_COUNTED_SD_V, _RECOUNTS = 2e-3, 2  # what wandering charge moves a voltage by that matters
_CURVES, _CURVE_MOVED = 2, 1.15  # times, by which the curve's error is another than was reckoned with
_NUISANCE, _WANTED = [0, 4, 5], [1, 2, 3]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePrior:
    """What is known of a state: mean and covariance of five figures.

    In this order: ln eps_n and ln eps_p against fresh, lithium as a share of fresh, resistance (ohm × Ah of
    the reference cell), current bias (C-rate).
    """

    mean: Array
    covariance: Array

    def after(self, days: float) -> StatePrior:
        """The same some days later: as good as it was, less a day's drift for each."""
        return replace(self, covariance=self.covariance + np.diag(_DAY_SD**2 * max(days, 0.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFit:
    """Outcome of stage A.

    ``health``: SEI thickness is not seen by voltage and stays at the given one; ``information``: precision
    matrix of (ln eps_n, ln eps_p, lithium share) with the other unknowns integrated out, prior left out;
    ``posterior``: the same and resistance and bias, prior included; ``bias_c``: what has to be added to the
    current reported, as a C-rate; ``curve_v``: standard deviation of the open-circuit curve's error, as the
    window shows it; ``misfit_chi2_per_n``: χ²/n with no such error allowed for; ``log_evidence``:
    for the chemistry by which it was fitted.
    """

    health: Health
    information: Array
    posterior: StatePrior
    bias_c: float
    chi2_per_n: float
    model_voltage_v: Array
    used: npt.NDArray[np.bool_]
    curve_v: float = LEAST_V
    misfit_chi2_per_n: float = 0.0
    log_evidence: float = 0.0

    def off_mv(self, replay: Replay) -> float:
        """Root mean square of voltage less the model's [mV a cell]."""
        return 1000 * float(np.sqrt(np.mean((replay.voltage_v - self.model_voltage_v) ** 2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
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
class _Problem:
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

    def health(self, theta: Array) -> Health:
        """Health of the unknowns; the SEI thickness is the guess's."""
        return self.cell.fresh.moved(theta[1:4], self.guess.sei_m).first()

    def at(self, theta: Array) -> _Point:
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
            self.replay.times_s / 3600 - self.replay.observed_hours_at(self.replay.times_s)
        )
        slopes = jacobian / VOLTAGE_SD_V
        error = (self.replay.voltage_v - result.voltage_v) / VOLTAGE_SD_V
        if self.offset is not None:
            error = error + self.along.charge * self.offset / VOLTAGE_SD_V
        residual, jacobian = self.whitening @ error, self.whitening @ slopes
        weight = np.minimum(1.0, _HUBER / np.maximum(np.abs(residual), 1e-9))
        away = theta - self.mean
        return _Point(
            theta=theta,
            voltage_v=result.voltage_v,
            error=error,
            slopes=slopes,
            jacobian=jacobian,
            residual=residual,
            weight=weight,
            cost=float((weight * residual**2).sum() + away @ self.precision @ away),
        )

    def step(self, point: _Point, damping: float) -> Array:
        """The unknowns after one damped Gauss–Newton step."""
        weighted = point.weight[:, None] * point.jacobian
        normal = point.jacobian.T @ weighted + self.precision
        gradient = weighted.T @ point.residual - self.precision @ (point.theta - self.mean)
        return np.asarray(
            point.theta + np.linalg.solve(normal + damping * np.diag(np.diag(normal)), gradient)
        )

    def likely_curve(self, point: _Point) -> Curve:
        """How far the open-circuit curve is off, as seen from ``point``."""
        return likely_curve(
            self.replay,
            self.along,
            point.error + point.slopes @ (point.theta - self.mean),
            point.slopes,
            np.asarray(np.linalg.inv(self.precision)),
            self.noise,
        )

    def whitened(self, **changes: Any) -> _Problem:
        """The problem with errors of another covariance."""
        new = replace(self, **changes)
        curve_v = new.curve_v * new.windows**0.5
        return replace(new, whitening=whitening(new.replay, new.along, curve_v, new.noise))


def fit_state(
    replay: Replay,
    cell: ReferenceCell,
    guess: Health,
    *,
    prior: StatePrior | None = None,
    electrolyte: bool = False,
    bias_guess_c: float = 0.0,
    bias_observed: bool = False,
    windows: float = 1.0,
) -> StateFit:
    """Fit the window from ``guess``, whose SEI thickness stays, or from ``prior``, yesterday's posterior.

    ``electrolyte``: by SPMe instead of SPM. ``bias_guess_c``: the bias to start from where the prior's leads
    a replay off the cell's limits; ``bias_observed``: the current at rest showed it. ``windows``: that are to
    be fitted one after another: the error of the open-circuit curve is the same in all of them, so that
    together they tell no more than one does. The cell's temperature is the window's mean. SolveError where
    PyBaMM cannot follow.
    """
    wandered = asked_by_voltage(replay, guess, cell)
    held = replay if wandered is None else recounted(replay, wandered)
    mean, precision = _prior_mean(held, guess, cell), np.diag(_PRIOR_SD**-2)
    if bias_observed:
        mean[5], precision[5, 5] = bias_guess_c, _BIAS_OBSERVED_SD_C**-2
    if prior is not None:
        mean[1:], precision[1:, 1:] = prior.mean, np.linalg.inv(prior.covariance)
    along = slopes_of(held, cell, guess, float(mean[0]))
    problem = _Problem(
        replay=held,
        guess=guess,
        cell=cell,
        mean=mean,
        precision=precision,
        electrolyte=electrolyte,
        along=along,
        curve_v=LEAST_V,
        windows=windows,
        noise=np.ones(len(replay.times_s)),
        whitening=np.eye(len(replay.times_s)),
        offset=wandered,
    ).whitened()
    first = _first(problem, bias_guess_c)
    noise = noise_of(first.error)
    if (noise > 1).any():
        problem = problem.whitened(noise=noise)
        first = problem.at(first.theta)
    best = _descend(problem, first)
    for _ in range(_CURVES):
        curve = problem.likely_curve(best)
        if abs(np.log(curve.error_v / problem.curve_v)) < np.log(_CURVE_MOVED):
            break
        problem = problem.whitened(curve_v=curve.error_v)
        best = _descend(problem, problem.at(best.theta))
    for _ in range(_RECOUNTS):
        again = _recounted(problem, best, replay)
        if again is None:
            break
        try:
            problem, best = again, _descend(again, again.at(best.theta))
        except SolveError:
            break
    return _summary(problem, best)


def _descend(problem: _Problem, best: _Point) -> _Point:
    """Where the damped Gauss–Newton steps from ``best`` lead."""
    damping = 1e-3
    for _ in range(_ITERATIONS):
        try:
            tried = problem.at(problem.step(best, damping))
        except SolveError:
            damping *= 20
            continue
        if tried.cost >= best.cost + _NO_BETTER:
            damping *= 20
            continue
        if tried.cost >= best.cost:
            break
        done = best.cost - tried.cost < max(_CONVERGED * tried.cost, _NO_BETTER)
        best, damping = tried, damping / 5
        if done:
            break
    return best


def _recounted(problem: _Problem, best: _Point, counted: Replay) -> _Problem | None:
    """The problem with the charge that the voltages ask for, where that is not the charge counted.

    The likeliest wandering of the charge counted is put into the current, so that the curve's slope is taken
    where the cell was; what it is held against sessions the charge ``counted``. None where nothing would
    change.
    """
    variance = counted.charge_variance
    if variance is None:
        return None
    back = problem.whitening.T @ (best.weight * best.residual)
    wandered = np.minimum.outer(variance, variance) @ (problem.along.charge / VOLTAGE_SD_V * back)
    before = 0.0 if problem.offset is None else problem.offset
    if np.abs((wandered - before) * problem.along.charge).max() < _COUNTED_SD_V:
        return None
    held = recounted(counted, wandered)
    along = slopes_of(held, problem.cell, problem.health(best.theta), float(best.theta[0]))
    return problem.whitened(replay=held, along=along, offset=wandered)


def _first(problem: _Problem, bias_guess_c: float) -> _Point:
    try:
        return problem.at(problem.mean)
    except SolveError:
        if bias_guess_c == 0.0:
            raise
    start = problem.mean.copy()
    start[5] = bias_guess_c
    return problem.at(start)


def _prior_mean(replay: Replay, guess: Health, cell: ReferenceCell) -> Array:
    """Start values: stoichiometry from the voltage at rest, health from the guess."""
    circuit = cell.circuit
    window = circuit.window(guess)
    socs = np.linspace(0, 1, 400)
    x, y = window.at(socs)
    # A window of pieces may begin under load, and its first voltages may be left out.
    before = float(replay.charge_at(replay.times_s[:1])[0]) * circuit.fresh_capacity_ah
    at = int(np.searchsorted(replay.start_s, replay.times_s[0], side="right")) - 1
    soc = float(np.interp(replay.voltage_v[0] - LOAD_OHM_AH * replay.c_rate[at], circuit.voltage(x, y), socs))
    soc -= before / float(window.capacity_ah)
    # On a flat curve that may be far off: what is charged and driven from there has room in the cell.
    moved = replay.charge_at(np.append(replay.start_s, replay.end_s)) * (
        circuit.fresh_capacity_ah / float(window.capacity_ah)
    )
    lowest, highest = _ROOM - float(moved.min()), 1 - _ROOM - float(moved.max())
    soc = min(max(soc, lowest), highest) if lowest < highest else 0.5 * (lowest + highest)
    return np.array([np.interp(soc, socs, x), *guess.changes(cell.fresh), 0.05, 0.0])


def _summary(problem: _Problem, best: _Point) -> StateFit:
    chi2 = float((best.weight * best.residual**2).mean())
    # Correlated errors carry less information than as many independent ones.
    moved = best.residual - best.residual.mean()
    lag = float(np.clip((moved[:-1] * moved[1:]).sum() / max((moved**2).sum(), 1e-12), 0.0, 0.97))
    inflation = max(1.0, chi2) * (1 + lag) / (1 - lag)
    information = best.jacobian.T @ (best.weight[:, None] * best.jacobian) / inflation
    regular = information[np.ix_(_NUISANCE, _NUISANCE)] + np.diag(_PRIOR_SD[_NUISANCE] ** -2)
    cross = information[np.ix_(_WANTED, _NUISANCE)]
    covariance = np.asarray(np.linalg.inv(information + problem.precision))
    bias, off = float(best.theta[5]), np.abs(best.error)
    return StateFit(
        health=problem.health(best.theta),
        information=information[np.ix_(_WANTED, _WANTED)] - cross @ np.linalg.solve(regular, cross.T),
        posterior=StatePrior(mean=best.theta[1:], covariance=covariance[1:, 1:]),
        bias_c=bias,
        chi2_per_n=chi2,
        model_voltage_v=best.voltage_v,
        used=(best.weight > 0.5) & (problem.noise == 1),
        curve_v=problem.curve_v,
        log_evidence=problem.likely_curve(best).log_evidence,
        misfit_chi2_per_n=float((np.minimum(1.0, _HUBER / np.maximum(off, 1e-9)) * off**2).mean()),
    )
