"""Stage B: ageing factors from check-ups and from what stage A saw, by maximum a posteriori and sampling.

Given are a duty's rates, check-ups against age and, of a battery in the field, stage A's state; a cell that
was cycled in a laboratory comes the same way. Unknown are the `twin.prior.NAMES`: factors of SEI growth and
of active-material loss, capacity and resistance when new, the bend of SEI growth, onset and strength of a
knee. The model is not taken for the truth: a check-up is trusted less the more capacity has faded since, by
the prior's ``discrepancy``, so that recent fade counts most. How well a check-up measures is not assumed but
estimated, from what they scatter about the fit.

The posterior is skewed (a knee may lie just ahead), so it is sampled: adaptive importance sampling that
starts from the Laplace approximation at the maximum (Cappé et al., Stat. Comput. 18, 2008).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from twin.energy import EnergyFit
from twin.health import Array, Health
from twin.life import Factors, time_grid, trajectory
from twin.prior import CHEMISTRY_PRIOR, NAMES, AgeingPrior, ForecastError, Scatter, spread_of
from twin.rates import RateModel
from twin.sampling import sample_posterior
from twin.state import StateFit

RESISTANCE_SD = 0.02  # of a check-up, relative
FILM_SD = 0.1  # of the film's resistivity, relative to the growth seen
STATE_SD = 0.01  # what SPM and a standard duty leave unexplained in each health state of stage A
_RECENT = 3  # check-ups whose mean stands for today's capacity
_ROUNDS = 5  # of a check-up's spread, which settles by halves at least
_KNEE = [NAMES.index("knee_fade"), NAMES.index("knee_gain")]
_SCALES = np.linspace(-8.0, 8.0, 33)
_FEWEST = 2  # check-ups on either side of a forecast that is put to the test
_STEP = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeingFit:
    """Posterior of the ageing unknowns in the order of `NAMES`.

    ``mean``: the most probable values; ``sample``: posterior draws, one a row; ``covariance``: of the
    sample; ``surprise``: how a forecast from the earlier half of the check-ups fared, None with too few;
    ``scatter``: of the check-ups, None without; ``capacity_sd``: what one is taken to be good to, relative.
    """

    mean: Array
    covariance: Array
    sample: Array
    prior: AgeingPrior
    chi2_per_n: float
    observations: int
    capacity_sd: float
    scatter: Scatter | None
    surprise: ForecastError | None = None

    @property
    def shrinkage(self) -> Array:
        """Posterior over prior standard deviation, by unknown: 1 means that the data said nothing."""
        return np.asarray(np.minimum(np.sqrt(np.diag(self.covariance)) / self.prior.sd, 1.0))

    def identifiability(self) -> str:
        """A verdict on each unknown, the condition of the covariance and its strongest correlation."""
        words = []
        for name, ratio in zip(NAMES, self.shrinkage, strict=True):
            verdict = "yes" if ratio < 0.5 else "prior-dominated" if ratio < 0.9 else "no"
            words.append(f"{name}: {verdict} ({ratio:.2f})")
        scaled = self.covariance / np.outer(self.prior.sd, self.prior.sd)
        deviation = np.sqrt(np.diag(scaled))
        correlation = scaled / np.outer(deviation, deviation) - np.eye(len(NAMES))
        i, j = np.unravel_index(np.argmax(np.abs(correlation)), correlation.shape)
        words.append(f"condition {np.linalg.cond(scaled):.0f}")
        words.append(f"{NAMES[i]} and {NAMES[j]} correlate {correlation[i, j]:+.2f}")
        if self.prior.siblings:
            words.append(f"prior of {self.prior.siblings} siblings")
        return "; ".join(words)

    def draws(self, count: int, seed: int) -> Array:
        """``count`` draws of the posterior, one a row."""
        return np.asarray(np.random.default_rng(seed).choice(self.sample, count))


def factors_of(model: RateModel, theta: Array) -> Factors:
    """The `Factors` of one vector of unknowns or of rows of them, on the duty of ``model``."""
    rows = np.atleast_2d(theta)
    return Factors(
        sei=np.exp(rows[:, 0]),
        lam=np.exp(rows[:, 1]),
        sei_bend=rows[:, 4],
        knee_lithium_ah=model.cell.fresh.lithium_ah * (rows[:, 2] - np.exp(rows[:, 5])),
        knee_gain=np.exp(rows[:, 6]) * model.plating_share,
    )


def health_path(model: RateModel, theta: Array, ages: Array) -> Health:
    """Health at each of ``ages`` [d, ascending] on a first axis, for rows of unknowns on a second."""
    rows = np.atleast_2d(theta)
    days = np.union1d(time_grid(max(float(ages[-1]), 1e-3)), ages)
    path = trajectory(model, model.cell.fresh.scaled(rows[:, 2]), factors_of(model, rows), days)
    return path.at(np.searchsorted(days, ages))


def health_at(model: RateModel, theta: Array, age_days: float) -> Health:
    """Health at an age for one vector of unknowns or for rows of them."""
    return health_path(model, theta, np.array([age_days])).at(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    """One battery's data against rows of unknowns; check-ups may be none, ``state`` may be None."""

    model: RateModel
    age_days: float
    ages: Array
    capacity: Array
    resistance: Array
    state: StateFit | None
    prior: AgeingPrior
    capacity_sd: float
    today: EnergyFit | None = None

    def data(self, theta: Array) -> Array:
        """Standardised residuals of the data, one row a vector of unknowns."""
        cell, circuit = self.model.cell, self.model.cell.circuit
        path = health_path(self.model, theta, np.append(self.ages, self.age_days))
        observed = path.at(slice(-1)).each(np.transpose)
        share = circuit.window(observed).capacity_ah / circuit.fresh_capacity_ah
        growth = cell.film_ohm_per_m * circuit.fresh_capacity_ah * (observed.sei_m - cell.fresh.sei_m)
        resistance = np.exp(theta[:, 3:4]) + growth
        known = np.isfinite(self.resistance)
        spread = np.hypot(RESISTANCE_SD * self.resistance, FILM_SD * growth)
        parts = [
            (share - self.capacity) / self.spread(),
            ((resistance - self.resistance) / spread)[:, known],
        ]
        if self.today is not None:
            # As a capacity, not as what of the health it would be by its slopes: a knee is far from these.
            now = circuit.window(path.at(-1)).capacity_ah / circuit.fresh_capacity_ah
            parts.append((now[:, None] - self.today.share) / self.today.sd)
        elif self.state is not None:
            measured = self.state.health
            difference = np.column_stack(
                [
                    np.log(path.eps_n[-1] / measured.eps_n),
                    np.log(path.eps_p[-1] / measured.eps_p),
                    (path.lithium_ah[-1] - measured.lithium_ah) / cell.fresh.lithium_ah,
                ]
            )
            parts.append(difference @ _root_of(self.state).T)
        return np.hstack(parts)

    def spread(self) -> Array:
        """Standard deviation of each check-up's capacity: of measuring it, and of the model since."""
        if not len(self.capacity):
            return self.capacity
        faded = np.abs(self.capacity - self.capacity[-_RECENT:].mean())
        return np.asarray(np.hypot(self.capacity_sd * self.capacity, self.prior.discrepancy * faded))

    def scatter(self, theta: Array) -> Scatter:
        """What the check-ups scatter about the fit ``theta``, each by how much of its spread is its own.

        A fit follows its data: by its leverage (the hat matrix's diagonal) a check-up loses freedom.
        """
        n = len(self.capacity)
        jacobian = self.jacobian(theta)
        hat = jacobian[:n] @ np.linalg.inv(jacobian.T @ jacobian) @ jacobian[:n].T
        spread = self.spread()
        own = (self.capacity_sd * self.capacity / spread) ** 2
        error = self.data(theta[None])[0, :n] * spread / self.capacity
        return Scatter(
            squares=float((own**2 * error**2).sum()), freedom=float((own * (1 - np.diag(hat))).sum())
        )

    def residuals(self, theta: Array) -> Array:
        """Standardised residuals of data and prior."""
        return np.hstack([self.data(theta), (theta - self.prior.mean) / self.prior.sd])

    def jacobian(self, theta: Array) -> Array:
        """Central differences of `residuals` at one vector."""
        steps = _STEP * np.eye(len(NAMES))
        both = self.residuals(np.vstack([theta + steps, theta - steps]))
        return np.asarray((both[: len(NAMES)] - both[len(NAMES) :]).T / (2 * _STEP))

    def start(self) -> Array:
        """The prior's mean with both factors scaled to give the fade that was last measured."""
        tried = np.repeat(self.prior.mean[None], len(_SCALES), axis=0)
        tried[:, :2] += _SCALES[:, None]
        cost = (self.residuals(tried) ** 2).sum(axis=1)
        return np.asarray(tried[np.argmin(np.where(np.isfinite(cost), cost, np.inf))])


def fit_ageing(
    model: RateModel,
    *,
    age_days: float,
    checkup_age_days: Array,
    capacity_share: Array,
    resistance_share: Array,
    state: StateFit | None,
    today: EnergyFit | None = None,
    prior: AgeingPrior = CHEMISTRY_PRIOR,
) -> AgeingFit:
    """Fit the unknowns.

    ``checkup_age_days``: ascending, none after ``age_days``; ``capacity_share``: capacity over nameplate;
    ``resistance_share``: resistance as ohm × Ah of the reference cell, NaN where not measured; ``state``:
    stage A's fit at ``age_days``, or None; ``today``: the capacity alone that it stands for, if it does.
    """
    problem = _Problem(
        model=model,
        age_days=age_days,
        ages=checkup_age_days,
        capacity=capacity_share,
        resistance=resistance_share,
        state=state,
        prior=prior,
        capacity_sd=prior.capacity_sd,
        today=today,
    )
    fit = _posterior(problem)
    return replace(fit, surprise=_forecast_error(problem, fit.capacity_sd))


def _mode(problem: _Problem, start: Array) -> Array:
    """The most probable unknowns."""

    def residuals(theta: Array) -> Array:
        return np.asarray(problem.residuals(theta[None])[0])

    solution = least_squares(
        residuals,
        start,
        jac=problem.jacobian,
        x_scale=problem.prior.sd,
        method="trf",
        max_nfev=40,
    )
    return np.asarray(solution.x, dtype=np.float64)


def _posterior(problem: _Problem) -> AgeingFit:
    prior = problem.prior
    scatter: Scatter | None = None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        mode = _mode(problem, problem.start())
        if len(problem.capacity):
            for _ in range(_ROUNDS):
                scatter = problem.scatter(mode)
                problem = replace(problem, capacity_sd=spread_of(prior.capacity_sd, [scatter]))
            mode = _mode(problem, mode)
        data = problem.data(mode[None])[0]
        chi2 = float((data**2).mean()) if len(data) else 0.0
        # Data that scatter more than assumed are worth less than assumed.
        temper = max(1.0, chi2)

        def log_density(rows: Array) -> Array:
            of_data = (problem.data(rows) ** 2).sum(axis=1) / temper
            return np.asarray(-0.5 * (of_data + (((rows - prior.mean) / prior.sd) ** 2).sum(axis=1)))

        jacobian = problem.jacobian(mode)
        sample = sample_posterior(
            log_density,
            mode,
            np.asarray(np.linalg.inv(jacobian.T @ jacobian) * temper, dtype=np.float64),
            prior_mean=prior.mean,
            prior_sd=prior.sd,
            loose=_KNEE,
        )
    return AgeingFit(
        mean=mode,
        covariance=np.asarray(np.cov(sample.T), dtype=np.float64),
        sample=sample,
        prior=prior,
        chi2_per_n=chi2,
        observations=len(data),
        capacity_sd=problem.capacity_sd,
        scatter=scatter,
    )


def _forecast_error(problem: _Problem, capacity_sd: float) -> ForecastError | None:
    """How the last check-ups compare with their forecast from the earlier half of all.

    ``capacity_sd``: of a check-up, by all of them.
    """
    half = len(problem.ages) // 2
    if half < _FEWEST:
        return None
    earlier = replace(
        problem,
        age_days=float(problem.ages[half - 1]),
        ages=problem.ages[:half],
        capacity=problem.capacity[:half],
        resistance=problem.resistance[:half],
        state=None,
        today=None,
        prior=replace(problem.prior, capacity_sd=capacity_sd),
    )
    count = min(_RECENT, len(problem.ages) - half)
    path = health_path(
        problem.model, _posterior(earlier).sample, np.append(problem.ages[half - 1], problem.ages[-count:])
    )
    circuit = problem.model.cell.circuit
    share = circuit.window(path).capacity_ah / circuit.fresh_capacity_ah
    last = share[1:].mean(axis=0)
    return ForecastError(
        error=float(problem.capacity[-count:].mean() - np.median(last)),
        step=float(np.median(share[0]) - np.median(last)),
        sd=float(np.hypot(np.std(last), capacity_sd / np.sqrt(count))),
    )


def _root_of(state: StateFit) -> Array:
    """Square root of stage A's precision, softened by `STATE_SD`."""
    values, vectors = np.linalg.eigh(state.information)
    values = np.maximum(values, 0.0)
    softened = values / (1 + values * STATE_SD**2)
    return np.asarray(np.sqrt(softened)[:, None] * vectors.T)


def checkup_arrays(
    checkups: pd.DataFrame, commissioned_utc: pd.Timestamp, *, nominal_ah: float, ohm_ah_per_pack_ohm: float
) -> tuple[Array, Array, Array]:
    """Check-ups as `fit_ageing` wants them: ages [d], capacity shares, resistance shares."""
    if not len(checkups):
        empty = np.zeros(0)
        return empty, empty, empty
    ordered = checkups.sort_values("time_utc")
    age = (ordered["time_utc"] - commissioned_utc).dt.total_seconds().to_numpy() / 86400
    keep = age >= 0
    return (
        age[keep],
        ordered["capacity_ah"].to_numpy(dtype=float)[keep] / nominal_ah,
        ordered["resistance_ohm"].to_numpy(dtype=float)[keep] * ohm_ah_per_pack_ohm,
    )
