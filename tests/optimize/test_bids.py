"""Bids by hand: products, what stays can give, whole steps, prices, nothing sold twice, falling curves."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from optimize.errors import ProblemError, TermsError
from optimize.market.bids.capability import Capability, PoolSites, PoolStays, capability
from optimize.market.bids.curve import energy_curves, falling
from optimize.market.bids.pooled import pooled
from optimize.market.bids.price import Block, cost_of, without
from optimize.market.bids.products import FILE, Reserve, products
from optimize.market.bids.quantity import Pool, in_steps, quantity, to_steps
from optimize.market.bids.reserve import Desk, Wanted
from optimize.types import Site
from tests.optimize.fleets import MIDNIGHT, car, day, depot_day, session_of, wear

FCR = products().reserve["FCR"]
UP, DOWN = products().reserve["aFRR up"], products().reserve["aFRR down"]
SMALL = replace(FCR, min_mw=0.002, step_mw=0.001, called_share=0.0)


def one_session(**changes: float) -> PoolStays:
    """Ten hours at a charger: 30 of 60 kWh and nothing owed, 10 kW both ways, no losses."""
    values = {
        "arrive_h": 0.0, "depart_h": 10.0, "energy_kwh": 30.0, "target_kwh": 30.0, "least_kwh": 6.0,
        "most_kwh": 60.0, "charge_kw": 10.0, "discharge_kw": 10.0, "drawdown_kwh": 60.0,
        "efficiency_charge": 1.0, "efficiency_discharge": 1.0,
    }  # fmt: skip
    arrays = {name: np.array([value]) for name, value in (values | changes).items()}
    return PoolStays(**arrays, site=np.zeros(1, dtype=np.int64))


def able(sessions: PoolStays, hours: float = 0.25, per_bid: float = 1.25, limit: float = 1e6) -> Capability:
    site = PoolSites(export_kw=np.array([limit]), import_kw=np.array([limit]), parent=np.array([-1]))
    return capability(sessions, site, 40, 0.25, reservoir_hours=hours, power_per_bid=per_bid)


def test_every_product_has_its_source_and_rules() -> None:
    known = products()
    assert list(known.reserve)[:3] == ["FCR", "aFRR up", "aFRR down"]
    assert {"DC low", "DM high", "DR low"} <= set(known.reserve)
    assert (FCR.direction, FCR.block_hours, FCR.min_mw, FCR.step_mw) == ("symmetric", 4, 1.0, 1.0)
    assert (FCR.pricing, UP.pricing, FCR.energy_paid, UP.energy_paid) == (
        "pay_as_cleared", "pay_as_bid", False, True,
    )  # fmt: skip
    assert all(len(one.source) > 30 for one in (*known.reserve.values(), *known.energy.values()))
    assert [known.reserve[f"{name} low"].reservoir_minutes for name in ("DC", "DM", "DR")] == [15, 30, 60]


@pytest.mark.parametrize(
    ("day", "fcr", "dc"),
    [
        (dt.date(2026, 7, 1), "2026-06-30T06:00Z", "2026-06-30T13:00Z"),
        (dt.date(2026, 3, 29), "2026-03-28T07:00Z", "2026-03-28T14:00Z"),
        (dt.date(2026, 3, 30), "2026-03-29T06:00Z", "2026-03-29T13:00Z"),
    ],
)
def test_a_gate_closes_by_its_own_clock(day: dt.date, fcr: str, dc: str) -> None:
    assert FCR.gate_utc(day) == pd.Timestamp(fcr)
    assert products().reserve["DC low"].gate_utc(day) == pd.Timestamp(dc)


@pytest.mark.parametrize(
    ("was", "becomes", "what"),
    [
        ("min_mw = 1\n", "min_mw = 1.5\n", "multiple of step_mw"),
        ('gate = "08:00"', 'gate = "noon"', "must be a time"),
        ('clock = "Europe/Berlin"', 'clock = "Berlin"', "IANA"),
        ("block_hours = 4", "block_hours = 5", "must divide a day"),
        ("quantile = 0.95", "quantile = 95", "must lie in"),
        ('name = "aFRR up"', 'name = "FCR"', "given twice"),
        ("power_per_bid = 1.25", "power_per_bit = 1.25", "power_per_bid"),
    ],
)
def test_a_product_that_cannot_be_meant_is_refused(was: str, becomes: str, what: str) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert was in text
    with pytest.raises(TermsError, match=what):
        products(text.replace(was, becomes, 1))


def test_power_charge_and_room_bound_what_is_given() -> None:
    # 10 kW at 1.25 kW a kW; of the last hour before departure nothing, since 1 h refills 15 minutes.
    found = able(one_session())
    assert found.up_kw[:36] == pytest.approx(8.0) and not found.up_kw[36:].any()
    assert found.down_kw == pytest.approx(8.0)
    # 1 kWh above the floor lasts for 4 kW in 15 minutes, half a kWh below the ceiling for 2 kW.
    assert able(one_session(energy_kwh=7.0, target_kwh=7.0)).up_kw[0] == pytest.approx(4.0)
    assert able(one_session(energy_kwh=59.5, target_kwh=59.5)).down_kw[0] == pytest.approx(2.0)
    assert able(one_session(drawdown_kwh=0.5)).up_kw[0] == pytest.approx(2.0)
    assert able(one_session(), limit=5.0).up_kw[0] == able(one_session(), limit=5.0).down_kw[0] == 4.0


def test_a_car_that_charges_gives_that_as_well_and_never_what_it_owes() -> None:
    # 20 kWh owed in ten hours: 2 kW drawn, (2 + 10)/1.25 less, (10 − 2)/1.25 more.
    found = able(one_session(target_kwh=50.0))
    assert (found.up_kw[0], found.down_kw[0]) == (pytest.approx(9.6), pytest.approx(6.4))
    assert able(one_session(target_kwh=50.0, discharge_kw=0.0)).up_kw[0] == pytest.approx(1.6)
    # All the time is needed to charge: nothing to spare, either way.
    tight = able(one_session(energy_kwh=6.0, target_kwh=60.0, charge_kw=5.4))
    assert not tight.up_kw.any() and tight.down_kw == pytest.approx(0.0, abs=1e-9)
    # What is above the promise may be left out up to the end; without refill that is all.
    assert able(one_session(target_kwh=29.0)).up_kw[39] == pytest.approx(4.0)
    assert able(one_session(target_kwh=29.0), per_bid=1.0).up_kw[0] == pytest.approx(4.0)
    for odd in ({"energy_kwh": 5.0, "target_kwh": 5.0}, {"energy_kwh": 60.5, "target_kwh": 60.0}):
        found = able(one_session(**odd))
        assert (found.up_kw[0] == 0.0) or (found.down_kw[0] == 0.0)


def test_losses_count_against_the_pool_and_sites_nest() -> None:
    lossy = {"efficiency_charge": 0.8, "efficiency_discharge": 0.5}
    assert able(one_session(**lossy)).up_kw[0] == pytest.approx(0.5 * 10 / 1.25)
    assert able(one_session(**lossy)).down_kw[0] == pytest.approx(10 / 0.8 / 1.25)
    two = {name: np.repeat(getattr(one_session(), name), 2) for name in one_session().__slots__}
    sessions = PoolStays(**(two | {"site": np.array([0, 1])}))
    sites = PoolSites(
        export_kw=np.array([4.0, 50.0, 12.5]), import_kw=np.full(3, 50.0), parent=np.array([2, 2, -1])
    )
    found = capability(sessions, sites, 40, 0.25, reservoir_hours=0.25, power_per_bid=1.25)
    assert found.up_kw[0] == pytest.approx(10.0)  # 3.2 and 8, of which the upper site lets 12.5/1.25 out
    assert found.down_kw[0] == pytest.approx(16.0)


def test_a_session_counts_in_the_slots_that_it_fills() -> None:
    found = able(one_session(arrive_h=0.3, depart_h=1.95, target_kwh=0.0))
    assert list(np.flatnonzero(found.up_kw)) == [2, 3, 4, 5, 6]
    with pytest.raises(ProblemError, match="after arrive_h"):
        one_session(depart_h=0.0)


@pytest.mark.parametrize(
    ("kw", "mw"), [(999.99, 0.0), (1000.0, 1.0), (1999.9, 1.0), (2000.0, 2.0), (12345.0, 12.0)]
)
def test_whole_steps_and_nothing_below_the_minimum(kw: float, mw: float) -> None:
    found = quantity(FCR, Pool(guaranteed_kw=kw, usual_kw=kw + 1.0, cars=300))
    assert found.mw == mw
    assert ("the least bid is 1000 kW" in found.reason) is (mw == 0.0)


def test_why_nothing_is_bid_is_said() -> None:
    few = quantity(FCR, Pool(guaranteed_kw=None, usual_kw=None, cars=5))
    assert few.mw == 0.0 and "too few days" in few.reason
    alone = quantity(replace(FCR, pooling=False), Pool(guaranteed_kw=5e3, usual_kw=5e3, cars=5))
    assert alone.mw == 0.0 and "takes no pool" in alone.reason
    part = quantity(FCR, Pool(guaranteed_kw=2500.0, usual_kw=3e3, cars=5, sold=0.5, sold_as="aFRR up"))
    assert (part.mw, part.reason) == (1.0, "50% of it is offered already, as aFRR up")
    assert in_steps(0.3, 0.1) == 0.3 and in_steps(0.29, 0.1) == 0.2
    assert [to_steps(mw, 0.1, 0.1) for mw in (0.04, 0.05001, -0.16)] == [0.0, 0.1, -0.2]


def home() -> list[float]:
    return [0.1] * 8


def wanted(product: Reserve, kw: float, begin: int = 0, end: int = 4) -> Wanted:
    hour = pd.Timedelta(hours=1)
    pool = Pool(guaranteed_kw=kw, usual_kw=kw, cars=1)
    return Wanted(product=product, begin=MIDNIGHT + begin * hour, end=MIDNIGHT + end * hour, pool=pool)


def desk(prices: list[float], soc: float = 0.5, target: float = 0.5, **of_car: object) -> Desk:
    problem = day(
        prices, [car(**of_car)], [session_of("A", 0, len(prices), soc, target)], departure_price=5.0
    )
    asked, site = pooled(problem)
    return Desk(problem=asked, site_id=site, time_limit_seconds=30.0)


def test_a_price_is_what_the_day_earns_less() -> None:
    # Flat prices, no losses, no calls: holding costs nothing. Where prices differ, what is held cannot trade.
    flat = desk(home()).bid(wanted(SMALL, 3.0))
    assert (flat.mw, flat.cost.price_eur_per_mw_h if flat.cost else None) == (
        0.003,
        pytest.approx(0.0, abs=1e-3),
    )
    prices = [0.1, 0.3, 0.1, 0.3]
    at = desk(prices)
    before = without(at.problem, time_limit_seconds=30.0)
    block = Block(product=SMALL, site_id=at.site_id, first_slot=0, end_slot=4)
    cost, _, after = cost_of(at.problem, before, block, 3.0, time_limit_seconds=30.0)
    # Alone the car sells 4 kWh dear twice and buys 4 between; with 3 of 4 kW held it does so with 1 kWh.
    assert cost.held_kw == 3.0
    lost = before.earned_eur - after.earned_eur
    assert lost == pytest.approx(3.0 * 2 * (0.3 - 0.1))
    assert cost.holding_eur_per_mw_h == pytest.approx(1000.0 * lost / (3.0 * 4.0))


def test_wear_of_calls_and_refilling_are_priced() -> None:
    # Half of 2 kW called for 4 h: 4 kWh or 0.4 EFC at 1 €: 0.4 €/(0.002 MW · 4 h) = 50 €/MW/h.
    worn = wear("rate", residual_value_eur=1000.0, l0_days=1000.0, beta_day_per_efc=1.0)
    called = replace(SMALL, called_share=0.5)
    found = desk(home(), wear=worn).bid(wanted(called, 2.0))
    assert found.cost is not None
    assert found.cost.holding_eur_per_mw_h == pytest.approx(50.0, abs=1e-3)
    assert found.cost.recovery_eur_per_mw_h == pytest.approx(0.0)
    lossy = desk(home(), efficiency_charge=0.8, efficiency_discharge=0.8)
    symmetric = lossy.bid(wanted(called, 2.0))
    assert symmetric.cost is not None  # 0.5 · 0.1 · (1/0.64 − 1) €/kWh
    assert symmetric.cost.recovery_eur_per_mw_h == pytest.approx(1000 * 0.05 * (1 / 0.64 - 1))
    up = replace(UP, min_mw=0.002, step_mw=0.001, reservoir_minutes=15)
    paid = desk(home(), efficiency_charge=0.8, efficiency_discharge=0.8).bid(wanted(up, 2.0))
    assert paid.cost is not None and paid.cost.recovery_eur_per_mw_h == 0.0
    assert paid.cost.energy_eur_per_mwh == pytest.approx(100.0 / 0.64)
    given = desk(home(), efficiency_charge=0.8, efficiency_discharge=0.8).bid(
        wanted(replace(up, energy_paid=False, called_share=0.5), 2.0)
    )
    assert given.cost is not None
    assert given.cost.recovery_eur_per_mw_h == pytest.approx(1000 * 0.5 * 0.1 / 0.64)


def test_the_day_as_known_has_to_hold_it_and_departures_come_first() -> None:
    # 10 kW are counted on, the car that is there has 4; it leaves after two hours: nothing.
    less = desk(home()).bid(wanted(SMALL, 10.0))
    assert less.mw == 0.004 and "holds 4 kW" in less.reason
    early = day(home(), [car()], [session_of("A", 0, 2, 0.5, 0.5)])
    asked, site = pooled(early)
    gone = Desk(problem=asked, site_id=site, time_limit_seconds=30.0).bid(wanted(SMALL, 4.0))
    assert gone.mw == 0.0 and "the least bid is 2 kW" in gone.reason
    # 10 kWh owed in four hours: room for four hours of calls, or charge for them, would cost the departure.
    owing = day([0.1] * 4, [car()], [session_of("A", 0, 4, 0.0, 1.0)], departure_price=5.0)
    asked, site = pooled(owing)
    long = replace(SMALL, reservoir_minutes=240)
    kept = Desk(problem=asked, site_id=site, time_limit_seconds=30.0).bid(wanted(long, 4.0))
    assert kept.mw == 0.0 and "the least bid is 2 kW" in kept.reason
    # Where a missing kWh is cheap the day could hold it, a departure short: it is not bid all the same.
    asked, site = pooled(replace(owing, departure_price_eur_per_kwh=0.3))
    hour = replace(SMALL, direction="down", reservoir_minutes=60)
    short = Desk(problem=asked, site_id=site, time_limit_seconds=30.0).bid(wanted(hour, 4.0))
    assert short.mw == 0.0 and "would leave departures 2 kWh short" in short.reason
    beyond = desk(home()).bid(wanted(SMALL, 4.0, begin=20, end=24))
    assert beyond.mw == 0.0 and "does not reach into the block" in beyond.reason


def test_nothing_is_sold_twice() -> None:
    """FCR takes half; up and down get the other half each, and once more nothing is left."""
    small = {"min_mw": 0.001, "step_mw": 0.001, "called_share": 0.0, "reservoir_minutes": 15.0}
    fcr, up, down = (replace(one, **small) for one in (FCR, UP, DOWN))
    at = desk(home())
    bids = [at.bid(wanted(fcr, 4.0))]
    assert bids[0].mw == 0.004
    none = at.bid(wanted(up, 4.0))
    assert none.mw == 0.0 and "100% of it is offered already, as FCR" in none.reason
    at = desk(home())
    assert at.bid(replace(wanted(fcr, 4.0), pool=Pool(guaranteed_kw=4.0, usual_kw=4.0, cars=1, sold=0.0))).mw
    at = desk(home())
    first = at.bid(wanted(replace(fcr, step_mw=0.002, min_mw=0.002), 3.9))
    assert first.mw == 0.002
    left = 4.0 * (1.0 - 2.0 / 3.9)
    assert at.bid(wanted(up, 4.0)).mw == at.bid(wanted(down, 4.0)).mw == in_steps(left / 1000.0, 0.001)
    assert at.bid(wanted(up, 4.0, begin=4, end=8)).mw == 0.004  # another block
    held = at.problem.reserves
    again = Desk(
        problem=replace(at.problem, reserves=()), site_id=at.site_id, time_limit_seconds=30.0, bids=at.bids
    )
    assert [one.name for one in again.problem.reserves] == [one.name for one in held]


def test_cars_at_several_sites_bid_together() -> None:
    sites = [Site(site_id=name, import_limit_kw=9.0, export_limit_kw=9.0) for name in ("depot", "yard")]
    cars = [car("A"), car("B", site_id="yard")]
    sessions = [session_of(name, 0, 8, 0.5, 0.5) for name in "AB"]
    asked, site = pooled(day(home(), cars, sessions, sites=sites))
    found = Desk(problem=asked, site_id=site, time_limit_seconds=30.0).bid(wanted(SMALL, 8.0))
    assert found.mw == 0.008


def test_a_curve_falls_and_is_what_a_plan_draws() -> None:
    problem, _ = pooled(depot_day(3, seed=2))
    step = np.array([-0.08, -0.03, 0.0, 0.03, 0.08])[:, None]
    buy, sell = (
        np.add(step, one) for one in (problem.import_price_eur_per_kwh, problem.export_price_eur_per_kwh)
    )
    slots, noted = [10, 30, 75, 90], []
    found = energy_curves(
        problem, slots, buy, sell, 2, lambda done, total: noted.append((done, total)), time_limit_seconds=60.0
    )
    assert noted[-1] == (16, 16)
    assert (np.diff(found.net_kw, axis=0) <= 1e-9).all()
    assert found.smoothed_kw < 1e-3  # what re-solves found falls by itself
    assert (found.net_kw[0] > found.net_kw[-1] + 5.0).any()
    turned = falling(np.array([[5.0, 1.0], [4.0, 2.5], [4.5, -3.0]]))
    assert turned.net_kw.tolist() == [[5.0, 1.0], [4.0, 1.0], [4.0, -3.0]] and turned.smoothed_kw == 1.5
    with pytest.raises(ProblemError, match="must rise in price"):
        energy_curves(problem, slots, buy[::-1], sell, 2, lambda *_: None, time_limit_seconds=60.0)
