"""What must happen to a plan when its day is changed in a way whose effect is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from optimize.account import account
from optimize.plan import plan_day
from optimize.types import DayProblem, Session, Site, WearPrice
from tests.optimize.fleets import car, depot_day, random_day, wear
from tests.optimize.mixed import mixed_day

SEEDS = [1, 3, 5, 8, 11, 20]
LINEAR = ("taper", "charger", "rest", "contract", "tree", "base", "peak", "meter", "reserve", "co2", "follow")
"""Features that need no binaries, so that optima are exact."""


def best(problem: DayProblem) -> float:
    return plan_day(problem, ["v2g"])["v2g"].solver.objective_eur


def dressed(seed: int) -> DayProblem:
    return mixed_day(seed, features=LINEAR, cars=3, slots=48, hard=False)


def close(value: float) -> object:
    return pytest.approx(value, rel=4e-6, abs=4e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_money_scales_with_prices_and_wear_together(seed: int) -> None:
    problem = random_day(seed, cars=3, slots=48)
    check_scaling(problem)


def check_scaling(problem: DayProblem, factor: float = 3.0) -> None:
    cars = [
        replace(
            c,
            wear=replace(c.wear, residual_value_eur=factor * c.wear.residual_value_eur),
            rest_price_eur_per_kwh_h=factor * c.rest_price_eur_per_kwh_h,
        )
        for c in problem.cars
    ]
    scaled = replace(
        problem,
        cars=tuple(cars),
        sites=tuple(
            replace(s, peak_price_eur_per_kw=factor * s.peak_price_eur_per_kw) for s in problem.sites
        ),
        reserves=tuple(
            replace(b, price_eur_per_kw_h=factor * b.price_eur_per_kw_h) for b in problem.reserves
        ),
        co2_price_eur_per_kg=factor * problem.co2_price_eur_per_kg,
        change_price_eur_per_kwh=factor * problem.change_price_eur_per_kwh,
        import_price_eur_per_kwh=factor * problem.import_price_eur_per_kwh,
        export_price_eur_per_kwh=factor * problem.export_price_eur_per_kwh,
        terminal_value_eur_per_kwh=factor * problem.terminal_value_eur_per_kwh,
        departure_price_eur_per_kwh=factor * problem.departure_price_eur_per_kwh,
    )
    assert best(scaled) == close(factor * best(problem))


@pytest.mark.parametrize("seed", range(6))
def test_money_scales_with_every_price_together(seed: int) -> None:
    check_scaling(dressed(seed))


@pytest.mark.parametrize("seed", range(6))
def test_more_of_anything_is_never_worse(seed: int) -> None:
    problem = dressed(seed)
    value = best(problem)
    slack = 4e-6 * max(1.0, abs(value))
    better = {
        "wider feeders": replace(problem, sites=tuple(_widened(site) for site in problem.sites)),
        "no taper": replace(problem, cars=tuple(replace(c, charge_taper=None) for c in problem.cars)),
        "no contract": replace(problem, cars=tuple(replace(c, v2g_limit_kwh=np.inf) for c in problem.cars)),
        "resting for nothing": replace(
            problem, cars=tuple(replace(c, rest_price_eur_per_kwh_h=0.0) for c in problem.cars)
        ),
        "no peak price": replace(
            problem, sites=tuple(replace(s, peak_price_eur_per_kw=0.0) for s in problem.sites)
        ),
        "free to change": replace(problem, change_price_eur_per_kwh=0.0),
        "dearer reserve": replace(
            problem,
            reserves=tuple(
                replace(b, price_eur_per_kw_h=b.price_eur_per_kw_h + 0.01) for b in problem.reserves
            ),
        ),
        "reserve called less": replace(
            problem, reserves=tuple(replace(b, activation_share=0.0) for b in problem.reserves)
        ),
        "reserve sustained for less": replace(
            problem, reserves=tuple(replace(b, sustain_hours=0.5 * b.sustain_hours) for b in problem.reserves)
        ),
    }
    for name, other in better.items():
        assert best(other) >= value - slack, name


def test_the_worth_of_stored_energy_tells_what_a_little_more_on_arrival_brings() -> None:
    # Energy is worth at the end of the first slot what it is worth on arrival.
    problem = mixed_day(4, features=("tree", "peak", "co2"), cars=3, slots=48, hard=False)
    found = 0
    plan = plan_day(problem, ["v2g"])["v2g"]
    for number, session in enumerate(problem.sessions):
        i = [c.battery_id for c in problem.cars].index(session.battery_id)
        slots = np.flatnonzero(plan.plugged[i])
        own = [t for t in slots if problem.slots[t] >= session.arrival_utc]
        low, high = problem.cars[i].soc_min + 0.01, problem.cars[i].soc_max - 0.01
        if not own or not low < session.arrival_soc < high:
            continue
        value = plan.prices.energy_value_eur_per_kwh[i, own[0]]
        gains = []
        for step in (1e-4, -1e-4):
            moved = replace(session, arrival_soc=session.arrival_soc + step)
            sessions = tuple(moved if n == number else s for n, s in enumerate(problem.sessions))
            kwh = step * problem.cars[i].capacity_kwh
            stored = problem.terminal_value_eur_per_kwh * kwh  # what it arrives with is not its gain
            gains.append((best(replace(problem, sessions=sessions)) - best(problem) + stored) / kwh)
        # A dual is a subgradient: between what more brings and what less takes.
        assert gains[0] - 1e-3 <= value <= gains[1] + 1e-3
        found += 1
    assert found > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_shift_in_time_changes_nothing(seed: int) -> None:
    problem = random_day(seed, cars=3, slots=48)
    shift = pd.Timedelta(days=173, hours=5)
    sessions = tuple(
        replace(s, arrival_utc=s.arrival_utc + shift, departure_utc=s.departure_utc + shift)
        for s in problem.sessions
    )
    moved = replace(problem, slots=problem.slots + shift, sessions=sessions)
    one, other = (plan_day(p, ["v2g"])["v2g"] for p in (problem, moved))
    np.testing.assert_array_equal(one.charge_kw, other.charge_kw)
    np.testing.assert_array_equal(one.discharge_kw, other.discharge_kw)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_useless_car_changes_nothing(seed: int) -> None:
    problem = random_day(seed, cars=3, slots=48)
    site_id = problem.sites[0].site_id
    absent = car("absent", site_id=site_id)
    powerless = car("powerless", site_id=site_id, charge_limit_kw=0.0, discharge_limit_kw=0.0)
    session = Session(
        session_id="powerless",
        battery_id="powerless",
        arrival_utc=problem.slots[0],
        departure_utc=problem.end_utc,
        arrival_soc=0.5,
        departure_soc=0.5,
    )
    more = replace(problem, cars=(absent, *problem.cars, powerless), sessions=(*problem.sessions, session))
    assert best(more) == close(best(problem))


@pytest.mark.parametrize("form", ["law", "rate"])
def test_dearer_wear_never_means_more_v2g_of_a_single_car(form: str) -> None:
    problem = depot_day(1, seed=4)
    energies = []
    for value in (0.0, 1000.0, 3000.0, 6000.0, 12_000.0, 1e6):
        price = wear(form, residual_value_eur=value, alpha_day_per_efc=0.8, beta_day_per_efc=0.8)
        one = replace(problem, cars=(replace(problem.cars[0], wear=price),))
        energies.append(account(one, plan_day(one, ["v2g"])["v2g"]).total.v2g_kwh)
    assert energies[0] > 1.0
    assert energies[-1] == 0.0
    # The optimum is flat: an error of 1e-7 € in wear moves the duty by about √1e-7 EFC.
    assert all(after <= before + 0.05 for before, after in pairwise(energies))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_wider_feeder_is_never_worse(seed: int) -> None:
    problem = random_day(seed, cars=4, slots=48)
    wider = replace(problem, sites=tuple(_widened(site) for site in problem.sites))
    gain = best(wider) - best(problem)
    assert gain >= -4e-6 * max(1.0, abs(best(problem)))


def _widened(site: Site) -> Site:
    return replace(
        site,
        import_limit_kw=1.5 * site.import_limit_kw + 2.0,
        export_limit_kw=1.5 * site.export_limit_kw + 2.0,
    )


def test_the_shadow_price_tells_what_a_little_more_limit_earns() -> None:
    problem = depot_day(6, seed=2)
    narrow = tuple(replace(s, import_limit_kw=9.0, export_limit_kw=2.0) for s in problem.sites)
    problem = replace(problem, sites=narrow)
    plan = plan_day(problem, ["v2g"])["v2g"]
    step = 1e-3
    for field, sign in (("import_limit_kw", 1.0), ("export_limit_kw", -1.0)):
        price = sign * plan.prices.site_eur_per_kwh[1]
        expected = problem.slot_hours * price[price > 0].sum() * step
        first, site = problem.sites
        more = replace(site, **{field: getattr(site, field) + step})  # type: ignore[arg-type]
        less = replace(site, **{field: getattr(site, field) - step})  # type: ignore[arg-type]
        gain = best(replace(problem, sites=(first, more))) - plan.solver.objective_eur
        loss = plan.solver.objective_eur - best(replace(problem, sites=(first, less)))
        # A dual is a subgradient: between what more limit gives and what less takes.
        assert expected > 0
        assert gain - 1e-6 <= expected <= loss + 1e-6


def test_wear_forms_agree_where_wear_is_small() -> None:
    law = WearPrice(
        form="law", residual_value_eur=4000.0, l0_days=4000.0, alpha_day_per_efc=1e-4, beta_day_per_efc=0.0
    )
    rate = replace(law, form="rate", beta_day_per_efc=1e-4)
    problem = depot_day(2, seed=7)
    answers = [
        best(replace(problem, cars=tuple(replace(c, wear=price) for c in problem.cars)))
        for price in (law, rate)
    ]
    assert answers[0] == pytest.approx(answers[1], abs=1e-3)
