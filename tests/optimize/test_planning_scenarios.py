"""Commitments over scenarios: newsvendors solved by hand, consistency, risk, reserve, reduction, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimize import ProblemError, plan_day
from optimize.scenarios import Commitment, Scenario, UncertainDay, reduce_scenarios
from optimize.scenarios.commit import commit, evaluate, tail_mean
from optimize.types import DayProblem, ReserveBlock, Site
from tests.optimize.fleets import car, day, depot_day, session_of


def uncertain(days: list[DayProblem], shares: list[float] | None = None, **changes: float) -> UncertainDay:
    probabilities = shares or [1.0 / len(days)] * len(days)
    scenarios = tuple(
        Scenario(probability=share, day=one) for share, one in zip(probabilities, days, strict=True)
    )
    values = {"deviation_price_eur_per_kwh": 0.05, "shortfall_price_eur_per_kw_h": 0.1}
    return UncertainDay(scenarios=scenarios, **(values | changes))


def loaded(kw: float) -> DayProblem:
    """One slot of an hour, no car plugged in, a base load that is all there is."""
    site = Site(site_id="depot", import_limit_kw=9.0, export_limit_kw=9.0, base_load_kw=np.array([kw]))
    return day([0.2], [car()], [], sites=[site])


def reserving(*, there: bool) -> DayProblem:
    """An hour in which the car's 4 kW can be sold as reserve upwards, if it is there."""
    block = ReserveBlock(
        product_id="up",
        direction="up",
        site_id="depot",
        first_slot=0,
        end_slot=1,
        price_eur_per_kw_h=0.02,
        sustain_hours=0.25,
    )
    sessions = [session_of("A", 0, 1, 0.5, 0.5)] if there else []
    return replace(day([0.2], [car()], sessions), reserves=(block,))


@pytest.fixture(scope="module")
def depot() -> list[DayProblem]:
    """Five days of six cars that differ in prices and sessions."""
    base, rng = depot_day(6, seed=0), np.random.default_rng(3)
    days = []
    for seed in range(5):
        other = depot_day(6, seed=seed)
        price = other.import_price_eur_per_kwh * rng.uniform(0.7, 1.3)
        days.append(replace(base, sessions=other.sessions, import_price_eur_per_kwh=price))
    return days


def test_an_energy_promise_is_the_median() -> None:
    plan = commit(uncertain([loaded(0.0), loaded(4.0)], [0.75, 0.25]))
    assert plan.commitment.energy_kwh == pytest.approx([0.0], abs=1e-5)
    assert plan.scenario_cost_eur == pytest.approx([0.0, 0.05 * 4.0], abs=1e-6)
    assert plan.expected_cost_eur == pytest.approx(0.05, abs=1e-6)


def test_a_promise_against_the_tail_meets_in_the_middle() -> None:
    asked = uncertain([loaded(0.0), loaded(4.0)], [0.75, 0.25], cvar_weight=1.0, cvar_level=0.75)
    plan = commit(asked)
    assert plan.commitment.energy_kwh == pytest.approx([2.0], abs=1e-4)
    assert plan.cvar_eur == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize(("absent", "bid"), [(0.1, 4.0), (0.3, 0.0)])
def test_reserve_is_promised_if_what_it_earns_outweighs_what_its_absence_costs(
    absent: float, bid: float
) -> None:
    """A kW earns 0.02 €, and costs 0.1 € when the car is away: worth it where that is below a fifth."""
    days = [reserving(there=True), reserving(there=False)]
    plan = commit(uncertain(days, [1.0 - absent, absent], deviation_price_eur_per_kwh=0.0))
    assert plan.commitment.bids_kw == pytest.approx([bid], abs=1e-4)
    assert plan.expected_cost_eur == pytest.approx(-bid * (0.02 - absent * 0.1), abs=1e-6)


def test_a_day_that_is_certain_costs_what_its_plan_costs(depot: list[DayProblem]) -> None:
    plan = commit(uncertain(depot[:1]))
    best = plan_day(depot[0], ("v2g",))["v2g"].solver.objective_eur
    assert -1e-5 <= -plan.expected_cost_eur - best <= plan.wear_error_eur + 1e-5
    assert plan.wear_error_eur < 0.05


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_a_settled_promise_costs_what_it_was_expected_to(depot: list[DayProblem], weight: float) -> None:
    asked = uncertain(depot, cvar_weight=weight)
    plan = commit(asked)
    stated = evaluate(asked, plan.commitment)
    goal = (1 - weight) * stated.expected_cost_eur + weight * stated.cvar_eur
    assert goal == pytest.approx((1 - weight) * plan.expected_cost_eur + weight * plan.cvar_eur, abs=1e-5)


def test_no_other_promise_is_better_in_expectation_nor_in_the_tail(depot: list[DayProblem]) -> None:
    expected, cautious = commit(uncertain(depot)), commit(uncertain(depot, cvar_weight=1.0, cvar_level=0.7))
    others = [commit(uncertain([one])).commitment for one in depot]
    others.append(Commitment(energy_kwh=np.zeros(96), bids_kw=np.zeros(0)))
    for other in others:
        stated = evaluate(uncertain(depot, cvar_level=0.7), other)
        assert expected.expected_cost_eur <= stated.expected_cost_eur + 1e-5
        assert cautious.cvar_eur <= stated.cvar_eur + 1e-5
    assert cautious.cvar_eur < expected.cvar_eur


def test_the_tail_mean_takes_the_dearest_share() -> None:
    cost, probability = np.array([1.0, 5.0, 3.0]), np.array([0.5, 0.1, 0.4])
    assert tail_mean(cost, probability, 0.9) == pytest.approx(5.0)
    assert tail_mean(cost, probability, 0.8) == pytest.approx(4.0)
    assert tail_mean(cost, probability, 0.0) == pytest.approx(0.5 + 0.5 + 1.2)


def test_reduction_merges_what_is_equal_and_keeps_all_probability(depot: list[DayProblem]) -> None:
    asked = uncertain([depot[0], depot[1], depot[0], depot[0]], [0.1, 0.4, 0.2, 0.3])
    kept = reduce_scenarios(asked.scenarios, 2)
    assert {id(one.day): one.probability for one in kept} == pytest.approx(
        {id(depot[0]): 0.6, id(depot[1]): 0.4}
    )
    assert reduce_scenarios(asked.scenarios, 4) == asked.scenarios
    assert reduce_scenarios(asked.scenarios, 1)[0].day is depot[0]


def test_the_single_stand_in_is_the_most_central_day(depot: list[DayProblem]) -> None:
    scaled = [replace(depot[0], import_price_eur_per_kwh=np.full(96, price)) for price in (0.1, 0.2, 0.9)]
    assert reduce_scenarios(uncertain(scaled).scenarios, 1)[0].day is scaled[1]


def test_what_cannot_be_meant_is_refused(depot: list[DayProblem]) -> None:
    with pytest.raises(ProblemError, match=r"sum of the probabilities is 0\.9"):
        uncertain(depot[:2], [0.5, 0.4])
    with pytest.raises(ProblemError, match="scenario 1: cars"):
        uncertain([depot[0], replace(depot[1], cars=depot[1].cars[:-1], sessions=())])
    with pytest.raises(ProblemError, match="price of a shortfall"):
        commit(uncertain([reserving(there=True)], shortfall_price_eur_per_kw_h=0.02))
    with pytest.raises(ProblemError, match="count is 0"):
        reduce_scenarios(uncertain(depot).scenarios, 0)
    with pytest.raises(ProblemError, match="scenarios is none"):
        replace(uncertain(depot[:1]), scenarios=())
