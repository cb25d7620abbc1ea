"""How large a day's duty can be: what the chargers can do, or what its wear allows."""

from __future__ import annotations

import numpy as np

from optimize.arrays import FloatArray
from optimize.model.pairs import Pairs
from optimize.types import DayProblem


def duty_limits(problem: DayProblem, pairs: Pairs, most_efc: FloatArray) -> FloatArray:
    """x_max of each car, [n] EFC: what its chargers could do, or `most_efc` (`most_duty`)."""
    possible = np.zeros(len(problem.cars))
    np.add.at(possible, pairs.car, pairs.data["discharge_limit"])
    for b, block in enumerate(problem.reserves):
        holds = (pairs.up == b).any(axis=0)
        room = pairs.data["discharge_limit"] + (
            pairs.data["charge_limit"] / pairs.data["efficiency_charge"] / pairs.data["efficiency_discharge"]
        )
        np.add.at(possible, pairs.car[holds], block.activation_share * room[holds])
    capacity = np.array([car.capacity_kwh for car in problem.cars])
    limits: FloatArray = np.minimum(possible * problem.slot_hours / capacity, most_efc)
    return limits
