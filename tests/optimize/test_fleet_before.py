"""Grid support and peak shaving in the fleet engine: by hand, next to both formulations, at their prices."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from optimize.account import account, primary_value
from optimize.check import check_plan
from optimize.fleet.arrays import unsupported
from optimize.fleet.before import attainable, weighed
from optimize.fleet.plan import solve_fleet
from optimize.fleet.route import route
from optimize.plan import check_account, with_primary
from optimize.solve import solve_mode
from optimize.types import DayProblem, Mode, ModePlan, Site
from optimize.windows import session_windows
from tests.optimize.fleets import car, day, depot_day, session_of
from tests.optimize.mixed import drawn_days
from tests.optimize.reference import milp_answer
from tests.optimize.test_planning_reserves import objective_day

pytestmark = pytest.mark.usefixtures("kernels")

BESIDE = (
    "taper",
    "charger",
    "minimum",
    "rest",
    "contract",
    "tree",
    "base",
    "peak",
    "meter",
    "reserve",
    "co2",
    "follow",
    "horizon",
    "carry",
)
SUPPORT, SHAVING = "grid_support", "peak_shaving"


def planned(problem: DayProblem, mode: Mode, seconds: float = 10.0) -> ModePlan:
    """The fleet engine's plan, refused by nothing."""
    plan = solve_fleet(problem, mode, seconds, threads=1)
    check_plan(problem, plan)
    check_account(problem, plan)
    with_primary(problem, plan)
    assert plan.prices.site_eur_per_kwh.shape == (len(problem.sites), len(problem.slots))
    assert plan.prices.peak_eur_per_kw.shape == (len(problem.sites), len(problem.slots))
    return plan


def depot(base_kw: list[float], price: float = 0.0, so_far_kw: float = 0.0) -> tuple[Site, ...]:
    site = Site(
        site_id="depot",
        import_limit_kw=9.0,
        export_limit_kw=9.0,
        base_load_kw=np.array(base_kw),
        peak_price_eur_per_kw=price,
        peak_so_far_kw=so_far_kw,
    )
    return (site,)


@pytest.mark.parametrize(
    ("problem", "mode", "net_kw", "primary", "eur"),
    [
        # 4 kW into the first hour though it costs 1 €/kWh, then 2 kWh owed are bought back.
        (objective_day(SUPPORT, [-1.0, 0.3], 0.8, 0.6, peak_slots=(0,)), "v2g", [-4, 2], 4.0, -4.6),
        # Nothing charged would be the smallest peak; the 4 kWh owed are spread instead.
        (objective_day(SHAVING, [0.1, 0.2, 0.3, 0.4], 0.2, 0.6), "ordered", [1, 1, 1, 1], 1.0, -1.0),
        # In one hour of grid support the car may not give what it cannot get back.
        (objective_day(SUPPORT, [0.1, 0.1], 0.5, 0.8, peak_slots=(0,)), "v2g", [-1, 4], 1.0, -0.3),
        # Of 9 kWh owed in one hour 4 are had: what cannot be had is no part of what comes first.
        (objective_day(SHAVING, [0.1], 0.0, 0.9), "ordered", [4], 4.0, -0.4 - 5 * 0.05),
        # The load of the first hour sets the peak of 3 kW: below it price decides.
        (
            replace(objective_day(SHAVING, [0.1, 0.3, 0.2], 0.2, 0.6), sites=depot([3.0, 0.0, 0.0])),
            "ordered",
            [0, 1, 3],
            3.0,
            -0.9,
        ),
        # A peak that is paid for besides, above 2 kW that were reached before: 1 kW more at 0.5 €/kW.
        (
            replace(
                objective_day(SHAVING, [0.1, 0.3, 0.2], 0.2, 0.6),
                sites=depot([3.0, 0.0, 0.0], price=0.5, so_far_kw=2.0),
            ),
            "ordered",
            [0, 1, 3],
            3.0,
            -0.9 - 0.5,
        ),
    ],
)
def test_days_by_hand(
    problem: DayProblem, mode: Mode, net_kw: list[float], primary: float, eur: float
) -> None:
    plan = planned(replace(problem, departure_price_eur_per_kwh=0.05), mode)
    assert (plan.charge_kw - plan.discharge_kw)[0] == pytest.approx(net_kw, abs=2e-3)
    assert plan.solver.primary == pytest.approx(primary, abs=1e-3)
    assert plan.solver.objective_eur == pytest.approx(eur, abs=2e-3)
    assert plan.solver.gap <= 1e-3


def random_days(count: int) -> list[tuple[int, DayProblem]]:
    """Random days of both objectives with any of the other features that the engine can plan."""
    days = (
        (seed, problem)
        for seed, problem in drawn_days("objective", BESIDE, 0.3, 91)
        if problem.objective in (SUPPORT, SHAVING) and problem.sessions and not unsupported(problem)
    )
    return list(islice(days, count))


def test_random_days_agree_with_the_second_formulation() -> None:
    days, closed = random_days(20), 0
    assert len(days) == 20
    for number, (seed, problem) in enumerate(days):
        mode: Mode = "ordered" if number % 3 == 0 else "v2g"
        other = milp_answer(problem, mode, seconds=20.0)
        plan = planned(problem, mode, 3.0)
        gap, value = plan.solver.gap, account(problem, plan).total.objective_eur
        sign = -1.0 if problem.objective == SUPPORT else 1.0
        mine, theirs = sign * plan.solver.primary, sign * other.primary
        slack = 1e-5 * max(1.0, abs(theirs), abs(value))
        assert mine <= theirs + gap * max(1.0, abs(mine)) + slack, seed
        if not any(outcome.missing_kwh for outcome in plan.departures):
            assert mine >= theirs - slack, seed
        if mine <= theirs + 1e-7:  # then it is no worse in what comes first, and has to own up in net benefit
            assert other.achieved <= value + gap * max(1.0, abs(value)) + slack, seed
        closed += gap <= 1e-3
    assert closed >= 0.7 * len(days), "what stays open of tiny hard days is the bound, and is reported"


@pytest.mark.parametrize("objective", [SUPPORT, SHAVING])
def test_a_depot_agrees_with_the_exact_engine(objective: str) -> None:
    problem = replace(depot_day(24), objective=objective, peak_slots=tuple(range(70, 82)))  # type: ignore[arg-type]
    exact, plan = solve_mode(problem, "v2g", 60.0), planned(problem, "v2g", 60.0)
    assert plan.solver.status == "optimal"
    assert plan.solver.primary == pytest.approx(exact.solver.primary, rel=1e-4)
    assert plan.solver.objective_eur == pytest.approx(exact.solver.objective_eur, rel=2e-4)
    assert primary_value(problem, plan) == pytest.approx(plan.solver.primary)


def test_large_fleets_with_these_objectives_go_to_the_fleet_engine() -> None:
    for objective in (SUPPORT, SHAVING):
        problem = replace(depot_day(300), objective=objective, peak_slots=(70, 71))  # type: ignore[arg-type]
        assert route(problem, "v2g").engine == "fleet"


def test_less_is_asked_where_full_power_is_too_little_and_nowhere_else() -> None:
    cars = [car("A"), car("B"), car("C")]
    sessions = [
        session_of("A", 0, 1, 0.2, 0.9),  # 4 kWh of 7
        session_of("B", 0, 3, 0.2, 0.6),
        session_of("C", 1, 5, 0.0, 0.9),  # leaves two hours after the day's end: 1 kWh of it is owed there
    ]
    problem = day([0.1] * 3, cars, sessions)
    asked = [window.target_kwh for window in session_windows(problem)]
    lowered = replace(problem, sessions=attainable(problem))
    assert asked == pytest.approx([9.0, 6.0, 1.0])
    assert [w.target_kwh for w in session_windows(lowered)] == pytest.approx([6.0, 6.0, 1.0])


def test_a_root_with_a_peak_of_its_own_hangs_on_another_that_is_shaved() -> None:
    taken = (
        *depot([0.0], price=0.5),
        Site(site_id="above depot", import_limit_kw=5.0, export_limit_kw=5.0),
    )
    problem = replace(objective_day(SHAVING, [0.1], 0.0, 0.4), sites=taken)
    sites = weighed(problem, 7.0).sites
    assert [site.parent_id for site in sites] == ["above above depot", None, None]
    assert [site.peak_price_eur_per_kw for site in sites] == [0.5, 7.0, 7.0]
