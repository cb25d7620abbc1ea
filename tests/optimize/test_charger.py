"""Another charger, by hand and by what has to hold: the same is nothing, a better one never worth less."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from optimize.account import account
from optimize.errors import ProblemError
from optimize.market.invest.charger import Charger, gain, with_charger
from optimize.plan import plan_day
from optimize.types import DayProblem
from tests.optimize.fleets import car, day, random_day, session_of

LIMIT = 30.0


def one_car(prices: list[float], target: float = 0.5, **changes: object) -> DayProblem:
    """10 kWh, half full, 4 kW battery-side both ways, 0.9 each way."""
    own = car(**{"efficiency_charge": 0.9, "efficiency_discharge": 0.9} | changes)
    return day(prices, [own], [session_of("A", 0, len(prices), 0.5, target)])


def at_charger(problem: DayProblem, charge_kw: float, discharge_kw: float) -> DayProblem:
    (one,) = problem.sessions
    limits = {"charge_limit_kw": charge_kw, "discharge_limit_kw": discharge_kw}
    return replace(problem, sessions=(replace(one, **limits),))  # type: ignore[arg-type]


def test_what_is_lost_in_charging_by_hand() -> None:
    """4 kWh into the battery at 0.27 €: 4/0.9 · 0.27 less 4/0.96 · 0.27."""
    problem = one_car([0.27, 0.27], target=0.9)
    other = with_charger(problem, Charger(efficiency=0.96), {"A"}, {})
    found = gain(problem, other, "ordered", time_limit_seconds=LIMIT)
    assert found.eur == pytest.approx(0.075) and found.car_eur == {"A": pytest.approx(0.075)}
    assert found.drawn_kwh == pytest.approx(4.0 / 0.96 - 4.0 / 0.9)
    assert (found.missing_kwh, found.open_eur) == (pytest.approx(0.0, abs=1e-9), pytest.approx(0.0, abs=1e-4))


def test_what_a_cold_pack_loses_no_charger_changes() -> None:
    """At a session that keeps 0.95 and 0.9 of what is declared, the same charger is the same day."""
    problem = at_charger(one_car([0.1, 0.5]), 3.6 * 0.95, 2.0)
    cold = [
        replace(one, efficiency_charge=0.9 * 0.95, efficiency_discharge=0.9 * 0.9) for one in problem.sessions
    ]
    problem = replace(problem, sessions=tuple(cold))
    kept = {problem.sessions[0].session_id: (0.95, 0.9)}
    same = with_charger(problem, Charger(efficiency=0.9), {"A"}, {}, kept)
    assert same.sessions == problem.sessions
    better = with_charger(problem, Charger(efficiency=1.0), {"A"}, {}, kept).sessions[0]
    assert (better.efficiency_charge, better.efficiency_discharge) == (0.95, 0.9)


def test_what_is_lost_both_ways_by_hand() -> None:
    """4 kWh bought at 0.1 and sold at 0.5: 1.92 − 0.4/0.96 against 1.8 − 0.4/0.9."""
    problem = one_car([0.1, 0.5])
    other = with_charger(problem, Charger(efficiency=0.96), {"A"}, {})
    found = gain(problem, other, "v2g", time_limit_seconds=LIMIT)
    assert found.eur == pytest.approx((1.92 - 0.4 / 0.96) - (1.8 - 0.4 / 0.9))


@pytest.mark.parametrize(
    ("charger", "charge_kw", "discharge_kw"),
    [
        (Charger(efficiency=0.96), 3.6 / 0.9 * 0.96, 2.0 * 0.9 / 0.96),
        (Charger(power_kw=3.0), 2.7, 3.0 / 0.9),
        (Charger(phases=3), 10.8, 6.0),
        (Charger(phases=3, efficiency=0.96), 12.0 * 0.96, 5.4 / 0.96),
        (Charger(power_kw=22.0, efficiency=1.0), 22.0, 22.0),
    ],
)
def test_limits_of_a_charger_are_metered(charger: Charger, charge_kw: float, discharge_kw: float) -> None:
    problem = at_charger(one_car([0.1, 0.5]), 3.6, 2.0)
    (one,) = with_charger(problem, charger, {"A"}, {"A-0": 1}).sessions
    assert (one.charge_limit_kw, one.discharge_limit_kw) == (
        pytest.approx(charge_kw), pytest.approx(discharge_kw),
    )  # fmt: skip


def test_a_charger_that_feeds_nothing_back_still_does_not() -> None:
    problem = at_charger(one_car([0.1, 0.5]), 3.6, 0.0)
    (one,) = with_charger(problem, Charger(power_kw=22.0), {"A"}, {}).sessions
    assert one.discharge_limit_kw == 0.0


def test_least_power_goes_with_phases_and_the_car_with_what_it_takes() -> None:
    problem = one_car([0.1, 0.5], min_charge_kw=1.2, charge_limit_kw=3.6)
    (own,) = with_charger(problem, Charger(phases=3, car_kw=11.0), {"A"}, {"A-0": 1}).cars
    assert (own.min_charge_kw, own.charge_limit_kw, own.discharge_limit_kw) == (
        pytest.approx(3.6),
        11.0,
        11.0,
    )
    (own,) = with_charger(problem, Charger(efficiency=0.96), {"A"}, {}).cars
    assert own.min_charge_kw == pytest.approx(1.2 * 0.96 / 0.9)


@pytest.mark.parametrize("seed", range(12))
def test_the_same_charger_is_exactly_nothing(seed: int) -> None:
    problem = random_day(seed, hard=False)
    everybody = {one.battery_id for one in problem.cars}
    same = {one.battery_id: one.efficiency_charge for one in problem.cars}
    for name in everybody:
        own = next(one for one in problem.cars if one.battery_id == name)
        if own.efficiency_charge == own.efficiency_discharge:
            problem = with_charger(problem, Charger(efficiency=same[name]), {name}, {})
    other = with_charger(
        problem, Charger(phases=3), everybody, {one.session_id: 3 for one in problem.sessions}
    )
    found = gain(problem, other, "v2g", time_limit_seconds=LIMIT)
    assert (found.eur, found.missing_kwh, found.drawn_kwh) == (0.0, 0.0, 0.0)
    assert set(found.car_eur.values()) == {0.0}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("mode", ["ordered", "v2g"])
def test_a_higher_efficiency_is_never_worth_less_at_prices_that_are_not_negative(
    seed: int, mode: str
) -> None:
    problem = random_day(seed, hard=False)
    export = np.maximum(problem.export_price_eur_per_kwh, 0.0)
    problem = replace(
        problem,
        import_price_eur_per_kwh=np.maximum(problem.import_price_eur_per_kwh, export),
        export_price_eur_per_kwh=export,
        cars=tuple(replace(one, min_charge_kw=0.0, min_discharge_kw=0.0) for one in problem.cars),
    )
    everybody = {one.battery_id for one in problem.cars}
    worth = []
    for efficiency in (0.85, 0.9, 0.96, 1.0):
        other = with_charger(problem, Charger(efficiency=efficiency), everybody, {})
        plan = plan_day(other, [mode], time_limit_seconds=LIMIT)[mode]  # type: ignore[list-item,index]
        worth.append(account(other, plan).total.objective_eur)
    slack = 1e-4 * max(1.0, max(map(abs, worth)))
    assert all(after >= before - slack for before, after in pairwise(worth)), worth


@pytest.mark.parametrize(
    "changes",
    [{}, {"efficiency": 1.2}, {"efficiency": 0.0}, {"power_kw": -1.0}, {"phases": 4}, {"car_kw": 0.0}],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ProblemError, match="charger"):
        Charger(**changes)  # type: ignore[arg-type]
