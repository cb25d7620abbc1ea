"""Capacity to come, with a band that holds what the parameters leave open and what the model leaves out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.ageing import CAPACITY_SD, AgeingFit, health_path
from twin.cell import Array
from twin.opencircuit import open_circuit
from twin.rates import RateModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Capacity over nominal at the ages asked for: 5 %, 50 % and 95 % quantiles of what will be measured."""

    low: Array
    median: Array
    high: Array


def forecast_capacity(
    model: RateModel, fit: AgeingFit, now_days: float, ages: Array, *, measured_sd: float = CAPACITY_SD
) -> Forecast:
    """Forecast from ``now_days`` for ``ages`` [d, ascending, later], every day being the duty of ``model``.

    Each posterior draw's fade from now on is off by a share of its own, normal with the prior's
    ``discrepancy``; ``measured_sd``: of a check-up, relative.
    """
    circuit = open_circuit(model.cell.name)
    path = health_path(model, fit.sample, np.append(now_days, ages))
    share = circuit.window(path).capacity_ah / circuit.fresh_capacity_ah
    rng = np.random.default_rng(0)
    left_out = rng.normal(0.0, fit.prior.discrepancy, share.shape[1])
    noise = rng.normal(0.0, measured_sd, share[1:].shape)
    drawn = share[1:] - left_out * (share[0] - share[1:])
    low, median, high = np.quantile(np.maximum(drawn * (1 + noise), 0.0), (0.05, 0.5, 0.95), axis=1)
    return Forecast(low=low, median=median, high=high)
