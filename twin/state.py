"""Stage A: what a pack's voltage says of its state, by Gauss–Newton with PyBaMM's own sensitivities.

One window of telemetry (about a day and a half) is replayed through SPM. Unknown are the stoichiometry at its
start, both active materials, the lithium inventory, an effective series resistance and a constant current
bias. Voltages are means of ``BIN_S`` long bins or snapshots, weighted robustly (Huber), and their errors are
taken as correlated as the residuals show, since what SPM leaves out (electrolyte, hysteresis, temperature
inside the pack) does not average away. The cell's own open-circuit curve is not its chemistry's: how far it
is off is estimated with the state, and what it may be off by is no longer told of the electrodes. It and the
charge that wanders where the current was not seen are errors of known covariance (`twin.discrepancy`), which
residuals and derivatives are whitened by (generalised least squares). A window that the model cannot follow,
or follows only with an absurd bias, is refused: bad sensors are named, not fitted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from twin.belief import CurveAlong, OwnCurve, StatePrior
from twin.cell import ReferenceCell
from twin.discrepancy import LEAST_V, VOLTAGE_SD_V, noise_of, slopes_of
from twin.errors import SolveError
from twin.health import Array, Health
from twin.replay import Replay
from twin.search import HUBER, Point, Problem, descend, first_point

BIAS_SD_C = 2e-3  # prior spread of the current bias, as a C-rate
BIAS_LIMIT_C = 8e-3
_BIAS_SEEN_SD_C = 7e-4  # of what flows at rest: standby, and the sensor's zero under load
# Prior spreads: x at start, ln eps_n, ln eps_p, lithium (share of fresh), resistance (ohm × Ah of the
# reference cell), current bias (C-rate).
_PRIOR_SD = np.array([0.15, 0.10, 0.10, 0.12, 0.10, BIAS_SD_C])
_LOAD_OHM_AH = 0.06
_ROOM = 0.02  # of charge, left at either end
_COUNTED_SD_V, _RECOUNTS = 2e-3, 2  # what wandering charge moves a voltage by that matters
_CURVES, _CURVE_MOVED = 2, 1.15  # times, by which the curve's error is another than was reckoned with
_LABELS, _LABEL_MOVED = 2, 5e-3  # of charge, by which a known curve lies elsewhere than was reckoned with
_FIXED_SD = 1e-7  # of a state that is given
_NUISANCE, _WANTED = [0, 4, 5], [1, 2, 3]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFit:
    """Outcome of stage A.

    ``health``: SEI thickness is not seen by voltage and stays at the given one; ``information``: precision
    matrix of (ln eps_n, ln eps_p, lithium share) with the other unknowns integrated out, prior left out;
    ``posterior``: the same and resistance and bias, prior included; ``bias_c``: what has to be added to the
    current reported, as a C-rate; ``curve_v``: standard deviation of the open-circuit curve's error, as the
    window shows it or as it was known; ``misfit_chi2_per_n``: χ²/n with no such error allowed for besides
    what was known of it; ``log_evidence``: for the chemistry by which it was fitted, 0 by a known curve.
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


def fit_state(
    replay: Replay,
    cell: ReferenceCell,
    guess: Health,
    *,
    prior: StatePrior | None = None,
    electrolyte: bool = False,
    bias_guess_c: float = 0.0,
    bias_seen: bool = False,
    windows: float = 1.0,
) -> StateFit:
    """Fit the window from ``guess``, whose SEI thickness stays, or from ``prior``, yesterday's posterior.

    ``electrolyte``: by SPMe instead of SPM. ``bias_guess_c``: the bias to start from where the prior's leads
    a replay off the cell's limits; ``bias_seen``: the current at rest showed it. ``windows``: that are to be
    fitted one after another: the error of the open-circuit curve is the same in all of them, so that what of
    it the prior does not know tells no more in all of them together than in one. The cell's temperature is
    the window's mean. SolveError where PyBaMM cannot follow.
    """
    own = None if prior is None else prior.curve
    mean, precision = _prior_mean(replay, guess, cell, own), np.diag(_PRIOR_SD**-2)
    if bias_seen:
        mean[5], precision[5, 5] = bias_guess_c, _BIAS_SEEN_SD_C**-2
    if prior is not None:
        mean[1:], precision[1:, 1:] = prior.mean, np.linalg.inv(prior.told())
    problem = _problem(replay, cell, guess, mean, precision, electrolyte, windows)
    problem = problem.whitened() if own is None else problem.with_curve(own, mean)
    problem, first = _quiet(problem, first_point(problem, bias_guess_c))
    problem, best = _by_curve(problem, descend(problem, first))
    for _ in range(_RECOUNTS):
        again = _recounted(problem, best, replay)
        if again is None:
            break
        try:
            problem, best = again, descend(again, again.at(best.theta))
        except SolveError:
            break
    return _summary(problem, best, prior)


def own_curve(
    replay: Replay, cell: ReferenceCell, state: StateFit, prior: StatePrior, *, electrolyte: bool = False
) -> StatePrior:
    """``prior`` with the open-circuit curve beside it that the window of a fit shows for its mean.

    ``state``: that fit; ``prior``: what is known of the state, by that window and by all else. As it was
    where PyBaMM cannot follow its mean, or where charge that nobody saw may be behind what looks like one.
    """
    if not replay.seen_throughout:
        return prior
    try:
        problem, known, best = _held(replay, cell, prior, state.health.sei_m, state.curve_v, electrolyte)
    except SolveError:
        return prior
    besides, curve = problem.covariances()
    begin = best.slopes[:, 0] * _PRIOR_SD[0]  # where it begins is told by its voltages alone
    covariance = _inflation(best) * (besides + curve) + np.outer(begin, begin)
    return prior.beside(known.seen(best.error, covariance))


def followed(
    replay: Replay, cell: ReferenceCell, prior: StatePrior, sei_m: float, *, electrolyte: bool = False
) -> Array:
    """Voltages of a cell [V] along a window by a state that is given, its own curve included if it is known.

    Where the window begins is found by its voltages. SolveError where PyBaMM cannot follow.
    """
    _, known, best = _held(replay, cell, prior, sei_m, LEAST_V, electrolyte)
    return np.asarray(best.voltage_v + known.mean * VOLTAGE_SD_V)


def _held(
    replay: Replay, cell: ReferenceCell, prior: StatePrior, sei_m: float, curve_v: float, electrolyte: bool
) -> tuple[Problem, CurveAlong, Point]:
    """The window by the mean of ``prior``, only its beginning left free; by a curve of unknown size
    ``curve_v`` where the prior holds none."""
    guess = cell.fresh.moved(prior.mean[:3], sei_m).first()
    own = prior.curve or OwnCurve.unknown(cell, guess, curve_v)
    mean = np.append(_prior_mean(replay, guess, cell, own)[:1], prior.mean)
    precision = np.diag(np.append(_PRIOR_SD[0], np.full(len(prior.mean), _FIXED_SD)) ** -2.0)
    problem = _problem(replay, cell, guess, mean, precision, electrolyte, 1.0).with_curve(own, mean)
    problem, first = _quiet(problem, problem.at(mean))
    problem, best = _by_curve(problem, descend(problem, first))
    if problem.known is None:
        raise ValueError("the window was fitted without a curve")
    return problem, problem.known, best


def _problem(
    replay: Replay,
    cell: ReferenceCell,
    guess: Health,
    mean: Array,
    precision: Array,
    electrolyte: bool,
    windows: float,
) -> Problem:
    return Problem(
        replay=replay,
        guess=guess,
        cell=cell,
        mean=mean,
        precision=precision,
        electrolyte=electrolyte,
        along=slopes_of(replay, cell, guess, float(mean[0])),
        curve_v=LEAST_V,
        windows=windows,
        noise=np.ones(len(replay.times_s)),
        whitening=np.eye(len(replay.times_s)),
    )


def _quiet(problem: Problem, first: Point) -> tuple[Problem, Point]:
    """The problem and its first point without what stands out of a window's voltages."""
    noise = noise_of(first.error)
    if not (noise > 1).any():
        return problem, first
    problem = problem.whitened(noise=noise)
    return problem, problem.at(first.theta)


def _by_curve(problem: Problem, best: Point) -> tuple[Problem, Point]:
    """The fit with the curve's error as large as it shows, or with the known curve where the fit has it."""
    if problem.known is None:
        for _ in range(_CURVES):
            curve = problem.likely_curve(best)
            if abs(np.log(curve.error_v / problem.curve_v)) < np.log(_CURVE_MOVED):
                break
            problem = problem.whitened(curve_v=curve.error_v)
            best = descend(problem, problem.at(best.theta))
        return problem, best
    for _ in range(_LABELS):
        if problem.known is None or abs(best.theta[0] - problem.known.x_0) < _LABEL_MOVED:
            break
        problem = problem.with_curve(problem.known.curve, best.theta)
        best = descend(problem, problem.at(best.theta))
    return problem, best


def _recounted(problem: Problem, best: Point, counted: Replay) -> Problem | None:
    """The problem with the charge that the voltages ask for, where that is not the charge counted.

    The likeliest wandering of the charge counted is put into the current, so that the curve's slope is taken
    where the cell was; what it is held against stays the charge ``counted``. None where nothing would change.
    """
    variance, replay = counted.charge_variance, problem.replay
    if variance is None:
        return None
    back = problem.whitening.T @ (best.weight * best.residual)
    wandered = np.minimum.outer(variance, variance) @ (problem.along.charge / VOLTAGE_SD_V * back)
    before = 0.0 if problem.offset is None else problem.offset
    if np.abs((wandered - before) * problem.along.charge).max() < _COUNTED_SD_V:
        return None
    edges = np.append(counted.start_s, counted.end_s)
    moved = np.interp(edges, np.append(0.0, counted.times_s), np.append(0.0, wandered))
    rate = counted.c_rate + np.diff(moved) / (np.diff(edges) / 3600)
    recounted = replace(replay, c_rate=rate)
    along = slopes_of(recounted, problem.cell, problem.health(best.theta), float(best.theta[0]))
    return problem.whitened(replay=recounted, along=along, offset=wandered)


def _prior_mean(replay: Replay, guess: Health, cell: ReferenceCell, own: OwnCurve | None) -> Array:
    """Start values: stoichiometry from the voltage at rest, health from the guess."""
    circuit = cell.circuit
    window = circuit.window(guess)
    socs = np.linspace(0, 1, 400)
    x, y = window.at(socs)
    # A window of pieces may begin under load, and its first voltages may be left out.
    before = float(replay.charge_at(replay.times_s[:1])[0]) * circuit.fresh_capacity_ah
    at = int(np.searchsorted(replay.start_s, replay.times_s[0], side="right")) - 1
    open_v = circuit.voltage(x, y)
    if own is not None:
        q_n = guess.eps_n * cell.ah_per_eps_n / circuit.fresh_capacity_ah
        open_v = np.maximum.accumulate(open_v + np.interp(x * q_n, own.charge, own.mean_v))
    soc = float(np.interp(replay.voltage_v[0] - _LOAD_OHM_AH * replay.c_rate[at], open_v, socs))
    soc -= before / float(window.capacity_ah)
    # On a flat curve that may be far off: what is charged and driven from there has room in the cell.
    moved = replay.charge_at(np.append(replay.start_s, replay.end_s)) * (
        circuit.fresh_capacity_ah / float(window.capacity_ah)
    )
    lowest, highest = _ROOM - float(moved.min()), 1 - _ROOM - float(moved.max())
    soc = min(max(soc, lowest), highest) if lowest < highest else 0.5 * (lowest + highest)
    return np.array([np.interp(soc, socs, x), *guess.changes(cell.fresh), 0.05, 0.0])


def _summary(problem: Problem, best: Point, prior: StatePrior | None) -> StateFit:
    inflation = _inflation(best)
    information = best.jacobian.T @ (best.weight[:, None] * best.jacobian) / inflation
    regular = information[np.ix_(_NUISANCE, _NUISANCE)] + np.diag(_PRIOR_SD[_NUISANCE] ** -2)
    cross = information[np.ix_(_WANTED, _NUISANCE)]
    covariance = np.asarray(np.linalg.inv(information + problem.precision))
    bias, off = float(best.theta[5]), np.abs(best.error)
    mean, left = best.theta[1:], covariance[1:, 1:]
    posterior = StatePrior(mean=mean, covariance=left) if prior is None else prior.fitted(mean, left)
    return StateFit(
        health=problem.health(best.theta),
        information=information[np.ix_(_WANTED, _WANTED)] - cross @ np.linalg.solve(regular, cross.T),
        posterior=posterior,
        bias_c=bias,
        chi2_per_n=_chi2(best),
        model_voltage_v=best.voltage_v,
        used=(best.weight > 0.5) & (problem.noise == 1),
        curve_v=problem.curve_v,
        log_evidence=problem.likely_curve(best).log_evidence if problem.known is None else 0.0,
        misfit_chi2_per_n=float((np.minimum(1.0, HUBER / np.maximum(off, 1e-9)) * off**2).mean()),
    )


def _chi2(best: Point) -> float:
    return float((best.weight * best.residual**2).mean())


def _inflation(best: Point) -> float:
    """By how much errors that go on from one voltage to the next tell less than as many independent ones."""
    moved = best.residual - best.residual.mean()
    lag = float(np.clip((moved[:-1] * moved[1:]).sum() / max((moved**2).sum(), 1e-12), 0.0, 0.97))
    return max(1.0, _chi2(best)) * (1 + lag) / (1 - lag)
