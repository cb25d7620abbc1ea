"""Stays that carry on from another in the fleet engine: hand-solved days, both formulations, large fleets."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import pytest

from optimize.account import account
from optimize.check import check_plan
from optimize.errors import PlanCheckError
from optimize.fleet.arrays import from_problem, unsupported
from optimize.fleet.plan import plan_of, solve_fleet
from optimize.fleet.route import route
from optimize.fleet.solve import solve_arrays
from optimize.solve import solve_mode
from optimize.types import DayProblem, Mode, ModePlan, Session
from optimize.windows import session_windows
from tests.optimize.fleets import depot_day, session_of
from tests.optimize.mixed import drawn_days
from tests.optimize.reference import milp_answer
from tests.optimize.test_planning_features import carried_day

pytestmark = pytest.mark.usefixtures("kernels")

BESIDE = (
    "taper",
    "charger",
    "rest",
    "contract",
    "tree",
    "base",
    "peak",
    "meter",
    "co2",
    "horizon",
    "minimum",
)


def planned(problem: DayProblem, mode: Mode) -> ModePlan:
    plan = solve_fleet(problem, mode, 10.0, gap=1e-7, threads=1)
    check_plan(problem, plan)
    money = account(problem, plan).total.objective_eur
    assert money == pytest.approx(plan.solver.objective_eur, abs=1e-7)
    return plan


def brief_between() -> DayProblem:
    """A session without a whole slot in between, which owes 1 kWh more than it comes with."""
    first, last = carried_day().sessions
    return carried_day(sessions=(first, replace(session_of("A", 1.2, 1.6, 0.5, 0.6), carries=True), last))


def after_the_day() -> DayProblem:
    """A session after the day, in which nothing can be charged, asks for 2 kWh more than the second
    promises."""
    later = replace(session_of("A", 3, 3.4, 0.3, 0.5), carries=True)
    return carried_day(sessions=(*carried_day().sessions, later))


def narrow(problem: DayProblem) -> DayProblem:
    return replace(problem, sites=tuple(replace(one, import_limit_kw=1.0) for one in problem.sites))


@pytest.mark.parametrize(
    ("problem", "mode", "charge", "discharge", "eur"),
    [
        # 4 kWh at 0.10 in place of 2 at 0.10 and 2 at 0.40.
        (carried_day(), "ordered", [4, 0, 0], [0, 0, 0], -0.4),
        # Full at 10 kWh, 4 above the target: it comes back with 8 and owes 6.
        (carried_day(), "v2g", [6, 0, 0], [0, 0, 2], -0.6 + 0.8),
        # 2 kWh above the first target come with the brief session, too, which lacks 1.
        (brief_between(), "ordered", [4, 0, 0], [0, 0, 0], -0.4),
        # 1 kWh a slot: each of the three lacks 1 kWh, the first for the second, too.
        (narrow(brief_between()), "ordered", [1, 0, 1], [0, 0, 0], -0.1 - 0.4 - 5.0 * (2.0 + 1.0 + 1.0)),
        # 2 kWh for the first, 2 for the second and 2 that the later session comes with.
        (after_the_day(), "ordered", [6, 0, 0], [0, 0, 0], -0.6),
        # None can be sold: the 4 kWh above the target are needed, 2 for each of the others.
        (after_the_day(), "v2g", [6, 0, 0], [0, 0, 0], -0.6),
        # The later session's 2 kWh are missing at half their price, and 1 kWh of each session before, for it,
        # too.
        (narrow(after_the_day()), "ordered", [1, 0, 1], [0, 0, 0], -0.5 - 5.0 * (1.5 + 1.5 + 0.5 * 2.0)),
    ],
)
def test_days_by_hand(
    problem: DayProblem, mode: Mode, charge: list[float], discharge: list[float], eur: float
) -> None:
    plan = planned(problem, mode)
    assert plan.charge_kw[0] == pytest.approx(charge, abs=1e-4)
    assert plan.discharge_kw[0] == pytest.approx(discharge, abs=1e-4)
    assert plan.solver.objective_eur == pytest.approx(eur, abs=1e-4)
    assert plan.solver.gap <= 1e-5


def linked_days(count: int) -> list[tuple[int, DayProblem]]:
    """Random days in which sessions carry on, with any of the other features that the engine can plan."""
    days = (
        (seed, problem)
        for seed, problem in drawn_days("carry", BESIDE, 0.35, 67)
        if any(one.carries for one in session_windows(problem)) and not unsupported(problem)
    )
    return list(islice(days, count))


@pytest.mark.parametrize("mode", ["ordered", "v2g"])
def test_random_days_agree_with_the_second_formulation(mode: Mode) -> None:
    days, closed = linked_days(40), 0
    assert len(days) == 40
    for seed, problem in days:
        other = milp_answer(problem, mode, seconds=20.0)
        windows = session_windows(problem)
        alone = plan_of(problem, windows, mode, solve_arrays(from_problem(problem, windows, mode), threads=1))
        for plan in (alone, solve_fleet(problem, mode, 5.0, threads=1)):
            check_plan(problem, plan)
            value = account(problem, plan).total.objective_eur
            assert value == pytest.approx(plan.solver.objective_eur, abs=1e-6 * max(1.0, abs(value))), seed
            slack = 1e-6 + 3e-6 * max(abs(value), abs(other.bound))
            assert value <= other.bound + slack, seed
            assert other.achieved <= value + plan.solver.gap * max(1.0, abs(value)) + slack, seed
        closed += plan.solver.gap <= 1e-3
    assert closed >= 0.75 * len(days), "what stays open of tiny hard days is the bound, and is reported"


def linked_depot(count: int) -> DayProblem:
    """A depot's day whose sessions carry on; half of the cars leave in the evening, and lack much later."""
    problem = depot_day(count)
    sessions = list[Session]()
    hour = pd.Timedelta(hours=1)
    for number, one in enumerate(problem.cars):
        morning, evening = (session for session in problem.sessions if session.battery_id == one.battery_id)
        evening = replace(evening, carries=True, arrival_soc=min(evening.arrival_soc, morning.departure_soc))
        sessions += [morning, evening]
        if number % 2 == 0:
            evening = sessions[-1] = replace(evening, departure_utc=problem.end_utc - 2 * hour)
            later = replace(evening, arrival_utc=problem.end_utc, departure_utc=problem.end_utc + hour / 2)
            sessions.append(
                replace(later, session_id=f"{one.battery_id} later", arrival_soc=0.4, departure_soc=0.5)
            )
    return replace(problem, sessions=tuple(sessions))


def test_a_large_fleet_plans_them_to_the_gap_and_earns_by_it() -> None:
    problem = linked_depot(300)
    assert sum(one.carries for one in session_windows(problem)) > 100
    assert any(one.due == "later" for one in session_windows(problem))
    assert route(problem, "v2g").engine == "fleet"
    plan = solve_fleet(problem, "v2g", 60.0)
    check_plan(problem, plan)
    assert plan.solver.gap <= 1e-4
    stated = {one.session_id for one in plan.departures}
    assert stated == {one.session_id for one in problem.sessions}, (
        "those after the day are reported of as well"
    )
    touching = tuple(one for one in problem.sessions if one.arrival_utc < problem.end_utc)
    apart = solve_fleet(
        replace(problem, sessions=tuple(replace(one, carries=False) for one in touching)), "v2g", 60.0
    )
    later = {one.session_id for one in problem.sessions} - {one.session_id for one in touching}
    missed = sum(one.missing_kwh for one in plan.departures if one.session_id in later)
    assert missed < 1.0, "what later sessions lack is there before"
    few = replace(problem, sessions=tuple(one for one in problem.sessions if one.session_id not in later))
    assert solve_fleet(few, "v2g", 60.0).solver.objective_eur > apart.solver.objective_eur + 0.5


def test_some_dozens_of_cars_agree_with_the_exact_engine() -> None:
    problem = linked_depot(24)
    exact, plan = solve_mode(problem, "v2g", 60.0), solve_fleet(problem, "v2g", 30.0)
    check_plan(problem, plan)
    scale = abs(exact.solver.objective_eur)
    assert plan.solver.objective_eur == pytest.approx(exact.solver.objective_eur, abs=2e-4 * scale)
    assert plan.solver.gap <= 2e-4


def test_a_check_refuses_a_plan_whose_sessions_do_not_carry_on() -> None:
    problem = linked_depot(40)
    plan = solve_fleet(problem, "v2g", 30.0)
    check_plan(problem, plan)
    alone = tuple(replace(one, carries=one.arrival_utc >= problem.end_utc) for one in problem.sessions)
    with pytest.raises(PlanCheckError, match=r"energy continues|departure energy"):
        check_plan(replace(problem, sessions=alone), plan)
    row, slot = np.argwhere(plan.charge_kw > 1.0)[0]
    less = plan.charge_kw.copy()
    less[row, slot] -= 0.5
    with pytest.raises(PlanCheckError, match="energy balance"):
        check_plan(problem, replace(plan, charge_kw=less))
