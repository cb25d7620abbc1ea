"""What is saved of a day that cannot be solved keeps every limit, on any day, whatever was planned before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import optimize.rescue
from optimize.check import check_plan
from optimize.engines import plan_in_time
from optimize.errors import SolverError
from optimize.follow import Schedule, charge_on_plug_in, untold
from optimize.rescue import rescue, trees
from optimize.sites import Site
from optimize.types import DayProblem, Mode, ModePlan
from tests.optimize.fleets import car, day, random_day, session_of


def schedule_of(plan: ModePlan) -> Schedule:
    return Schedule(charge_kw=plan.charge_kw, discharge_kw=plan.discharge_kw, scheduled=plan.plugged)


def missing(plan: ModePlan) -> dict[str, float]:
    return {one.session_id: one.missing_kwh for one in plan.departures}


@pytest.mark.parametrize("mode", ["ordered", "v2g"])
@pytest.mark.parametrize("seed", [*range(11), 18])
def test_an_earlier_plan_followed_on_another_day_keeps_its_limits_and_its_promises(
    seed: int, mode: Mode
) -> None:
    """Cars come with other charge: what the earlier plan says is followed as far as it goes."""
    before = random_day(seed)
    last = schedule_of(plan_in_time(before, mode, 20.0))
    rng = np.random.default_rng(seed)
    today = replace(
        before,
        sessions=tuple(
            replace(one, arrival_soc=float(np.clip(one.arrival_soc + rng.uniform(-0.2, 0.2), 0.0, 1.0)))
            for one in before.sessions
        ),
    )
    found = rescue(today, mode, last, time_limit_seconds=0.0)
    check_plan(today, found.plan)
    at_once = missing(charge_on_plug_in(today))
    assert sum(missing(found.plan).values()) <= sum(at_once.values()) + 1e-6
    assert set(found.rungs.values()) <= {"last_plan", "plug_in"}


@pytest.mark.parametrize("seed", range(6))
def test_what_can_be_solved_is_as_good_as_without_the_car_that_cannot(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = random_day(seed + 100, cars=4, hard=False)
    bad = problem.cars[1].battery_id

    def solve(few: DayProblem, mode: Mode, seconds: float) -> ModePlan:
        if any(one.battery_id == bad for one in few.cars):
            raise SolverError(mode, "Unknown", "of a test")
        return plan_in_time(few, mode, seconds)

    monkeypatch.setattr(optimize.rescue, "plan_in_time", solve)
    found = rescue(problem, "v2g", untold(problem), time_limit_seconds=60.0)
    check_plan(problem, found.plan)
    assert found.rungs[bad] == "plug_in" and bad in found.failures
    others = {name: rung for name, rung in found.rungs.items() if name != bad}
    assert set(others.values()) == {"solved"}, found.failures


def test_the_day_falls_into_the_trees_that_its_cars_join() -> None:
    sites = [
        Site(site_id="town", import_limit_kw=50.0, export_limit_kw=50.0),
        Site(site_id="yard", import_limit_kw=20.0, export_limit_kw=20.0, parent_id="town"),
        Site(site_id="home", import_limit_kw=20.0, export_limit_kw=20.0),
        Site(site_id="shop", import_limit_kw=20.0, export_limit_kw=20.0),
    ]
    cars = [car("A", site_id="yard"), car("B", site_id="home"), car("C", site_id="town"),
            car("D", site_id="shop")]  # fmt: skip
    sessions = [session_of(name, 0, 4, 0.2, 0.4) for name in "ABCD"]
    prices = [0.1, 0.3, 0.2, 0.1]
    assert trees(day(prices, cars, sessions, sites=sites)) == [[0, 2], [1], [3]]
    visiting = [*sessions[:3], replace(sessions[3], site_id="home")]
    assert trees(day(prices, cars, visiting, sites=sites)) == [[0, 2], [1, 3]]


def test_cars_set_aside_leave_the_feeder_to_nobody_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """One feeder of 4 kW, two cars: the one that is set aside charges at once, the other after it."""
    sites = [Site(site_id="depot", import_limit_kw=4.0, export_limit_kw=0.0)]
    cars, sessions = [car("A"), car("B")], [session_of("A", 0, 4, 0.2, 0.6), session_of("B", 0, 4, 0.2, 0.6)]
    problem = day([0.1, 0.3, 0.2, 0.25], cars, sessions, sites=sites)

    def solve(few: DayProblem, mode: Mode, seconds: float) -> ModePlan:
        if any(one.battery_id == "A" for one in few.cars):
            raise SolverError(mode, "Unknown", "of a test")
        return plan_in_time(few, mode, seconds)

    monkeypatch.setattr(optimize.rescue, "plan_in_time", solve)
    found = rescue(problem, "ordered", untold(problem), time_limit_seconds=30.0)
    assert found.rungs == {"A": "plug_in", "B": "solved"}
    np.testing.assert_allclose(found.plan.charge_kw, [[4, 0, 0, 0], [0, 0, 4, 0]], atol=1e-6)
    assert all(short < 1e-6 for short in missing(found.plan).values())


def test_an_earlier_plan_takes_nothing_from_the_day_for_a_session_after_it() -> None:
    """Half a kW for two cars: the earlier plan charges A, which needs it another day; B needs it tonight."""
    another = replace(session_of("A", 30, 30.5, 0.3, 0.7), carries=True)
    sessions = [session_of("A", 0, 4, 0.3, 0.3), session_of("B", 0, 4, 0.2, 0.4), another]
    sites = [Site(site_id="depot", import_limit_kw=0.5, export_limit_kw=0.0)]
    problem = day([0.1] * 4, [car("A"), car("B")], sessions, sites=sites)
    of_a = np.array([[True] * 4, [False] * 4])
    last = Schedule(charge_kw=0.5 * of_a, discharge_kw=0.0 * of_a, scheduled=of_a)
    short = missing(rescue(problem, "v2g", last, time_limit_seconds=0.0).plan)
    assert (short["A-0"], short["B-0"], short["A-30"]) == pytest.approx((0.0, 0.0, 4.0))
