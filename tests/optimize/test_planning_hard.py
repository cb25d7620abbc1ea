"""Hard but meant: days at the edge are planned and reported, never refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimize.account import account
from optimize.check import check_plan
from optimize.plan import plan_day
from optimize.types import DayProblem, ModePlan, Site
from tests.optimize.fleets import car, day, session_of, wear
from tests.optimize.mixed import mixed_day


def plans_of(problem: DayProblem) -> list[ModePlan]:
    plans = list(plan_day(problem).values())
    for plan in plans:
        check_plan(problem, plan)
        assert account(problem, plan).total.objective_eur == pytest.approx(
            plan.solver.objective_eur, abs=1e-6
        )
    return plans


def reasons(problem: DayProblem) -> list[str]:
    return [outcome.reason for plan in plans_of(problem) for outcome in plan.departures]


def test_no_cars_and_no_sessions() -> None:
    for plan in plans_of(day([0.1, 0.2], [], [])):
        assert plan.charge_kw.shape == (0, 2)
        assert plan.solver.objective_eur == 0.0
    for plan in plans_of(day([0.1, 0.2], [car()], [])):
        assert not plan.plugged.any()
        assert np.isnan(plan.energy_end_kwh).all()


def test_a_session_without_a_whole_slot_is_reported_with_what_it_lacks() -> None:
    problem = day([0.1, 0.2], [car()], [session_of("A", 0.2, 1.8, 0.12, 0.5)])
    for plan in plans_of(problem):
        (outcome,) = plan.departures
        assert outcome.missing_kwh == pytest.approx(3.8)
        assert outcome.reason == "window too short: holds no whole slot; arrives at 0.12, needs 3.8 kWh"


def test_a_window_too_short_says_what_it_gives() -> None:
    problem = day([0.1] * 3, [car()], [session_of("A", 0.5, 2.5, 0.1, 0.9)])
    expected = "window too short: arrives at 0.10, needs 8.0 kWh, window gives 4.0 kWh"
    assert reasons(problem) == [expected] * 3


def test_a_closed_feeder_and_a_shared_one_are_named() -> None:
    closed = Site(site_id="depot", import_limit_kw=0.0, export_limit_kw=0.0)
    problem = day([0.1] * 3, [car()], [session_of("A", 0, 3, 0.5, 0.9)], sites=[closed])
    expected = "feeder limit of site 'depot' (0 kW): arrives at 0.50, needs 4.0 kWh, feeder gives 0.0 kWh"
    assert reasons(problem) == [expected] * 3
    shared = replace(closed, import_limit_kw=4.0)
    sessions = [session_of(name, 0, 2, 0.1, 0.7) for name in "AB"]
    for plan in plans_of(day([0.1] * 3, [car("A"), car("B")], sessions, sites=[shared])):
        missed = [outcome for outcome in plan.departures if outcome.missing_kwh]
        assert sum(outcome.missing_kwh for outcome in missed) == pytest.approx(4.0, abs=1e-5)
        for outcome in missed:
            assert outcome.reason.startswith("feeder limit of site 'depot' (4 kW), shared with other cars")


def test_a_target_above_what_the_car_may_hold_is_named() -> None:
    problem = day([0.1] * 4, [car(soc_max=0.8)], [session_of("A", 0, 4, 0.5, 0.9)])
    assert reasons(problem) == ["departure SoC 0.90 is above what the car may hold (0.8)"] * 3


def test_a_departure_cheaper_to_miss_is_said_to_be_so() -> None:
    problem = day([0.5] * 4, [car()], [session_of("A", 0, 4, 0.5, 0.9)], departure_price=0.2)
    simulated, *optimised = plans_of(problem)
    assert simulated.departures[0].reason == ""
    for plan in optimised:
        assert plan.departures[0].reason.startswith("the departure price (0.2 €/kWh) is worth less")


def test_one_slot_day() -> None:
    for plan in plans_of(day([0.1], [car()], [session_of("A", 0, 1, 0.5, 0.7)])):
        np.testing.assert_allclose(plan.charge_kw, [[2.0]], atol=1e-6)


@pytest.mark.parametrize("soc", [0.0, 0.05, 0.97, 1.0])
def test_arrivals_outside_the_bounds_are_planned(soc: float) -> None:
    rng = np.random.default_rng(5)
    one = car(soc_min=0.3, soc_max=0.7, efficiency_charge=0.9, efficiency_discharge=0.9, wear=wear())
    prices = rng.normal(0.1, 0.3, 12)
    for site in (
        Site(site_id="depot", import_limit_kw=limit, export_limit_kw=limit) for limit in (0.0, 2.0, 9.0)
    ):
        plans_of(day(prices, [one], [session_of("A", 0, 12, soc, 0.5)], sites=[site]))


@pytest.mark.parametrize(
    "changes",
    [
        {"residual_value_eur": 0.0},
        {"alpha_day_per_efc": 0.0},
        {"alpha_day_per_efc": 1e6},
        {"alpha_day_per_efc": 50.0},
        {"alpha_day_per_efc": 1e-9, "residual_value_eur": 1e9},
        {"residual_value_eur": 1e9},
        {"l0_days": 1e-3},
        {"l0_days": 1e9},
    ],
)
def test_wear_of_any_size_is_planned(changes: dict[str, float]) -> None:
    for form in ("law", "rate"):
        one = car(efficiency_charge=0.9, efficiency_discharge=0.9, wear=wear(form, **changes))
        plans_of(day([0.1, 0.1, 0.4, 0.2, 0.6], [one], [session_of("A", 0, 5, 0.5, 0.8)], terminal=0.1))


def test_no_export_and_no_limit_at_all() -> None:
    sites = [Site(site_id="depot", import_limit_kw=float("inf"), export_limit_kw=0.0)]
    plans = plans_of(day([0.1, 0.5], [car()], [session_of("A", 0, 2, 0.5, 0.5)], sites=sites))
    assert plans[-1].discharge_kw.sum() == pytest.approx(0.0, abs=1e-6)


def test_soc_bounds_that_leave_no_room_and_free_departures() -> None:
    fixed = car(soc_min=0.5, soc_max=0.5)
    plans_of(day([0.1, 0.5], [fixed], [session_of("A", 0, 2, 0.5, 0.5)]))
    plans_of(day([0.1, 0.5], [car()], [session_of("A", 0, 2, 0.1, 0.9)], departure_price=0.0))


def test_a_search_cut_short_still_gives_a_plan_with_its_gap() -> None:
    rng = np.random.default_rng(0)
    lossy = {"efficiency_charge": 0.85, "efficiency_discharge": 0.85}
    cars = [car(f"car {i}", **lossy, drawdown_limit=0.6) for i in range(8)]
    sessions = [session_of(c.battery_id, 0, 48, float(rng.uniform(0.3, 0.9)), 0.8) for c in cars]
    site = Site(site_id="depot", import_limit_kw=21.0, export_limit_kw=17.0)
    problem = day(rng.normal(-0.5, 0.1, 48), cars, sessions, sites=[site])
    plan = plan_day(problem, ["v2g"], time_limit_seconds=0.2)["v2g"]
    assert plan.solver.status == "time_limit"
    assert 2e-6 < plan.solver.gap < np.inf
    assert plan.solver.binaries > 0


def test_every_feature_on_a_day_of_one_slot_and_one_without_cars() -> None:
    for seed in range(12):
        plans_of(mixed_day(seed, cars=2, slots=1, hours=1.0))
        empty = mixed_day(seed, cars=2, slots=4)
        plans = plans_of(replace(empty, sessions=()))
        assert all(bid.bid_kw == 0.0 for bid in plans[-1].reserves)


def test_no_loss_no_power_and_no_feeder() -> None:
    site = Site(site_id="depot", import_limit_kw=0.0, export_limit_kw=0.0, base_load_kw=np.full(4, 50.0))
    for changes in ({}, {"charge_limit_kw": 0.0, "discharge_limit_kw": 0.0}, {"min_charge_kw": 99.0}):
        problem = day([0.1] * 4, [car(**changes)], [session_of("A", 0, 4, 0.5, 0.9)], sites=[site])  # type: ignore[arg-type]
        for plan in plans_of(problem):
            assert plan.charge_kw.max() <= 1e-6
            assert plan.departures[0].missing_kwh == pytest.approx(4.0)
            assert plan.departures[0].reason


def test_huge_and_absurd_prices_are_planned() -> None:
    for seed in range(6):
        problem = mixed_day(seed, cars=2, slots=8, features=("reserve", "peak", "tree", "follow"))
        wild = replace(
            problem,
            cars=tuple(replace(c, wear=wear("law", alpha_day_per_efc=1e3)) for c in problem.cars),
            import_price_eur_per_kwh=1e3 * problem.import_price_eur_per_kwh,
            reserves=tuple(
                replace(b, price_eur_per_kw_h=1e3 * b.price_eur_per_kw_h) for b in problem.reserves
            ),
        )
        for plan in plan_day(wild, time_limit_seconds=1.0).values():
            check_plan(wild, plan)
