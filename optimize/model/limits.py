"""How large a day's duty can sensibly be: beyond it further wear exceeds anything that a kWh could earn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimize.arrays import FloatArray
from optimize.model.pairs import Pairs
from optimize.tree import SiteTree
from optimize.types import DayProblem
from optimize.windows import SessionWindow

OTHER_OBJECTIVE_EUR_PER_KWH = 1000.0


def duty_limits(
    problem: DayProblem, windows: Sequence[SessionWindow], tree: SiteTree, pairs: Pairs
) -> FloatArray:
    """x_max of each car, [n] EFC: what its chargers could do, or less; cuts off no optimum of net benefit.

    It keeps exponentials finite. Where another objective comes first, wear may go as far as a marginal
    1,000 €/kWh.
    """
    possible = np.zeros(len(problem.cars))
    np.add.at(possible, pairs.car, pairs.data["discharge_limit"])
    for b, block in enumerate(problem.reserves):
        holds = (pairs.up == b).any(axis=0)
        room = pairs.data["discharge_limit"] + (
            pairs.data["charge_limit"] / pairs.data["efficiency_charge"] / pairs.data["efficiency_discharge"]
        )
        np.add.at(possible, pairs.car[holds], block.activation_share * room[holds])
    gain = 2.0 * _gain_eur_per_kwh(problem, windows, tree)
    rest_hours = 2.0 * max(24.0, len(problem.slots) * problem.slot_hours)
    return np.array(
        [
            min(
                kw * problem.slot_hours / car.capacity_kwh,
                car.wear.over(problem.duty_days).duty_at_slope_efc(
                    (gain + rest_hours * car.rest_price_eur_per_kwh_h) * car.capacity_kwh
                ),
            )
            for car, kw in zip(problem.cars, possible.tolist(), strict=True)
        ]
    )


def _gain_eur_per_kwh(problem: DayProblem, windows: Sequence[SessionWindow], tree: SiteTree) -> float:
    """More than a battery-side kWh discharged or called can ever earn, rest price apart."""
    co2 = float(np.abs(problem.co2_eur_per_kwh).max())
    buy = float(np.abs(problem.import_price_eur_per_kwh).max()) + co2
    sell = float(np.abs(problem.export_price_eur_per_kwh).max()) + co2
    peak = max(
        (sum(problem.sites[j].peak_price_eur_per_kw for j in path) for path in tree.paths), default=0.0
    )
    called = max(
        (
            abs(block.price_eur_per_kw_h) / block.activation_share
            for block in problem.reserves
            if block.activation_share > 0.0
        ),
        default=0.0,
    )
    efficiency = min((window.efficiency_charge for window in windows), default=1.0)
    gain = (
        sell
        + max((abs(window.value_eur_per_kwh) for window in windows), default=0.0)
        + peak / problem.slot_hours
    )
    gain += 2.0 * problem.change_price_eur_per_kwh + called
    gain += (problem.departure_price_eur_per_kwh + buy + peak / problem.slot_hours) / efficiency
    return gain if problem.objective == "net_benefit" else max(gain, OTHER_OBJECTIVE_EUR_PER_KWH)
