"""Reserve capacity and objectives that come before net benefit, solved by hand. One-hour slots."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from optimize.account import account
from optimize.check import check_plan
from optimize.errors import PlanCheckError
from optimize.plan import plan_day
from optimize.types import DayProblem, ModePlan, ReserveBlock, Site
from tests.optimize.fleets import car, day, session_of, wear
from tests.optimize.test_planning_golden import assert_table


def block(**changes: Any) -> ReserveBlock:
    values: dict[str, Any] = {
        "product_id": "aFRR",
        "direction": "up",
        "site_id": "depot",
        "first_slot": 0,
        "end_slot": 2,
        "price_eur_per_kw_h": 0.05,
        "sustain_hours": 1.0,
    }
    return ReserveBlock(**(values | changes))


def held(*blocks: ReserveBlock, **of_car: Any) -> tuple[DayProblem, ModePlan]:
    """A car that holds 5 of 10 kWh for two hours, 4 kW both ways, energy at 0.1."""
    problem = day([0.1, 0.1], [car(**of_car)], [session_of("A", 0, 2, 0.5, 0.5)])
    problem = replace(problem, reserves=blocks)
    return problem, plan_day(problem, ["v2g"])["v2g"]


def test_upward_reserve_is_what_power_and_stored_energy_bear() -> None:
    # 4 kW for two hours at 0.05; with two hours to sustain only 5/2 kW.
    problem, plan = held(block())
    assert plan.reserves[0].bid_kw == pytest.approx(4.0)
    assert plan.solver.objective_eur == pytest.approx(0.4, abs=1e-6)
    assert account(problem, plan).total.reserve_income_eur == pytest.approx(0.4)
    _, plan = held(block(sustain_hours=2.0))
    assert plan.reserves[0].bid_kw == pytest.approx(2.5)


def test_efficiency_costs_reserve_on_both_sides() -> None:
    # Up: 0.5·4 kW metered at most (u·1/0.5 ≤ 5 allows 2.5, two hours only 1.25).
    # Down: 4/0.8 = 5 kW (r·1·0.8 ≤ 5 allows 6.25).
    lossy = {"efficiency_charge": 0.8, "efficiency_discharge": 0.5}
    assert held(block(), **lossy)[1].reserves[0].bid_kw == pytest.approx(2.0)
    assert held(block(sustain_hours=2.0), **lossy)[1].reserves[0].bid_kw == pytest.approx(1.25)
    assert held(block(direction="down"), **lossy)[1].reserves[0].bid_kw == pytest.approx(5.0)


def test_symmetric_reserve_needs_both() -> None:
    # Up 4 kW, down min(4, 10 − 8) = 2 kW: 2 kW both ways.
    problem = day([0.1, 0.1], [car()], [session_of("A", 0, 2, 0.8, 0.8)])
    problem = replace(problem, reserves=(block(direction="symmetric", product_id="FCR"),))
    plan = plan_day(problem, ["v2g"])["v2g"]
    assert plan.reserves[0].bid_kw == pytest.approx(2.0)
    for kw in (plan.reserves[0].up_kw, plan.reserves[0].down_kw):
        assert kw.sum(axis=0).min() >= 2.0 - 1e-9


def test_several_products_share_the_headroom_and_cars_share_a_bid() -> None:
    # 8 kW of two cars: at most 3 kW of the dearer, the rest of the cheaper.
    problem = day([0.1, 0.1], [car("A"), car("B")], [session_of(name, 0, 2, 0.9, 0.9) for name in "AB"])
    dear = block(product_id="dear", price_eur_per_kw_h=0.08, max_kw=3.0)
    problem = replace(problem, reserves=(block(product_id="cheap"), dear))
    plan = plan_day(problem, ["v2g"])["v2g"]
    assert [bid.bid_kw for bid in plan.reserves] == [pytest.approx(5.0), pytest.approx(3.0)]
    assert plan.solver.objective_eur == pytest.approx(2 * (5 * 0.05 + 3 * 0.08), abs=1e-6)
    # In each hour a kW more of the cheap product's headroom is worth its price; both hours are needed.
    assert plan.prices.reserve_up_eur_per_kw[0].sum() == pytest.approx(0.1)


def test_a_block_is_held_in_each_of_its_slots_or_not_at_all() -> None:
    problem = day([0.1] * 3, [car()], [session_of("A", 0, 2, 0.5, 0.5)])
    problem = replace(problem, reserves=(block(end_slot=3), block(product_id="early")))
    plan = plan_day(problem, ["v2g"])["v2g"]
    assert [bid.bid_kw for bid in plan.reserves] == [pytest.approx(0.0, abs=1e-9), pytest.approx(4.0)]


def test_calls_wear_the_battery() -> None:
    # Half of 4 kW over 2 h is 4 kWh or 0.4 EFC at 1 €; income 0.06·8.
    price = wear("rate", residual_value_eur=1000.0, l0_days=1000.0, beta_day_per_efc=1.0)
    problem, plan = held(block(activation_share=0.5, price_eur_per_kw_h=0.06), wear=price)
    total = account(problem, plan).total
    assert total.duty_efc_per_day == pytest.approx(0.4)
    assert total.wear_price_eur == pytest.approx(0.4)
    assert plan.solver.objective_eur == pytest.approx(0.48 - 0.4, abs=1e-6)
    assert held(block(activation_share=0.5, price_eur_per_kw_h=0.04), wear=price)[1].reserves[
        0
    ].bid_kw == pytest.approx(0.0, abs=1e-9)


def test_a_bid_below_its_minimum_is_not_made() -> None:
    assert held(block(sustain_hours=2.0, min_kw=2.0))[1].reserves[0].bid_kw == pytest.approx(2.5)
    assert held(block(sustain_hours=2.0, min_kw=3.0))[1].reserves[0].bid_kw == 0.0
    # Below the minimum with the 2.5 kW of one car, reached with charging 1 kWh first: 3 kW for two hours.
    dear = block(sustain_hours=2.0, min_kw=3.0, price_eur_per_kw_h=0.5, first_slot=1)
    problem, plan = held(dear)
    assert plan.reserves[0].bid_kw >= 3.0
    check_plan(problem, plan)


def test_energy_is_held_back_for_reserve_and_the_missed_departure_says_so() -> None:
    # Down for 1 h asks for room: 4 kW need 4 kWh free, so at most 6 of the 9 kWh owed are charged.
    problem = day([0.1, 0.1], [car()], [session_of("A", 0, 2, 0.5, 0.9)], departure_price=0.2)
    problem = replace(problem, reserves=(block(direction="down", price_eur_per_kw_h=1.0),))
    plan = plan_day(problem, ["v2g"])["v2g"]
    (outcome,) = plan.departures
    assert outcome.missing_kwh > 1.0
    assert outcome.reason.startswith("reserve: holds up to ")


def test_the_checker_sees_reserve_that_is_not_there() -> None:
    problem, plan = held(block(sustain_hours=2.0))
    (bid,) = plan.reserves
    more = np.full_like(bid.up_kw, 3.0)
    wrong = {
        "bid held upwards": replace(bid, bid_kw=3.0),
        "reserve up sustained": replace(bid, up_kw=more),
        "reserve up within power": replace(bid, up_kw=2.0 * more),
        "nothing held that was not asked": replace(bid, down_kw=more),
        "one bid for each reserve block": replace(bid, name="other"),
        "bid >= 0": replace(bid, bid_kw=-1.0),
    }
    for rule, other in wrong.items():
        with pytest.raises(PlanCheckError, match=rule):
            check_plan(problem, replace(plan, reserves=(other,)))
    away = replace(problem, cars=(*problem.cars, car("away")))
    plan_with_both = plan_day(away, ["v2g"])["v2g"]
    up_kw = plan_with_both.reserves[0].up_kw[::-1]
    with pytest.raises(PlanCheckError, match=r"plugged cars of the pool.*'away'"):
        check_plan(away, replace(plan_with_both, reserves=(replace(bid, up_kw=up_kw, down_kw=0 * up_kw),)))
    with pytest.raises(PlanCheckError, match="bids in mode v2g alone"):
        check_plan(problem, replace(plan, mode="ordered"))
    with pytest.raises(PlanCheckError, match="bid 0 or at least min_kw"):
        check_plan(replace(problem, reserves=(block(sustain_hours=2.0, min_kw=3.0),)), plan)


def objective_day(objective: str, prices: list[float], soc: float, target: float, **more: Any) -> DayProblem:
    problem = day(prices, [car()], [session_of("A", 0, len(prices), soc, target)])
    return replace(problem, objective=objective, **more)


def test_grid_support_feeds_the_declared_hours_whatever_they_pay() -> None:
    # 4 kW into the first hour though it costs 1 €/kWh, then 2 kWh owed are bought back.
    problem = objective_day("grid_support", [-1.0, 0.3], 0.8, 0.6, peak_slots=(0,))
    assert_table(problem, "v2g", [[0, 2]], [[4, 0]], -4.0 - 0.6)
    assert plan_day(problem, ["v2g"])["v2g"].solver.primary == pytest.approx(4.0)
    assert_table(replace(problem, objective="net_benefit"), "v2g", [[2, 0]], [[0, 4]], 2.0 + 1.2)


def test_departures_come_before_any_objective() -> None:
    # Nothing charged would be the smallest peak; the 4 kWh owed are spread instead.
    problem = objective_day("peak_shaving", [0.1, 0.2, 0.3, 0.4], 0.2, 0.6)
    assert_table(problem, "ordered", [[1, 1, 1, 1]], [[0] * 4], -1.0)
    assert plan_day(problem, ["ordered"])["ordered"].solver.primary == pytest.approx(1.0)
    # In one hour of grid support the car may not give what it cannot get back.
    problem = objective_day("grid_support", [0.1, 0.1], 0.5, 0.8, peak_slots=(0,))
    assert_table(problem, "v2g", [[0, 4]], [[1, 0]], 0.1 - 0.4)


def test_load_levelling_fills_the_valleys() -> None:
    site = Site(
        site_id="depot", import_limit_kw=9.0, export_limit_kw=9.0, base_load_kw=np.array([2.0, 0.0, 2.0, 0.0])
    )
    problem = replace(objective_day("load_levelling", [0.1, 0.4, 0.1, 0.4], 0.2, 0.6), sites=(site,))
    assert_table(problem, "ordered", [[0, 2, 0, 2]], [[0] * 4], -1.6)
    assert plan_day(problem, ["ordered"])["ordered"].solver.primary == pytest.approx(0.0, abs=1e-6)


def test_among_equals_the_cheaper_plan_is_taken() -> None:
    # The load of the first hour sets the peak of 3 kW: below it price decides.
    site = Site(
        site_id="depot", import_limit_kw=9.0, export_limit_kw=9.0, base_load_kw=np.array([3.0, 0.0, 0.0])
    )
    problem = replace(objective_day("peak_shaving", [0.1, 0.3, 0.2], 0.2, 0.6), sites=(site,))
    assert_table(problem, "ordered", [[0, 1, 3]], [[0, 0, 0]], -0.9)
