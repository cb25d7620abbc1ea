"""The PyBaMM twin as one member of the ensemble: its posterior's lives, with what its own intervals hold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twin.ageing import AgeingFit, factors_of
from twin.ensemble.fit import FORETELL, log_density
from twin.ensemble.mixture import PHYSICS, Draws, grid_days
from twin.health import Array, Health
from twin.life import HORIZON_DAYS, days_until, time_grid, trajectory
from twin.lives import Lives
from twin.prior import discrepancy_growth
from twin.rates import RateModel


def physics_draws(
    base: RateModel,
    theta: Array,
    today: Health,
    fit: AgeingFit,
    lives: Lives,
    *,
    l0_parts: Mapping[str, float],
    wear_parts: Mapping[str, float],
    rest_slope: float,
    end_soh: float,
) -> Draws:
    """Draws of the ordinary day's life and wear; row 0 of ``theta`` and ``today`` is the best estimate.

    ``l0_parts``, ``wear_parts``: relative spreads that the draws do not hold (`twin.intervals`), without what
    the prior's discrepancy tells;
    ``rest_slope``: change of 1/L with the SoC of rest [1/d], of the best estimate.
    """
    count, rng = len(lives.l0_draws), np.random.default_rng(23)
    l0_sd, wear_sd = (float(np.linalg.norm(list(parts.values()))) for parts in (l0_parts, wear_parts))
    path = _path(base, theta, today, fit.prior.discrepancy, np.exp(rng.normal(0.0, l0_sd, (count, 1))))
    l0 = np.maximum(days_until(grid_days(), path.T, end_soh), 1.0)
    ratio = np.log(np.maximum(lives.life_draws, 0.1) / np.maximum(lives.l0_draws, 1.0)[:, None])
    rates = base.at(today.at(slice(1, None)))
    factors = factors_of(base, theta[1:])
    film = factors.sei * rates.sei_m * base.cell.sei_ah_per_m_eps * today.eps_n[1:]
    material = factors.lam * rates.lam_lithium_ah
    return Draws(
        name=PHYSICS,
        l0=l0,
        log_ratio=np.minimum(ratio, 0.0) * np.exp(rng.normal(0.0, wear_sd, (count, 1))),
        when_new=np.maximum(l0 * lives.when_new / max(lives.l0, 1.0), l0),
        rest_slope=rest_slope * max(lives.l0, 1.0) / l0,
        calendar=np.asarray(film / (film + material)),
        path=path,
        score=score_of(fit),
    )


def _path(base: RateModel, theta: Array, today: Health, discrepancy: float, slower: Array) -> Array:
    """Capacity over nominal by row and day; ``slower``: what stretches the time of each row."""
    circuit, days = base.cell.circuit, time_grid(HORIZON_DAYS)
    path = trajectory(base, today.at(slice(1, None)), factors_of(base, theta[1:]), days)
    share = (circuit.window(path).capacity_ah / circuit.fresh_capacity_ah).T
    asked, known = np.sqrt(grid_days() / slower), np.sqrt(days)
    share = np.array([np.interp(at, known, row) for at, row in zip(asked, share, strict=True)])
    ahead = share[:, :1] - share
    stray = np.random.default_rng(0).normal(0.0, discrepancy, (len(share), 1))
    observed = theta[1:, 2:3] - share[:, :1]
    return np.asarray(
        share[:, :1] - ahead * np.maximum(1 + stray * discrepancy_growth(observed, ahead), 0.05)
    )


def score_of(fit: AgeingFit) -> float | None:
    """How PyBaMM foretold the later half of the check-ups, as `twin.ensemble.fit` has it of the others."""
    stated = fit.surprise
    if stated is None:
        return None
    spread = np.array([np.hypot(stated.sd, FORETELL * stated.step)])
    return log_density(np.zeros(1), spread, stated.error)
