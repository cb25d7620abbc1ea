"""Chargers, sites that hang on sites, their other load, emissions and demand charges reach the plan."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from flows.mapping.inputs import PlanInputs
from flows.mapping.question import day_problem
from flows.mapping.read_inputs import read_inputs
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.record import StageResult
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, price_rows, put, session_rows, site_rows, spoil
from warehouse.zones import market_day_slots


def charger_rows(**values: object) -> pd.DataFrame:
    row = {
        "charger_id": "yard-1",
        "site_id": "yard",
        "phases": 1,
        "max_current_a": 16.0,
        "min_current_a": 6.0,
    }
    return pd.DataFrame([row | values])


def hourly(first: date, days: int, column: str, value: float, **owner: str) -> pd.DataFrame:
    slots = market_day_slots(first, ZONE, 60)
    for day in range(1, days):
        slots = slots.append(market_day_slots(first + timedelta(days=day), ZONE, 60))
    start = slots.strftime("%Y-%m-%dT%H:%M:%SZ")
    return pd.DataFrame({**owner, "interval_start_utc": start, "resolution_minutes": 60, column: value})


def at_charger(workspace: Workspace, name: str, *, session: str = "s1") -> None:
    rows = session_rows()
    put(workspace, "sessions", rows.assign(charger_id=np.where(rows["session_id"] == session, name, "")))
    check(Context.of(workspace, AS_OF))


def inputs_of(workspace: Workspace) -> PlanInputs:
    return read_inputs(Context.of(workspace, AS_OF), DAY)


def planned(workspace: Workspace) -> StageResult:
    return plan(Context.of(workspace, AS_OF), DAY)


def followed(workspace: Workspace, table: str) -> pd.DataFrame:
    plans = workspace.warehouse.read("out_plan").sort_values("sequence")
    last = plans.iloc[-1]
    return workspace.warehouse.read(table, where={"plan_id": last["plan_id"], "mode": last["followed_mode"]})


def test_a_charger_bounds_the_session_that_names_it(bare: Workspace) -> None:
    put(bare, "chargers", charger_rows(efficiency_charge=0.9))
    at_charger(bare, "yard-1")
    inputs = inputs_of(bare)
    problem = day_problem(inputs)
    sessions = {session.session_id: session for session in problem.sessions}
    assert sessions["s1"].charge_limit_kw == pytest.approx(16 * 0.23 * 0.9)
    assert (sessions["s1"].discharge_limit_kw, sessions["s1"].efficiency_charge) == (0.0, 0.9)
    assert sessions["s1"].efficiency_discharge == 0.92  # the car's
    assert sessions["s2"].charge_limit_kw is None
    assert {car.battery_id: car.min_charge_kw for car in problem.cars} == {
        "car-1": pytest.approx(6 * 0.23 * 0.9), "car-2": 0.0,
    }  # fmt: skip
    assert planned(bare).exit_code in (0, 3)  # nothing is calibrated here
    slots = followed(bare, "out_plan_slot")
    own = slots[(slots["battery_id"] == "car-1") & (slots["charge_kw"] > 0.0)]
    assert own["charge_kw"].min() >= 6 * 0.23 * 0.9 - 1e-6


def test_a_car_of_fewer_phases_takes_less_than_a_charger_s_least_power(bare: Workspace) -> None:
    spoil(bare, "UPDATE core_battery SET charge_limit_kw = 3.6")
    put(bare, "chargers", charger_rows(phases=3))
    at_charger(bare, "yard-1")
    cars = {car.battery_id: car.min_charge_kw for car in day_problem(inputs_of(bare)).cars}
    assert cars == {"car-1": 3.6, "car-2": 0.0}
    planned(bare)
    departures = followed(bare, "out_plan_departure")
    assert departures["missing_kwh"].max() < 1e-6


def test_a_least_power_is_none_that_another_session_of_the_car_cannot_give(bare: Workspace) -> None:
    rows = session_rows().assign(charger_id=["big", "small", ""])
    big = charger_rows(charger_id="big", phases=3, max_current_a=32.0, min_current_a=20.0)
    put(bare, "chargers", pd.concat([big, charger_rows(charger_id="small", max_current_a=10.0)]))
    put(bare, "sessions", rows)
    check(Context.of(bare, AS_OF))
    cars = {car.battery_id: car.min_charge_kw for car in day_problem(inputs_of(bare)).cars}
    assert cars["car-1"] == pytest.approx(10 * 0.23 * 0.92)


@pytest.mark.parametrize(
    ("yard", "street", "billed"),
    [({}, {}, {"street"}), ({"metering": "site"}, {}, {"yard"}), ({}, {"metering": "site"}, {"street"})],
)
def test_a_demand_charge_is_paid_once_a_tree(
    bare: Workspace, yard: dict[str, str], street: dict[str, str], billed: set[str]
) -> None:
    above = site_rows().assign(site_id="street", **street)
    put(bare, "sites", pd.concat([above, site_rows().assign(parent_id="street", **yard)]))
    tariff = price_rows(DAY - timedelta(days=1), 3).assign(direction="import", demand_charge_eur_per_kw=24.0)
    put(bare, "tariffs", tariff)
    check(Context.of(bare, AS_OF))
    sites = day_problem(inputs_of(bare)).sites
    assert {site.site_id for site in sites if site.peak_price_eur_per_kw} == billed


def test_neither_emissions_nor_an_earlier_plan_buy_a_departure(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bare, "co2", hourly(DAY - timedelta(days=1), 3, "co2_kg_per_kwh", 0.5, zone=ZONE))
    check(Context.of(bare, AS_OF))
    for name, value in (("CO2_PRICE_EUR_PER_KG", 8.0), ("CHANGE_PRICE_EUR_PER_KWH", 4.0)):
        monkeypatch.setenv(f"V2G_PLAN__{name}", str(value))
        problem = day_problem(read_inputs(Context.of(Workspace.open(bare.root), AS_OF), DAY))
        assert problem.departure_price_eur_per_kwh > 8.0, name
        assert any(session.carries for session in problem.sessions)
        monkeypatch.delenv(f"V2G_PLAN__{name}")


def test_a_demand_charge_buys_no_departure(bare: Workspace) -> None:
    """Half an hour for 4 kWh, which nobody else needs to draw so fast."""
    tariff = price_rows(DAY - timedelta(days=1), 3).assign(direction="import", demand_charge_eur_per_kw=96.0)
    put(bare, "tariffs", tariff)
    short = session_rows().iloc[[2]].assign(departure_utc=f"{DAY}T07:50:00Z", departure_soc=0.46)
    put(bare, "sessions", short)
    check(Context.of(bare, AS_OF))
    problem = day_problem(inputs_of(bare))
    assert problem.departure_price_eur_per_kwh > 96.0 / 12 / 0.25
    assert any(session.carries for session in problem.sessions), (
        "what a session leaves comes back with the next"
    )
    planned(bare)
    assert not followed(bare, "out_plan_departure")["missing_kwh"].any()


def test_a_tariff_of_the_day_holds_there_and_the_market_s_price_before(bare: Workspace) -> None:
    put(bare, "prices", price_rows(DAY - timedelta(days=1), 1))
    put(bare, "tariffs", price_rows(DAY, 1).assign(direction="import", price_eur_per_kwh=0.4))
    check(Context.of(bare, AS_OF))
    problem = day_problem(inputs_of(bare))
    of_day = problem.slots.isin(market_day_slots(DAY, ZONE))
    assert (problem.import_price_eur_per_kwh[of_day] == 0.4).all()
    before = problem.import_price_eur_per_kwh[: int(of_day.argmax())]
    assert len(before) and before.max() < 0.2


def test_three_phases_and_what_a_charger_feeds_back(bare: Workspace) -> None:
    rows = charger_rows(phases=3, voltage_v=231.0, max_discharge_current_a=10.0, efficiency_discharge=0.8)
    put(bare, "chargers", rows)
    at_charger(bare, "yard-1")
    session = {one.session_id: one for one in day_problem(inputs_of(bare)).sessions}["s1"]
    assert session.charge_limit_kw == pytest.approx(16 * 3 * 0.231 * 0.92)
    assert session.discharge_limit_kw == pytest.approx(10 * 3 * 0.231 / 0.8)


def test_a_charger_that_nobody_declared_is_reported_once_some_are(bare: Workspace) -> None:
    at_charger(bare, "CP-7")
    assert not inputs_of(bare).unknown_chargers  # a provider's own name, and no charger is known at all
    put(bare, "chargers", charger_rows())
    check(Context.of(bare, AS_OF))
    inputs = inputs_of(bare)
    assert inputs.unknown_chargers == ["CP-7"]
    assert {one.charge_limit_kw for one in day_problem(inputs).sessions} == {None}
    note = "chargers that are not known, their cars planned by their own limits: CP-7"
    assert note in (planned(bare) and bare.warehouse.read("out_plan").iloc[-1]["note"])


def test_a_session_elsewhere_counts_at_the_site_of_its_charger(bare: Workspace) -> None:
    other = site_rows().assign(site_id="street", import_limit_kw=2.0)
    put(bare, "sites", other)
    check(Context.of(bare, AS_OF))
    put(bare, "chargers", charger_rows(charger_id="street-1", site_id="street"))
    at_charger(bare, "street-1", session="s2")
    problem = day_problem(inputs_of(bare))
    assert {site.site_id for site in problem.sites} == {"yard", "street"}
    planned(bare)
    sites = followed(bare, "out_plan_site_slot")
    street = sites[sites["site_id"] == "street"]
    assert 0.0 < street["power_kw"].max() <= 2.0 + 1e-6


def test_what_a_site_hangs_on_bounds_it_with_its_other_load(bare: Workspace) -> None:
    above = site_rows().assign(site_id="street", import_limit_kw=9.0)
    put(bare, "sites", pd.concat([above, site_rows().assign(parent_id="street")]))
    check(Context.of(bare, AS_OF))
    put(bare, "site_load", hourly(DAY - timedelta(days=1), 3, "load_kw", 4.0, site_id="street"))
    check(Context.of(bare, AS_OF))
    problem = day_problem(inputs_of(bare))
    sites = {site.site_id: site for site in problem.sites}
    assert (sites["yard"].parent_id, sites["street"].parent_id) == ("street", None)
    assert np.allclose(sites["street"].base_load_kw, 4.0)
    planned(bare)
    street = followed(bare, "out_plan_site_slot").query("site_id == 'street'")
    assert street["base_load_kw"].eq(4.0).all()
    assert (street["power_kw"] + street["base_load_kw"]).max() <= 9.0 + 1e-6
    assert street["power_kw"].max() > 4.9


def test_a_load_that_is_known_of_days_before_is_expected_again(bare: Workspace) -> None:
    put(bare, "site_load", hourly(DAY - timedelta(days=8), 8, "load_kw", 7.0, site_id="yard"))
    check(Context.of(bare, AS_OF))
    (site,) = day_problem(inputs_of(bare)).sites
    assert np.allclose(site.base_load_kw, 7.0)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ({"parent_id": "nowhere"}, "site 'yard' hangs on 'nowhere', which is not known in this zone"),
        ({"parent_id": "yard"}, "sites 'yard', 'yard' hang on each other in a ring"),
    ],
)
def test_a_site_that_hangs_on_nothing_costs_its_own_cars_alone(
    bare: Workspace, rows: dict[str, str], why: str
) -> None:
    good = site_rows().assign(site_id="garage")
    put(bare, "sites", pd.concat([good, site_rows().assign(**rows)]))
    check(Context.of(bare, AS_OF))
    cars = bare.warehouse.read("core_battery").drop(columns=["source_id", "received_utc", "source_row"])
    cars = cars.assign(site_id=np.where(cars["battery_id"] == "car-2", "garage", "yard"))
    put(bare, "fleet", cars.assign(commissioned_utc="2021-05-01T00:00:00Z"))
    check(Context.of(bare, AS_OF))
    inputs = inputs_of(bare)
    assert inputs.left_out == {"car-1": why}
    assert list(inputs.batteries["battery_id"]) == ["car-2"]


def test_one_meter_bills_the_site_net(bare: Workspace) -> None:
    put(bare, "sites", site_rows().assign(metering="site"))
    check(Context.of(bare, AS_OF))
    (site,) = day_problem(inputs_of(bare)).sites
    assert site.metering == "site"


def test_emissions_have_a_price_where_the_settings_say_so(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bare, "co2", hourly(DAY - timedelta(days=1), 3, "co2_kg_per_kwh", 0.4, zone=ZONE))
    check(Context.of(bare, AS_OF))
    assert day_problem(inputs_of(bare)).co2_kg_per_kwh is None
    monkeypatch.setenv("V2G_PLAN__CO2_PRICE_EUR_PER_KG", "0.1")
    workspace = Workspace.open(bare.root)
    problem = day_problem(inputs_of(workspace))
    assert np.allclose(problem.co2_eur_per_kwh, 0.04)


def test_a_price_of_emissions_that_nobody_tells_of_is_said(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2G_PLAN__CO2_PRICE_EUR_PER_KG", "0.1")
    workspace = Workspace.open(bare.root)
    planned(workspace)
    note = workspace.warehouse.read("out_plan").iloc[-1]["note"]
    assert f"emissions have a price, and none are known in zone {ZONE}" in note


def test_a_demand_charge_is_spread_over_what_is_left_of_its_month(bare: Workspace) -> None:
    tariff = price_rows(DAY - timedelta(days=1), 3).assign(direction="import", demand_charge_eur_per_kw=24.0)
    put(bare, "tariffs", tariff)
    check(Context.of(bare, AS_OF))
    (site,) = day_problem(inputs_of(bare)).sites
    assert site.peak_price_eur_per_kw == pytest.approx(24.0 / 12)  # 20 to 31 March
    assert site.peak_so_far_kw == 0.0
    planned(bare)
    drawn = followed(bare, "out_plan_site_slot")
    later = AS_OF + timedelta(hours=20)
    known = drawn[drawn["interval_start_utc"] < later]
    (site,) = day_problem(read_inputs(Context.of(bare, later), DAY)).sites
    assert site.peak_so_far_kw == pytest.approx(known["power_kw"].max())
    assert site.peak_price_eur_per_kw == pytest.approx(24.0 / 12)
