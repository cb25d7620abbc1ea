"""The price of departing from the plan in force in the fleet engine: by hand, both formulations, depots."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimize.account import account, grid_power_kw
from optimize.check import check_plan
from optimize.errors import PlanCheckError
from optimize.fleet.arrays import from_problem, unsupported
from optimize.fleet.plan import plan_of, solve_fleet
from optimize.fleet.route import route
from optimize.fleet.solve import solve_arrays
from optimize.plan import check_account
from optimize.solve import solve_mode
from optimize.types import DayProblem, Mode, ModePlan
from optimize.windows import session_windows
from tests.optimize.fleets import car, day, depot_day, session_of
from tests.optimize.mixed import mixed_day
from tests.optimize.reference import milp_answer

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
    "horizon",
    "carry",
)


def followed(previous_kw: list[float], price: float) -> DayProblem:
    """4 kWh to charge at 0.10, 0.20 or 0.30 within three hours, with a plan in force."""
    problem = day([0.1, 0.2, 0.3], [car()], [session_of("A", 0, 3, 0.2, 0.6)])
    return replace(problem, previous_kw=np.array([previous_kw]), change_price_eur_per_kwh=price)


@pytest.mark.parametrize(
    ("previous", "price", "charge", "eur"),
    [
        # Moving a kWh from the second hour to the first saves 0.10 and departs by 2 kWh: not worth 0.12.
        ([0.0, 4.0, 0.0], 0.06, [0, 4, 0], -0.8),
        # At 0.04 a kWh it is.
        ([0.0, 4.0, 0.0], 0.04, [4, 0, 0], -0.4 - 8 * 0.04),
        # One kWh less than is needed was planned: it is added where it is cheapest.
        ([0.0, 3.0, 0.0], 0.06, [1, 3, 0], -0.7 - 0.06),
        # Nothing is known of the first hour: only the second is departed from.
        ([np.nan, 4.0, 0.0], 0.09, [4, 0, 0], -0.4 - 4 * 0.09),
        ([np.nan, 4.0, 0.0], 0.11, [0, 4, 0], -0.8),
    ],
)
def test_days_by_hand(previous: list[float], price: float, charge: list[float], eur: float) -> None:
    problem = followed(previous, price)
    plan = solve_fleet(problem, "ordered", 10.0, gap=1e-7, threads=1)
    check_plan(problem, plan)
    check_account(problem, plan)
    assert plan.charge_kw[0] == pytest.approx(charge, abs=1e-4)
    assert plan.solver.objective_eur == pytest.approx(eur, abs=1e-4)
    assert plan.solver.gap <= 1e-5


def followed_days(count: int) -> list[tuple[int, DayProblem]]:
    """Random days with a plan in force, with any of the other features that the engine can plan."""
    found = []
    for seed in range(8 * count):
        rng = np.random.default_rng([seed, 71])
        features = ["follow", *(feature for feature in BESIDE if rng.random() < 0.35)]
        cars, slots = int(rng.integers(1, 5)), int(rng.integers(6, 17))
        problem = mixed_day(seed, features=features, cars=cars, slots=slots, hours=1.0, hard=bool(seed % 2))
        if problem.change_price_eur_per_kwh and problem.sessions and not unsupported(problem):
            found.append((seed, problem))
    return found[:count]


@pytest.mark.parametrize("mode", ["ordered", "v2g"])
def test_random_days_agree_with_the_second_formulation(mode: Mode) -> None:
    days, closed = followed_days(40), 0
    assert len(days) == 40
    for seed, problem in days:
        other = milp_answer(problem, mode, seconds=20.0)
        windows = session_windows(problem)
        alone = plan_of(problem, windows, mode, solve_arrays(from_problem(problem, windows, mode), threads=1))
        for plan in (alone, solve_fleet(problem, mode, 5.0, threads=1)):
            check_plan(problem, plan)
            check_account(problem, plan)
            value = account(problem, plan).total.objective_eur
            slack = 1e-6 + 3e-6 * max(abs(value), abs(other.bound))
            assert value <= other.bound + slack, seed
            assert other.achieved <= value + plan.solver.gap * max(1.0, abs(value)) + slack, seed
        closed += plan.solver.gap <= 1e-3
    assert closed >= 0.75 * len(days), "what stays open of tiny hard days is the bound, and is reported"


def changed_depot(count: int, price: float) -> tuple[DayProblem, ModePlan]:
    """A depot whose prices moved a little after it was planned, and the plan that is in force."""
    problem = depot_day(count)
    before = solve_fleet(problem, "v2g", 60.0)
    moved = np.random.default_rng(3).normal(0.0, 0.004, len(problem.slots))
    return (
        replace(
            problem,
            import_price_eur_per_kwh=problem.import_price_eur_per_kwh + moved,
            export_price_eur_per_kwh=problem.export_price_eur_per_kwh + moved,
            previous_kw=grid_power_kw(problem, before),
            change_price_eur_per_kwh=price,
        ),
        before,
    )


def moved_kwh(problem: DayProblem, plan: ModePlan) -> float:
    assert problem.previous_kw is not None
    return float(np.nansum(np.abs(grid_power_kw(problem, plan) - problem.previous_kw))) * problem.slot_hours


def test_a_large_fleet_keeps_to_its_plan_where_leaving_it_pays_less() -> None:
    problem, before = changed_depot(300, 0.01)
    assert route(problem, "v2g").engine == "fleet"
    plan = solve_fleet(problem, "v2g", 60.0)
    check_plan(problem, plan)
    check_account(problem, plan)
    assert plan.solver.gap <= 1e-4
    free = replace(problem, change_price_eur_per_kwh=0.0)
    unbound = solve_fleet(free, "v2g", 60.0)
    assert moved_kwh(problem, plan) < 0.3 * moved_kwh(problem, unbound)
    kept = np.abs(grid_power_kw(problem, plan) - problem.previous_kw) < 1e-3  # type: ignore[operator]
    assert kept[before.plugged].mean() > 0.9, "what stays is as it was to the watt"


def test_some_dozens_of_cars_agree_with_the_exact_engine() -> None:
    problem, _ = changed_depot(24, 0.02)
    exact, plan = solve_mode(problem, "v2g", 60.0), solve_fleet(problem, "v2g", 30.0)
    check_plan(problem, plan)
    scale = abs(exact.solver.objective_eur)
    assert plan.solver.objective_eur == pytest.approx(exact.solver.objective_eur, abs=2e-4 * scale)


def test_an_account_refuses_a_plan_that_left_the_one_in_force_for_nothing() -> None:
    problem, _ = changed_depot(40, 0.02)
    plan = solve_fleet(problem, "v2g", 30.0)
    check_account(problem, plan)
    elsewhere = replace(problem, previous_kw=np.zeros_like(problem.previous_kw))
    with pytest.raises(PlanCheckError, match="accounts equal to the objective"):
        check_account(elsewhere, plan)
