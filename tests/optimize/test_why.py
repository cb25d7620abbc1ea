"""Why a car does what it does: what a stretch is stated to be worth is what its day loses without it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from optimize.plan import plan_day
from optimize.types import DayProblem, LinearConstraint, ModePlan, ReserveBlock
from optimize.why import Reason, reasons
from optimize.why.lost import UNKNOWN, Day, OfCar
from optimize.why.resolve import resolved_eur
from optimize.why.values import Change
from tests.optimize.anew import best_eur
from tests.optimize.fleets import car, day, session_of, wear
from tests.optimize.homes import homes_day
from tests.optimize.mixed import mixed_day

CENT = 0.01
SOLVED = 1e-6


def planned(problem: DayProblem, mode: str = "v2g") -> ModePlan:
    return plan_day(problem, (mode,))[mode]  # type: ignore[arg-type, index]


def by_action(found: tuple[Reason, ...]) -> dict[str, Reason]:
    return {one.action: one for one in found}


def test_a_charge_is_worth_what_the_next_best_hour_costs_more() -> None:
    problem = day([0.3, 0.1, 0.2, 0.3], [car()], [session_of("A", 0, 4, 0.2, 0.6)], export=[0.0] * 4)
    found = reasons(problem, planned(problem))
    assert [(one.first, one.end, one.action) for one in found] == [
        (0, 1, "waits"), (1, 2, "charges"), (2, 4, "holds"),
    ]  # fmt: skip
    waits, charges, holds = found
    assert charges.worth_eur == pytest.approx(4 * 0.1, abs=SOLVED)
    assert charges.exact and charges.instead is not None
    assert (charges.instead.does, charges.instead.slot) == ("charges elsewhere", 2)
    assert waits.charge is not None and waits.charge.slot == 0
    assert waits.charge.eur_per_kwh == pytest.approx(0.2, abs=SOLVED)
    assert holds.feed is not None  # in the last hour for nothing, charged before at 0.2
    assert (holds.feed.slot, holds.feed.eur_per_kwh) == (3, pytest.approx(0.2, abs=SOLVED))
    assert (charges.lowest_kwh, charges.highest_kwh) == (0.0, 10.0)


def test_where_no_other_hour_is_left_a_car_must_charge() -> None:
    problem = day([0.3, 0.1], [car()], [session_of("A", 0, 2, 0.0, 0.8)])
    (charges,) = reasons(problem, planned(problem, "ordered"))
    one = OfCar(Day(problem, planned(problem, "ordered")), 0)
    lost = one.lost(Change(0, 1, 2))
    assert charges.instead is not None and lost is not None
    assert (charges.instead.does, charges.instead.kwh) == ("leaves short", pytest.approx(8.0))
    assert lost.eur == pytest.approx(4.0 * 5.0 - 4.0 * 0.1, abs=SOLVED)


def test_feeding_back_is_worth_what_is_left_after_wear_and_recharge() -> None:
    own = car(wear=wear("rate", residual_value_eur=0.02 * 10.0, l0_days=1.0, beta_day_per_efc=1.0))
    problem = day([0.1, 0.5, 0.2], [own], [session_of("A", 0, 3, 1.0, 1.0)])
    found = by_action(reasons(problem, planned(problem)))
    feeds = found["feeds back"]
    assert feeds.wear_eur_per_kwh == pytest.approx(0.02, abs=SOLVED)
    assert feeds.worth_eur == pytest.approx(4.0 * (0.5 - 0.02 - 0.2), abs=SOLVED)
    assert feeds.instead is not None and feeds.instead.does in ("charges less", "feeds back elsewhere")
    held = found["holds"]
    assert held.feed is not None  # at 0.1 before, not at 0.5: no more than 4 kWh can be charged again
    assert held.feed.eur_per_kwh == pytest.approx(0.4, abs=SOLVED)


def test_a_charge_for_a_session_after_the_day_is_worth_what_would_be_short_then() -> None:
    """Without the first hour of 4 kWh the session after the day lacks one, at half the price."""
    first = session_of("A", 0, 2, 0.2, 0.5)
    after = replace(session_of("A", 4, 4.4, 0.5, 0.7), carries=True)
    problem = day([0.1, 0.3, 0.3, 0.3], [car()], [first, after], export=[0.0] * 4)
    looked = OfCar(Day(problem, planned(problem, "ordered")), 0)
    lost = looked.lost(Change(0, 0, 1))
    assert lost is not None and lost.exact
    assert lost.eur == pytest.approx(4 * 0.3 + 0.5 * 5.0 - (4 * 0.1 + 0.3), abs=SOLVED)


def test_where_a_car_charges_with_3_kw_or_not_at_all_its_day_is_solved_anew() -> None:
    """Of 5 kWh 3 + 3 are charged at 0.1 and 0.2; without the first hour at 0.2 and 0.3; else 4 + 1 were."""
    problem = day([0.1, 0.2, 0.3], [car(min_charge_kw=3.0)], [session_of("A", 0, 3, 0.0, 0.5)])
    plan = planned(problem, "ordered")
    (first, *_) = reasons(problem, plan)
    assert (first.action, first.exact) == ("charges", True)
    one = OfCar(Day(problem, plan, solves_left=0), 0).lost(Change(0, 0, 1))
    other = OfCar(Day(problem, plan), 0).lost(Change(0, 0, 1))
    assert one is not None and not one.exact and one.eur <= 0.6
    assert other is not None and other.exact and other.eur == pytest.approx(0.6, abs=1e-5)


def test_stretches_are_all_slots_in_which_a_car_is_plugged_in() -> None:
    problem = mixed_day(3, features=("charger", "rest"))
    plan = planned(problem)
    told = np.zeros_like(plan.plugged)
    number = {one.battery_id: i for i, one in enumerate(problem.cars)}
    for one in reasons(problem, plan):
        mine = told[number[one.battery_id], one.first : one.end]
        assert not mine.any()
        mine[:] = True
    assert (told == plan.plugged).all()


KINDS = (
    (),
    ("co2", "charger", "rest"),
    ("contract", "rest"),
    ("follow", "carry"),
    ("carry", "horizon"),
    ("taper", "minimum", "carry"),
)


@pytest.mark.parametrize("features", KINDS, ids=lambda kind: ",".join(kind) or "plain")
def test_what_is_stated_is_what_the_exact_formulation_loses(features: tuple[str, ...]) -> None:
    """Of random slots, at the day's prices alone, also by wear that grows and sessions that carry on."""
    exact = bounds = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        problem = mixed_day(seed, features=features, cars=2)
        free = tuple(replace(one, import_limit_kw=1e6, export_limit_kw=1e6) for one in problem.sites)
        problem = replace(problem, sites=free)
        looked = Day(problem, planned(problem), solves_left=0)
        for i in range(2):
            if not looked.plan.plugged[i].any() or (of := OfCar(looked, i)).unknown:
                continue
            for at in rng.choice(np.flatnonzero(looked.plan.plugged[i]), 3).tolist():
                stay, number = next(
                    (n, at - one.window.first) for n, one in enumerate(of.car.stays) if at in one.window.slots
                )
                lost = of.lost(Change(stay, number, number + 1))
                common = problem, looked.windows, i, "v2g", of.prices
                whole, _ = resolved_eur(*common, {}, 20.0)  # type: ignore[arg-type]
                without, _ = resolved_eur(*common, {at: (0.0, 0.0)}, 20.0)  # type: ignore[arg-type]
                assert lost is not None
                assert lost.eur <= whole - without + 0.1 * CENT, (seed, i, at)
                if lost.exact:
                    assert lost.eur == pytest.approx(whole - without, abs=0.1 * CENT), (seed, i, at)
                exact, bounds = exact + lost.exact, bounds + (not lost.exact)
    assert exact > 20 and bounds <= (0.5 if "minimum" in features else 0.2) * exact


@pytest.mark.parametrize("limits", [False, True], ids=["no limits", "a feeder that binds"])
def test_what_is_stated_is_what_planning_the_car_anew_loses(limits: bool) -> None:
    """Of every third stretch of homes' plans, the slots forbidden by own constraints of a plan of its own."""
    problem = homes_day(6, feeder=limits)
    if not limits:
        free = tuple(replace(one, import_limit_kw=1e6, export_limit_kw=1e6) for one in problem.sites)
        problem = replace(problem, sites=free)
    plan = planned(problem)
    assert limits == bool(np.abs(plan.prices.site_eur_per_kwh).max() > 0.0)
    number = {one.battery_id: i for i, one in enumerate(problem.cars)}
    found = [one for one in reasons(problem, plan) if not math.isnan(one.worth_eur)][::3]
    assert len(found) >= 6
    for one in found:
        i = number[one.battery_id]
        forbidden = dict.fromkeys(range(one.first, one.end), (0.0, 0.0))
        lost = best_eur(problem, plan, i, {}) - best_eur(problem, plan, i, forbidden)
        assert one.exact and one.worth_eur == pytest.approx(lost, abs=0.1 * CENT, rel=0.01), one


def test_a_kwh_moved_while_nothing_moves_loses_what_planning_the_car_anew_loses() -> None:
    problem = homes_day(3)
    plan = planned(problem)
    number = {one.battery_id: i for i, one in enumerate(problem.cars)}
    looked = 0
    for one in reasons(problem, plan):
        i, each = number[one.battery_id], problem.slot_hours
        for way in (one.charge, one.feed) if looked < 8 else ():
            own = problem.cars[i]
            limit = own.charge_limit_kw / own.efficiency_charge * each
            if way is one.feed:
                limit = own.discharge_limit_kw * own.efficiency_discharge * each
            if way is None or way.eur_per_kwh < 1e-4:
                continue
            kwh = min(1.0, limit)
            power = (kwh / each, 0.0) if way is one.charge else (0.0, kwh / each)
            lost = best_eur(problem, plan, i, {}) - best_eur(problem, plan, i, {way.slot: power})
            assert way.eur_per_kwh * kwh == pytest.approx(lost, abs=0.1 * CENT, rel=0.01)
            looked += 1
    assert looked >= 6


def tied(word: str) -> tuple[DayProblem, str]:
    """A day of which a car's reasons cannot be known, for that; and the mode of its plan."""
    problem = day([0.3, 0.1, 0.2, 0.4], [car()], [session_of("A", 0, 4, 0.2, 0.6)])
    site = problem.sites[0]
    match word:
        case "objective":
            return replace(problem, objective="peak_shaving"), "v2g"
        case "own constraint":
            one = LinearConstraint(name="own", import_coefficients=np.ones((1, 4)), upper=9.0)
            return replace(problem, constraints=(one,)), "v2g"
        case "reserve":
            block = ReserveBlock(
                product_id="FCR", direction="up", site_id=site.site_id, first_slot=0, end_slot=4,
                price_eur_per_kw_h=0.5, sustain_hours=0.25,
            )  # fmt: skip
            return replace(problem, reserves=(block,)), "v2g"
        case "meter":
            return replace(problem, sites=(replace(site, metering="site"),)), "v2g"
        case "contracts":
            own = replace(problem.cars[0], v2g_limit_kwh=1.0)
            return replace(problem, cars=(own,), day_starts=(0, 2)), "v2g"
    return problem, "uncontrolled"


@pytest.mark.parametrize("word", [one for one in UNKNOWN if one not in ("prices", "apart")])
def test_what_cannot_be_known_is_said_and_not_guessed(word: str) -> None:
    problem, mode = tied(word)
    found = reasons(problem, planned(problem, mode))
    assert found and {one.unknown for one in found} == {word}
    assert all(math.isnan(one.worth_eur) and one.charge is one.feed is None for one in found)


def test_without_shadow_prices_and_of_a_plan_that_is_not_best_nothing_is_guessed() -> None:
    problem = homes_day(2)
    plan = planned(problem)
    unknown = replace(plan.prices, site_eur_per_kwh=np.full_like(plan.prices.site_eur_per_kwh, np.nan))
    assert {one.unknown for one in reasons(problem, replace(plan, prices=unknown))} == {"prices"}
    dear = replace(problem, import_price_eur_per_kwh=problem.import_price_eur_per_kwh[::-1])
    assert "apart" in {one.unknown for one in reasons(dear, plan)}
