"""One structure's posterior from check-ups, and how it foretold the later ones from the earlier.

Priors are normal, so the maximum is found by Gauss-Newton and the posterior sampled about it
(`twin.sampling`). How well the later check-ups were foretold (the logarithm of the density that the earlier
half gave their mean) is what structures are weighed by: each by the same check-ups, none by what it was
fitted to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from twin.ensemble.growth import Structure
from twin.health import Array
from twin.sampling import sample_posterior

LATEST = 3  # check-ups whose mean is foretold
_FEWEST = 2  # on either side
_STRAY = 0.03  # of the fade since, by which a structure may miss an earlier check-up
FORETELL = 0.15  # of the fade foretold, by which it may miss a later one
_ANYWHERE, _WIDTH = 0.05, 0.3  # part of a forecast that is no forecast, over so much capacity
_STEPS, _DELTA = 20, 1e-4
_STARTS, _HEAVY, _CONVERGED = 60, 1e8, 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Capacity over nominal at ages [d] with its standard deviation; ``last_days``: today's age."""

    ages: Array
    capacity: Array
    sd: Array
    last_days: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureFit:
    """Equally weighted draws of the unknowns; ``score``: of the later check-ups, None with few."""

    structure: Structure
    sample: Array
    score: float | None


def fit_structure(structure: Structure, observed: Observed, checkups: int) -> StructureFit:
    """Fit to all, and to the earlier half of the ``checkups`` that come first in ``observed``."""
    half = checkups // 2
    score = None
    if half >= _FEWEST:
        early = replace(
            observed,
            ages=observed.ages[:half],
            capacity=observed.capacity[:half],
            sd=observed.sd[:half],
            last_days=float(observed.ages[half - 1]),
        )
        score = _score(structure, _posterior(structure, early), observed, half, checkups)
    return StructureFit(structure=structure, sample=_posterior(structure, observed), score=score)


def log_density(draws: Array, spread: Array, value: float) -> float:
    """Logarithm of a forecast's density: draws, each with a normal spread; a little of it lies anywhere."""
    normal = np.exp(-0.5 * ((value - draws) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
    return float(np.log((1 - _ANYWHERE) * normal.mean() + _ANYWHERE / _WIDTH))


def _score(structure: Structure, sample: Array, observed: Observed, half: int, checkups: int) -> float:
    count = min(LATEST, checkups - half)
    later = slice(checkups - count, checkups)
    stated = structure.capacity(sample, np.append(observed.ages[half - 1], observed.ages[later]))
    mean = stated[:, 1:].mean(axis=1)
    spread = np.hypot(FORETELL * np.abs(stated[:, 0] - mean), observed.sd[later].mean() / np.sqrt(count))
    return log_density(mean, spread, float(observed.capacity[later].mean()))


def _posterior(structure: Structure, observed: Observed) -> Array:
    mean, sd = structure.mean, structure.sd
    faded = (
        np.abs(observed.capacity - observed.capacity[-LATEST:].mean())
        if len(observed.capacity)
        else observed.capacity
    )
    spread = np.hypot(observed.sd, _STRAY * faded)

    def residuals(rows: Array) -> Array:
        data = (structure.capacity(rows, observed.ages) - observed.capacity) / spread
        return np.hstack([data, structure.off(rows)])

    def density(rows: Array) -> Array:
        return np.asarray(-0.5 * (residuals(rows) ** 2).sum(axis=1))

    with np.errstate(all="ignore"):
        mode = _mode(residuals, density, _starts(mean, sd), sd)
        steps = _DELTA * np.diag(sd)
        table = residuals(np.vstack([mode + steps, mode - steps]))
        jacobian = (table[: len(mode)] - table[len(mode) :]).T / (2 * _DELTA * sd)
        return sample_posterior(
            density,
            mode,
            np.asarray(np.linalg.inv(jacobian.T @ jacobian)),
            prior_mean=mean,
            prior_sd=sd,
            loose=(),
        )


def _starts(mean: Array, sd: Array) -> Array:
    """The prior's mean, and draws of it: the same each time."""
    drawn = mean + sd * np.random.default_rng(5).normal(size=(_STARTS, len(mean)))
    return np.vstack([mean, drawn])


def _mode(
    residuals: Callable[[Array], Array], density: Callable[[Array], Array], starts: Array, sd: Array
) -> Array:
    """The most probable unknowns, by damped Gauss-Newton steps from the best of ``starts``."""
    costs = np.nan_to_num(density(starts), nan=-np.inf)
    mode, cost, damping = starts[int(np.argmax(costs))], float(costs.max()), 1e-2
    steps, count = _DELTA * np.diag(sd), len(sd)
    for _ in range(_STEPS):
        table = residuals(np.vstack([mode[None], mode + steps, mode - steps]))
        jacobian = (table[1 : 1 + count] - table[1 + count :]).T / (2 * _DELTA * sd)
        normal, slope = jacobian.T @ jacobian, jacobian.T @ table[0]
        tried = [damping * 10.0**power for power in (-2, -1, 0, 1, 2, 4)]
        damped = normal + np.array(tried)[:, None, None] * np.diag(sd**-2.0)
        moved = (
            mode - np.linalg.solve(damped, np.broadcast_to(slope[:, None], (len(tried), count, 1)))[..., 0]
        )
        costs = np.nan_to_num(density(moved), nan=-np.inf)
        best = int(np.argmax(costs))
        if costs[best] <= cost:
            if damping > _HEAVY:
                break
            damping *= 1e4
            continue
        converged = costs[best] - cost < _CONVERGED
        mode, cost, damping = moved[best], float(costs[best]), max(1e-6, tried[best])
        if converged:
            break
    return np.asarray(mode)
