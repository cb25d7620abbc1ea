"""Capacity to come, with a band that holds what the parameters leave open and what the model leaves out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.ageing import factors_of
from twin.health import Array, Health
from twin.life import time_grid, trajectory
from twin.prior import discrepancy_growth
from twin.rates import RateModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Capacity over nominal at the days asked for.

    ``best``: of the most probable unknowns; ``low``, ``median``, ``high``: 5 %, 50 % and 95 % quantiles.
    """

    best: Array
    low: Array
    median: Array
    high: Array


def forecast_capacity(
    model: RateModel,
    theta: Array,
    today: Health,
    days: Array,
    *,
    discrepancy: float,
    today_sd: float = 0.0,
    measured_sd: float = 0.0,
) -> Forecast:
    """Forecast ``days`` ahead [d, ascending], every day being the duty of ``model``.

    ``theta``: the most probable unknowns, then posterior draws, one a row; ``today``: health of each row, or
    one for all, whose capacity is then known to ``today_sd`` of nominal. Each draw's fade from now on is off
    by a share of its own, normal with the prior's ``discrepancy`` times `discrepancy_growth`;
    ``measured_sd``: of the check-ups that are foretold, relative; 0 for capacity itself.
    """
    circuit = model.cell.circuit
    rows = today.each(lambda value: np.broadcast_to(value, len(theta)))
    grid = np.union1d(time_grid(max(float(days[-1]), 1e-3)), np.append(0.0, days))
    path = trajectory(model, rows, factors_of(model, theta), grid)
    at = np.searchsorted(grid, np.append(0.0, days))
    share = circuit.window(path.at(at)).capacity_ah / circuit.fresh_capacity_ah
    draws, count = share[:, 1:], len(theta) - 1
    left_out = np.random.default_rng(0).normal(0.0, discrepancy, count)
    known = np.random.default_rng(1).normal(0.0, today_sd, count)
    noise = np.random.default_rng(2).normal(0.0, measured_sd, (len(days), count))
    ahead = draws[0] - draws[1:]
    drawn = draws[1:] + known - left_out * discrepancy_growth(theta[1:, 2] - draws[0], ahead) * ahead
    low, median, high = np.quantile(np.maximum(drawn * (1 + noise), 0.0), (0.05, 0.5, 0.95), axis=1)
    return Forecast(best=share[1:, 0], low=low, median=median, high=high)
