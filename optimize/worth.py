"""What each term of the objective can at most be worth, and how far wear can pay.

Idling everything is a plan of every day, and it wears nothing. So the wear C_i(x_i) of any car in a best plan
is at most what all other terms together gain over idling, and that is at most
    T = Σ over terms of what moving everything as far as it goes, in every slot, could bring.
The duty x_i with C_i(x_i) = T bounds the car's duty and cuts off no best plan, whatever binaries, least
powers, shared limits and pooled bids tie the cars together; a price per kWh would know nothing of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimize.arrays import FloatArray
from optimize.types import DayProblem
from optimize.windows import SessionWindow


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reach:
    """How far a day's cars can go. moved_kwh [T]: from all of them charging to all discharging, metered."""

    problem: DayProblem
    windows: Sequence[SessionWindow]
    moved_kwh: FloatArray


def reach(problem: DayProblem, windows: Sequence[SessionWindow]) -> Reach:
    """The reach of a day, as if every car could discharge in every slot."""
    change = np.zeros(len(problem.slots) + 1)
    kwh = problem.slot_hours * np.array(
        [
            window.charge_limit_kw / window.efficiency_charge
            + window.discharge_limit_kw * window.efficiency_discharge
            for window in windows
        ]
    )
    np.add.at(change, np.array([window.first for window in windows], dtype=np.int64), kwh)
    np.add.at(change, np.array([window.end for window in windows], dtype=np.int64), -kwh)
    # What adding and taking away leaves of rounding must not make anything worth less than nothing.
    moved = np.maximum(np.cumsum(change)[:-1], 0.0)
    return Reach(problem=problem, windows=windows, moved_kwh=moved)


def energy_eur(at: Reach) -> float:
    """At the dearer of both prices, behind whichever meter."""
    buy, sell = at.problem.import_price_eur_per_kwh, at.problem.export_price_eur_per_kwh
    return float(at.moved_kwh @ np.maximum(np.abs(buy), np.abs(sell)))


def emissions_eur(at: Reach) -> float:
    """At what emissions add to the price."""
    return float(at.moved_kwh @ np.abs(at.problem.co2_eur_per_kwh))


def change_eur(at: Reach) -> float:
    """Every kWh back where the plan in force had it."""
    followed = at.problem.previous_kw is not None
    return float(at.moved_kwh.sum()) * at.problem.change_price_eur_per_kwh if followed else 0.0


def peak_eur(at: Reach) -> float:
    """The tallest change of power off every priced peak."""
    price = sum(site.peak_price_eur_per_kw for site in at.problem.sites)
    return price * float(at.moved_kwh.max()) / at.problem.slot_hours


def reserve_eur(at: Reach) -> float:
    """All power there is held for every block."""
    return sum(
        abs(block.price_eur_per_kw_h)
        * (block.up + block.down)
        * float(at.moved_kwh[block.first_slot : block.end_slot].sum())
        for block in at.problem.reserves
    )


def departure_eur(at: Reach) -> float:
    """Everything owed at all departures."""
    owed = sum(
        window.missing_weight * max(0.0, window.target_kwh - window.arrival_kwh) for window in at.windows
    )
    return owed * at.problem.departure_price_eur_per_kwh


def stored_eur(at: Reach) -> float:
    """Every battery from full to empty, or the other way."""
    return sum(
        abs(window.value_eur_per_kwh) * (window.ceiling_kwh - window.floor_kwh) for window in at.windows
    )


def rest_eur(at: Reach) -> float:
    """No battery resting charged."""
    return at.problem.slot_hours * sum(
        at.problem.cars[window.car].rest_price_eur_per_kwh_h
        * window.ceiling_kwh
        * (window.end - window.first)
        for window in at.windows
    )
