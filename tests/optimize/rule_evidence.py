"""What stands for each rule of the rulebook in the tests: `EVIDENCE`, held by `test_rulebook`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from optimize.plan import plan_day
from optimize.types import DayProblem, LinearConstraint, ModePlan, Taper
from tests.optimize import test_own_constraints as own
from tests.optimize import test_planning_features as features
from tests.optimize import test_planning_golden as golden
from tests.optimize import test_planning_horizon as horizon
from tests.optimize import test_planning_reserves as reserves
from tests.optimize.fleets import car, day, session_of, wear
from tests.optimize.reference import _Rows as Second
from tests.optimize.test_planning_check import BAD_POWERS, made

Breaks = Callable[[], tuple[DayProblem, ModePlan]]


@cache
def base() -> tuple[DayProblem, ModePlan]:
    """5 kWh on arrival and 3 owed: 4 bought, then 4 and 2 sold."""
    site = features.place(base_load_kw=np.array([0.0, 1.0, 2.0]))
    problem = day(
        [0.1, 0.5, 0.3],
        [car()],
        [session_of("A", 0, 3, 0.5, 0.3)],
        export=[0.05, 0.4, 0.25],
        sites=[site],
        terminal=0.05,
    )
    plan = plan_day(problem, ["v2g"])["v2g"]
    np.testing.assert_allclose(plan.charge_kw - plan.discharge_kw, [[4, -4, -2]], atol=1e-6)
    return problem, plan


def other_car(**changes: Any) -> Breaks:
    return lambda: (replace(base()[0], cars=(replace(base()[0].cars[0], **changes),)), base()[1])


def other_session(**changes: Any) -> Breaks:
    return lambda: (replace(base()[0], sessions=(replace(base()[0].sessions[0], **changes),)), base()[1])


def other_site(**changes: Any) -> Breaks:
    return lambda: (replace(base()[0], sites=(replace(base()[0].sites[0], **changes),)), base()[1])


def other_day(**changes: Any) -> Breaks:
    return lambda: (replace(base()[0], **changes), base()[1])


def other_block(**changes: Any) -> Breaks:
    def breaks() -> tuple[DayProblem, ModePlan]:
        problem, plan = reserves.held(reserves.block(sustain_hours=2.0))
        return replace(problem, reserves=(reserves.block(**({"sustain_hours": 2.0} | changes)),)), plan

    return breaks


def not_carried() -> tuple[DayProblem, ModePlan]:
    problem = features.carried_day()
    alone = tuple(replace(one, carries=False) for one in problem.sessions)
    return replace(problem, sessions=alone), plan_day(problem, ["ordered"])["ordered"]


def both_ways() -> tuple[DayProblem, ModePlan]:
    cars, sessions = [car("A"), car("B")], [session_of("A", 0, 5, 0.5, 0.3), session_of("B", 0, 5, 0.3, 0.1)]
    problem = day([0.1] * 5, cars, sessions)
    return problem, made(problem, *BAD_POWERS["no charge with discharge"])


def other_hours() -> tuple[DayProblem, ModePlan]:
    problem = reserves.objective_day("grid_support", [0.1, 0.1], 0.5, 0.1, peak_slots=(0,))
    return replace(problem, peak_slots=(1,)), plan_day(problem, ["v2g"])["v2g"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """golden: tables by hand. second: methods of the second formulation. mixed: features of mixed days.

    breaks: what `check` refuses, a plan and the day that it breaks.
    """

    golden: tuple[Callable[..., None], ...]
    second: tuple[Callable[..., Any], ...]
    mixed: tuple[str, ...] = ()
    check: str
    breaks: Breaks


MONEY = "accounts equal to the objective"
EVIDENCE = {
    "plugged": Evidence(
        golden=(
            golden.test_ordered_charges_in_the_cheapest_slot,
            features.test_what_holds_each_power_is_reported,
        ),
        second=(Second._slots,),
        check="plugged exactly in whole slots of a session",
        breaks=other_session(arrival_utc=pd.Timestamp("2024-05-06T23:00Z")),
    ),
    "charge limit": Evidence(
        golden=(
            golden.test_uncontrolled_charges_in_the_first_slot_whatever_it_costs,
            features.test_a_session_uses_its_own_charger,
        ),
        second=(Second._session,),
        mixed=("charger",),
        check="charge limit",
        breaks=other_session(charge_limit_kw=3.0),
    ),
    "taper": Evidence(
        golden=(features.test_charging_tapers_in_simulation_and_in_plans,),
        second=(Second._session, Second._target),
        mixed=("taper",),
        check="charge taper",
        breaks=other_car(charge_taper=Taper(from_soc=0.2, full_share=0.0)),
    ),
    "discharge limit": Evidence(
        golden=(
            golden.test_v2g_buys_twice_and_sells_at_the_peak,
            features.test_a_session_uses_its_own_charger,
        ),
        second=(Second._session,),
        mixed=("charger",),
        check="discharge limit",
        breaks=other_car(discharge_limit_kw=3.0),
    ),
    "slots without feeding in": Evidence(
        golden=(horizon.test_nothing_is_fed_in_where_it_may_not_be,),
        second=(Second._out,),
        mixed=("horizon",),
        check="no discharge where none may be",
        breaks=other_day(may_discharge=np.arange(3) < 2),
    ),
    "stored energy": Evidence(
        golden=(golden.test_v2g_buys_twice_and_sells_at_the_peak,),
        second=(Second._session,),
        check="energy continues from slot to slot",
        breaks=other_session(arrival_soc=0.6),
    ),
    "what comes back": Evidence(
        golden=(features.test_what_a_session_leaves_above_its_target_comes_back_with_the_next,),
        second=(Second._session,),
        mixed=("carry",),
        check="energy continues from slot to slot",
        breaks=not_carried,
    ),
    "soc bounds": Evidence(
        golden=(
            golden.test_arrival_below_soc_min_sells_nothing_before_it_is_above,
            golden.test_arrival_above_soc_max_buys_nothing_that_ends_above,
            features.test_a_contract_floor_holds_for_its_session,
            features.test_a_ceiling_of_a_session_holds_for_it_alone,
        ),
        second=(Second._session,),
        mixed=("contract",),
        check="energy at least soc_min",
        breaks=other_session(min_soc=0.4),
    ),
    "one direction": Evidence(
        golden=(golden.test_negative_price_energy_is_burnt_by_cycling_never_at_once,),
        second=(Second._session,),
        check="no charge with discharge",
        breaks=both_ways,
    ),
    "site limits": Evidence(
        golden=(
            golden.test_feeder_limit_is_shared_by_price_and_has_its_own,
            golden.test_export_limit_has_a_price_with_its_own_sign,
            features.test_nested_limits_share_what_the_narrower_leaves,
        ),
        second=(Second._site,),
        mixed=("tree",),
        check="site import limit",
        breaks=other_site(import_limit_kw=3.0),
    ),
    "base load": Evidence(
        golden=(features.test_base_load_takes_its_part_of_the_limits,),
        second=(Second._site, Second.base),
        mixed=("base",),
        check="site export limit",
        breaks=other_site(base_load_kw=np.array([0.0, -97.0, 0.0])),
    ),
    "peak": Evidence(
        golden=(features.test_a_peak_is_paid_above_what_it_was,),
        second=(Second._site,),
        mixed=("peak",),
        check=MONEY,
        breaks=other_site(peak_price_eur_per_kw=1.0),
    ),
    "reserve": Evidence(
        golden=(
            reserves.test_upward_reserve_is_what_power_and_stored_energy_bear,
            reserves.test_symmetric_reserve_needs_both,
            reserves.test_calls_wear_the_battery,
        ),
        second=(Second._hold, Second._bids),
        mixed=("reserve",),
        check="reserve up sustained",
        breaks=other_block(sustain_hours=4.0),
    ),
    "least bid": Evidence(
        golden=(reserves.test_a_bid_below_its_minimum_is_not_made,),
        second=(Second._bids,),
        mixed=("reserve", "bid_minimum"),
        check="bid 0 or at least min_kw",
        breaks=other_block(min_kw=3.0),
    ),
    "drawdown": Evidence(
        golden=(golden.test_drawdown_limits_the_fall_below_the_sessions_own_peak,),
        second=(Second._session,),
        check="drawdown within the session",
        breaks=other_car(drawdown_limit=0.5),
    ),
    "contract": Evidence(
        golden=(
            features.test_a_contract_caps_the_days_v2g_energy,
            horizon.test_a_contract_holds_in_each_day_less_what_is_used_of_the_first,
        ),
        second=(Second._car, Second._session),
        mixed=("contract", "horizon"),
        check="v2g energy of each day within the contract",
        breaks=other_car(v2g_limit_kwh=5.0),
    ),
    "own constraint": Evidence(
        golden=(
            own.test_cars_charge_no_more_together_than_the_constraint_lets_them,
            own.test_what_is_asked_is_fed_back_whatever_it_wears,
        ),
        second=(Second._own,),
        mixed=("own",),
        check="own constraint 'cap'",
        breaks=other_day(
            constraints=(LinearConstraint(name="cap", import_coefficients=np.ones((1, 3)), upper=3.0),)
        ),
    ),
    "minimum power": Evidence(
        golden=(features.test_minimum_power_buys_more_rather_than_too_little,),
        second=(Second._session,),
        mixed=("minimum",),
        check="power 0 or at least min_discharge_kw",
        breaks=other_car(min_discharge_kw=3.0),
    ),
    "losses": Evidence(
        golden=(
            golden.test_losses_are_paid_on_both_sides_of_the_meter,
            features.test_a_session_uses_its_own_charger,
        ),
        second=(Second._session,),
        mixed=("charger",),
        check=MONEY,
        breaks=other_session(efficiency_charge=0.9),
    ),
    "energy price": Evidence(
        golden=(golden.test_v2g_buys_twice_and_sells_at_the_peak,),
        second=(Second._session, Second._meter),
        check=MONEY,
        breaks=other_day(import_price_eur_per_kwh=np.array([0.2, 0.5, 0.3])),
    ),
    "common meter": Evidence(
        golden=(
            features.test_behind_a_common_meter_own_power_costs_what_it_would_have_earned,
            horizon.test_where_selling_pays_at_a_common_meter_powers_are_not_levelled,
        ),
        second=(Second._site, Second._meter),
        mixed=("meter",),
        check=MONEY,
        breaks=other_site(metering="site"),
    ),
    "emissions": Evidence(
        golden=(features.test_emissions_have_a_price_both_ways,),
        second=(Second._session,),
        mixed=("co2",),
        check=MONEY,
        breaks=other_day(co2_kg_per_kwh=np.array([0.5, 0.1, 0.1]), co2_price_eur_per_kg=0.1),
    ),
    "wear": Evidence(
        golden=(
            golden.test_convex_wear_stops_where_marginal_wear_meets_the_margin,
            golden.test_linear_wear_above_the_margin_stops_v2g,
            horizon.test_wear_counts_the_mean_duty_of_the_days,
        ),
        second=(Second._car,),
        mixed=("horizon",),
        check=MONEY,
        breaks=other_car(wear=wear("rate")),
    ),
    "rest": Evidence(
        golden=(features.test_resting_charged_has_a_price_so_charging_waits,),
        second=(Second._session,),
        mixed=("rest",),
        check=MONEY,
        breaks=other_car(rest_price_eur_per_kwh_h=0.01),
    ),
    "worth of what is left": Evidence(
        golden=(
            golden.test_stored_energy_is_valued_and_not_dumped_at_the_days_end,
            horizon.test_a_session_may_value_what_it_leaves_otherwise_than_the_day,
        ),
        second=(Second._session,),
        mixed=("horizon",),
        check=MONEY,
        breaks=other_session(value_eur_per_kwh=0.1),
    ),
    "departure": Evidence(
        golden=(
            golden.test_a_session_beyond_the_day_keeps_its_departure_in_reach,
            golden.test_ordered_charges_in_the_cheapest_slot,
        ),
        second=(Second._session, Second._target),
        check="departure target stated as asked",
        breaks=other_session(departure_soc=0.4),
    ),
    "change": Evidence(
        golden=(features.test_a_plan_in_force_is_left_only_for_what_changing_costs,),
        second=(Second._session,),
        mixed=("follow",),
        check=MONEY,
        breaks=other_day(previous_kw=np.zeros((1, 3)), change_price_eur_per_kwh=0.1),
    ),
    "objective": Evidence(
        golden=(
            reserves.test_grid_support_feeds_the_declared_hours_whatever_they_pay,
            reserves.test_load_levelling_fills_the_valleys,
        ),
        second=(Second._primary,),
        mixed=("objective",),
        check="objective grid_support reached as held",
        breaks=other_hours,
    ),
}
