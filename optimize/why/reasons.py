"""Why each car does what it does: its day in stretches of one action, and what doing otherwise would cost it.

What a stretch is worth is what its car's own day loses without it: V(with) − V(without), both at the plan's
prices and at the shadow prices of the limits and peaks that cars share, all sessions of the car planned anew.
Of a quarter-hour in which nothing moves it is what a kWh moved in it, in or out, would lose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Literal

import numpy as np

from optimize.arrays import FloatArray
from optimize.errors import SolverError
from optimize.tree import SiteTree, site_tree
from optimize.types import DayProblem, ModePlan
from optimize.why.course import Course
from optimize.why.instead import Instead, instead_of
from optimize.why.most import EXACT_EUR, Most, Search
from optimize.why.stages import Alone, alone, prices_at
from optimize.why.values import Change
from optimize.windows import SessionWindow, session_windows

Action = Literal["charges", "feeds back", "waits", "holds", "rests"]
ACTIONS: tuple[Action, ...] = ("charges", "feeds back", "waits", "holds", "rests")
UNKNOWN = ("plug-in", "objective", "own constraint", "reserve", "meter", "prices", "contracts", "apart")
"""Why what a stretch is worth may not be known: the mode weighs nothing; something comes before money; a rule
of the user's or reserve that is held ties the car to others; a shared meter or a limit whose shadow price
nobody knows; a contract of each of several days; a plan that is not the best for the car at these prices."""
RESOLVES = 200
"""So many stretches of a plan are solved anew where only the exact formulation can tell."""
APART_EUR = 0.02
_SECONDS = 2.0
_MOVING_KW = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Otherwise:
    """What a kWh, metered, that is moved while nothing moves would lose: where it loses least.

    exact: else it loses at least that.
    """

    slot: int
    eur_per_kwh: float
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Slots first … end − 1, in which a car does one thing.

    lowest_kwh, highest_kwh: what it may hold then. worth_eur: what its day loses without what it does there,
    NaN where nothing moves and where it is not known; exact: else at least that. instead: what it would do.
    charge, feed: a kWh moved where nothing does. wear_eur_per_kwh: what the next kWh fed back
    wears, metered. unknown: one of UNKNOWN, or "".
    """

    battery_id: str
    first: int
    end: int
    action: Action
    lowest_kwh: float
    highest_kwh: float
    wear_eur_per_kwh: float
    worth_eur: float = math.nan
    exact: bool = True
    instead: Instead | None = None
    charge: Otherwise | None = None
    feed: Otherwise | None = None
    unknown: str = ""


def reasons(problem: DayProblem, plan: ModePlan) -> tuple[Reason, ...]:
    """The reasons of a plan, by car and time; together they are all slots in which anything is plugged in."""
    windows, tree, budget = session_windows(problem), site_tree(problem), _Budget()
    found: list[Reason] = []
    by_car = groupby(windows, key=lambda window: window.car)
    for i, own in by_car:
        mine = list(own)
        if any(window.slots for window in mine):
            found += _Of(problem, plan, windows, mine, i, tree, budget).reasons()
    return tuple(found)


@dataclass(slots=True)
class _Budget:
    left: int = RESOLVES


@dataclass
class _Of:
    """One car of a plan."""

    problem: DayProblem
    plan: ModePlan
    windows: Sequence[SessionWindow]
    mine: Sequence[SessionWindow]
    i: int
    tree: SiteTree
    budget: _Budget
    prices: tuple[FloatArray, FloatArray] = field(init=False)
    car: Alone = field(init=False)
    search: Search = field(init=False)
    planned: Course = field(init=False)
    base: Most = field(init=False)
    anew_eur: float | None = None

    def __post_init__(self) -> None:
        self.prices = prices_at(self.problem, self.tree, self.plan, self.mine)
        self.car = alone(self.problem, self.windows, self.i, self.plan.mode, self.prices)
        hours = self.problem.slot_hours
        self.planned = Course(
            *(
                tuple(hours * kw[self.i, stay.window.first : stay.window.end] for stay in self.car.stays)
                for kw in (self.plan.charge_kw, self.plan.discharge_kw)
            )
        )

    def reasons(self) -> list[Reason]:
        """Its stretches, each with its reason."""
        why = self._unknown()
        if not why:
            self.search = Search(self.car, self.planned.discharged_kwh)
            self.base = self._whole()
            if self.base.lower_eur - self.planned.benefit_eur(self.car) > APART_EUR:
                why = "apart"
        return [
            self._reason(number, first, end, action, why)
            for number, stay in enumerate(self.car.stays)
            for first, end, action in self._stretches(number, stay.window)
        ]

    def _unknown(self) -> str:
        problem, plan = self.problem, self.plan
        if plan.mode == "uncontrolled":
            return "plug-in"
        if problem.objective != "net_benefit":
            return "objective"
        if any(one.weighs()[self.i].any() for one in problem.constraints):
            return "own constraint"
        if any(bid.up_kw[self.i].any() or bid.down_kw[self.i].any() for bid in plan.reserves):
            return "reserve"
        paths = {j for window in self.mine if window.slots for j in self.tree.paths[window.site]}
        if any(problem.sites[j].metering == "site" for j in paths):
            return "meter"
        plugged = plan.plugged[self.i]
        if np.isnan(self.prices[0][plugged]).any():
            return "prices"
        if len(problem.day_starts) > 1 and self.car.wear.bound:
            return "contracts"
        return ""

    def _whole(self) -> Most:
        """The most of the day as it is: what is planned may show that it is known."""
        found, planned = self.search.most(), self.planned.benefit_eur(self.car)
        if found.lower_eur >= planned:
            return found
        return Most(max(found.upper_eur, planned), planned, self.planned)

    def _stretches(self, number: int, window: SessionWindow) -> Iterator[tuple[int, int, Action]]:
        """Runs of slots of one stay, by numbers within it."""
        charged, discharged = self.planned.charged[number], self.planned.discharged[number]
        least = _MOVING_KW * self.problem.slot_hours
        way = np.where(charged > least, 1, np.where(discharged > least, -1, 0))
        edges = [0, *(np.flatnonzero(np.diff(way)) + 1).tolist(), way.size]
        for first, end in pairwise(edges):
            if way[first]:
                yield first, end, "charges" if way[first] > 0 else "feeds back"
                continue
            follows = int(way[end]) if end < way.size else 0
            yield first, end, self._idle(number, window, first, end, follows)

    def _idle(self, number: int, window: SessionWindow, first: int, end: int, follows: int) -> Action:
        if follows:
            return "waits" if follows > 0 else "holds"
        held = float(self.plan.energy_end_kwh[self.i, window.first + first])
        able = any(stage.discharge for stage in self.car.stays[number].stages[first:end])
        spare = held > window.lowest_kwh + _MOVING_KW
        return "holds" if able and spare and window.discharge_limit_kw > 0.0 else "rests"

    def _reason(self, number: int, first: int, end: int, action: Action, why: str) -> Reason:
        window = self.car.stays[number].window
        found = Reason(
            battery_id=self.car.car.battery_id,
            first=window.first + first,
            end=window.first + end,
            action=action,
            lowest_kwh=window.lowest_kwh,
            highest_kwh=window.highest_kwh,
            wear_eur_per_kwh=self.car.wear.slope(self.planned.discharged_kwh) / window.efficiency_discharge,
            unknown=why,
        )
        if why:
            return found
        if action not in ("charges", "feeds back"):
            charge, feed = (self._otherwise(number, first, end, way) for way in ("charge", "feed"))
            return replace(found, charge=charge, feed=feed)
        change = Change(number, first, end)
        without = self.search.most(change)
        worth, exact = self._worth(without, change)
        instead = instead_of(self.car, self.planned, without.course, change)
        return replace(found, worth_eur=worth, exact=exact, instead=instead)

    def _worth(self, without: Most, change: Change) -> tuple[float, bool]:
        """What is lost by a change, and whether just that; else at least."""
        if self.base.known and without.known:
            return max(0.0, self.base.upper_eur - without.upper_eur), True
        if self.budget.left > 0:
            try:
                return self._anew(change), True
            except SolverError:
                pass  # what is known of it stands
        return max(0.0, self.base.lower_eur - without.upper_eur), False

    def _anew(self, change: Change) -> float:
        """What is lost by a change, by the exact formulation. Raises SolverError, also for an open gap."""
        if self.anew_eur is None:
            self.anew_eur = self._solved({})
        window = self.car.stays[change.stay].window
        slots = range(window.first + change.first, window.first + change.end)
        return max(0.0, self.anew_eur - self._solved(dict.fromkeys(slots, (0.0, 0.0))))

    def _solved(self, fixed: dict[int, tuple[float, float]]) -> float:
        from optimize.why.resolve import resolved_eur  # Pyomo takes seconds to import

        self.budget.left -= 1
        found, gap = resolved_eur(
            self.problem, self.windows, self.i, self.plan.mode, self.prices, fixed, _SECONDS
        )
        if gap > 100 * EXACT_EUR:
            raise SolverError(self.plan.mode, f"a gap of {gap:.3g} € is open", "1 car")
        return found

    def _otherwise(self, number: int, first: int, end: int, way: str) -> Otherwise | None:
        """A kWh moved in one of the slots in which nothing is: where it loses least; None where none can."""
        stay = self.car.stays[number]
        window, car, hours = stay.window, self.car.car, self.car.hours
        if way == "charge":
            limit, least, efficiency = window.charge_limit_kw, car.min_charge_kw, window.efficiency_charge
        else:
            limit, least = window.discharge_limit_kw, car.min_discharge_kw
            efficiency = 1.0 / window.efficiency_discharge
        kwh = min(max(efficiency, least * hours), limit * hours)
        if kwh <= 0.0:
            return None
        values = self.search.marginal
        changes = [
            Change(number, at, at + 1, kwh, 0.0) if way == "charge" else Change(number, at, at + 1, 0.0, kwh)
            for at in range(first, end)
            if way == "charge" or stay.stages[at].discharge
        ]
        best = max(changes, key=values.with_change, default=None)
        if best is None or values.with_change(best) == -math.inf:
            return None
        found = self.search.most(best)
        if found.course is None:
            return None
        lost = max(0.0, self.base.lower_eur - found.upper_eur) if found.upper_eur > -math.inf else math.nan
        return Otherwise(
            slot=window.first + best.first,
            eur_per_kwh=lost * efficiency / kwh,
            exact=self.base.known and found.known,
        )
