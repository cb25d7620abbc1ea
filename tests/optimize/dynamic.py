"""The optimum of one car by an exact dynamic programme, where its numbers lie on a grid of energy steps."""

from __future__ import annotations

import numpy as np

from optimize.types import DayProblem


def grid_objective(problem: DayProblem, step_kwh: float) -> float:
    """Largest v2g objective of one car in one session that starts and owes whole steps, with linear wear.

    The charger moves exactly one step a slot, in or out, or none; a vertex of such a chain moves whole steps.
    """
    (one,), (session,) = problem.cars, problem.sessions
    levels = np.arange(round(one.capacity_kwh / step_kwh) + 1)
    low, high = (
        round(one.soc_min * one.capacity_kwh / step_kwh),
        round(one.soc_max * one.capacity_kwh / step_kwh),
    )
    start = round(session.arrival_soc * one.capacity_kwh / step_kwh)
    target = round(session.departure_soc * one.capacity_kwh / step_kwh)
    missing = np.maximum(0, target - levels) * step_kwh
    value = (levels - start) * step_kwh * problem.terminal_value_eur_per_kwh
    value = value - problem.departure_price_eur_per_kwh * missing
    value[(levels < low) | (levels > high)] = -np.inf
    wear = one.wear.cost_eur(step_kwh / one.capacity_kwh)
    for t in reversed(range(len(problem.slots))):
        buy = problem.import_price_eur_per_kwh[t] * step_kwh / one.efficiency_charge
        sell = problem.export_price_eur_per_kwh[t] * step_kwh * one.efficiency_discharge - wear
        best = value.copy()
        best[:-1] = np.maximum(best[:-1], value[1:] - buy)
        best[1:] = np.maximum(best[1:], value[:-1] + sell)
        best[(levels < low) | (levels > high)] = -np.inf
        value = best
    return float(value[start])
