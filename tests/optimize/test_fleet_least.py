"""Minimum powers in the fleet engine: none is broken, and the plan is near the best at any size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimize.account import account
from optimize.check import check_plan
from optimize.errors import PlanCheckError
from optimize.fleet.arrays import from_problem, unsupported
from optimize.fleet.plan import plan_of, solve_fleet
from optimize.fleet.route import STEPS_WITH_LEAST, route
from optimize.fleet.solve import solve_arrays
from optimize.types import DayProblem, Mode
from optimize.windows import session_windows
from tests.optimize.dust import problem_of
from tests.optimize.fleet_arrays import random_fleet, six_ampere
from tests.optimize.fleets import car, day, depot_day, session_of
from tests.optimize.mixed import mixed_day
from tests.optimize.reference import milp_answer

pytestmark = pytest.mark.usefixtures("kernels")

KINDS = {
    "energy": ({"reserves": False, "feeder": False, "peak": False}, 1e-3),
    "feeder and peak": ({"reserves": False}, 3e-3),
    "homes": ({"reserves": False, "sites": 9}, 5e-3),
    "reserves": ({}, 5e-3),
}
WITH = ("taper", "charger", "rest", "contract", "tree", "base", "peak", "meter", "reserve", "co2", "horizon")


@pytest.mark.parametrize("kind", KINDS)
def test_six_ampere_a_phase_cost_a_fleet_next_to_nothing(kind: str) -> None:
    features, most = KINDS[kind]
    for seed in (1, 2):
        arrays = six_ampere(random_fleet(250, seed, **features))
        found = solve_arrays(arrays, threads=1)
        free = solve_arrays(random_fleet(250, seed, **features), threads=1)
        problem = problem_of(arrays)
        plan = plan_of(problem, session_windows(problem), "v2g", found)
        check_plan(problem, plan)
        assert found.gap <= most
        # There was something to do: without minimum powers many are broken.
        net = free.plan.charge_kw - free.plan.discharge_kw
        owner = free.repairer.step_car
        least = np.where(
            net > 0.0, found.repairer.rules.least_in[owner], found.repairer.rules.least_out[owner]
        )
        assert np.count_nonzero((net != 0.0) & (np.abs(net) < least - 1e-6)) > 50
        assert found.plan.cost_eur >= found.bound_eur


def small_days(count: int) -> list[tuple[int, DayProblem]]:
    """Days with minimum powers and any of the other features that the engine can plan."""
    found = []
    for seed in range(4 * count):
        rng = np.random.default_rng([seed, 61])
        features = ["minimum", *(feature for feature in WITH if rng.random() < 0.4)]
        cars, slots = int(rng.integers(1, 6)), int(rng.integers(6, 17))
        problem = mixed_day(seed, features=features, cars=cars, slots=slots, hours=1.0, hard=False)
        if not unsupported(problem):
            found.append((seed, problem))
    return found[:count]


@pytest.mark.parametrize("mode", ["ordered", "v2g"])
def test_small_fleets_agree_with_the_second_formulation(mode: Mode) -> None:
    better = 0
    for seed, problem in small_days(24):
        other = milp_answer(problem, mode, seconds=20.0)
        windows = session_windows(problem)
        alone = plan_of(problem, windows, mode, solve_arrays(from_problem(problem, windows, mode), threads=1))
        for plan in (alone, solve_fleet(problem, mode, 5.0, threads=1)):
            check_plan(problem, plan)
            value = account(problem, plan).total.objective_eur
            slack = 1e-6 + 3e-6 * max(abs(value), abs(other.bound))
            assert value <= other.bound + slack, seed
            assert other.achieved <= value + plan.solver.gap * max(1.0, abs(value)) + slack, seed
        better += alone.solver.objective_eur < other.achieved - 1e-3
    assert better > 0


def test_a_check_refuses_a_power_between_nothing_and_the_least() -> None:
    problem = problem_of(six_ampere(random_fleet(20, 3, reserves=False)))
    plan = solve_fleet(problem, "v2g", 20.0, threads=1)
    check_plan(problem, plan)
    row, slot = np.argwhere(plan.charge_kw > 0.0)[0]
    weak = plan.charge_kw.copy()
    weak[row, slot] = 0.5
    with pytest.raises(PlanCheckError, match=r"power 0 or at least min_charge_kw|energy balance"):
        check_plan(problem, replace(plan, charge_kw=weak))


def test_what_a_charger_cannot_begin_stays_off() -> None:
    battery = car("A", charge_limit_kw=3.0, min_charge_kw=4.0)
    problem = day([0.1, 0.2, 0.3, 0.1], [battery], [session_of("A", 0, 4, 0.2, 0.6)])
    plan = solve_fleet(problem, "v2g", 10.0, threads=1)
    check_plan(problem, plan)
    assert plan.charge_kw.max() == 0.0
    assert plan.solver.gap <= 1e-4


def test_some_dozens_of_cars_with_minimum_powers_go_to_the_fleet_engine() -> None:
    problem = depot_day(40)
    assert route(problem, "v2g").engine == "pyomo"
    least = replace(problem, cars=tuple(replace(one, min_charge_kw=1.38) for one in problem.cars))
    chosen = route(least, "v2g")
    assert chosen.size > STEPS_WITH_LEAST
    assert chosen.engine == "fleet"
