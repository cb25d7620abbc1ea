"""What the check-ups of a battery's past would have foretold of those after them, by all structures together.

Each time only the check-ups up to one are seen, as by a calibration on that day without telemetry; those
after it are compared. So it is reported how far the forecasts of this battery can be trusted, by the battery.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from twin.ageing import AgeingFit, fit_ageing, health_path
from twin.ensemble.fit import Observed
from twin.ensemble.mixture import PHYSICS, Foretold, fit_all, foretell, weigh
from twin.ensemble.physics import score_of
from twin.ensemble.quantiles import quantiles
from twin.ensemble.stress import Stress
from twin.health import Array
from twin.prior import AgeingPrior, discrepancy_growth
from twin.rates import RateModel

FEWEST = 2  # check-ups are observed before any is foretold


def physics_ahead(model: RateModel, draws: Array, now: float, days: Array, discrepancy: float) -> Array:
    """Capacity over nominal ``days`` ahead [d] of an age ``now`` [d] by PyBaMM's model: a row a draw of the
    unknowns, each with a fade of its own that is off by ``discrepancy`` times
    `twin.prior.discrepancy_growth`."""
    circuit = model.cell.circuit
    path = health_path(model, draws, now + np.append(0.0, days))
    share = (circuit.window(path).capacity_ah / circuit.fresh_capacity_ah).T
    ahead = share[:, :1] - share[:, 1:]
    stray = np.random.default_rng(0).normal(0.0, discrepancy, (len(draws), 1))
    return np.asarray(
        share[:, :1] - ahead - stray * discrepancy_growth(draws[:, 2:3] - share[:, :1], ahead) * ahead
    )


def checkups_ahead(
    model: RateModel,
    stress: Stress,
    fit: AgeingFit,
    observed: Observed,
    count: int,
    days: Array,
    physics: Array,
) -> tuple[Array, Array, Array]:
    """Low, median and high (90 %) of check-ups ``days`` ahead [d] by all structures.

    ``fit``: of PyBaMM's unknowns to the ``count`` check-ups ``observed``; ``physics``: as of `physics_ahead`;
    ``stress``: of the day that is lived. How check-ups scatter is in the band.
    """
    stated = foretell(
        fit_all(stress, observed, count, fit.prior.structures),
        stress,
        days,
        age_days=observed.last_days,
        fast=model.plating_share,
        discrepancy=fit.prior.discrepancy,
    )
    stated = [Foretold(name=PHYSICS, path=physics, score=score_of(fit)), *stated]
    weights = weigh(model.cell.spec.name, stated, fit.prior.structures)
    each = np.concatenate(
        [np.full(len(one.path), w / len(one.path)) for one, w in zip(stated, weights, strict=True)]
    )
    paths = np.vstack([one.path for one in stated])
    paths = paths * (1 + np.random.default_rng(2).normal(0.0, fit.capacity_sd, paths.shape))
    low, median, high = np.array([quantiles(column, each) for column in paths.T]).T
    return low, median, high


def hindcast(
    model: RateModel, stress: Stress, prior: AgeingPrior, ages: Array, capacity: Array, resistance: Array
) -> pd.DataFrame:
    """Every later check-up as foretold from each of the check-ups from the second on.

    ``ages`` [d, ascending], ``capacity`` over nominal, ``resistance`` as of `twin.ageing.fit_ageing`; every
    day is taken to be that of ``model`` and ``stress``. Columns: seen (check-ups up to then), at (index of
    the one foretold), days_ahead, soh, soh_low, soh_median, soh_high (90 %), held.
    """
    frames = []
    for count in range(FEWEST, len(ages)):
        fit = fit_ageing(
            model,
            age_days=float(ages[count - 1]),
            checkup_age_days=ages[:count],
            capacity_share=capacity[:count],
            resistance_share=resistance[:count],
            state=None,
            prior=prior,
        )
        observed = Observed(
            ages=ages[:count],
            capacity=capacity[:count],
            sd=fit.capacity_sd * capacity[:count],
            last_days=float(ages[count - 1]),
        )
        days = ages[count:] - ages[count - 1]
        physics = physics_ahead(model, fit.sample, observed.last_days, days, prior.discrepancy)
        low, median, high = checkups_ahead(model, stress, fit, observed, count, days, physics)
        frames.append(
            pd.DataFrame(
                {
                    "seen": count,
                    "at": np.arange(count, len(ages)),
                    "days_ahead": days,
                    "soh": capacity[count:],
                    "soh_low": low,
                    "soh_median": median,
                    "soh_high": high,
                    "held": (low <= capacity[count:]) & (capacity[count:] <= high),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
