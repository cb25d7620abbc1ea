"""The account of a day: nothing differs where nothing changed, each cause by hand, and their sum always."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from optimize.follow import Schedule
from optimize.plan import plan_modes
from optimize.realised import CAUSES, Metered, Promise, Realised, realise
from optimize.types import DayProblem, ModePlan, Site
from tests.optimize.fleets import FREE_WEAR, car, day, session_of
from tests.optimize.mixed import mixed_day


def promise_of(problem: DayProblem, plan: ModePlan) -> Promise:
    return Promise(
        import_price_eur_per_kwh=problem.import_price_eur_per_kwh,
        export_price_eur_per_kwh=problem.export_price_eur_per_kwh,
        schedule=Schedule(charge_kw=plan.charge_kw, discharge_kw=plan.discharge_kw, scheduled=plan.plugged),
        energy_start_kwh=plan.energy_start_kwh,
        energy_end_kwh=plan.energy_end_kwh,
        departures=plan.departures,
    )


def planned(problem: DayProblem, kw: list[float], slots: slice = slice(None), **changes: Any) -> Promise:
    """A promise for the only car: its power by slot, negative is discharging; prices as in the problem."""
    power = np.array([kw], dtype=float)
    said = np.zeros(power.shape, dtype=np.bool_)
    said[:, slots] = True
    schedule = Schedule(
        charge_kw=np.maximum(power, 0.0), discharge_kw=np.maximum(-power, 0.0), scheduled=said
    )
    held = np.full(power.shape, np.nan)
    made = Promise(
        import_price_eur_per_kwh=problem.import_price_eur_per_kwh,
        export_price_eur_per_kwh=problem.export_price_eur_per_kwh,
        schedule=schedule,
        energy_start_kwh=held,
        energy_end_kwh=held,
        departures=(),
    )
    return replace(made, **changes)


def causes(account: Realised) -> dict[str, float]:
    return {name: round(value, 9) for name, value in account.causes.items() if abs(value) > 1e-9}


@pytest.mark.parametrize("seed", range(8))
def test_a_day_that_goes_as_planned_keeps_its_promise(seed: int) -> None:
    problem = mixed_day(seed, features=("taper", "tree", "rest"), cars=3, hours=0.5, slots=48)
    for mode, plan in plan_modes(problem, time_limit_seconds=60).plans.items():
        accounts, came = realise(problem, promise_of(problem, plan), mode)
        for battery, account in accounts.items():
            assert account.realised.net_eur == pytest.approx(account.promised.net_eur, abs=1e-6), battery
            assert causes(account) == {} or max(map(abs, account.causes.values())) < 1e-6
            assert account.realised.missed == account.promised.missed
        np.testing.assert_allclose(came.energy_end_kwh, plan.energy_end_kwh, atol=1e-6)


def test_another_price_is_the_price() -> None:
    problem = day([0.1, 0.3, 0.1], [car()], [session_of("A", 0, 3, 0.5, 0.7)], export=[0.1, 0.25, 0.1])
    promise = planned(
        problem, [4, -2, 0], import_price_eur_per_kwh=np.array([0.2, 0.2, 0.2]),
        export_price_eur_per_kwh=np.array([0.2, 0.2, 0.2]),
    )  # fmt: skip
    (account,) = realise(problem, promise, "v2g")[0].values()
    assert account.promised.net_eur == pytest.approx(-4 * 0.2 + 2 * 0.2)
    assert account.realised.net_eur == pytest.approx(-4 * 0.1 + 2 * 0.25)
    assert causes(account) == {"price": pytest.approx(0.4 + 0.1)}
    assert (account.realised.stored_kwh, account.realised.missed) == (2.0, 0)


def test_who_comes_late_is_the_car() -> None:
    problem = day([0.1, 0.3, 0.2], [car()], [session_of("A", 1, 3, 0.5, 0.9)])
    (account,) = realise(problem, planned(problem, [4, 0, 0]), "ordered")[0].values()
    assert causes(account) == {"car": pytest.approx(0.4)}
    assert (account.realised.departures, account.realised.missed) == (1, 1)
    assert (account.promised.stored_kwh, account.realised.stored_kwh) == (4.0, 0.0)


@pytest.mark.parametrize(("short_soc", "missed"), [(0.004, 0), (0.006, 1)])
def test_a_departure_is_missed_by_more_than_cars_report(short_soc: float, missed: int) -> None:
    problem = day([0.1], [car(capacity_kwh=10.0)], [session_of("A", 0, 1, 0.5, 0.9)])
    promise = planned(problem, [4.0 - 10.0 * short_soc])
    (account,) = realise(problem, promise, "ordered")[0].values()
    assert (account.realised.departures, account.realised.missed) == (1, missed)


def test_what_no_plan_covered_is_the_horizon() -> None:
    problem = day([0.1, 0.3, 0.2], [car()], [session_of("A", 0, 3, 0.5, 0.9)])
    (account,) = realise(problem, planned(problem, [0, 0, 0], slice(1, 3)), "ordered")[0].values()
    assert causes(account) == {"horizon": pytest.approx(-0.4)}


def test_what_the_feeder_does_not_let_through_is_the_limits() -> None:
    site = Site(site_id="depot", import_limit_kw=3.0, export_limit_kw=0.0)
    problem = day([0.1, 0.3, 0.2], [car()], [session_of("A", 0, 3, 0.5, 0.9)], sites=[site])
    (account,) = realise(problem, planned(problem, [4, 0, 0]), "ordered")[0].values()
    assert causes(account) == {"limits": pytest.approx(0.1)}
    assert account.realised.missed == 1


def test_what_the_meter_says_is_the_charger() -> None:
    worn = car(efficiency_charge=0.8, efficiency_discharge=0.5, wear=FREE_WEAR)
    problem = day([0.1, 0.3, 0.2], [worn], [session_of("A", 0, 3, 0.5, 0.9)])
    counted = np.array([[True, True, False]])
    metered = Metered(
        import_kwh=np.array([[2.5, 0.0, 9.0]]), export_kwh=np.array([[0.0, 0.5, 9.0]]), counted=counted
    )
    (account,) = realise(problem, planned(problem, [4, 0, 0]), "v2g", metered=metered)[0].values()
    assert account.realised.import_kwh == pytest.approx(2.5)
    assert account.realised.export_kwh == pytest.approx(0.5)
    assert account.realised.v2g_kwh == pytest.approx(1.0)
    assert account.realised.stored_kwh == pytest.approx(2.0 - 1.0)
    assert causes(account) == {"charger": pytest.approx(5.0 * 0.1 - 2.5 * 0.1 + 0.5 * 0.3)}


@pytest.mark.parametrize("seed", range(8))
def test_the_causes_add_up_whatever_happens(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = mixed_day(seed, features=("taper", "tree"), cars=3, hours=0.5, slots=48)
    plan = plan_modes(problem, ("ordered",), time_limit_seconds=60).plans["ordered"]
    shift = pd.Timedelta(minutes=int(rng.integers(-90, 90)))
    sessions = [
        replace(one, arrival_utc=one.arrival_utc + shift, arrival_soc=one.arrival_soc * rng.uniform(0.5, 1.0))
        for one in problem.sessions
        if one.arrival_utc + shift < min(one.departure_utc, problem.end_utc)
    ]
    first = {one.battery_id: one for one in sorted(sessions, key=lambda one: one.arrival_utc, reverse=True)}
    real = replace(
        problem, sessions=tuple(first.values()),
        import_price_eur_per_kwh=problem.import_price_eur_per_kwh * rng.uniform(0.5, 1.5),
    )  # fmt: skip
    drawn = rng.uniform(0.0, 2.0, (len(problem.cars), len(problem.slots)))
    metered = Metered(import_kwh=drawn, export_kwh=0.0 * drawn, counted=drawn > 1.5)
    accounts, _ = realise(real, promise_of(problem, plan), "ordered", metered=metered)
    assert all(set(account.causes) == set(CAUSES) for account in accounts.values())
    difference = sum(account.realised.net_eur - account.promised.net_eur for account in accounts.values())
    caused = sum(sum(account.causes.values()) for account in accounts.values())
    assert caused == pytest.approx(difference, abs=1e-9)
    assert difference != pytest.approx(0.0, abs=1e-3)


def counted(problem: DayProblem, drawn: list[float], **changes: Any) -> Metered:
    """A meter of the only car that counted what was drawn in every slot, kWh."""
    kwh = np.array([drawn])
    every = np.ones(kwh.shape, dtype=np.bool_)
    return Metered(import_kwh=kwh, export_kwh=0.0 * kwh, counted=every, **changes)


def test_what_is_counted_in_the_slot_that_a_car_comes_or_leaves_in_is_in_its_battery() -> None:
    problem = day([0.1, 0.1, 0.1, 0.1], [car()], [session_of("A", 0.5, 2.25, 0.5, 0.9)])
    stated = planned(problem, [0, 3, 0, 0])
    accounts, came = realise(problem, stated, "ordered", metered=counted(problem, [1, 1, 0.5, 0]))
    (outcome,) = came.departures
    assert (outcome.reached_kwh, outcome.missing_kwh) == (pytest.approx(7.5), pytest.approx(1.5))
    assert accounts["A"].realised.stored_kwh == pytest.approx(2.5)
    assert came.plugged.tolist() == [[True, True, True, False]]
    short = day([0.1, 0.1], [car()], [session_of("A", 0.2, 0.8, 0.5, 0.6)])
    _, came = realise(short, planned(short, [0, 0]), "ordered", metered=counted(short, [1, 0]))
    assert came.departures[0].reached_kwh == pytest.approx(6.0)
    both = day([0.1], [car()], [session_of("A", 0, 0.3, 0.5, 0.6), session_of("A", 0.6, 0.9, 0.4, 0.6)])
    _, came = realise(
        both, planned(both, [0]), "ordered", metered=counted(both, [1]), driven_kwh={"A-0.6": 1.0}
    )
    assert [one.reached_kwh for one in came.departures] == pytest.approx([6.0, 5.0])


def test_what_is_counted_is_drawn_whatever_the_charger_makes_of_it() -> None:
    weak = replace(session_of("A", 0, 2, 0.2, 0.9), efficiency_charge=0.8)
    problem = day([0.1, 0.2], [car()], [weak])
    accounts, came = realise(problem, planned(problem, [0, 0]), "ordered", metered=counted(problem, [2, 0]))
    assert accounts["A"].realised.import_kwh == pytest.approx(2.0)
    assert came.departures[0].reached_kwh == pytest.approx(2.0 + 1.6)


def test_what_is_counted_between_sessions_comes_with_the_next_unless_its_word_knows_of_it() -> None:
    problem = day([0.1] * 4, [car()], [session_of("A", 0, 1, 0.5, 0.6), session_of("A", 3, 4, 0.4, 0.6)])
    stated = planned(problem, [1, 0, 0, 0])

    def came_with(heard: pd.Timestamp, driven: dict[str, float]) -> float:
        meter = counted(problem, [1, 0, 1, 0], heard={"A-3": heard})
        accounts, came = realise(problem, stated, "ordered", metered=meter, driven_kwh=driven)
        assert accounts["A"].realised.stored_kwh == pytest.approx(2.0)
        return float(came.energy_start_kwh[0, 3])

    before, after = problem.slots[0], problem.slots[3]
    assert came_with(before, {"A-3": 2.0}) == pytest.approx(6.0 - 2.0 + 1.0)
    assert came_with(before, {}) == pytest.approx(5.0)
    assert came_with(after, {}) == pytest.approx(4.0)
