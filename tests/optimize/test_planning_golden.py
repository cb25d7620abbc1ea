"""Dispatch tables solved by hand. One-hour slots; kW and kWh are the same number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optimize.account import account
from optimize.plan import plan_day
from optimize.types import DayProblem, Mode, Site
from tests.optimize.fleets import car, day, session_of, wear


def dispatch(problem: DayProblem, mode: Mode) -> tuple[list[list[float]], list[list[float]], float]:
    plan = plan_day(problem, [mode])[mode]
    return plan.charge_kw.tolist(), plan.discharge_kw.tolist(), account(problem, plan).total.objective_eur


def assert_table(
    problem: DayProblem, mode: Mode, charge: list[list[float]], discharge: list[list[float]], objective: float
) -> None:
    got_charge, got_discharge, got_objective = dispatch(problem, mode)
    np.testing.assert_allclose(got_charge, charge, atol=1e-6)
    np.testing.assert_allclose(got_discharge, discharge, atol=1e-6)
    assert got_objective == pytest.approx(objective, abs=1e-6)


def four_slots() -> DayProblem:
    # 2 kWh on arrival, 6 kWh owed, 4 kW both ways, no losses, no wear.
    return day([0.30, 0.10, 0.20, 0.40], [car()], [session_of("A", 0, 4, 0.2, 0.6)])


def test_uncontrolled_charges_in_the_first_slot_whatever_it_costs() -> None:
    assert_table(four_slots(), "uncontrolled", [[4, 0, 0, 0]], [[0, 0, 0, 0]], -1.20)


def test_ordered_charges_in_the_cheapest_slot() -> None:
    assert_table(four_slots(), "ordered", [[0, 4, 0, 0]], [[0, 0, 0, 0]], -0.40)


def test_v2g_buys_twice_and_sells_at_the_peak() -> None:
    # Slot 1 gives the 4 kWh owed. Every kWh sold (0.40 in slot 3, 0.30 in slot 0) must be bought in slot 2 at
    # 0.20, which has room for 4 kWh: sell them all at 0.40.
    # −4·0.1 − 4·0.2 + 4·0.4 = 0.40; energy 2, 6, 10, 6.
    assert_table(four_slots(), "v2g", [[0, 4, 4, 0]], [[0, 0, 0, 4]], 0.40)


def round_trip(**changes: float) -> DayProblem:
    # η = 0.9 both ways: a stored kWh costs 0.10/0.9 = 0.1111 and sells for 0.9·0.30 = 0.27; margin 0.158889.
    one = car(
        charge_limit_kw=10.0,
        discharge_limit_kw=10.0,
        efficiency_charge=0.9,
        efficiency_discharge=0.9,
        wear=wear(**{"residual_value_eur": 1000.0, "l0_days": 1000.0, **changes}),  # type: ignore[arg-type]
    )
    return day([0.10, 0.30], [one], [session_of("A", 0, 2, 0.5, 0.5)])


def test_losses_are_paid_on_both_sides_of_the_meter() -> None:
    # Without wear the whole room of 5 kWh: 5·0.158889 = 0.794444.
    problem = round_trip(alpha_day_per_efc=0.0)
    assert_table(problem, "v2g", [[5, 0]], [[0, 5]], 5 * (0.27 - 0.1 / 0.9))


def test_linear_wear_below_the_margin_leaves_the_dispatch_and_costs_its_share() -> None:
    # β = 1: 1 € per EFC of 10 kWh = 0.10 €/kWh < 0.158889.
    problem = round_trip(form="rate", beta_day_per_efc=1.0)  # type: ignore[arg-type]
    assert_table(problem, "v2g", [[5, 0]], [[0, 5]], 5 * (0.27 - 0.1 / 0.9 - 0.1))


def test_linear_wear_above_the_margin_stops_v2g() -> None:
    problem = round_trip(form="rate", beta_day_per_efc=2.0)  # type: ignore[arg-type]
    assert_table(problem, "v2g", [[0, 0]], [[0, 0]], 0.0)


def test_convex_wear_stops_where_marginal_wear_meets_the_margin() -> None:
    # C(x) = exp(x) − 1, x = d/10: C'(x)/10 = 0.158889 at x = ln 1.58889 = 0.463035, d = 4.63035 kWh;
    # benefit 4.63035·0.158889 − 0.588889 = 0.146823.
    margin = 0.27 - 0.1 / 0.9
    d = 10 * math.log(10 * margin)
    problem = round_trip(alpha_day_per_efc=1.0)
    charge, discharge, objective = dispatch(problem, "v2g")
    # At the optimum the benefit is flat: 1e-7 € of wear error leaves the duty free by about √(2e-6) EFC.
    np.testing.assert_allclose(charge, [[d, 0]], atol=1e-2)
    np.testing.assert_allclose(discharge, [[0, d]], atol=1e-2)
    assert objective == pytest.approx(d * margin - (10 * margin - 1), abs=1e-6)
    assert objective == pytest.approx(0.146823, abs=1e-6)


def test_feeder_limit_is_shared_by_price_and_has_its_own() -> None:
    # Two cars need 3.5 kWh each through 4 kW: 4 kWh at 0.10, the other 3 at 0.20. One more kWh of limit in
    # slot 0 moves a kWh from 0.20 to 0.10; elsewhere it is worth nothing. (Wear keeps V2G from idle swaps.)
    sites = [Site(site_id="depot", import_limit_kw=4.0, export_limit_kw=0.0)]
    sessions = [session_of("A", 0, 3, 0.2, 0.55), session_of("B", 0, 3, 0.2, 0.55)]
    cars = [car("A", wear=wear("rate")), car("B", wear=wear("rate"))]
    problem = day([0.1, 0.2, 0.3], cars, sessions, sites=sites)
    for mode in ("ordered", "v2g"):
        plan = plan_day(problem, [mode])[mode]
        np.testing.assert_allclose(plan.charge_kw.sum(axis=0), [4, 3, 0], atol=1e-6)
        np.testing.assert_allclose(plan.prices.site_eur_per_kwh[0][:2], [0.1, 0.0], atol=1e-6)
        assert plan.solver.objective_eur == pytest.approx(-1.0, abs=1e-6)


def test_export_limit_has_a_price_with_its_own_sign() -> None:
    # 8 kWh to sell at 0.30 in one slot through 3 kW; a kWh kept is worth 0.05: the limit is worth 0.25.
    sites = [Site(site_id="depot", import_limit_kw=50.0, export_limit_kw=3.0)]
    sessions = [session_of("A", 0, 1, 0.4, 0.0), session_of("B", 0, 1, 0.4, 0.0)]
    problem = day([0.3], [car("A"), car("B")], sessions, sites=sites, terminal=0.05)
    plan = plan_day(problem, ["v2g"])["v2g"]
    assert plan.discharge_kw.sum() == pytest.approx(3.0, abs=1e-6)
    np.testing.assert_allclose(plan.prices.site_eur_per_kwh, [[-0.25]], atol=1e-6)


def test_drawdown_limits_the_fall_below_the_sessions_own_peak() -> None:
    # 8 kWh, may fall 2. Sell 2 at 0.5 (6 left), buy 2 at 0.1 (8), sell 2 at 0.6 (6): 1.0 − 0.2 + 1.2 = 2.0.
    # Buying 4 would lift the peak to 10 and still let only 2 go.
    problem = day([0.5, 0.1, 0.6], [car(drawdown_limit=0.2)], [session_of("A", 0, 3, 0.8, 0.0)])
    assert_table(problem, "v2g", [[0, 2, 0]], [[2, 0, 2]], 2.0)


def test_negative_price_energy_is_burnt_by_cycling_never_at_once() -> None:
    # Full battery that must leave full, −0.5 €/kWh, η = 0.8: drawing earns 0.625 a stored kWh, feeding costs
    # 0.40.
    # At once it would earn 4·0.225 in both slots (1.80); one after the other 4·0.625 − 4·0.40 = 0.90.
    one = car(efficiency_charge=0.8, efficiency_discharge=0.8)
    problem = day([-0.5, -0.5], [one], [session_of("A", 0, 2, 1.0, 1.0)])
    assert_table(problem, "v2g", [[0, 4]], [[4, 0]], 0.90)


def test_arrival_below_soc_min_sells_nothing_before_it_is_above() -> None:
    # 2 kWh on arrival, minimum 5. Slot 0 may not sell. 4 kWh at 0.1 lift it to 6, of which 1 sells at 0.5:
    # 0.10. (Without the rule 4 would sell: 1.60.)
    problem = day([0.6, 0.1, 0.5], [car(soc_min=0.5)], [session_of("A", 0, 3, 0.2, 0.0)])
    assert_table(problem, "v2g", [[0, 4, 0]], [[0, 0, 1]], 0.10)


def test_arrival_above_soc_max_buys_nothing_that_ends_above() -> None:
    # 9 kWh on arrival, maximum 6. Buying back 4 at 0.1 after selling 4 at 0.3 (4.80 in all) would end at 9;
    # the rule leaves room for 1 of them (4.10). Better not to buy: sell 1 at 0.3 and 8 at 0.5, 4.30.
    problem = day([0.3, 0.1, 0.5, 0.5], [car(soc_max=0.6)], [session_of("A", 0, 4, 0.9, 0.0)])
    assert_table(problem, "v2g", [[0, 0, 0, 0]], [[1, 0, 4, 4]], 4.30)


def test_stored_energy_is_valued_and_not_dumped_at_the_days_end() -> None:
    # A kWh kept is worth 0.25 > 0.20 of the last slot, less than 0.30 of the first.
    problem = day([0.30, 0.27, 0.20], [car()], [session_of("A", 0, 30, 0.6, 0.0)], terminal=0.25)
    # 6 kWh: 4 at 0.30 and 2 at 0.27, then 4 bought back at 0.20 for their value 0.25.
    assert_table(problem, "v2g", [[0, 0, 4]], [[4, 2, 0]], 1.2 + 0.54 - 0.8 + 0.25 * (4 - 6))


def test_a_session_beyond_the_day_keeps_its_departure_in_reach() -> None:
    # Leaves 2 h after the day with 10 kWh owed; 4 kW can still bring 8: the day must end with 2 kWh.
    problem = day([0.3, 0.3], [car()], [session_of("A", 0, 4, 0.5, 1.0)])
    plan = plan_day(problem, ["v2g"])["v2g"]
    (outcome,) = plan.departures
    assert (outcome.due, outcome.target_kwh) == ("day_end", pytest.approx(2.0))
    assert plan.energy_end_kwh[0, -1] == pytest.approx(2.0, abs=1e-6)


def test_uncontrolled_cars_share_the_feeder_alike_and_the_full_one_makes_room() -> None:
    # 4.5 kW for two cars of 4 kW: 2.25 each; but B needs only 1 kWh, so A gets 3.5 and later its other 2.5.
    sites = [Site(site_id="depot", import_limit_kw=4.5, export_limit_kw=0.0)]
    sessions = [session_of("A", 0, 3, 0.0, 0.6), session_of("B", 0, 3, 0.0, 0.1)]
    problem = day([0.1, 0.1, 0.1], [car("A"), car("B")], sessions, sites=sites)
    assert_table(problem, "uncontrolled", [[3.5, 2.5, 0], [1, 0, 0]], [[0] * 3] * 2, -0.7)
    # Both need 4 kWh: 2.25 each, then 1.75 each.
    sessions = [session_of("A", 0, 3, 0.0, 0.4), session_of("B", 0, 3, 0.0, 0.4)]
    problem = day([0.1, 0.1, 0.1], [car("A"), car("B")], sessions, sites=sites)
    assert_table(problem, "uncontrolled", [[2.25, 1.75, 0], [2.25, 1.75, 0]], [[0] * 3] * 2, -0.8)


def test_uncontrolled_sharing_counts_metered_power() -> None:
    # 4 kW metered; A draws 4/0.5 = 8 kW, B 4/1: scale 4/12 = 1/3, so 4/3 kW battery-side each.
    sites = [Site(site_id="depot", import_limit_kw=4.0, export_limit_kw=0.0)]
    cars = [car("A", efficiency_charge=0.5), car("B")]
    problem = day(
        [0.1], cars, [session_of("A", 0, 1, 0.0, 1.0), session_of("B", 0, 1, 0.0, 1.0)], sites=sites
    )
    charge, _, _ = dispatch(problem, "uncontrolled")
    np.testing.assert_allclose(charge, [[4 / 3], [4 / 3]], atol=1e-9)
