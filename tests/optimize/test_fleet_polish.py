"""What the fleet engine's relaxation leaves out: cars' subproblems, the bound that they prove, the plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimize.account import account
from optimize.check import check_plan
from optimize.fleet.arrays import from_problem, unsupported
from optimize.fleet.plan import solve_fleet
from optimize.fleet.solve import FleetSolution, solve_arrays
from optimize.fleet.subproblem import Subproblems
from optimize.follow import charge_on_plug_in
from optimize.solve import solve_day, solve_mode
from optimize.types import DayProblem, Mode
from optimize.windows import session_windows
from tests.optimize.mixed import FEATURES as ALL
from tests.optimize.mixed import mixed_day

pytestmark = pytest.mark.usefixtures("kernels")

FEATURES = tuple(feature for feature in ALL if feature not in ("rest", "follow", "objective", "own"))
EXACT = 2e-6


def small_day(seed: int, cars: int = 3) -> DayProblem:
    """A day of 16 hours with any of the features."""
    rng = np.random.default_rng([seed, 17])
    features = [feature for feature in FEATURES if rng.random() < 0.6]
    return mixed_day(seed, features=features, cars=cars, slots=16, hours=1.0, hard=False)


def days(count: int, cars: int = 3) -> list[DayProblem]:
    """Days that the engine can plan."""
    return [day for day in (small_day(seed, cars) for seed in range(2 * count)) if not unsupported(day)][
        :count
    ]


def engine(problem: DayProblem, mode: Mode) -> tuple[FleetSolution, Subproblems]:
    """A day by the engine alone, stopped early, and its cars' subproblems."""
    windows = session_windows(problem)
    found = solve_arrays(from_problem(problem, windows, mode), gap=1e-3, most_iterations=25)
    return found, Subproblems(problem, windows, mode, found)


@pytest.mark.parametrize("mode", ["ordered", "v2g"])
def test_exact_minima_at_any_prices_bound_the_whole_day(mode: Mode) -> None:
    closeness = []
    for seed, problem in enumerate(days(16)):
        exact = solve_mode(problem, mode, 30.0).solver
        found, subproblems = engine(problem, mode)
        rng = np.random.default_rng(seed)
        for noise in (0.0, 0.05):
            y = np.nan_to_num(found.y) + noise * rng.normal(size=found.y.size)
            bound = found.coupling.least(y)
            for i in range(len(problem.cars)):
                search = solve_day(subproblems.at_prices(i, y), 30.0)
                objective = search.program.objective()
                bound += objective - search.gap * max(1.0, abs(objective))
            scale = max(1.0, abs(exact.objective_eur))
            assert bound <= -exact.objective_eur + EXACT * scale, (seed, noise)
            closeness.append((-exact.objective_eur - bound) / scale)
    assert np.median(closeness) < 0.1


def test_a_car_that_shares_nothing_costs_at_no_prices_what_its_day_costs() -> None:
    for seed in range(12):
        problem = mixed_day(
            seed, features=["taper", "charger", "minimum", "contract", "co2"], cars=1, slots=16, hours=1.0
        )
        free = [replace(site, import_limit_kw=np.inf, export_limit_kw=np.inf) for site in problem.sites]
        problem = replace(problem, sites=tuple(free))
        exact = solve_mode(problem, "v2g", 30.0).solver.objective_eur
        found, subproblems = engine(problem, "v2g")
        assert found.y.size == 0
        alone = solve_day(subproblems.at_prices(0, found.y), 30.0)
        assert alone.program.objective() == pytest.approx(-exact, rel=EXACT, abs=EXACT)


@pytest.mark.parametrize("mode", ["ordered", "v2g"])
def test_all_cars_next_to_nobody_are_the_day(mode: Mode) -> None:
    for problem in days(10):
        exact = solve_mode(problem, mode, 30.0).solver.objective_eur
        found, subproblems = engine(problem, mode)
        cars = list(range(len(problem.cars)))[::-1]
        search = solve_day(subproblems.given_others(cars, found.plan), 30.0)
        plan = subproblems.with_cars(found.plan, cars, search)
        slack = 3 * EXACT * max(1.0, abs(exact))
        assert plan.cost_eur == pytest.approx(-exact, abs=slack)
        assert subproblems.repairer.within_limits(plan)


def test_a_car_next_to_the_others_never_makes_the_whole_worse() -> None:
    gained = 0
    for problem in days(16, cars=4):
        found, subproblems = engine(problem, "v2g")
        plan = found.plan
        for i in range(len(problem.cars)):
            day = subproblems.given_others([i], plan)
            search = solve_day(day, 30.0, fallback=subproblems.now(day, [i], plan))
            better = subproblems.with_cars(plan, [i], search)
            slack = 3 * EXACT * max(1.0, abs(plan.cost_eur))
            assert better.cost_eur <= plan.cost_eur + slack
            gained += better.cost_eur < plan.cost_eur - slack
            if subproblems.repairer.within_limits(better):
                plan = better
    assert gained > 10


def test_gaps_that_the_relaxation_leaves_are_closed() -> None:
    before, after = [], []
    for problem in days(16, cars=5):
        plan = solve_fleet(problem, "v2g", 30.0)
        check_plan(problem, plan)
        exact = solve_mode(problem, "v2g", 30.0).solver
        value = account(problem, plan).total.objective_eur
        scale = max(1.0, abs(value))
        assert value <= exact.objective_eur + (exact.gap + EXACT) * scale
        assert exact.objective_eur <= value + (plan.solver.gap + EXACT) * scale
        # The plan is as good as the best; what sessions of the gap is the bound's.
        assert value >= exact.objective_eur - 1e-4 * scale
        before.append(engine(problem, "v2g")[0].gap)
        after.append(plan.solver.gap)
    assert np.median(after) < 0.1 * np.median(before)


@pytest.mark.parametrize("mode", ["ordered", "v2g"])
def test_no_time_at_all_still_gives_a_plan_no_worse_than_plugging_in(mode: Mode) -> None:
    rescued = 0
    for seed in range(12):
        problem = mixed_day(seed, features=("taper", "charger", "rest", "co2"), cars=6, slots=96)
        plan = solve_fleet(problem, mode, 0.0)
        check_plan(problem, plan)
        value = account(problem, plan).total.objective_eur
        assert value == pytest.approx(plan.solver.objective_eur, abs=1e-7 * max(1.0, abs(value)))
        simple = account(problem, charge_on_plug_in(problem)).total.objective_eur
        assert value >= simple - 1e-9 * max(1.0, abs(simple))
        windows = session_windows(problem)
        first = solve_arrays(from_problem(problem, windows, mode), time_limit_seconds=0.0)
        rescued += -first.plan.cost_eur < simple - 1e-6
    assert rescued > 0
