"""How far wear may pay is never cut short: tables by hand for what each income can be worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimize.fleet.arrays import from_problem, unsupported
from optimize.fleet.compile import compile_fleet
from optimize.fleet.solve import solve_arrays
from optimize.most_duty import most_duty_efc, most_worth_eur
from optimize.plan import plan_day
from optimize.types import DayProblem, ReserveBlock, WearPrice
from optimize.windows import session_windows
from tests.optimize.fleets import car, day, session_of, wear
from tests.optimize.mixed import FEATURES, mixed_day
from tests.optimize.reference import milp_answer
from tests.optimize.test_planning_features import place


def steep(alpha: float) -> WearPrice:
    """exp(α·x) − 1 €."""
    return wear(residual_value_eur=1000.0, l0_days=1000.0, alpha_day_per_efc=alpha)


def room_for_reserve() -> DayProblem:
    """A full battery of 10 kWh: each kWh fed in at 0.1 makes room for a kW over 23 hours at 0.05.

    That is 1.25 € in all; 4·exp(4·x)/10 = 1.25 at x = ln(3.125)/4.
    """
    sold = ReserveBlock(
        product_id="down",
        direction="down",
        site_id="depot",
        first_slot=1,
        end_slot=24,
        price_eur_per_kw_h=0.05,
        sustain_hours=1.0,
    )
    problem = day([0.1] * 24, [car(wear=steep(4.0))], [session_of("A", 0, 24, 1.0, 0.0)], departure_price=0.0)
    return replace(problem, reserves=(sold,))


def lump() -> DayProblem:
    """4 kWh are sold at 7 € or none, as the charger gives 4 kW or nothing; they wear exp(7.5·0.4) − 1 €."""
    one = car(wear=steep(7.5), min_discharge_kw=4.0)
    return day([0.01], [one], [session_of("A", 0, 1, 0.4, 0.0)], export=[7.0], departure_price=0.0)


def dear_peak() -> DayProblem:
    """A load of 20 kW in one hour, 5 €/kW: a kWh then saves 5.1 €. 8·exp(8·x)/10 = 5.1 at x = ln(6.375)/8."""
    site = place(base_load_kw=np.array([0.0, 20.0]), peak_price_eur_per_kw=5.0)
    sessions = [session_of("A", 0, 2, 0.5, 0.0)]
    return day([0.1, 0.1], [car(wear=steep(8.0))], sessions, sites=[site], departure_price=0.0)


def called_reserve() -> DayProblem:
    """A twentieth is called of what is held over four hours for 0.4 €/(kW·h): 8 € a called kWh."""
    block = ReserveBlock(
        product_id="up",
        direction="up",
        site_id="depot",
        first_slot=0,
        end_slot=16,
        price_eur_per_kw_h=0.4,
        sustain_hours=0.25,
        activation_share=0.05,
    )
    one = car(wear=steep(12.0))
    problem = day(
        [0.0] * 16, [one], [session_of("A", 0, 16, 0.5, 0.0, hours=0.25)], hours=0.25, departure_price=0.0
    )
    return replace(problem, reserves=(block,))


LN_ROOM, LN_PEAK = np.log(3.125), np.log(6.375)
BY_HAND = {
    "room for reserve": (room_for_reserve(), 1.25 * 10 * LN_ROOM / 4 - 2.125),
    "all or nothing": (lump(), 28.0 - np.expm1(3.0)),
    "dear peak": (dear_peak(), 5.1 * 10 * LN_PEAK / 8 - 5.375 - 100.0),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_wear_that_pays_is_not_cut_off(name: str) -> None:
    problem, objective = BY_HAND[name]
    plan = plan_day(problem, ["v2g"])["v2g"]
    assert plan.discharge_kw.sum() > 1.0
    assert plan.solver.objective_eur == pytest.approx(objective, abs=1e-3)
    assert milp_answer(problem, "v2g").achieved == pytest.approx(objective, abs=1e-3)


@pytest.mark.parametrize("problem", [room_for_reserve(), dear_peak(), called_reserve()])
def test_the_fleet_engine_finds_and_proves_it(problem: DayProblem) -> None:
    best = milp_answer(problem, "v2g")
    found = solve_arrays(from_problem(problem, session_windows(problem), "v2g"), gap=1e-3)
    assert found.status == "optimal"
    assert -found.bound_eur >= best.achieved - 1e-3
    assert -found.plan.cost_eur == pytest.approx(best.achieved, abs=2e-3 * max(1.0, abs(best.achieved)))


@pytest.mark.parametrize("first", range(0, 24, 8))
def test_steep_wear_agrees_with_a_second_formulation(first: int) -> None:
    for seed in range(first, first + 8):
        features = [name for name in FEATURES if name not in ("objective", "bid_minimum")]
        problem = mixed_day(seed, features=features, cars=2, slots=6, hours=1.0)
        rng = np.random.default_rng(seed)
        cars = tuple(replace(one, wear=steep(float(rng.choice([5.0, 15.0, 40.0])))) for one in problem.cars)
        problem = replace(problem, cars=cars, departure_price_eur_per_kwh=float(rng.choice([0.0, 0.3])))
        plan, other = plan_day(problem, ["v2g"])["v2g"], milp_answer(problem, "v2g")
        slack = 1e-3 * max(1.0, abs(other.achieved))
        assert other.achieved - slack <= plan.solver.objective_eur <= other.bound + slack, seed


def test_the_most_that_wear_may_cost_is_what_all_terms_could_bring() -> None:
    problem = room_for_reserve()
    windows = session_windows(problem)
    # 8 kWh an hour could move, over 24 hours at 0.1 and over 23 at 0.05.
    most = 8 * 24 * 0.1 + 8 * 23 * 0.05
    assert most_worth_eur(problem, windows) == pytest.approx(most)
    (x,) = most_duty_efc(problem, windows)
    assert problem.cars[0].wear.cost_eur(x) == pytest.approx(most)
    for other in (steep(0.0), wear("rate", beta_day_per_efc=0.0)):
        assert most_duty_efc(replace(problem, cars=(car(wear=other),)), windows).tolist() == [np.inf]
    by_rate = wear("rate", residual_value_eur=1000.0, l0_days=1000.0, beta_day_per_efc=2.0)
    (x,) = most_duty_efc(replace(problem, cars=(car(wear=by_rate),)), windows)
    assert x == pytest.approx(most / 2.0)


def test_both_engines_bound_a_duty_alike() -> None:
    checked = 0
    for seed in range(20):
        features = [
            name for name in FEATURES if name not in ("objective", "follow", "horizon", "meter", "own")
        ]
        problem = mixed_day(seed, features=features, cars=3, slots=8, hours=1.0)
        windows = session_windows(problem)
        if not unsupported(problem):
            compiled = compile_fleet(from_problem(problem, windows, "v2g"))
            by_law = compiled.fleet.wear_alpha > 0.0
            most = most_duty_efc(problem, windows)[compiled.order]
            np.testing.assert_allclose(compiled.fleet.wear_most[by_law], most[by_law], rtol=1e-12)
            checked += int(by_law.sum())
    assert checked > 2
