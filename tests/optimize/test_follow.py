"""Schedules that are followed: as planned on their own day, and what comes of other days."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimize.check import check_plan
from optimize.errors import PlanCheckError
from optimize.follow import Schedule, follow
from optimize.plan import plan_modes
from optimize.types import DayProblem, ModePlan, Site, Taper
from tests.optimize.fleets import car, day, session_of
from tests.optimize.mixed import mixed_day

FEATURES = ("taper", "charger", "rest", "tree", "base", "meter", "co2")


def schedule_of(plan: ModePlan) -> Schedule:
    return Schedule(charge_kw=plan.charge_kw, discharge_kw=plan.discharge_kw, scheduled=plan.plugged)


def scheduled(problem: DayProblem, charge: list[list[float]], slots: slice = slice(None)) -> Schedule:
    """One row a car; negative is discharging."""
    kw = np.array(charge, dtype=float)
    said = np.zeros(kw.shape, dtype=np.bool_)
    said[:, slots] = True
    return Schedule(charge_kw=np.maximum(kw, 0.0), discharge_kw=np.maximum(-kw, 0.0), scheduled=said)


@pytest.mark.parametrize("seed", range(12))
def test_a_plan_is_followed_to_the_watt_on_the_day_that_it_was_made_for(seed: int) -> None:
    problem = mixed_day(seed, features=FEATURES, cars=4, hours=0.5, slots=48)
    for mode, plan in plan_modes(problem, time_limit_seconds=60).plans.items():
        came = follow(problem, schedule_of(plan), mode)
        np.testing.assert_allclose(came.charge_kw, plan.charge_kw, atol=1e-6)
        np.testing.assert_allclose(came.discharge_kw, plan.discharge_kw, atol=1e-6)
        missing = [(one.session_id, one.missing_kwh) for one in plan.departures]
        assert [
            (one.session_id, pytest.approx(one.missing_kwh, abs=1e-5)) for one in came.departures
        ] == missing


def test_who_comes_late_misses_what_was_planned_before() -> None:
    problem = day([0.1] * 6, [car()], [session_of("A", 2, 6, 0.2, 0.8)])
    came = follow(problem, scheduled(problem, [[0, 4, 2, 0, 0, 0]]), "ordered")
    assert came.charge_kw.tolist() == [[0, 0, 2, 0, 0, 0]]
    assert came.departures[0].missing_kwh == pytest.approx(4.0)


def test_who_comes_early_charges_on_plug_in_until_the_schedule_tells() -> None:
    problem = day([0.1] * 6, [car()], [session_of("A", 0, 6, 0.2, 0.8)])
    schedule = scheduled(problem, [[0, 0, 0, 3, 3, 0]], slice(1, 6))
    came = follow(problem, schedule, "ordered")
    assert came.charge_kw.tolist() == [[4, 0, 0, 3, 1, 0]], "4 kWh before, then as given, until it is full"
    idle = follow(problem, schedule, "ordered", unplanned=False)
    assert idle.charge_kw.tolist() == [[0, 0, 0, 3, 3, 0]]


def test_a_battery_gives_no_more_than_it_holds_above_its_least() -> None:
    problem = day([0.1] * 4, [car(soc_min=0.1)], [session_of("A", 0, 4, 0.4, 0.0)])
    came = follow(problem, scheduled(problem, [[-2, -2, 0, 0]]), "v2g")
    assert came.discharge_kw.tolist() == [[2, 1, 0, 0]]


def test_a_guest_shares_the_feeder_with_those_that_follow() -> None:
    site = Site(site_id="depot", import_limit_kw=6.0, export_limit_kw=0.0)
    sessions = [session_of("A", 0, 2, 0.2, 0.8), session_of("B", 0, 2, 0.0, 1.0)]
    problem = day([0.1] * 2, [car("A"), car("B")], sessions, sites=[site])
    schedule = scheduled(problem, [[4, 2], [0, 0]])
    schedule = replace(schedule, scheduled=np.array([[True, True], [False, False]]))
    came = follow(problem, schedule, "ordered")
    assert came.charge_kw.tolist() == [[3, 2], [3, 4]]
    free = follow(problem, schedule, "ordered", feeder=False)
    assert free.charge_kw.tolist() == [[4, 2], [4, 4]]


def test_nothing_is_fed_back_above_the_limit_but_what_a_neighbour_takes() -> None:
    site = Site(site_id="depot", import_limit_kw=6.0, export_limit_kw=1.0)
    sessions = [
        session_of("A", 0, 2, 0.8, 0.0),
        session_of("B", 0, 1, 0.0, 0.2),
        session_of("C", 0, 2, 0.8, 0.0),
    ]
    problem = day([0.1] * 2, [car("A"), car("B"), car("C")], sessions, sites=[site])
    came = follow(problem, scheduled(problem, [[-2, -2], [2, 0], [-2, -2]]), "v2g")
    assert came.discharge_kw.tolist() == [[1.5, 0.5], [0, 0], [1.5, 0.5]]


def test_the_next_session_begins_with_what_the_last_one_left() -> None:
    sessions = [session_of("A", 0, 2, 0.5, 0.9), session_of("A", 4, 6, 0.6, 0.9)]
    problem = day([0.1] * 6, [car()], sessions)
    schedule = scheduled(problem, [[2, 0, 0, 0, 0, 0]])
    as_said = follow(problem, schedule, "ordered")
    assert as_said.energy_start_kwh[0, 4] == pytest.approx(6.0)
    driven = {"A-4": 3.0}  # it was to leave with 9 kWh and to come back with 6
    came = follow(problem, schedule, "ordered", driven_kwh=driven)
    assert came.energy_start_kwh[0, 4] == pytest.approx(7.0 - 3.0)
    empty = follow(problem, schedule, "ordered", driven_kwh={"A-4": 30.0})
    assert empty.energy_start_kwh[0, 4] == 0.0


def test_a_share_below_the_least_power_is_none_and_the_last_to_come_pause() -> None:
    """4 kW for three cars of 4 kW that need 2 kW at least: two charge with 2, then the third."""
    fleet = [car(name, min_charge_kw=2.0) for name in "ABC"]
    sessions = [
        session_of("A", 0, 6, 0.2, 0.6),
        session_of("B", 0, 6, 0.2, 0.6),
        session_of("C", 1, 6, 0.2, 0.5),
    ]
    feeder = [Site(site_id="depot", import_limit_kw=4.0, export_limit_kw=0.0)]
    problem = day([0.1] * 6, fleet, sessions, sites=feeder)
    plan = plan_modes(problem, ["uncontrolled"]).plans["uncontrolled"]
    assert plan.charge_kw.tolist() == [[2, 2, 0, 0, 0, 0], [2, 2, 0, 0, 0, 0], [0, 0, 3, 0, 0, 0]]
    check_plan(problem, plan)
    free = replace(problem, cars=tuple(replace(one, min_charge_kw=0.0) for one in problem.cars))
    shared = plan_modes(free, ["uncontrolled"]).plans["uncontrolled"]
    with pytest.raises(PlanCheckError, match="power 0 or at least min_charge_kw"):
        check_plan(problem, shared)


def test_the_last_of_what_is_needed_may_be_less_than_the_least_power() -> None:
    problem = day([0.1] * 3, [car(min_charge_kw=2.0)], [session_of("A", 0, 3, 0.2, 0.7)])
    plan = plan_modes(problem, ["uncontrolled"]).plans["uncontrolled"]
    assert plan.charge_kw.tolist() == [[4, 1, 0]]
    check_plan(problem, plan)


def test_a_taper_below_the_least_power_ends_charging() -> None:
    """4 kW up to 6 kWh, 2 kW at 8 kWh, where 2.5 kW are the least."""
    tapering = car(min_charge_kw=2.5, charge_taper=Taper(from_soc=0.6, full_share=0.0))
    problem = day([0.1] * 5, [tapering], [session_of("A", 0, 5, 0.2, 0.9, hours=0.5)], hours=0.5)
    plan = plan_modes(problem, ["uncontrolled"]).plans["uncontrolled"]
    assert plan.charge_kw[0] == pytest.approx([4.0, 4.0, 4.0, 0.0, 0.0])
    assert plan.departures[0].missing_kwh == pytest.approx(1.0)
    check_plan(problem, plan)
