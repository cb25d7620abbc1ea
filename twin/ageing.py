"""Stage B: ageing factors from check-ups and from what stage A saw, by maximum a posteriori.

The battery is taken to have lived its standard duty since it was commissioned. Unknown are the logarithms of
the two ageing factors, its capacity when new and its resistance when new. Priors: the chemistry's nominal
rates within a factor of two, capacity within the spread of production, so that a battery without data gets
the prior back, wide, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from twin.cell import Array, Health, ReferenceCell
from twin.life import Factors, time_grid, trajectory
from twin.opencircuit import open_circuit
from twin.rates import RateModel
from twin.state import StateFit

NAMES = ("sei_factor", "lam_factor", "capacity_scale", "resistance_when_new")
PRIOR_MEAN = np.array([0.0, 0.0, 1.0, np.log(0.06)])
PRIOR_SD = np.array([0.7, 0.7, 0.03, 0.7])
CAPACITY_SD = 0.005  # of a check-up, relative
RESISTANCE_SD = 0.02  # of a check-up, relative
FILM_SD = 0.1  # of the film's resistivity, relative to the growth seen
STATE_SD = 0.01  # what SPM and a standard duty leave unexplained in each health state of stage A


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeingFit:
    """Posterior of the ageing unknowns in the order of `NAMES` (factors and resistance as logarithms)."""

    mean: Array
    covariance: Array
    chi2_per_n: float
    observations: int

    @property
    def shrinkage(self) -> Array:
        """Posterior over prior standard deviation, by unknown: 1 means that the data said nothing."""
        return np.asarray(np.sqrt(np.diag(self.covariance)) / PRIOR_SD)

    def identifiability(self) -> str:
        """A verdict on each unknown, in words."""
        words = []
        for name, ratio in zip(NAMES, self.shrinkage, strict=True):
            verdict = "yes" if ratio < 0.5 else "partly" if ratio < 0.9 else "prior"
            words.append(f"{name}: {verdict} ({ratio:.2f})")
        return "; ".join(words)

    def draws(self, count: int, seed: int) -> Array:
        """``count`` draws of the posterior, one a row."""
        return np.random.default_rng(seed).multivariate_normal(self.mean, self.covariance, count)


def start_health(cell: ReferenceCell, capacity_scale: Array | float) -> Health:
    """Health of a new battery whose capacity is ``capacity_scale`` of nameplate."""
    scale, fresh = np.asarray(capacity_scale, dtype=float), cell.fresh
    return Health(
        sei_m=np.full(scale.shape, fresh.sei_m),
        eps_n=scale * fresh.eps_n,
        eps_p=scale * fresh.eps_p,
        lithium_ah=scale * fresh.lithium_ah,
    )


def health_at(model: RateModel, theta: Array, age_days: float) -> Health:
    """Health at an age for one vector of unknowns or for rows of them."""
    rows = np.atleast_2d(theta)
    factors = Factors(sei=np.exp(rows[:, 0]), lam=np.exp(rows[:, 1]))
    path = trajectory(model, start_health(model.cell, rows[:, 2]), factors, time_grid(max(age_days, 1.0)))
    return Health(
        sei_m=path.sei_m[-1], eps_n=path.eps_n[-1], eps_p=path.eps_p[-1], lithium_ah=path.lithium_ah[-1]
    )


def fit_ageing(
    model: RateModel,
    *,
    age_days: float,
    checkup_age_days: Array,
    capacity_share: Array,
    resistance_share: Array,
    state: StateFit | None,
) -> AgeingFit:
    """Fit the unknowns.

    ``checkup_age_days``: ascending; ``capacity_share``: capacity over nameplate; ``resistance_share``:
    resistance as ohm × Ah of the reference cell, NaN where not measured; ``state``: stage A's fit at
    ``age_days``, or None.
    """
    residuals = _residuals(model, age_days, checkup_age_days, capacity_share, resistance_share, state)
    solution = least_squares(residuals, PRIOR_MEAN, x_scale=PRIOR_SD, method="trf", max_nfev=40)
    jacobian = np.asarray(solution.jac)
    covariance = np.linalg.inv(jacobian.T @ jacobian)
    data = solution.fun[: -len(PRIOR_MEAN)]
    chi2 = float((data**2).mean()) if len(data) else 0.0
    # Data that scatter more than assumed are worth less than assumed.
    return AgeingFit(
        mean=solution.x,
        covariance=covariance * max(1.0, chi2),
        chi2_per_n=chi2,
        observations=len(data),
    )


def _residuals(
    model: RateModel,
    age_days: float,
    checkup_age_days: Array,
    capacity_share: Array,
    resistance_share: Array,
    state: StateFit | None,
) -> Callable[[Array], Array]:
    cell, circuit = model.cell, open_circuit(model.cell.name)
    days = np.unique(np.concatenate([time_grid(max(age_days, 1.0)), checkup_age_days]))
    at_checkup = np.searchsorted(days, checkup_age_days)
    now = int(np.searchsorted(days, age_days))
    measured = np.isfinite(resistance_share)
    film_scale = cell.film_ohm_per_m * circuit.fresh_capacity_ah
    root = _root_of(state)
    fresh = cell.fresh

    def residuals(theta: Array) -> Array:
        factors = Factors(sei=np.exp(theta[:1]), lam=np.exp(theta[1:2]))
        path = trajectory(model, start_health(cell, theta[2:3]), factors, days)
        at = Health(
            sei_m=path.sei_m[at_checkup, 0],
            eps_n=path.eps_n[at_checkup, 0],
            eps_p=path.eps_p[at_checkup, 0],
            lithium_ah=path.lithium_ah[at_checkup, 0],
        )
        share = circuit.window(at).capacity_ah / circuit.fresh_capacity_ah
        growth = film_scale * (at.sei_m - fresh.sei_m)
        resistance = np.exp(theta[3]) + growth
        parts = [
            (share - capacity_share) / (CAPACITY_SD * capacity_share),
            ((resistance - resistance_share) / np.hypot(RESISTANCE_SD * resistance_share, FILM_SD * growth))[
                measured
            ],
        ]
        if state is not None:
            seen = state.health
            difference = np.array(
                [
                    np.log(path.eps_n[now, 0] / seen.eps_n),
                    np.log(path.eps_p[now, 0] / seen.eps_p),
                    (path.lithium_ah[now, 0] - seen.lithium_ah) / fresh.lithium_ah,
                ]
            )
            parts.append(root @ difference)
        parts.append((theta - PRIOR_MEAN) / PRIOR_SD)
        return np.concatenate(parts)

    return residuals


def _root_of(state: StateFit | None) -> Array:
    """Square root of stage A's precision, softened by `STATE_SD`."""
    if state is None:
        return np.zeros((0, 3))
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
