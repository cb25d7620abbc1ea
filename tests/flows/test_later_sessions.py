"""Stays that begin after a plan, too short for what their cars are to leave with."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from flows.mapping.question import day_problem
from flows.stages import Context
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, price_rows, put, session_rows, spoil
from tests.flows.test_horizon import ingest_rows, inputs_of

AWAY = DAY + timedelta(days=2)
SLOT_KWH = 2.5
"""A quarter-hour at 10 kW."""


@pytest.fixture
def priced(depot: Workspace) -> Workspace:
    """car-1 leaves at 06:00 of the day after DAY and nothing is reported of it after that."""
    ingest_rows(depot, "prices", price_rows(DAY - timedelta(days=1), 1))
    return depot


def brief(
    name: str, begins: str, ends: str, comes: float, leaves: float, day: date = AWAY, **more: Any
) -> pd.DataFrame:
    """A session of car-1 after the plan."""
    rows = session_rows().head(1)
    spans = {"arrival_utc": f"{day}T{begins}Z", "departure_utc": f"{day}T{ends}Z"}
    return rows.assign(session_id=name, arrival_soc=comes, departure_soc=leaves, **spans, **more)


def asked_above(depot: Workspace) -> tuple[list[str], float]:
    """The sessions after the plan that it asks for; kWh above its promise that V2G leaves car-1 with."""
    result = plan(Context.of(depot, AS_OF), DAY)
    assert result.exit_code == 0, result.message
    inputs = inputs_of(depot)
    problem = day_problem(inputs)
    asked = [session.session_id for session in problem.sessions if session.arrival_utc >= problem.end_utc]
    where = {"plan_id": result.details["plan_id"], "battery_id": "car-1", "mode": "v2g"}
    known_rows = depot.warehouse.read("out_plan_departure", where=where)
    assert set(known_rows["session_id"]) == {"s1", "s2"}, "those are the departures of this plan"
    last = known_rows.set_index("session_id").loc["s2"]
    return asked, last["reached_kwh"] - last["target_kwh"]


def whole_kwh(depot: Workspace) -> float:
    return inputs_of(depot).capacity_kwh["car-1"]


def test_what_a_session_after_the_plan_is_too_short_for_is_there_before_it(depot: Workspace) -> None:
    ingest_rows(depot, "prices", price_rows(DAY - timedelta(days=1), 1))
    capacity_kwh = inputs_of(depot).capacity_kwh["car-1"]
    before = plan(Context.of(depot, AS_OF), DAY).details["plan_id"]
    brief, ample = "brief", "ample"
    rows = session_rows().head(1)
    after = pd.concat(
        [
            rows.assign(session_id=name, arrival_utc=f"{day}T10:00Z", departure_utc=f"{day}T{end}Z")
            for name, day, end in (
                (brief, DAY + timedelta(days=2), "10:20"), (ample, DAY + timedelta(days=4), "18:00")
            )
        ]
    ).assign(arrival_soc=0.45, departure_soc=0.6)  # fmt: skip
    ingest_rows(depot, "sessions", after)
    problem = day_problem(inputs_of(depot))
    assert [session.session_id for session in problem.sessions if session.arrival_utc >= problem.end_utc] == [
        brief
    ]
    outcome = plan(Context.of(depot, AS_OF), DAY)
    assert outcome.details["plan_id"] != before
    known_rows = depot.warehouse.read("out_plan_departure", where={"plan_id": outcome.details["plan_id"]})
    assert not set(known_rows["session_id"]) & {brief, ample}, "it is no departure of this plan"
    last = known_rows[known_rows["battery_id"] == "car-1"].sort_values("departure_utc").groupby("mode").last()
    above = last["reached_kwh"] - last["target_kwh"]
    # A quarter-hour at 10 kW is its own; the rest has to come with the car.
    lacks = 0.15 * capacity_kwh - 2.5
    assert (above[["ordered", "v2g"]] >= lacks - 1e-6).all(), above
    was = depot.warehouse.read("out_plan_departure", where={"plan_id": before, "battery_id": "car-1"})
    was = was.sort_values("departure_utc").groupby("mode").last()
    assert (was["reached_kwh"] - was["target_kwh"])["v2g"] < lacks


def test_of_several_the_one_that_lacks_most_is_asked_for(priced: Workspace) -> None:
    """What a session leaves short the next comes with less, what it can charge above its promise with
    more."""
    kwh = whole_kwh(priced)
    ingest_rows(priced, "sessions", brief("b1", "10:00", "10:20", 0.45, 0.5))
    assert asked_above(priced) == (["b1"], pytest.approx(0.05 * kwh - SLOT_KWH))
    ingest_rows(priced, "sessions", brief("b2", "12:00", "12:20", 0.4, 0.5))
    assert asked_above(priced) == (["b2"], pytest.approx(0.15 * kwh - 2 * SLOT_KWH))
    ingest_rows(
        priced, "sessions", brief("b3", "14:00", "18:00", 0.5, 0.5)
    )  # there is time enough for the next
    ingest_rows(priced, "sessions", brief("b4", "19:00", "19:20", 0.2, 0.6))
    assert asked_above(priced)[0] == ["b2"]


def test_one_that_needs_nothing_changes_nothing(priced: Workspace) -> None:
    ingest_rows(priced, "sessions", brief("b", "10:00", "10:20", 0.45, 0.6))
    before = plan(Context.of(priced, AS_OF), DAY)
    ingest_rows(priced, "sessions", brief("time enough", "11:00", "18:00", 0.3, 0.8))
    ingest_rows(priced, "sessions", brief("nothing", "10:05", "10:10", 0.6, 0.6).assign(battery_id="car-2"))
    again = plan(Context.of(priced, AS_OF), DAY)
    assert (again.details["outcome"], again.details["plan_id"]) == ("unchanged", before.details["plan_id"])
    assert day_problem(inputs_of(priced)).sessions[-1].session_id == "b"


def test_one_that_needs_nothing_hides_none_behind_it(priced: Workspace) -> None:
    ingest_rows(priced, "sessions", brief("needs nothing", "10:05", "10:10", 0.6, 0.6))
    assert asked_above(priced) == ([], pytest.approx(0.0, abs=1e-6))
    ingest_rows(priced, "sessions", brief("needs much", "12:00", "12:20", 0.45, 0.6))
    assert asked_above(priced) == (["needs much"], pytest.approx(0.15 * whole_kwh(priced) - SLOT_KWH))


def test_one_in_the_plan_without_a_quarter_hour_hides_none_behind_it(priced: Workspace) -> None:
    """It stands between the last session that charges and the one after the plan."""
    last = session_rows().iloc[[1]].assign(departure_utc=f"{DAY}T20:00:00Z")
    ingest_rows(priced, "sessions", pd.concat([last, brief("z", "22:05", "22:10", 0.78, 0.8, DAY)]))
    ingest_rows(priced, "sessions", brief("b", "12:00", "12:20", 0.45, 0.6))
    problem = day_problem(inputs_of(priced))
    (asked,) = [session for session in problem.sessions if session.arrival_utc >= problem.end_utc]
    assert asked.arrival_soc == pytest.approx(0.43), "what z lacks is taken from b as well"
    result = plan(Context.of(priced, AS_OF), DAY)
    where = {"plan_id": result.details["plan_id"], "mode": "v2g", "session_id": "s2"}
    (row,) = priced.warehouse.read("out_plan_departure", where=where).to_dict("records")
    above = row["reached_kwh"] - row["target_kwh"]
    assert above == pytest.approx(0.17 * whole_kwh(priced) - SLOT_KWH)


@pytest.mark.parametrize("zone", [ZONE, "FR"])
def test_where_it_is_costs_its_car_no_plan(priced: Workspace, zone: str) -> None:
    """A charger of a site that this plan has nothing to do with; its current counts all the same."""
    site = {"site_id": "town", "zone": zone, "import_limit_kw": 30.0, "export_limit_kw": 20.0}
    put(priced, "sites", pd.DataFrame([site]))
    charger = {"charger_id": "town-1", "site_id": "town", "phases": 1, "max_current_a": 16.0}
    ingest_rows(priced, "chargers", pd.DataFrame([charger]))
    ingest_rows(priced, "sessions", brief("b", "10:00", "10:20", 0.45, 0.6, charger_id="town-1"))
    own_kwh = 16.0 * 0.23 * 0.92 / 4
    assert asked_above(priced) == (["b"], pytest.approx(0.15 * whole_kwh(priced) - own_kwh))


def test_one_that_cannot_be_meant_costs_its_car_no_plan(priced: Workspace) -> None:
    ingest_rows(priced, "sessions", brief("b", "10:00", "10:20", 0.45, 0.6))
    spoil(priced, "UPDATE core_session SET arrival_soc = 'nan' WHERE session_id = 'b'")
    assert asked_above(priced) == ([], pytest.approx(0.0, abs=1e-6))


def test_a_plan_tells_the_file_of_one_that_it_asks_for(priced: Workspace) -> None:
    ingest_rows(priced, "sessions", brief("ample", "10:00", "18:00", 0.45, 0.6))
    plan_id = plan(Context.of(priced, AS_OF), DAY).details["plan_id"]

    def files(plan_id: str) -> int:
        where = {"plan_id": plan_id, "dataset": "sessions"}
        return int(priced.warehouse.read("out_plan_source", where=where)["source_id"].nunique())

    before = files(plan_id)
    ingest_rows(priced, "sessions", brief("b", "09:00", "09:20", 0.45, 0.6))
    assert files(plan(Context.of(priced, AS_OF), DAY).details["plan_id"]) == before + 1
