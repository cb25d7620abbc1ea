"""Random days against other ways to the answer, and against what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimize.account import account
from optimize.check import check_plan
from optimize.plan import plan_day
from tests.optimize.fleets import car, day, random_day, stay, wear
from tests.optimize.reference import grid_objective, milp_objective

STEADY = settings(deadline=None, derandomize=True, database=None)


@given(seed=st.integers(0, 10_000), slots=st.sampled_from([92, 96, 100]))
@settings(STEADY, max_examples=40)
def test_every_plan_passes_the_checker_and_its_accounts_equal_the_solvers_objective(
    seed: int, slots: int
) -> None:
    problem = random_day(seed, slots=slots)
    plans = plan_day(problem, time_limit_seconds=0.5)
    for plan in plans.values():
        check_plan(problem, plan)
        objective = account(problem, plan).total.objective_eur
        assert objective == pytest.approx(plan.solver.objective_eur, abs=1e-6)
        assert (plan.solver.status == "time_limit") == (plan.solver.gap > 2e-6)
    # Each mode may do all that the one before may.
    reached = [plans[mode].solver.objective_eur for mode in ("uncontrolled", "ordered", "v2g")]
    slack = 1e-6 + (2e-6 + plans["v2g"].solver.gap) * max(1.0, abs(reached[2]))
    assert reached[0] <= reached[1] + slack
    assert reached[1] <= reached[2] + slack


@given(seed=st.integers(0, 10_000), cars=st.integers(1, 4), slots=st.integers(1, 20))
@settings(STEADY, max_examples=150)
def test_a_second_formulation_agrees(seed: int, cars: int, slots: int) -> None:
    problem = random_day(seed, cars=cars, slots=slots, hours=0.5)
    for mode, plan in plan_day(problem, ["ordered", "v2g"]).items():
        achieved, bound = milp_objective(problem, mode)
        slack = 1e-6 + 3e-6 * abs(bound)
        assert achieved - slack <= plan.solver.objective_eur <= bound + slack


@given(seed=st.integers(0, 10_000), slots=st.integers(1, 24))
@settings(STEADY, max_examples=40)
def test_a_dynamic_programme_agrees(seed: int, slots: int) -> None:
    rng = np.random.default_rng(seed)
    one = car(
        capacity_kwh=12.0,
        soc_min=float(rng.choice([0.0, 0.25])),
        soc_max=float(rng.choice([0.75, 1.0])),
        charge_limit_kw=3.0,
        discharge_limit_kw=3.0,
        efficiency_charge=float(rng.choice([0.8, 0.9, 1.0])),
        efficiency_discharge=float(rng.choice([0.8, 0.9, 1.0])),
        wear=wear("rate", residual_value_eur=float(rng.choice([0.0, 500.0, 2000.0]))),
    )
    prices = rng.normal(0.1, 0.25, slots)
    soc, target = rng.choice([0.25, 0.5, 0.75], 2)
    problem = day(
        prices,
        [one],
        [stay("A", 0, slots, float(soc), float(target))],
        export=prices + rng.choice([-0.05, 0.0, 0.04]),
        terminal=float(rng.choice([0.0, 0.1])),
        departure_price=float(rng.choice([0.2, 3.0])),
    )
    plan = plan_day(problem, ["v2g"])["v2g"]
    assert plan.solver.objective_eur == pytest.approx(grid_objective(problem, 3.0), rel=3e-6, abs=3e-6)


def test_the_same_day_twice_gives_the_same_plan_to_the_bit() -> None:
    # Seed 31 needs 50 binaries, 28 nine tangents, 38 both.
    for seed in (28, 31, 38):
        first, second = (plan_day(random_day(seed, cars=4), ["v2g"])["v2g"] for _ in range(2))
        assert first.charge_kw.tobytes() == second.charge_kw.tobytes()
        assert first.discharge_kw.tobytes() == second.discharge_kw.tobytes()
