"""A plan where the search for one failed: for every part of the day what can still be had, the best first.

The day falls into the trees of its sites; a tree that is solved keeps its plan whatever becomes of the
others. In one that is not, cars that cannot be solved even alone are set aside and the rest is solved next to
what those do. Who is left follows an earlier schedule as far as today's charge and limits let it, and charges
on plug-in where no such schedule tells of it, and in a session that it would let leave with less than that.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from optimize.account import account, grid_power_kw
from optimize.arrays import BoolArray, FloatArray
from optimize.check import check_plan
from optimize.constraints import of_cars
from optimize.engines import plan_in_time
from optimize.errors import OptimizeError, TimeLimitError
from optimize.follow import Schedule, follow
from optimize.types import DayProblem, Mode, ModePlan
from optimize.windows import session_windows

Rung = Literal["solved", "last_plan", "plug_in"]
_KWH = 1e-6
_SEARCHES = 3
"""Of a tree: all of its cars, each alone, those that are left."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rescue:
    """A plan that keeps every limit, what each car of it stands on, and why others were not solved.

    rungs, failures: by battery_id; of a car with several sessions the worst. Its record says "simulated":
    nothing bounds how good it is.
    """

    plan: ModePlan
    rungs: Mapping[str, Rung]
    failures: Mapping[str, str]


def rescue(
    problem: DayProblem,
    mode: Mode,
    last: Schedule,
    *,
    failure: Exception | None = None,
    time_limit_seconds: float,
) -> Rescue:
    """Plan in an optimising mode what can be solved, and have the rest follow `last`.

    last: what some earlier plan says of these cars and slots. failure: why the day as a whole was not solved.
    time_limit_seconds: of all searches together; 0 searches nothing. Raises PlanCheckError where not even
    charging on plug-in keeps the limits.
    """
    found = _Found.none(problem)
    parts = trees(problem) if time_limit_seconds > 0.0 else []
    for cars in parts:
        seconds, known = time_limit_seconds / len(parts), failure if len(parts) == 1 else None
        _solve_tree(problem, cars, mode, last, seconds, found, known)
    scheduled = last.scheduled & ~found.solved[:, None]
    out = np.where(problem.able & (mode == "v2g"), last.discharge_kw, 0.0)
    nothing = replace(last, scheduled=np.zeros_like(scheduled))
    least = _missing_kwh(follow(problem, found.combined(nothing), mode))
    for discharge in (out, np.zeros_like(out)):
        given = replace(last, scheduled=scheduled, discharge_kw=discharge)
        follows = _no_worse_than_plug_in(problem, mode, found, given)
        try:
            saved = _rescued(problem, mode, found, replace(given, scheduled=follows))
        except OptimizeError as error:
            _log.info("an earlier schedule does not fit this day: %s", error)
            continue
        if _missing_kwh(saved.plan) <= least + _KWH:  # a full feeder may move a miss to another car
            return saved
    return _rescued(problem, mode, found, nothing)


def _missing_kwh(plan: ModePlan) -> float:
    """At departures of the day: what a car lacks on another is no reason to miss one."""
    return sum(one.missing_kwh for one in plan.departures if one.due != "later")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """What was solved so far: powers [n, T], kW, which cars [n], and why others were not."""

    charge_kw: FloatArray
    discharge_kw: FloatArray
    solved: BoolArray
    failures: dict[str, str]

    @classmethod
    def none(cls, problem: DayProblem) -> _Found:
        shape = (len(problem.cars), len(problem.slots))
        return cls(
            charge_kw=np.zeros(shape),
            discharge_kw=np.zeros(shape),
            solved=np.zeros(shape[0], dtype=np.bool_),
            failures={},
        )

    def keep(self, cars: Sequence[int], plan: ModePlan) -> None:
        rows = list(cars)
        self.charge_kw[rows], self.discharge_kw[rows] = plan.charge_kw, plan.discharge_kw
        self.solved[rows] = True

    def combined(self, schedule: Schedule) -> Schedule:
        """What was solved, and of the other cars what a schedule says."""
        mine = self.solved[:, None]
        return Schedule(
            charge_kw=np.where(mine, self.charge_kw, schedule.charge_kw),
            discharge_kw=np.where(mine, self.discharge_kw, schedule.discharge_kw),
            scheduled=mine | schedule.scheduled,
        )


def _rescued(problem: DayProblem, mode: Mode, found: _Found, given: Schedule) -> Rescue:
    """The plan of what was solved next to a schedule; raises PlanCheckError where it breaks a limit."""
    plan = follow(problem, found.combined(given), mode)
    plan = replace(
        plan, solver=replace(plan.solver, objective_eur=account(problem, plan).total.objective_eur)
    )
    check_plan(problem, plan)
    rungs: dict[str, Rung] = {}
    for i, car in enumerate(problem.cars):
        follows = bool((given.scheduled[i] | ~plan.plugged[i]).all()) and given.scheduled[i].any()
        rungs[car.battery_id] = "solved" if found.solved[i] else "last_plan" if follows else "plug_in"
    return Rescue(plan=plan, rungs=rungs, failures=found.failures)


def _no_worse_than_plug_in(problem: DayProblem, mode: Mode, found: _Found, given: Schedule) -> BoolArray:
    """Where a schedule tells of a car, [n, T], without the sessions that it lets leave with less."""
    nothing = replace(given, scheduled=np.zeros_like(given.scheduled))
    plans = [follow(problem, found.combined(one), mode) for one in (given, nothing)]
    missing = [{one.session_id: one.missing_kwh for one in plan.departures} for plan in plans]
    scheduled = given.scheduled.copy()
    for window in session_windows(problem):
        name = window.session.session_id
        if missing[0].get(name, 0.0) > missing[1].get(name, 0.0) + _KWH:
            scheduled[window.car, window.first : window.end] = False
    return scheduled


def _solve_tree(
    problem: DayProblem,
    cars: Sequence[int],
    mode: Mode,
    last: Schedule,
    seconds: float,
    found: _Found,
    failure: Exception | None,
) -> None:
    """Solve the cars of a tree together; where that fails, without those that fail alone.

    failure: why they could not be solved together, if it is known.
    """
    why = failure or _solve(problem, cars, mode, seconds / _SEARCHES, {}, found)
    if why is None:
        return
    bad: dict[int, Exception] = {}
    if len(cars) > 1 and not isinstance(why, TimeLimitError):
        each = seconds / _SEARCHES / len(cars)
        alone = {i: _solve(problem, [i], mode, each, {}, None) for i in cars}
        bad = {i: error for i, error in alone.items() if error is not None}
    rest = [i for i in cars if i not in bad]
    if bad and rest:
        busy = _busy_kw(problem, sorted(bad), mode, last)
        second = _solve(problem, rest, mode, seconds / _SEARCHES, busy, found)
        cars, why = (sorted(bad), why) if second is None else (cars, second)
    for i in cars:
        found.failures[problem.cars[i].battery_id] = str(bad.get(i, why))


def _solve(
    problem: DayProblem,
    cars: Sequence[int],
    mode: Mode,
    seconds: float,
    busy_kw: Mapping[str, FloatArray],
    found: _Found | None,
) -> Exception | None:
    """Solve some cars alone and keep their plan; what kept it from that, None for nothing."""
    try:
        few = part_of(problem, cars, busy_kw)
        plan = plan_in_time(few, mode, seconds)
        check_plan(few, plan)
    except Exception as error:  # whatever it is, the others have their plan
        _log.warning("%d cars are not planned in mode %s: %s", len(cars), mode, error)
        return error
    if found is not None:
        found.keep(cars, plan)
    return None


def _busy_kw(
    problem: DayProblem, cars: Sequence[int], mode: Mode, last: Schedule
) -> Mapping[str, FloatArray]:
    """What some cars draw, kW [T], by site, when they follow a schedule or charge on plug-in."""
    rows = list(cars)
    few = part_of(problem, rows, {})
    given = Schedule(
        charge_kw=last.charge_kw[rows],
        discharge_kw=0.0 * last.discharge_kw[rows],
        scheduled=last.scheduled[rows],
    )
    given = replace(given, scheduled=_no_worse_than_plug_in(few, mode, _Found.none(few), given))
    power = grid_power_kw(few, follow(few, given, mode))
    drawn: dict[str, FloatArray] = {}
    for window in session_windows(few):
        site = window.session.site_id or few.cars[window.car].site_id
        slots = slice(window.first, window.end)
        drawn.setdefault(site, np.zeros(len(few.slots)))[slots] += power[window.car, slots]
    return drawn


def trees(problem: DayProblem) -> list[list[int]]:
    """The numbers of the cars that may share a feeder or an own constraint, tree by tree of their sites."""
    parent = {site.site_id: site.parent_id for site in problem.sites}

    def root(site: str) -> str:
        while (above := parent[site]) is not None:
            site = above
        return site

    group = {site: root(site) for site in parent}
    visits: dict[str, list[str]] = {car.battery_id: [car.site_id] for car in problem.cars}
    for session in problem.sessions:
        if session.site_id is not None:
            visits[session.battery_id].append(session.site_id)
    together = [
        [site for i in one.cars().tolist() for site in visits[problem.cars[i].battery_id]]
        for one in problem.constraints
    ]
    # A car that visits two trees makes them one, as does an own constraint about cars of both.
    for sites in (*visits.values(), *together):
        own = {group[site] for site in sites}
        first = min(own)
        group = {site: first if of in own else of for site, of in group.items()}
    found: dict[str, list[int]] = {}
    for number, car in enumerate(problem.cars):
        found.setdefault(group[car.site_id], []).append(number)
    return list(found.values())


def part_of(problem: DayProblem, cars: Sequence[int], busy_kw: Mapping[str, FloatArray]) -> DayProblem:
    """The day of some cars alone, at all of its sites; busy_kw: what others draw there, by site, [T].

    Raises ProblemError where an own constraint is about these cars and others.
    """
    names = {problem.cars[number].battery_id for number in cars}
    nothing = np.zeros(len(problem.slots))
    sites = tuple(
        replace(site, base_load_kw=(nothing if site.base_load_kw is None else site.base_load_kw) + own)
        if (own := busy_kw.get(site.site_id)) is not None
        else site
        for site in problem.sites
    )
    return replace(
        problem,
        cars=tuple(problem.cars[number] for number in cars),
        sessions=tuple(one for one in problem.sessions if one.battery_id in names),
        sites=sites,
        previous_kw=None if problem.previous_kw is None else problem.previous_kw[list(cars)],
        constraints=of_cars(problem.constraints, cars),
    )
