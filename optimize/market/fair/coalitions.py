"""What each coalition of a day's cars earns: the day is planned for it, the other cars charge on plug-in.

v(S) = the best plan of the cars of S (mode "v2g") less what they have when charged on plug-in, by the plan's
objective (energy at its meters, peaks, emissions, wear, what is left in store, promises missed at their
price), €. The cars outside S draw what they draw when all are charged on plug-in under the sites' limits:
it is base load to S, which has the room that is left. So a car brings what it would draw, and what nobody
draws is brought by whoever coordinates: S alone where the cars do so themselves, else the operator, without
whom no car does otherwise than on plug-in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from optimize.account import account, grid_power_kw
from optimize.arrays import IntArray
from optimize.errors import ProblemError
from optimize.market.fair.game import MOST_PLAYERS, Game
from optimize.plan import plan_day
from optimize.types import DayProblem, ModePlan
from optimize.windows import session_windows


class Coalitions:
    """The coalitions of a day's cars, each planned once; bit i of a coalition is car i.

    idle: the plan of all on plug-in; whole: the best one. open_eur: the most that a coalition's plan may lie
    below its best. binaries: the most that a plan needed; without any, what is earned is the value of a
    linear programme. Raises ProblemError for a day with reserves, own constraints or another objective than
    net benefit, and what `plan_day` does.
    """

    def __init__(self, problem: DayProblem, *, time_limit_seconds: float = 120.0) -> None:
        _require_plain(problem)
        self.problem, self.time_limit_seconds = problem, time_limit_seconds
        self.idle = plan_day(problem, ("uncontrolled",))["uncontrolled"]
        self.open_eur, self.binaries = 0.0, 0
        self._drawn, self._place = grid_power_kw(problem, self.idle), _places(problem)
        self._value: dict[int, float] = {0: 0.0}
        self.whole = self._planned(self.everybody)

    @property
    def everybody(self) -> int:
        """The coalition of all cars."""
        return (1 << len(self.problem.cars)) - 1

    @property
    def solved(self) -> int:
        """How many coalitions have been planned."""
        return len(self._value) - 1

    def value_eur(self, coalition: int) -> float:
        """What it earns more than on plug-in, never below 0: it may do just that. Raises as plan_day."""
        if coalition not in self._value:
            self._planned(coalition)
        return self._value[coalition]

    def _planned(self, coalition: int) -> ModePlan:
        """Its plan; what it earns is kept."""
        cars = np.array([i for i in range(len(self.problem.cars)) if coalition >> i & 1], dtype=np.int64)
        day = self.day_of(cars)
        plan = plan_day(day, ("v2g",), time_limit_seconds=self.time_limit_seconds)["v2g"]
        record, reached = plan.solver, account(day, plan).total.objective_eur
        before = account(day, rows_of(self.problem, self.idle, cars)).total.objective_eur
        self.open_eur = max(self.open_eur, record.gap * max(1.0, abs(record.objective_eur)))
        self.binaries = max(self.binaries, record.binaries)
        self._value[coalition] = max(0.0, reached - before)
        return plan

    def game(self, progress: Callable[[int, int], None] | None = None) -> Game:
        """The game of all coalitions; progress: how many are planned, and of how many. Raises as plan_day.

        A coalition may leave some of its cars on plug-in, so none earns less than a smaller one: where plans
        need binaries, that of all of its cars could. Raises ProblemError for more than MOST_PLAYERS cars.
        """
        players = tuple(car.battery_id for car in self.problem.cars)
        if len(players) > MOST_PLAYERS:
            raise ProblemError("game", "players", len(players), f"must be <= {MOST_PLAYERS}")
        values = np.zeros(self.everybody + 1)
        for coalition in range(1, values.size):
            smaller = [coalition ^ 1 << i for i in range(len(players)) if coalition >> i & 1]
            values[coalition] = max(self.value_eur(coalition), values[smaller].max())
            if progress is not None:
                progress(coalition, self.everybody)
        return Game(players=players, value_eur=values)

    def day_of(self, cars: IntArray) -> DayProblem:
        """The day of some of the cars, the others on plug-in; cars: their numbers, rising."""
        day, ids = self.problem, {self.problem.cars[i].battery_id for i in cars.tolist()}
        drawn = self._drawn.copy()
        drawn[cars] = 0.0
        load = np.zeros((len(day.sites), len(day.slots)))
        others, slots = np.nonzero(drawn)
        np.add.at(load, (self._place[others, slots], slots), drawn[others, slots])
        sites = tuple(
            replace(site, base_load_kw=own if site.base_load_kw is None else own + site.base_load_kw)
            for site, own in zip(day.sites, load, strict=True)
        )
        return replace(
            day,
            cars=tuple(day.cars[i] for i in cars.tolist()),
            sessions=tuple(one for one in day.sessions if one.battery_id in ids),
            sites=sites,
            previous_kw=None if day.previous_kw is None else day.previous_kw[cars],
        )


def rows_of(problem: DayProblem, plan: ModePlan, cars: IntArray) -> ModePlan:
    """What a plan says of some cars; cars: their numbers, rising."""
    ids = {problem.cars[i].battery_id for i in cars.tolist()}
    return replace(
        plan,
        charge_kw=plan.charge_kw[cars],
        discharge_kw=plan.discharge_kw[cars],
        plugged=plan.plugged[cars],
        energy_start_kwh=plan.energy_start_kwh[cars],
        energy_end_kwh=plan.energy_end_kwh[cars],
        binding=plan.binding[cars],
        departures=tuple(one for one in plan.departures if one.battery_id in ids),
    )


def _places(problem: DayProblem) -> IntArray:
    """The number of the site where each car is plugged in, by slot [n, T]; 0 where it is not."""
    place = np.zeros((len(problem.cars), len(problem.slots)), dtype=np.int64)
    for window in session_windows(problem):
        place[window.car, window.first : window.end] = window.site
    return place


def _require_plain(problem: DayProblem) -> None:
    if not problem.cars:
        raise ProblemError("day", "cars", 0, "must be at least one to share anything")
    if problem.objective != "net_benefit":
        raise ProblemError("day", "objective", problem.objective, "must be net_benefit to be shared")
    for field in ("reserves", "constraints"):
        if len(getattr(problem, field)):
            raise ProblemError("day", field, len(getattr(problem, field)), "must be none to be shared")
