"""The checker sees every kind of wrong; the accounts add up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from optimize.account import account, grid_power_kw, site_power_kw
from optimize.check import check_plan
from optimize.errors import PlanCheckError
from optimize.plan import plan_day
from optimize.types import DayProblem, ModePlan, Site
from tests.optimize.fleets import car, day, depot_day, session_of


@pytest.fixture(scope="module")
def problem() -> DayProblem:
    """A: slots 0–3, 5 of 1–9 kWh on arrival, may fall 5. B: slots 1–2, 3 kWh. 4 kW each, 5 kW in all."""
    site = Site(site_id="depot", import_limit_kw=5.0, export_limit_kw=5.0)
    cars = [car("A", drawdown_limit=0.5, soc_min=0.1, soc_max=0.9), car("B", soc_min=0.1, soc_max=0.9)]
    sessions = [session_of("A", 0, 4, 0.5, 0.3), session_of("B", 1, 3, 0.3, 0.1)]
    return day([0.3, 0.1, 0.2, 0.4, 0.4], cars, sessions, sites=[site], terminal=0.1)


def made(problem: DayProblem, charge: list[list[float]], discharge: list[list[float]]) -> ModePlan:
    """A v2g plan of the given powers with energies and departures that follow from them."""
    idle = plan_day(problem, ["uncontrolled"])["uncontrolled"]
    c, d = np.array(charge, dtype=float), np.array(discharge, dtype=float)
    first = np.array([[problem.sessions[i].arrival_soc * 10.0] for i in range(len(problem.cars))])
    end = np.where(idle.plugged, first + np.cumsum(c - d, axis=1), np.nan)
    start = np.where(idle.plugged, end - c + d, np.nan)
    outcomes = []
    for i, outcome in enumerate(idle.departures):
        reached = float(end[i][idle.plugged[i]][-1])
        missing = max(0.0, outcome.target_kwh - reached)
        said = "less" if missing else ""
        outcomes.append(replace(outcome, reached_kwh=reached, missing_kwh=missing, reason=said))
    return replace(
        idle,
        mode="v2g",
        charge_kw=c,
        discharge_kw=d,
        energy_start_kwh=start,
        energy_end_kwh=end,
        departures=tuple(outcomes),
    )


IDLE = [0.0] * 5


@pytest.fixture(scope="module")
def plan(problem: DayProblem) -> ModePlan:
    return made(problem, [[0, 1, 0, 0, 0], IDLE], [[1, 0, 0, 1, 0], IDLE])


BAD_POWERS: dict[str, tuple[list[list[float]], list[list[float]]]] = {
    "charge limit": ([[0, 4.5, 0, 0, 0], IDLE], [[1, 0, 0, 0, 0], IDLE]),
    "discharge limit": ([[3, 0, 0, 0, 0], IDLE], [[0, 4.5, 0, 0, 0], IDLE]),
    "energy at most soc_max": ([[3, 3, 0, 0, 0], IDLE], [IDLE, IDLE]),
    "energy at least soc_min": ([IDLE, IDLE], [[2.5, 2, 0, 0, 0], IDLE]),
    "charge_kw >= 0": ([[-0.5, 0, 0, 0, 0], IDLE], [IDLE, IDLE]),
    "discharge_kw >= 0": ([IDLE, IDLE], [[-0.5, 0, 0, 0, 0], IDLE]),
    "no charge with discharge": ([[1, 0, 0, 0, 0], IDLE], [[1, 0, 0, 0, 0], IDLE]),
    "site import limit": ([[0, 3, 0, 0, 0], [0, 3, 0, 0, 0]], [IDLE, IDLE]),
    "site export limit": ([IDLE, IDLE], [[0, 3.5, 0, 0, 0], [0, 2, 0, 0, 0]]),
    "drawdown within the session": ([[3, 0, 0, 0, 0], IDLE], [[0, 3, 2.5, 0, 0], IDLE]),
}


@pytest.mark.parametrize("rule", BAD_POWERS)
def test_each_limit_is_seen_when_broken(problem: DayProblem, rule: str) -> None:
    with pytest.raises(PlanCheckError, match=rule):
        check_plan(problem, made(problem, *BAD_POWERS[rule]))


def with_departure(plan: ModePlan, **changes: object) -> ModePlan:
    first, *others = plan.departures
    return replace(plan, departures=(replace(first, **changes), *others))  # type: ignore[arg-type]


def with_cell(plan: ModePlan, name: str, i: int, t: int, value: float) -> ModePlan:
    array = getattr(plan, name).copy()
    array[i, t] = value
    return replace(plan, **{name: array})  # type: ignore[arg-type]


BROKEN: list[tuple[str, Callable[[ModePlan], ModePlan]]] = [
    ("energy balance", lambda p: with_cell(p, "charge_kw", 0, 0, 1e-5)),
    ("energy balance", lambda p: with_cell(p, "charge_kw", 0, 0, np.nan)),
    ("energy continues", lambda p: with_cell(p, "energy_start_kwh", 0, 0, 9.0)),
    ("no power and no stated energy while away", lambda p: with_cell(p, "charge_kw", 1, 0, 1.0)),
    ("no power and no stated energy while away", lambda p: with_cell(p, "energy_end_kwh", 1, 0, 1.0)),
    ("plugged exactly", lambda p: with_cell(p, "plugged", 0, 4, True)),
    ("no discharge in mode ordered", lambda p: replace(p, mode="ordered")),
    ("departure energy stated as reached", lambda p: with_departure(p, reached_kwh=9.9)),
    ("departure target stated as asked", lambda p: with_departure(p, target_kwh=1.0)),
    ("missing energy stated as it is", lambda p: with_departure(p, missing_kwh=1.0, reason="so")),
    ("a reason exactly where", lambda p: with_departure(p, reason="so")),
    ("due when it is", lambda p: with_departure(p, due="later")),
    ("due when it is", lambda p: with_departure(p, due="day_end")),
    ("one outcome for each session", lambda p: replace(p, departures=p.departures[1:])),
    ("charge_kw has one row", lambda p: replace(p, charge_kw=p.charge_kw[:, 1:])),
    (
        "site_eur_per_kwh has one row a site",
        lambda p: replace(p, prices=replace(p.prices, site_eur_per_kwh=p.prices.site_eur_per_kwh[:, 1:])),
    ),
]


@pytest.mark.parametrize(("rule", "breaks"), BROKEN, ids=[f"{n} {case[0]}" for n, case in enumerate(BROKEN)])
def test_each_untruth_is_seen(
    problem: DayProblem, plan: ModePlan, rule: str, breaks: Callable[[ModePlan], ModePlan]
) -> None:
    check_plan(problem, plan)
    with pytest.raises(PlanCheckError, match=rule):
        check_plan(problem, breaks(plan))


def test_directions_outside_the_soc_bounds_are_seen() -> None:
    low = day([0.6, 0.1], [car(soc_min=0.5)], [session_of("A", 0, 2, 0.4, 0.0)])
    with pytest.raises(PlanCheckError, match="no discharge that ends below soc_min"):
        # 4 kWh on arrival, 4 more, 3.5 away: above the widened floor of 4, below soc_min.
        check_plan(low, made(low, [[4, 0]], [[0, 3.5]]))
    high = day([0.6, 0.7], [car(soc_max=0.6)], [session_of("A", 0, 2, 0.9, 0.0)])
    with pytest.raises(PlanCheckError, match="no charge that ends above soc_max"):
        check_plan(high, made(high, [[0, 1]], [[3, 0]]))


def test_accounts_of_cars_add_up_to_the_total_and_to_the_sites() -> None:
    problem = depot_day(4)
    for plan in plan_day(problem).values():
        books = account(problem, plan)
        for field in ("import_kwh", "export_kwh", "energy_cost_eur", "wear_price_eur", "stored_value_eur"):
            assert sum(getattr(row, field) for row in books.cars.values()) == pytest.approx(
                getattr(books.total, field)
            )
        net = site_power_kw(problem, plan).sum() * problem.slot_hours
        assert net == pytest.approx(books.total.import_kwh - books.total.export_kwh)
        assert grid_power_kw(problem, plan).sum() * problem.slot_hours == pytest.approx(net)
        assert books.total.departures == len(problem.sessions)


def test_an_account_by_hand() -> None:
    # Buys 5/0.9 kWh at 0.10, sells 0.9·5 kWh at 0.30; holds what it came with.
    one = car(efficiency_charge=0.9, efficiency_discharge=0.9, charge_limit_kw=5.0, discharge_limit_kw=5.0)
    problem = day([0.10, 0.30], [one], [session_of("A", 0, 2, 0.5, 0.5)], terminal=0.2)
    row = account(problem, plan_day(problem, ["v2g"])["v2g"]).cars["A"]
    assert row.import_kwh == pytest.approx(5 / 0.9)
    assert row.export_kwh == pytest.approx(4.5)
    assert (row.v2g_kwh, row.duty_efc_per_day) == (pytest.approx(5.0), pytest.approx(0.5))
    assert row.energy_cost_eur == pytest.approx(0.5 / 0.9 - 1.35)
    assert row.stored_value_eur == pytest.approx(0.0, abs=1e-9)
    assert row.net_benefit_eur == row.objective_eur == pytest.approx(1.35 - 0.5 / 0.9)
