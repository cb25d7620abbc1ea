"""Coalitions of a day's cars by real plans: what they earn, allocations from prices, days without a core."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimize.account import account, site_power_kw
from optimize.errors import ProblemError
from optimize.market.fair.coalitions import Coalitions
from optimize.market.fair.core import least_core, least_core_of_needed, nucleolus
from optimize.market.fair.game import MOST_PLAYERS, Game, with_needed
from optimize.market.fair.owen import priced_shares
from optimize.market.fair.shapley import sampled_shapley, shapley
from optimize.plan import plan_day
from optimize.types import DayProblem, LinearConstraint, Session, Site
from tests.optimize.fair_fleets import linear_fleet, with_least_powers
from tests.optimize.fleets import car, day, session_of

FLEETS = range(10)
TOLERANCE_EUR = 2e-6
"""What plans may leave of wear by tangents, and of gaps."""


def two_at_one_plug(limit_kw: float = 4.0) -> DayProblem:
    """Two like cars that need 4 kWh of an hour at 4 kW: cheap in hour 2, of which the feeder lets one do it.

    On plug-in both charge in hour 0, at 2 kW each, and in hour 1. Feeding back is worth nothing.
    """
    return day(
        [0.3, 0.3, 0.1],
        [car("A"), car("B")],
        [session_of("A", 0, 3, 0.2, 0.6), session_of("B", 0, 3, 0.2, 0.6)],
        export=[0.0, 0.0, 0.0],
        sites=[Site(site_id="depot", import_limit_kw=limit_kw, export_limit_kw=0.0)],
    )


def test_coalitions_by_hand() -> None:
    coalitions = Coalitions(two_at_one_plug())
    game = coalitions.game()
    # Alone either moves its 4 kWh to the cheap hour; together the feeder has room for 4 kWh there in all.
    assert game.value_eur == pytest.approx([0.0, 0.8, 0.8, 0.8])
    assert coalitions.solved == 3
    # Without an operator either could leave with all of it: 0.40 € too little for both.
    assert least_core(game).epsilon_eur == pytest.approx(0.4)
    # With one, the room in the cheap hour is its, and worth all of it.
    operated = with_needed(game, "operator")
    assert nucleolus(operated) == pytest.approx([0.0, 0.0, 0.8], abs=1e-7)
    assert shapley(operated) == pytest.approx([0.8 / 6, 0.8 / 6, 0.8 * 2 / 3])
    shares = priced_shares(coalitions)
    assert shares.cars_eur == pytest.approx([0.0, 0.0], abs=1e-9)
    assert (shares.room_eur, shares.gap_eur) == pytest.approx((0.8, 0.0), abs=1e-9)


def test_cars_that_do_not_meet_have_what_each_earns_alone() -> None:
    coalitions = Coalitions(two_at_one_plug(limit_kw=100.0))
    assert coalitions.game().value_eur == pytest.approx([0.0, 0.8, 0.8, 1.6])
    shares = priced_shares(coalitions)
    assert shares.cars_eur == pytest.approx([0.8, 0.8])
    assert shares.room_eur == pytest.approx(0.0, abs=1e-9)


def test_who_is_not_in_a_coalition_draws_what_it_draws_on_plug_in() -> None:
    problem = linear_fleet(3)
    coalitions, idle = Coalitions(problem), plan_day(problem, ("uncontrolled",))["uncontrolled"]
    some = np.array([0, 2, 5])
    alone = coalitions.day_of(some)
    own = plan_day(alone, ("uncontrolled",))["uncontrolled"]
    whole, part = site_power_kw(problem, idle), site_power_kw(alone, own)
    parents = [site.site_id for site in problem.sites].index("feeder")
    before = problem.sites[parents].base_load_kw
    load = sum(site.base_load_kw for site in alone.sites) - (0.0 if before is None else before)
    assert whole[parents] == pytest.approx(part[parents] + load, abs=1e-9)


def test_a_coalition_earns_what_the_whole_day_gains_by_its_plan() -> None:
    for seed in (0, 2, 5):
        problem = linear_fleet(seed)
        coalitions = Coalitions(problem)
        everybody = coalitions.everybody
        plans = plan_day(problem, ("uncontrolled", "v2g"))
        gained = account(problem, plans["v2g"]).total.objective_eur
        gained -= account(problem, plans["uncontrolled"]).total.objective_eur
        assert coalitions.value_eur(everybody) == pytest.approx(gained, abs=TOLERANCE_EUR)
        assert coalitions.value_eur(everybody) > 0.1


@pytest.mark.parametrize("seed", FLEETS)
def test_the_allocation_from_prices_is_in_the_core(seed: int) -> None:
    coalitions = Coalitions(linear_fleet(seed, cars=6 + seed % 3))
    game, shares = with_needed(coalitions.game(), "operator"), priced_shares(coalitions)
    given = np.append(shares.cars_eur, shares.room_eur)
    assert given.sum() == pytest.approx(game.all_eur)
    assert shares.gap_eur <= TOLERANCE_EUR
    assert game.most_excess_eur(given) <= TOLERANCE_EUR
    closed = least_core_of_needed(game, len(game.players) - 1)
    assert closed.epsilon_eur == pytest.approx(least_core(game).epsilon_eur, abs=1e-7)
    assert closed.epsilon_eur <= 0.0
    assert game.most_excess_eur(nucleolus(game)) <= TOLERANCE_EUR


def test_the_fleets_of_that_test_meet() -> None:
    """Otherwise every car would have what it earns alone, and any prices would do."""
    rooms = [priced_shares(Coalitions(linear_fleet(seed, cars=6 + seed % 3))).room_eur for seed in FLEETS]
    assert sum(room > 0.1 for room in rooms) >= 8


def test_what_each_earns_at_its_own_plug_is_not_in_the_core_where_cars_meet() -> None:
    left = 0
    for seed in (0, 2, 3, 6, 8):
        coalitions = Coalitions(linear_fleet(seed, cars=6))
        game = with_needed(coalitions.game(), "operator")
        whole = account(coalitions.problem, coalitions.whole).cars.values()
        idle = account(coalitions.problem, coalitions.idle).cars.values()
        own = [one.objective_eur - before.objective_eur for one, before in zip(whole, idle, strict=True)]
        left += game.most_excess_eur(np.append(own, game.all_eur - sum(own))) > 0.01
    assert left >= 4


def test_a_common_meter_and_a_peak_are_part_of_the_prices() -> None:
    met = 0
    for seed in range(40):
        problem = linear_fleet(seed, cars=6)
        feeder = problem.sites[0]
        if feeder.metering == "site" and feeder.peak_price_eur_per_kw:
            coalitions = Coalitions(problem)
            assert priced_shares(coalitions).gap_eur <= TOLERANCE_EUR
            met += coalitions.value_eur(coalitions.everybody) > 0.1
    assert met >= 3


def test_the_duality_gap_bounds_what_is_gained_by_leaving_where_powers_have_a_least() -> None:
    open_prices = 0
    for seed in range(6):
        problem = with_least_powers(linear_fleet(seed, cars=3), 0.6)
        coalitions = Coalitions(problem, time_limit_seconds=10.0)
        game = with_needed(coalitions.game(), "operator")
        shares = priced_shares(coalitions, game.all_eur)
        given = np.append(shares.cars_eur, shares.room_eur)
        bound = shares.gap_eur + coalitions.open_eur + TOLERANCE_EUR
        assert game.most_excess_eur(given) <= bound
        open_prices += shares.gap_eur > 0.01
        assert least_core(game).epsilon_eur <= 1e-7  # with an operator there is always a core
    assert open_prices > 0


def test_prices_promise_more_than_there_is_where_powers_have_a_least() -> None:
    """Two cars that feed back 4 kW or nothing, at a feeder of 6 kW: one can, no price tells which."""
    cars = [car(name, min_charge_kw=4.0, min_discharge_kw=4.0) for name in "AB"]
    problem = day(
        [0.1, 0.5],
        cars,
        [session_of(name, 0, 2, 0.5, 0.5) for name in "AB"],
        sites=[Site(site_id="depot", import_limit_kw=100.0, export_limit_kw=6.0)],
    )
    coalitions = Coalitions(problem)
    game = coalitions.game()
    assert game.value_eur == pytest.approx([0.0, 1.6, 1.6, 1.6])
    assert coalitions.binaries > 0
    shares = priced_shares(coalitions)
    assert sorted(shares.cars_eur) == pytest.approx([0.0, 1.6])
    assert (shares.room_eur, shares.gap_eur) == pytest.approx((0.0, 1.6))
    operated = with_needed(game, "operator")
    assert operated.most_excess_eur(np.append(shares.cars_eur, shares.room_eur)) == pytest.approx(1.6)
    assert least_core(operated).epsilon_eur == pytest.approx(0.0, abs=1e-9)
    assert least_core(game).epsilon_eur == pytest.approx(0.8)  # without an operator the core is empty


def test_a_coalition_may_leave_cars_on_plug_in() -> None:
    """A and B share 5 kW on plug-in; by plan one of them charges at 4 kW and the other goes without."""
    problem = day(
        [0.3, 0.1],
        [*(car(name, min_charge_kw=4.0) for name in "AB"), car("C", site_id="yard")],
        [*(session_of(name, 0, 1, 0.0, 0.25) for name in "AB"), session_of("C", 0, 2, 0.2, 0.6)],
        export=[0.0, 0.0],
        sites=[
            Site(site_id="depot", import_limit_kw=5.0, export_limit_kw=0.0),
            Site(site_id="yard", import_limit_kw=50.0, export_limit_kw=0.0),
        ],
    )
    coalitions = Coalitions(problem)
    game = coalitions.game()
    assert coalitions.value_eur(coalitions.everybody) == 0.0
    assert game.value_eur == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.8, 0.8, 0.8, 0.8])
    assert priced_shares(coalitions, game.all_eur).gap_eur > 1.0


def test_sessions_that_carry_on_are_shared_as_well() -> None:
    first = session_of("A", 0, 3, 0.5, 0.6)
    later = replace(session_of("A", 4, 6, 0.6, 0.6), carries=True)
    problem = day(
        [0.1, 0.2, 0.3, 0.3, 0.3, 0.4],
        [car("A"), car("B")],
        [first, later, session_of("B", 0, 6, 0.2, 0.6)],
        sites=[Site(site_id="depot", import_limit_kw=5.0, export_limit_kw=5.0)],
        departure_price=20.0,
    )
    coalitions = Coalitions(problem)
    game, shares = with_needed(coalitions.game(), "operator"), priced_shares(coalitions)
    given = np.append(shares.cars_eur, shares.room_eur)
    assert game.all_eur > 0.1
    assert game.most_excess_eur(given) <= TOLERANCE_EUR
    assert np.isnan(shares.gap_eur) or shares.gap_eur <= TOLERANCE_EUR


def test_a_sample_of_orders_agrees_with_all_of_them() -> None:
    coalitions = Coalitions(linear_fleet(2, cars=6))
    exact = shapley(coalitions.game())
    found = sampled_shapley(6, coalitions.value_eur, orders=200, seed=1)
    assert coalitions.solved == 2**6 - 1
    half = (found.high_eur - found.low_eur) / 2
    assert np.abs(found.mean_eur - exact).max() <= 2.0 * half.max()
    assert half.max() > 0.0


def none_of(problem: DayProblem) -> DayProblem:
    no_sessions: tuple[Session, ...] = ()
    return replace(problem, cars=(), sessions=no_sessions)


def test_days_that_cannot_be_shared_are_refused() -> None:
    problem = two_at_one_plug()
    rule = LinearConstraint(name="own", import_coefficients=np.ones((2, 3)), upper=10.0)
    for wrong, message in (
        (replace(problem, objective="peak_shaving"), "objective is peak_shaving"),
        (replace(problem, constraints=(rule,)), "constraints is 1"),
        (none_of(problem), "cars is 0"),
    ):
        with pytest.raises(ProblemError, match=message):
            Coalitions(wrong)
    with pytest.raises(ProblemError, match=f"must be <= {MOST_PLAYERS}"):
        Coalitions(linear_fleet(1, cars=13)).game()


def test_the_order_of_players_is_that_of_the_cars() -> None:
    game = Coalitions(two_at_one_plug()).game()
    assert isinstance(game, Game)
    assert game.players == ("A", "B")
