"""What a car's day loses by a change of what is planned: V(with) − V(without), known or at least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from optimize.arrays import FloatArray
from optimize.errors import SolverError
from optimize.tree import SiteTree, site_tree
from optimize.types import DayProblem, ModePlan
from optimize.why.course import Course
from optimize.why.most import EXACT_EUR, Most, Search
from optimize.why.stages import Alone, alone, prices_at
from optimize.why.values import Change
from optimize.windows import SessionWindow, session_windows

UNKNOWN = ("plug-in", "objective", "own constraint", "reserve", "meter", "prices", "contracts", "apart")
"""Why what a stretch is worth may not be known: the mode weighs nothing; something comes before money; a rule
of the user's or reserve that is held ties the car to others; a shared meter or a limit whose shadow price
nobody knows; a contract of each of several days; a plan that is not the best for the car at these prices."""
RESOLVES = 200
"""So many changes of a plan are solved anew where only the exact formulation can tell."""
APART_EUR = 0.02
_SECONDS = 2.0
_OPEN_EUR = 5 * EXACT_EUR


@dataclass(frozen=True, slots=True)
class Lost:
    """€ that a change takes of a car's day; exact: else at least that. course: what it would do, if known."""

    eur: float
    exact: bool
    course: Course | None


@dataclass
class Day:
    """A plan whose cars are looked at one by one; solves_left: how often one may be solved anew."""

    problem: DayProblem
    plan: ModePlan
    solves_left: int = RESOLVES
    windows: Sequence[SessionWindow] = field(init=False)
    tree: SiteTree = field(init=False)

    def __post_init__(self) -> None:
        self.windows, self.tree = session_windows(self.problem), site_tree(self.problem)


class OfCar:
    """Car i of a plan by itself: `unknown` says why nothing can be told of it, one of UNKNOWN or ""."""

    def __init__(self, day: Day, i: int) -> None:
        self.day, self.i = day, i
        self.mine = [window for window in day.windows if window.car == i]
        self.prices: tuple[FloatArray, FloatArray] = prices_at(day.problem, day.tree, day.plan, self.mine)
        self.car: Alone = alone(day.problem, day.windows, i, day.plan.mode, self.prices)
        charged, discharged = (
            tuple(day.problem.slot_hours * kw[i, list(stay.window.slots)] for stay in self.car.stays)
            for kw in (day.plan.charge_kw, day.plan.discharge_kw)
        )
        self.planned = Course(charged, discharged)
        self.search = Search(self.car, self.planned.discharged_kwh)
        self._anew_eur: float | None = None
        self.unknown = self._tied()
        if not self.unknown:
            self.base = self._whole()
            if self.base.lower_eur - self.planned.benefit_eur(self.car) > APART_EUR:
                self.unknown = "apart"

    def lost(self, change: Change, *, told: bool = True) -> Lost | None:
        """What a change takes; None where it cannot be.

        told: with what the car would do, and where need be by the exact formulation.
        """
        without = self.search.most(change, told=told)
        if not without.possible:
            return None
        if self.base.known and without.known:
            return Lost(max(0.0, self.base.upper_eur - without.upper_eur), True, without.course)
        if told and self.day.solves_left > 0:
            try:
                return Lost(self._lost_anew(change), True, without.course)
            except SolverError:
                pass  # what is known of it stands
        return Lost(max(0.0, self.base.lower_eur - without.upper_eur), False, without.course)

    def _tied(self) -> str:
        """What ties the car to more than prices can tell."""
        problem, plan = self.day.problem, self.day.plan
        if plan.mode == "uncontrolled":
            return "plug-in"
        if problem.objective != "net_benefit":
            return "objective"
        if any(one.weighs()[self.i].any() for one in problem.constraints):
            return "own constraint"
        if any(bid.up_kw[self.i].any() or bid.down_kw[self.i].any() for bid in plan.reserves):
            return "reserve"
        above = {j for window in self.mine if window.slots for j in self.day.tree.paths[window.site]}
        if any(problem.sites[j].metering == "site" for j in above):
            return "meter"
        if np.isnan(self.prices[0][plan.plugged[self.i]]).any():
            return "prices"
        return "contracts" if len(problem.day_starts) > 1 and self.car.wear.bound else ""

    def _whole(self) -> Most:
        """The most of the day as it is: what is planned may show that it is known."""
        found, planned = self.search.most(told=False), self.planned.benefit_eur(self.car)
        if found.lower_eur >= planned:
            return found
        return Most(max(found.upper_eur, planned), planned, self.planned)

    def _lost_anew(self, change: Change) -> float:
        """What is lost by the exact formulation. Raises SolverError, also for an open gap."""
        if self._anew_eur is None:
            self._anew_eur = self._solved({})
        first = self.car.stays[change.stay].window.first
        powers = change.charged_kwh / self.car.hours, change.discharged_kwh / self.car.hours
        slots = range(first + change.first, first + change.end)
        return max(0.0, self._anew_eur - self._solved(dict.fromkeys(slots, powers)))

    def _solved(self, fixed: dict[int, tuple[float, float]]) -> float:
        from optimize.why.resolve import resolved_eur  # Pyomo takes seconds to import

        day = self.day
        day.solves_left -= 1
        found, gap = resolved_eur(
            day.problem, day.windows, self.i, day.plan.mode, self.prices, fixed, _SECONDS
        )
        if gap > _OPEN_EUR:
            raise SolverError(day.plan.mode, f"a gap of {gap:.3g} € is open", "1 car")
        return found
