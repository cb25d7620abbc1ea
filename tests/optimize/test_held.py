"""Reserve that was won, by hand: held before what energy earns, after what a driver was promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from optimize.account import account
from optimize.check import check_plan
from optimize.errors import ProblemError
from optimize.market.bids.held import Won, held_kw, holding, restated
from optimize.plan import plan_day
from optimize.types import Car, DayProblem, ModePlan, Site
from tests.optimize.fleets import MIDNIGHT, car, day, session_of, wear

HOUR = pd.Timedelta(hours=1)
DEAR = [0.1, 0.1, 0.5, 0.1]


def won(kw: float, first: int = 0, hours: int = 4, **changes: Any) -> Won:
    stated: dict[str, Any] = {
        "product": "FCR", "direction": "symmetric", "begin": MIDNIGHT + first * HOUR,
        "end": MIDNIGHT + (first + hours) * HOUR, "kw": kw, "sustain_hours": 0.25,
    }  # fmt: skip
    return Won(**(stated | changes))


def solved(problem: DayProblem, *blocks: Won) -> tuple[DayProblem, ModePlan]:
    held = holding(problem, blocks)
    return restated(problem, held, plan_day(held, ["v2g"])["v2g"], blocks)


def one_car(target: float = 0.5) -> DayProblem:
    """10 kWh, 4 kW both ways, no losses, no wear; half full, there throughout."""
    return day(DEAR, [car()], [session_of("A", 0, 4, 0.5, target)])


def test_the_dear_hour_is_sold_less_by_what_is_held_and_that_pays() -> None:
    """Free: 4 kWh bought at 0.1 and sold at 0.5, 1.6 €. 2 kW held up leave 2 to sell, 0.8 €, and pay 0.1."""
    problem, block = one_car(), won(2.0, first=2, hours=1, price_eur_per_kw_h=0.05)
    free = account(problem, plan_day(problem, ["v2g"])["v2g"]).total
    asked, plan = solved(problem, block)
    total = account(asked, plan).total
    assert free.objective_eur == pytest.approx(1.6)
    assert held_kw(plan, 0, block) == 2.0
    assert (total.reserve_income_eur, total.objective_eur) == (pytest.approx(0.1), pytest.approx(0.9))
    assert plan.solver.objective_eur == total.objective_eur
    assert asked.departure_price_eur_per_kwh == problem.departure_price_eur_per_kwh


def test_it_is_held_though_it_pays_nothing() -> None:
    _, plan = solved(one_car(), won(4.0, first=2, hours=1))
    assert held_kw(plan, 0, won(4.0)) == 4.0 and plan.discharge_kw[0, 2] == pytest.approx(0.0, abs=1e-6)


def test_a_driver_who_leaves_full_leaves_no_room_to_be_called_down() -> None:
    """Room of 2 kW · ¼ h at the end would cost the promise half a kWh, for a block of four hours."""
    asked, plan = solved(one_car(target=1.0), won(2.0, price_eur_per_kw_h=100.0))
    assert account(asked, plan).total.unmet_kwh == 0.0
    assert plan.reserves[0].bid_kw == pytest.approx(0.0, abs=1e-3)


def test_cars_of_all_sites_hold_it_together() -> None:
    cars = [car("A", site_id="east"), car("B", site_id="west")]
    sites = [Site(site_id=name, import_limit_kw=50.0, export_limit_kw=50.0) for name in ("east", "west")]
    stays = [session_of(name, 0, 4, 0.5, 0.5) for name in ("A", "B")]
    _, plan = solved(day(DEAR, cars, stays, sites=sites), won(8.0, direction="up"))
    assert held_kw(plan, 0, won(8.0)) == 8.0
    _, plan = solved(day(DEAR, cars[:1], stays[:1], sites=sites), won(8.0, direction="up"))
    assert plan.reserves[0].bid_kw < 8.0


def test_a_block_that_has_begun_is_held_for_the_rest_and_one_that_is_over_not_at_all() -> None:
    problem = one_car()
    asked = holding(problem, [won(2.0, first=-2)])
    assert [(block.first_slot, block.end_slot) for block in asked.reserves] == [(0, 2)]
    for over in (won(2.0, first=-4), won(2.0, first=4), won(0.0)):
        assert holding(problem, [over]) is problem


def test_more_of_it_never_earns_more() -> None:
    """Each kW held takes something from what energy can earn, or nothing: income apart."""
    earned = []
    for kw in (0.5, 1.0, 2.0, 3.0):
        asked, plan = solved(one_car(), won(kw))
        earned.append(account(asked, plan).total.objective_eur)
    assert earned == sorted(earned, reverse=True)


def test_what_cannot_be_meant_is_refused() -> None:
    for changes in ({"kw": -1.0}, {"sustain_hours": 0.0}):
        with pytest.raises(ProblemError, match="award 'FCR'"):
            replace(won(1.0), **changes)  # type: ignore[arg-type]


def parts(cars: list[Car], socs: Sequence[float], *blocks: Won) -> tuple[DayProblem, ModePlan, list[Any]]:
    """The day of cars that come with some charge and stay, and each car's part of each block held up."""
    stays = [session_of(one.battery_id, 0, 4, soc, soc) for one, soc in zip(cars, socs, strict=True)]
    asked, plan = solved(day([0.1] * 4, cars, stays, export=[0.05] * 4), *blocks)
    check_plan(asked, plan)
    return asked, plan, [(bid.up_kw / bid.up_kw.sum(axis=0)).T.tolist() for bid in plan.reserves]


def test_who_could_hold_more_holds_more_and_no_corner_decides() -> None:
    """At rest A and B could hold 4 kW up each; C has 2 of the 4 kWh that an hour needs above its least."""
    cars = [car("A"), car("B"), car("C", soc_min=0.3)]
    _, plan, found = parts(cars, (0.5, 0.5, 0.5), won(5.0, direction="up", sustain_hours=1.0))
    assert not plan.discharge_kw.any() and not plan.charge_kw.any()
    assert found[0] == [pytest.approx([0.4, 0.4, 0.2])] * 4
    assert held_kw(plan, 0, won(5.0)) == 5.0


def test_of_two_products_each_car_holds_the_same_part() -> None:
    first = won(2.0, direction="up", sustain_hours=1.0)
    second = won(3.0, direction="up", sustain_hours=0.25, product="aFRR")
    _, _, found = parts([car("A"), car("B", discharge_limit_kw=2.0)], (0.5, 0.5), first, second)
    assert found[0] == [pytest.approx([2 / 3, 1 / 3])] * 4 == found[1]


def test_where_calls_wear_one_car_more_the_other_holds_them_and_what_wears_nothing_is_shared() -> None:
    """B's wear is dear: what is called upwards stays with A; of what is hardly ever called both hold a part."""
    worn = won(2.0, direction="up", called_share=0.5, product="aFRR")
    cars = [car("A"), car("B", wear=wear("rate"))]
    asked, plan, found = parts(cars, (0.5, 0.5), worn, won(2.0, direction="up"))
    assert [one[0] for one in found[0]] == pytest.approx([1.0] * 4)
    assert found[1] == [pytest.approx([1 / 3, 2 / 3])] * 4  # A's power has 2 kW left, B's all of 4
    assert plan.solver.objective_eur == account(asked, plan).total.objective_eur
