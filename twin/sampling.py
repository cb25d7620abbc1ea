"""Adaptive importance sampling of a posterior that is nearly, not quite, normal.

Proposals are Student mixtures (5 degrees of freedom): first the Laplace approximation and a copy of it with
the loosely held unknowns spread over their prior, then a normal fit to the weighted sample, twice. All
rounds count, each point weighted against the mixture of all proposals (deterministic mixture weights, Cornuet
et al., Scand. J. Stat. 39, 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from twin.health import Array

DRAWS = 200
_ROUND = 300
_ROUNDS = 3
_FREEDOM = 5.0


def sample_posterior(
    log_density: Callable[[Array], Array],
    mode: Array,
    covariance: Array,
    *,
    prior_mean: Array,
    prior_sd: Array,
    loose: Sequence[int],
) -> Array:
    """`DRAWS` equally weighted draws, one a row, the same for the same problem.

    ``log_density``: of rows, up to a constant, NaN where impossible; ``covariance``: at ``mode``; ``loose``:
    unknowns that may go anywhere in their prior.
    """
    rng = np.random.default_rng(0)
    wide, wide_mean, held = covariance.copy(), mode.copy(), list(loose)
    wide[held, :], wide[:, held] = 0.0, 0.0
    wide[held, held], wide_mean[held] = prior_sd[held] ** 2, prior_mean[held]
    proposals = [(mode, covariance), (wide_mean, wide)]
    points, density, used = [], [], []
    for _ in range(_ROUNDS):
        for mean, spread in proposals:
            rows = _student(rng, mean, spread, _ROUND // len(proposals))
            values = log_density(rows)
            points.append(rows)
            density.append(np.where(np.isfinite(values), values, -np.inf))
            used.append((mean, spread, len(rows)))
        everything = np.vstack(points)
        mixture = np.logaddexp.reduce(
            [_log_student(everything, mean, spread) + np.log(n) for mean, spread, n in used], axis=0
        )
        log_weight = np.concatenate(density) - mixture
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        # Truncated weights: one lucky point must not become the next proposal.
        blunt = np.minimum(weight, 5 / len(weight))
        blunt /= blunt.sum()
        mean = blunt @ everything
        moved = everything - mean
        spread = 1.2 * moved.T @ (moved * blunt[:, None]) + 1e-4 * np.diag(prior_sd**2)
        proposals = [(mean, spread)]
    # Systematic resampling keeps every share of the weight to within one draw.
    ladder = (np.arange(DRAWS) + 0.5) / DRAWS
    return np.asarray(everything[np.searchsorted(np.cumsum(weight), ladder).clip(0, len(weight) - 1)])


def _student(rng: np.random.Generator, mean: Array, spread: Array, count: int) -> Array:
    normal = rng.standard_normal((count, len(mean)))
    scale = np.sqrt(rng.chisquare(_FREEDOM, count) / _FREEDOM)
    return np.asarray(mean + (normal / scale[:, None]) @ np.linalg.cholesky(spread).T)


def _log_student(rows: Array, mean: Array, spread: Array) -> Array:
    root = np.linalg.cholesky(spread)
    standard = np.linalg.solve(root, (rows - mean).T)
    tails = (_FREEDOM + len(mean)) / 2 * np.log1p((standard**2).sum(axis=0) / _FREEDOM)
    return np.asarray(-tails - np.log(np.diag(root)).sum())
