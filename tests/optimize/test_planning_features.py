"""Dispatch tables solved by hand for chargers, sites, meters and contracts. One-hour slots: kW are kWh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from optimize.account import account
from optimize.check import check_plan
from optimize.errors import PlanCheckError, ProblemError
from optimize.plan import plan_day
from optimize.rulebook import BINDINGS
from optimize.types import MODES, DayProblem, Mode, Objective, Session, Site, Taper
from optimize.windows import certain_arrivals, most_lacking
from tests.optimize.fleets import car, day, session_of
from tests.optimize.test_planning_golden import assert_table

HALF = Taper(from_soc=0.5, full_share=0.5)
"""With 10 kWh and 4 kW: c ≤ 6 − 0.4·e, 4 kW at half, 2 kW when full."""


def changed(problem: DayProblem, **changes: object) -> DayProblem:
    return replace(problem, **changes)  # type: ignore[arg-type]


def place(site_id: str = "depot", **changes: object) -> Site:
    limits = {"import_limit_kw": 100.0, "export_limit_kw": 100.0}
    return Site(site_id=site_id, **(limits | changes))  # type: ignore[arg-type]


def binding(problem: DayProblem, mode: Mode) -> list[list[str]]:
    return [[BINDINGS[code] for code in row] for row in plan_day(problem, [mode])[mode].binding.tolist()]


def test_charging_tapers_in_simulation_and_in_plans() -> None:
    # 6 kWh on arrival, 10 owed: 6 − 0.4·6 = 3.6 kW at most, then 6 − 0.4·9.6 = 2.16 for the last 0.4.
    problem = day([0.3, 0.1, 0.2], [car(charge_taper=HALF)], [session_of("A", 0, 3, 0.6, 1.0)])
    assert_table(problem, "uncontrolled", [[3.6, 0.4, 0]], [[0, 0, 0]], -1.08 - 0.04)
    assert_table(problem, "ordered", [[0, 3.6, 0.4]], [[0, 0, 0]], -0.36 - 0.08)
    assert binding(problem, "ordered") == [["idle", "taper", "full"]]


def test_a_tapered_session_beyond_the_day_must_hold_more() -> None:
    # One hour after the day lifts e to e + 6 − 0.4·e: 10 needs e = 4/0.6. Without taper it would be 6.
    problem = day([0.1, 0.2], [car(charge_taper=HALF)], [session_of("A", 0, 3, 0.5, 1.0)])
    (outcome,) = plan_day(problem, ["ordered"])["ordered"].departures
    assert outcome.target_kwh == pytest.approx(4 / 0.6)
    assert outcome.reached_kwh == pytest.approx(4 / 0.6, abs=1e-6)


def test_a_taper_that_makes_a_window_too_short_is_said() -> None:
    problem = day([0.1], [car(charge_taper=HALF)], [session_of("A", 0, 1, 0.6, 1.0)])
    (outcome,) = plan_day(problem, ["ordered"])["ordered"].departures
    assert outcome.reason == (
        "window too short: arrives at 0.60, needs 4.0 kWh, window gives 3.6 kWh"
        " because charging tapers at high SoC"
    )


def test_a_session_uses_its_own_charger() -> None:
    # At the street: 2 kW in, 1 kW out, η 0.5 both ways. 2 kWh cost 4 kWh at 0.1; 1 kWh gives 0.5 kWh at 0.9.
    own = {"charge_limit_kw": 2.0, "discharge_limit_kw": 1.0, "efficiency_charge": 0.5, "site_id": "street"}
    sessions = [changed(session_of("A", 0, 3, 0.5, 0.6), **own, efficiency_discharge=0.5)]  # type: ignore[arg-type]
    problem = day([0.1, 0.2, 0.9], [car()], sessions, sites=[place(), place("street")])
    assert_table(problem, "v2g", [[2, 0, 0]], [[0, 0, 1]], -0.4 + 0.45)
    books = account(problem, plan_day(problem, ["v2g"])["v2g"]).total
    assert (books.import_kwh, books.export_kwh) == (pytest.approx(4.0), pytest.approx(0.5))


def test_minimum_power_buys_more_rather_than_too_little() -> None:
    # 5 kWh owed, 3 … 4 kW when on: one slot is too little, two are at least 6.
    problem = day([0.1, 0.2, 0.3], [car(min_charge_kw=3.0)], [session_of("A", 0, 3, 0.2, 0.7)])
    assert_table(problem, "ordered", [[3, 3, 0]], [[0, 0, 0]], -0.9)
    # Selling 1 kWh of the 8 would be allowed by the 7 owed, but not below 2 kW: buy one back.
    problem = day([0.5, 0.1], [car(min_discharge_kw=2.0)], [session_of("A", 0, 2, 0.8, 0.7)])
    assert_table(problem, "v2g", [[0, 3]], [[4, 0]], 2.0 - 0.3)


def test_a_charger_below_the_minimum_power_is_named() -> None:
    weak = changed(session_of("A", 0, 2, 0.2, 0.5), charge_limit_kw=1.0)  # type: ignore[arg-type]
    problem = day([0.1, 0.1], [car(min_charge_kw=1.4)], [weak])  # type: ignore[list-item]
    (outcome,) = plan_day(problem, ["ordered"])["ordered"].departures
    assert outcome.missing_kwh == pytest.approx(3.0)
    assert outcome.reason.startswith("charger too weak: gives 1 kW, car needs 1.4 kW to charge")


def test_resting_charged_has_a_price_so_charging_waits() -> None:
    # 2 kWh, 6 owed, flat price; 0.01·(2 + 2 + 4) if the last slot charges, 0.01·(4 + 6 + 6) if the first.
    problem = day([0.1] * 3, [car(rest_price_eur_per_kwh_h=0.01)], [session_of("A", 0, 3, 0.2, 0.6)])
    assert_table(problem, "ordered", [[0, 0, 4]], [[0, 0, 0]], -0.4 - 0.08)
    assert_table(problem, "uncontrolled", [[4, 0, 0]], [[0, 0, 0]], -0.4 - 0.16)


def test_a_contract_caps_the_days_v2g_energy() -> None:
    problem = day([0.5, 0.1, 0.6], [car(v2g_limit_kwh=3.0)], [session_of("A", 0, 3, 0.8, 0.0)])
    assert_table(problem, "v2g", [[0, 0, 0]], [[0, 0, 3]], 1.8)
    assert binding(problem, "v2g") == [["contract", "contract", "contract"]]


def test_a_contract_floor_holds_for_its_session() -> None:
    # Never below 7 of 10 kWh: sell 1, buy 3, sell 3.
    floor = changed(session_of("A", 0, 3, 0.8, 0.0), min_soc=0.7)  # type: ignore[arg-type]
    problem = day([0.5, 0.1, 0.6], [car()], [floor])  # type: ignore[list-item]
    assert_table(problem, "v2g", [[0, 3, 0]], [[1, 0, 3]], 0.5 - 0.3 + 1.8)


def test_a_ceiling_of_a_session_holds_for_it_alone() -> None:
    # Never above 6 of 10 kWh: of 4 only 1 is bought. Who comes with 8 buys none and sells them.
    two = [0.1, 0.6]
    low, high = (changed(session_of("A", 0, 2, soc, 0.0), max_soc=0.6) for soc in (0.5, 0.8))  # type: ignore[arg-type]
    problem = day(two, [car(discharge_limit_kw=8.0)], [low])  # type: ignore[list-item]
    assert_table(problem, "v2g", [[1, 0]], [[0, 6]], -0.1 + 3.6)
    problem = day(two, [car(discharge_limit_kw=8.0)], [high])  # type: ignore[list-item]
    assert_table(problem, "v2g", [[0, 0]], [[0, 8]], 4.8)


def test_a_feeder_limits_the_sites_below_it_together() -> None:
    # Two sites of 4 kW behind 5 kW, each car needs 4 kWh: 5 at 0.1 and 3 at 0.2; one kWh more is worth 0.1.
    sites = [place("feeder", import_limit_kw=5.0)]
    sites += [place(name, import_limit_kw=4.0, parent_id="feeder") for name in ("left", "right")]
    cars = [car("A", site_id="left"), car("B", site_id="right")]
    sessions = [session_of("A", 0, 2, 0.2, 0.6), session_of("B", 0, 2, 0.2, 0.6)]
    problem = day([0.1, 0.2], cars, sessions, sites=sites)
    plans = plan_day(problem)
    assert plans["ordered"].solver.objective_eur == pytest.approx(-0.5 - 0.6, abs=1e-6)
    np.testing.assert_allclose(plans["ordered"].charge_kw.sum(axis=0), [5, 3], atol=1e-6)
    prices = plans["ordered"].prices.site_eur_per_kwh
    np.testing.assert_allclose(prices, [[0.1, 0], [0, 0], [0, 0]], atol=1e-6)
    assert_table(problem, "uncontrolled", [[2.5, 1.5], [2.5, 1.5]], [[0, 0], [0, 0]], -1.1)


def test_nested_limits_share_what_the_narrower_leaves() -> None:
    sites = [place("feeder", import_limit_kw=4.0), place("lane", import_limit_kw=1.0, parent_id="feeder")]
    cars = [car("A", site_id="lane"), car("B", site_id="feeder")]
    sessions = [session_of("A", 0, 2, 0.0, 0.6), session_of("B", 0, 2, 0.0, 0.6)]
    problem = day([0.1, 0.1], cars, sessions, sites=sites, departure_price=1.0)
    assert_table(problem, "uncontrolled", [[1, 1], [3, 3]], [[0, 0], [0, 0]], -0.8 - 4.0)
    reasons = [outcome.reason for outcome in plan_day(problem, ["ordered"])["ordered"].departures]
    assert reasons[0].startswith("feeder limit of site 'lane' (1 kW): arrives at 0.00, needs 6.0 kWh")


def test_base_load_takes_its_part_of_the_limits() -> None:
    # 5 kW less loads of 3, −2 and 6: 2, 7 and none. The overload of the last slot is not the cars' doing.
    site = place(import_limit_kw=5.0, export_limit_kw=1.0, base_load_kw=np.array([3.0, -2.0, 6.0]))
    problem = day([0.1, 0.2, 0.05], [car()], [session_of("A", 0, 3, 0.2, 0.6)], sites=[site])
    assert_table(problem, "ordered", [[2, 2, 0]], [[0, 0, 0]], -0.2 - 0.4)
    # 1 kW of export plus the load: 4, none (2 kW are fed in already) and 7.
    problem = day([0.3, 0.9, 0.3], [car()], [session_of("A", 0, 3, 0.6, 0.0)], sites=[site])
    assert_table(problem, "v2g", [[0, 0, 0]], [[4, 0, 2]], 1.2 + 0.6)


def test_a_peak_is_paid_above_what_it_was() -> None:
    # 4 kWh in three slots of one price: 4/3 kW each, 1/3 kW above the month's 1 kW.
    site = place(peak_price_eur_per_kw=1.0, peak_so_far_kw=1.0)
    problem = day([0.1] * 3, [car()], [session_of("A", 0, 3, 0.2, 0.6)], sites=[site])
    assert_table(problem, "ordered", [[4 / 3] * 3], [[0, 0, 0]], -0.4 - 1 / 3)
    plan = plan_day(problem, ["ordered"])["ordered"]
    assert plan.prices.peak_eur_per_kw.sum() == pytest.approx(1.0)
    assert account(problem, plan).total.peak_charge_eur == pytest.approx(1 / 3)
    assert binding(problem, "ordered") == [["peak"] * 3]
    # With 3 kW of load in the first slot the others may draw as much for nothing more.
    site = place(peak_price_eur_per_kw=1.0, base_load_kw=np.array([3.0, 0.0, 0.0]))
    problem = day([0.1, 0.3, 0.2], [car()], [session_of("A", 0, 3, 0.2, 0.6)], sites=[site])
    assert_table(problem, "ordered", [[0, 1, 3]], [[0, 0, 0]], -0.3 - 0.6 - 3.0)
    # That holds as well if the car comes only afterwards.
    problem = day([0.1, 0.3, 0.2], [car()], [session_of("A", 1, 3, 0.2, 0.6)], sites=[site])
    assert_table(problem, "ordered", [[0, 1, 3]], [[0, 0, 0]], -0.3 - 0.6 - 3.0)


def test_behind_a_common_meter_own_power_costs_what_it_would_have_earned() -> None:
    # Load 3 kW, then 3 kW of sun: 3 kWh out save 0.3 each, back in they cost the 0.1 they would have earned.
    load = np.array([3.0, -3.0])
    sessions = [session_of("A", 0, 2, 0.3, 0.3)]
    alone = day([0.3, 0.3], [car()], sessions, export=[0.1, 0.1], sites=[place(base_load_kw=load)])
    assert_table(alone, "v2g", [[0, 0]], [[0, 0]], 0.0)
    metered = place(base_load_kw=load, metering="site")
    shared = day([0.3, 0.3], [car()], sessions, export=[0.1, 0.1], sites=[metered])
    assert_table(shared, "v2g", [[0, 3]], [[3, 0]], 0.9 - 0.3)
    total = account(shared, plan_day(shared, ["v2g"])["v2g"]).total
    # At its own plug the car would have paid 0.9 and earned 0.3; the meter saves the difference to +0.6.
    assert total.energy_cost_eur == pytest.approx(0.6)
    assert total.netting_eur == pytest.approx(1.2)


def test_a_premium_on_export_is_not_earned_in_a_circle_behind_one_meter() -> None:
    # A wants 4 kWh, B has 4 to give; 0.1 to buy, 0.3 to sell. Two meters: −0.4 + 1.2. One: nothing flows.
    cars, sessions = [car("A"), car("B")], [session_of("A", 0, 1, 0.5, 0.9), session_of("B", 0, 1, 0.4, 0.0)]
    two = day([0.1], cars, sessions, export=[0.3])
    assert_table(two, "v2g", [[4], [0]], [[0], [4]], 0.8)
    one = day([0.1], cars, sessions, export=[0.3], sites=[place(metering="site")])
    assert_table(one, "v2g", [[4], [0]], [[0], [4]], 0.0)
    assert plan_day(one, ["v2g"])["v2g"].solver.binaries > 0


def test_emissions_have_a_price_both_ways() -> None:
    # Flat market price and 1 €/kg on 0.5, 0.1 and 0.8 kg/kWh: buy 4 at 0.2, sell them at 0.9.
    problem = day([0.1] * 3, [car()], [session_of("A", 0, 3, 0.2, 0.2)])
    problem = changed(problem, co2_kg_per_kwh=np.array([0.5, 0.1, 0.8]), co2_price_eur_per_kg=1.0)
    assert_table(problem, "v2g", [[0, 4, 0]], [[0, 0, 4]], -4 * 0.2 + 4 * 0.9)


def test_a_plan_in_force_is_left_only_for_what_changing_costs() -> None:
    # Moving 4 kWh saves 0.02 each and departs twice by 4 kWh.
    problem = day([0.12, 0.10, 0.20], [car()], [session_of("A", 0, 3, 0.2, 0.6)])
    before = np.array([[4.0, 0.0, np.nan]])
    dear = changed(problem, previous_kw=before, change_price_eur_per_kwh=0.02)
    assert_table(dear, "ordered", [[4, 0, 0]], [[0, 0, 0]], -0.48)
    cheap = changed(problem, previous_kw=before, change_price_eur_per_kwh=0.005)
    assert_table(cheap, "ordered", [[0, 4, 0]], [[0, 0, 0]], -0.40 - 0.04)


def test_what_holds_each_power_is_reported() -> None:
    # Charge limit, then the 2 kWh left to the target: free; full at 10; empty at 0; away afterwards.
    problem = day([0.1, 0.2, 0.3, 0.9], [car()], [session_of("A", 0, 3, 0.2, 0.8)])
    assert binding(problem, "ordered") == [["charge limit", "free", "idle", "away"]]
    problem = day([0.1, 0.2], [car()], [session_of("A", 0, 2, 0.4, 1.0)])
    assert binding(problem, "ordered") == [["charge limit", "full"]]
    problem = day([0.9, 0.8], [car()], [session_of("A", 0, 2, 0.6, 0.0)])
    assert binding(problem, "v2g") == [["discharge limit", "empty"]]
    # 3 kW of feeder each way; a fall of 3 kWh at most.
    narrow = place(import_limit_kw=3.0, export_limit_kw=3.0)
    problem = day([0.1, 0.2], [car()], [session_of("A", 0, 2, 0.2, 0.7)], sites=[narrow])
    assert binding(problem, "ordered") == [["feeder import", "free"]]
    problem = day([0.9, 0.1], [car()], [session_of("A", 0, 2, 0.8, 0.0)], sites=[narrow], terminal=0.2)
    assert binding(problem, "v2g") == [["feeder export", "feeder import"]]
    problem = day([0.9], [car(drawdown_limit=0.3)], [session_of("A", 0, 1, 0.8, 0.0)])
    assert binding(problem, "v2g") == [["drawdown"]]
    problem = day([0.1, 0.2], [car(min_charge_kw=3.0)], [session_of("A", 0, 2, 0.2, 0.7)])
    assert binding(problem, "ordered") == [["minimum power", "minimum power"]]


def carried_day(**changes: object) -> DayProblem:
    """Cheap in the first session, dear in the second, which comes with 2 kWh less than the first promises."""
    one = car(charge_limit_kw=6.0, discharge_limit_kw=6.0)
    second = replace(session_of("A", 2, 3, 0.4, 0.6), carries=True)
    return changed(day([0.1, 0.2, 0.4], [one], [session_of("A", 0, 1, 0.4, 0.6), second]), **changes)


def test_what_a_session_leaves_above_its_target_comes_back_with_the_next() -> None:
    problem = carried_day()
    assert_table(problem, "uncontrolled", [[2, 0, 2]], [[0, 0, 0]], -0.2 - 0.8)
    assert_table(problem, "ordered", [[4, 0, 0]], [[0, 0, 0]], -0.4)
    # Full at 10 kWh, 4 above the target: it comes back with 8 and owes 6.
    assert_table(problem, "v2g", [[6, 0, 0]], [[0, 0, 2]], -0.6 + 0.8)
    alone = changed(problem, sessions=tuple(replace(one, carries=False) for one in problem.sessions))
    assert_table(alone, "ordered", [[2, 0, 2]], [[0, 0, 0]], -0.2 - 0.8)


def test_a_session_without_a_whole_slot_passes_on_what_it_comes_with() -> None:
    """It owes 1 kWh more than it comes with, and nothing can be charged in it."""
    first, last = carried_day().sessions
    short = replace(session_of("A", 1.2, 1.6, 0.5, 0.6), carries=True)
    problem = carried_day(sessions=(first, short, last))
    assert_table(problem, "uncontrolled", [[2, 0, 2]], [[0, 0, 0]], -0.2 - 0.8 - 5.0)
    assert_table(problem, "ordered", [[4, 0, 0]], [[0, 0, 0]], -0.4)
    assert_table(problem, "v2g", [[6, 0, 0]], [[0, 0, 2]], -0.6 + 0.8)
    plan = plan_day(problem, ["ordered"])["ordered"]
    check_plan(problem, plan)
    assert [one.reached_kwh for one in plan.departures] == pytest.approx([8.0, 7.0, 6.0])
    alone = carried_day(sessions=(first, replace(short, carries=False), last))
    assert_table(alone, "ordered", [[2, 0, 2]], [[0, 0, 0]], -0.2 - 0.8 - 5.0)
    with pytest.raises(PlanCheckError, match="energy continues"):
        check_plan(alone, plan)


def test_missing_at_a_session_makes_nothing_for_those_that_carry_on_from_it() -> None:
    """The feeder gives 1 kWh a slot: each of the three lacks 1 kWh, the first for the second, too."""
    first, last = carried_day().sessions
    short = replace(session_of("A", 1.2, 1.6, 0.5, 0.6), carries=True)
    narrow = tuple(replace(one, import_limit_kw=1.0) for one in carried_day().sites)
    problem = carried_day(sessions=(first, short, last), sites=narrow)
    for mode in MODES:
        plan = plan_day(problem, [mode])[mode]
        assert [one.missing_kwh for one in plan.departures] == pytest.approx([1.0, 1.0, 1.0])
        assert account(problem, plan).total.objective_eur == pytest.approx(
            -0.1 - 0.4 - 5.0 * (2.0 + 1.0 + 1.0)
        )
        if mode != "uncontrolled":
            assert plan.solver.gap <= 1e-9


def test_what_is_certain_of_a_session_its_car_holds_more_or_less_in_the_next() -> None:
    def came(*sessions: Session) -> list[float]:
        problem = day([0.1] * 6, [car(charge_limit_kw=2.0)], list(sessions))
        return [round(one.arrival_soc, 9) for one in certain_arrivals(problem)]

    brief, night = session_of("A", 0.2, 0.8, 0.5, 0.7), session_of("A", 3, 4, 0.3, 0.7)
    assert came(brief, night) == [0.5, 0.1], "2 kWh less, as nothing can be charged"
    assert came(brief, night, session_of("A", 5, 6, 0.5, 0.9)) == [0.5, 0.1, 0.1], "2 of 6 kWh are charged"
    assert came(replace(brief, arrival_soc=0.9), night) == [0.9, 0.5]
    assert came(session_of("A", 0, 1, 0.5, 0.7), night) == [0.5, 0.3], "one hour is enough"
    whole = session_of("A", 0, 1, 0.6, 0.7)
    assert came(whole, session_of("A", 1.2, 1.8, 0.8, 0.7), night) == [0.6, 0.8, 0.3], (
        "it may have been discharged"
    )
    assert came(night, session_of("A", 5, 9, 0.3, 0.9)) == [0.3, 0.1]
    beyond = session_of("A", 5, 9, 0.1, 0.9)
    assert came(beyond) == [0.1], "what is due after the day is not missed in it"


def test_a_missed_target_takes_nothing_from_the_next_session() -> None:
    weak = [place(import_limit_kw=1.0)]
    assert_table(carried_day(sites=tuple(weak)), "ordered", [[1, 0, 1]], [[0, 0, 0]], -0.1 - 0.4 - 2 * 5.0)


def test_a_plan_that_comes_back_with_other_than_it_left_is_refused() -> None:
    problem = carried_day()
    plan = plan_day(problem, ["ordered"])["ordered"]
    without = changed(problem, sessions=tuple(replace(one, carries=False) for one in problem.sessions))
    with pytest.raises(PlanCheckError, match="energy continues"):
        check_plan(without, plan)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arrival_soc": 0.7}, "must not be above the target"),
        ({"value_eur_per_kwh": 0.1}, "must be that of session"),
    ],
)
def test_what_cannot_be_carried_is_refused(change: dict[str, float], words: str) -> None:
    first, second = carried_day().sessions
    with pytest.raises(ProblemError, match=words):
        carried_day(sessions=(first, replace(second, **change)))
    with pytest.raises(ProblemError, match="above what a kWh can earn"):
        carried_day(departure_price_eur_per_kwh=0.3)


@pytest.mark.parametrize("objective", ["peak_shaving", "grid_support", "load_levelling"])
def test_missing_weighs_as_much_before_an_objective_as_in_net_benefit(objective: Objective) -> None:
    """Two short sessions carry on from one that the feeder keeps at its target: each lacks 2 kWh."""
    short = [replace(session_of("A", at, at + 0.1, 0.5, 0.7), carries=True) for at in (2.1, 2.4)]
    problem = changed(
        day([0.1, 0.2, 0.1, 0.3], [car()], [session_of("A", 0, 2, 0.3, 0.5), *short]),
        sites=(place(import_limit_kw=1.0),),
        objective=objective,
        peak_slots=(1,),
    )
    for mode in ("ordered", "v2g"):
        plan = plan_day(problem, [mode])[mode]
        assert [one.missing_kwh for one in plan.departures] == pytest.approx([0.0, 2.0, 2.0], abs=1e-5)


def test_what_is_due_in_the_day_comes_before_what_is_due_after_it() -> None:
    """Half a kW for two cars over four hours: 2 kWh, which B needs tonight and A on another day."""
    another = replace(session_of("A", 30, 30.5, 0.3, 0.7), carries=True)
    for prices in ([0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.2, 0.2, 0.2, 0.2]):
        sessions = [session_of("A", 0, 4, 0.3, 0.3), session_of("B", 0, 4, 0.2, 0.5), another]
        problem = day(prices, [car(), car("B")], sessions, sites=[place(import_limit_kw=0.5)])
        for mode in ("ordered", "v2g"):
            plan = plan_day(problem, [mode])[mode]
            missing = {one.session_id: one.missing_kwh for one in plan.departures}
            moved = sum(plan.discharge_kw[0]) - sum(plan.charge_kw[0])
            assert missing["B-0"] == pytest.approx(1.0), "A has nothing to spare, and is given nothing"
            assert (missing["A-0"], missing["A-30"], moved) == pytest.approx((0.0, 4.0, 0.0))


def test_the_session_after_the_day_that_lacks_most_is_the_one_to_ask_for() -> None:
    one = car(charge_limit_kw=2.0, soc_max=0.9)
    problem = day([0.1] * 4, [one], [session_of("A", 0, 2, 0.5, 0.8)])

    def lacking(*sessions: Session, behind_kwh: float = 0.0) -> tuple[float, float, float] | None:
        found = most_lacking(problem, one, sessions, behind_kwh)
        return None if found is None else (hour(found), round(found.arrival_soc, 9), found.departure_soc)

    def hour(found: Session) -> float:
        return float((found.arrival_utc - problem.slots[0]) / pd.Timedelta(hours=1))

    brief, longer = session_of("A", 10.2, 11.9, 0.5, 0.6), session_of("A", 20, 22, 0.3, 0.6)
    assert lacking(brief) == (10.2, 0.5, 0.6), "it holds no whole hour"
    assert lacking(session_of("A", 10, 11, 0.5, 0.6)) is None, "one hour is enough"
    assert lacking(longer) is None and lacking(brief, longer) == (10.2, 0.5, 0.6)
    assert lacking(longer, behind_kwh=1.5) == (20, 0.15, 0.6), "what is behind it is lacking in it"
    assert lacking(brief, session_of("A", 20, 21, 0.3, 0.6)) == (20, 0.2, 0.6)
    assert lacking(longer, session_of("A", 30, 30.5, 0.5, 0.5)) is None
    assert lacking(longer, session_of("A", 30, 30.5, 0.3, 0.6)) == (30, 0.4, 0.6), (
        "the hours before give 1 kWh more"
    )
    assert lacking(session_of("A", 10, 10.5, 0.9, 1.0)) is None, "more than 0.9 it may not hold"
    assert lacking(session_of("A", 10, 10.5, 0.8, 1.0)) == (10, 0.8, 0.9)
    full = session_of("A", 10, 20, 0.3, 0.8)
    assert lacking(full, session_of("A", 30, 30.5, 0.3, 0.5)) == (30, 0.4, 0.5), (
        "nor be charged above it before"
    )
