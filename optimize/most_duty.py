"""The largest duty that a car's wear allows in any best plan; see `worth` for why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimize.arrays import FloatArray
from optimize.rulebook import RULES
from optimize.types import DayProblem
from optimize.windows import SessionWindow
from optimize.worth import reach

OTHER_OBJECTIVE_EUR_PER_KWH = 2000.0


def most_worth_eur(problem: DayProblem, windows: Sequence[SessionWindow]) -> float:
    """More than all terms but wear can gain over idling; see `worth`."""
    at = reach(problem, windows)
    return sum(rule.worth(at) for rule in RULES if rule.worth is not None)


def most_duty_efc(problem: DayProblem, windows: Sequence[SessionWindow]) -> FloatArray:
    """The duty of each car that its wear allows in any best plan of the day, [n] EFC."""
    return duty_at_worth_efc(problem, most_worth_eur(problem, windows))


def duty_at_worth_efc(problem: DayProblem, most_eur: float) -> FloatArray:
    """The duty of each car that alone wears so much, [n] EFC; inf where wear costs nothing.

    It keeps exponentials finite. Where another objective comes before net benefit, wear may at least go as
    far as a marginal 2,000 €/kWh.
    """
    price = 0.0 if problem.objective == "net_benefit" else OTHER_OBJECTIVE_EUR_PER_KWH
    found = []
    for car in problem.cars:
        wear = car.wear.over(problem.duty_days)
        found.append(max(wear.duty_at_cost_efc(most_eur), wear.duty_at_slope_efc(price * car.capacity_kwh)))
    return np.array(found)
