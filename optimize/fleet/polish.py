"""Exact where the engine's relaxation is not tight: cars' subproblems with binaries at the final prices.

A plan's cost less the bound is a sum over cars and coupling,
    Σ_i (cost_i + y·outputs_i − least_i) + (what the coupling pays − the least it could),
so that the cars to look at, and in which order, can be read off.

Plan: groups of them are planned anew next to all others (`subproblems.given_others`); kept if the whole costs
less. Bound: for any prices y, cost ≥ Σ_i min_{X_i}(cost_i + y·outputs_i) + min_v(…) because every plan meets
the coupling's rows, which y only prices. This holds for whatever set X_i holds the car's plans: for the
relaxed one, whose minimum the engine bounds, and for the exact one, whose minimum a search with binaries
bounds from below. So each car may bring the better of its two. Tried are the engine's prices and those of the
groups.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from optimize.errors import SolverError, TimeLimitError
from optimize.fleet.layout import FloatArray
from optimize.fleet.part import Part
from optimize.fleet.route import RESERVE_WEIGHT, STEPS_AT_ONCE
from optimize.fleet.solve import FleetSolution
from optimize.fleet.subproblem import Subproblems
from optimize.fleet.tidy import tidied
from optimize.solve import solve_day
from optimize.types import DayProblem, Mode
from optimize.windows import SessionWindow

# Of the gap that is wanted, what all searches together may leave open.
LEFT_OPEN = 0.3
# What a solver's rounding may hide in a bound, absolute and relative.
ROUNDING = 1e-7
CENTRE_MU = 1e-6
# What a car may take to find its point at other prices: 60 iterations of some 60 µs.
CENTRE_SECONDS = 4e-3
PASSES = 3
# A pass that leaves more of the gap than this is the last.
PROGRESS = 0.8


def polish(
    problem: DayProblem,
    windows: Sequence[SessionWindow],
    mode: Mode,
    found: FleetSolution,
    *,
    gap: float,
    time_limit_seconds: float,
) -> FleetSolution:
    """The solution with a better plan and bound where time allows; unchanged if its gap is proven."""
    enough = found.gap <= gap or time_limit_seconds <= 0.0
    if enough or not problem.cars or not isinstance(found.cars, Part):
        return found
    return _Polish(problem, windows, mode, found, found.cars, gap, time_limit_seconds).run()


@dataclass(slots=True)
class _Bound:
    """A bound at some prices: of the coupling and of each car, the latter being made exact one by one."""

    y: FloatArray
    coupling_eur: float
    least_eur: FloatArray

    @property
    def total_eur(self) -> float:
        return self.coupling_eur + float(self.least_eur.sum())


class _Polish:
    def __init__(
        self,
        problem: DayProblem,
        windows: Sequence[SessionWindow],
        mode: Mode,
        found: FleetSolution,
        cars: Part,
        gap: float,
        seconds: float,
    ) -> None:
        self.begun = time.perf_counter()
        self.found, self.cars, self.gap, self.seconds = found, cars, gap, seconds
        self.subproblems = Subproblems(problem, windows, mode, found)
        self.weight = RESERVE_WEIGHT if mode == "v2g" and problem.reserves else 1
        self.plan, self.bound_eur = found.plan, found.bound_eur

    @property
    def left(self) -> float:
        return self.seconds - (time.perf_counter() - self.begun)

    @property
    def open_eur(self) -> float:
        """What lies between plan and bound."""
        return self.plan.cost_eur - self.bound_eur

    @property
    def allowed_eur(self) -> float:
        """What may."""
        return self.gap * max(1.0, abs(self.plan.cost_eur))

    def run(self) -> FleetSolution:
        bound = self._bound_at(self.found.y, self.cars)
        if not np.isfinite(bound.total_eur):  # the iteration broke down
            bound = self._evaluate(np.zeros_like(self.found.y))
        fresh = [bound]
        for _ in range(PASSES):
            before = self.open_eur
            groups, covers = self._groups(bound)
            tried = []
            for number, group in enumerate(groups):
                y = self._plan_anew(group, self.left / (2 * (len(groups) - number)))
                if y is not None:
                    tried.append(y)
            # Groups of most of the fleet know the right prices best, the last one the latest plan.
            by_group = (self._evaluate(y) for y in reversed(tried) if self._time_to_evaluate())
            for one in chain(by_group, fresh) if covers else chain(fresh, by_group):
                self._make_exact(one)
                bound = max(bound, one, key=lambda each: each.total_eur)
            fresh = []
            if self.open_eur <= self.allowed_eur or self.open_eur > PROGRESS * before:
                break
        if self.plan is not self.found.plan:
            deadline = self.begun + self.seconds
            prices = self.found.y
            self.plan = tidied(
                self.subproblems.repairer, self.plan, prices, self.bound_eur, self.gap, deadline
            )
        left_open = max(0.0, self.plan.gap_to(self.bound_eur))
        return replace(
            self.found,
            plan=self.plan,
            bound_eur=self.bound_eur,
            gap=left_open,
            status="optimal" if left_open <= self.gap else "time_limit",
            seconds=self.found.seconds + time.perf_counter() - self.begun,
        )

    def _time_to_evaluate(self) -> bool:
        """Whether other prices are worth a try and the cars can find their points at them in time."""
        seconds = CENTRE_SECONDS * self.subproblems.arrays.cars / self.cars.threads
        return self.open_eur > self.allowed_eur and seconds <= self.left

    def _evaluate(self, y: FloatArray) -> _Bound:
        """The bound at prices that the engine has not observed."""
        cars = Part(self.subproblems.arrays, self.found.coupling, 1.0, self.cars.threads)
        cars.centre(y, CENTRE_MU)
        return self._bound_at(y, cars)

    def _bound_at(self, y: FloatArray, cars: Part) -> _Bound:
        return _Bound(y, self.found.coupling.least(y), cars.least(y))

    def _excess(self, bound: _Bound) -> FloatArray:
        """By how much each car's plan costs more than its least, [n] €."""
        return self.plan.own_eur + self.subproblems.drawn_eur(self.plan, bound.y) - bound.least_eur

    def _groups(self, bound: _Bound) -> tuple[list[list[int]], bool]:
        """The cars without which the gap would be small enough, most valuable first, in groups to search.

        A group with room left takes in the next cars, which may make way. With it, whether that is most cars.
        """
        excess = self._excess(bound)
        order = np.argsort(-excess, kind="stable")
        rest = np.cumsum(excess[order][::-1])[::-1]
        loose = int(np.count_nonzero(rest > LEFT_OPEN * self.allowed_eur))
        steps = np.diff(self.subproblems.fleet.step_start)[order] * self.weight
        number = (np.cumsum(steps) - steps) // STEPS_AT_ONCE
        chosen = number <= number[max(0, loose - 1)]
        groups = [order[number == one].tolist() for one in np.unique(number[chosen])]
        return groups, bool(2 * np.count_nonzero(chosen) >= chosen.size)

    def _plan_anew(self, group: list[int], seconds: float) -> FloatArray | None:
        """Plan a group next to the others, keep it if better; its prices, None if there was no time."""
        if seconds <= 0.0 or self.open_eur <= self.allowed_eur:
            return None
        now = max(1.0, abs(float(self.plan.own_eur[group].sum())))
        try:
            day = self.subproblems.given_others(group, self.plan)
            fallback = self.subproblems.now(day, group, self.plan)
            search = solve_day(day, seconds, gap=LEFT_OPEN * self.allowed_eur / now, fallback=fallback)
        except (TimeLimitError, SolverError):
            return None
        plan = self.subproblems.with_cars(self.plan, group, search)
        if plan.cost_eur < self.plan.cost_eur and self.subproblems.repairer.within_limits(plan):
            self.plan = plan
        return self.subproblems.prices(search)

    def _make_exact(self, bound: _Bound) -> None:
        """Replace the least of the cars by their exact one, most valuable first, until the gap is closed."""
        excess = self._excess(bound)
        self.bound_eur = max(self.bound_eur, bound.total_eur)
        each = LEFT_OPEN * self.allowed_eur / max(1, excess.size)
        for i in np.argsort(-excess, kind="stable").tolist():
            if self.open_eur <= self.allowed_eur or self.left <= 0.0 or excess[i] <= each:
                return
            worth = max(1.0, abs(float(bound.least_eur[i])))
            try:
                search = solve_day(self.subproblems.at_prices(i, bound.y), self.left, gap=each / worth)
            except (TimeLimitError, SolverError):
                continue
            objective = search.program.objective()
            least = objective - (search.gap + ROUNDING) * max(1.0, abs(objective))
            bound.least_eur[i] = max(bound.least_eur[i], least)
            self.bound_eur = max(self.bound_eur, bound.total_eur)
