"""What the rulebook asks of a day: whether a rule is at work in it, and in which slots it changes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from optimize.arrays import FloatArray
from optimize.types import DayProblem


def steps(*values: FloatArray) -> list[int]:
    """Slots whose values differ from those of the slot before."""
    return [int(slot) + 1 for value in values for slot in np.flatnonzero(np.diff(value))]


def followed(problem: DayProblem) -> bool:
    """Whether leaving a plan in force costs anything."""
    return problem.previous_kw is not None and problem.change_price_eur_per_kwh > 0.0


def selling_pays_at_a_meter(problem: DayProblem) -> bool:
    """Whether a shared meter nets where export earns more than import costs."""
    shared = any(site.metering == "site" for site in problem.sites)
    return shared and bool(np.any(problem.export_price_eur_per_kwh > problem.import_price_eur_per_kwh))


def several_contracts(problem: DayProblem) -> bool:
    """Whether a contract limits the V2G energy of each of several days."""
    return len(problem.day_starts) > 1 and any(np.isfinite(car.v2g_limit_kwh) for car in problem.cars)


def coefficients_change(problem: DayProblem) -> Iterable[int]:
    """Slots in which an own constraint weighs some car otherwise than in the slot before."""
    parts = [part for one in problem.constraints for part in one.coefficients()]
    return steps(*(row for part in parts for row in part))
