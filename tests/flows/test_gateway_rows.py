"""What the gateway puts into the inbox, taken by the same stages as any other file."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from flows.dispatch.plan_file import plan_of
from flows.dispatch.simulator.fleet import drive, stations_of
from flows.dispatch.simulator.station import Setup
from flows.mapping.measured import words_of
from flows.stages import Context
from flows.stages.check import check
from flows.stages.inbox import ingest_inbox
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, begun, copied, put, session_rows
from tests.flows.depots import PASSWORD, serving, station

SPEED = 1800.0


@pytest.fixture(scope="module")
def planned_around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each car at a station of its own, and the plan of the day as a file."""
    around = tmp_path_factory.mktemp("planned")
    depot = begun(calibrated_depot, around)
    row = {"site_id": "yard", "phases": 3, "max_current_a": 16.0, "max_discharge_current_a": 16.0}
    chargers = [
        row | {"charger_id": f"plug-{number}", "station_id": station(number), "connector_id": 1}
        for number in (1, 2)
    ]
    put(depot, "chargers", pd.DataFrame(chargers))
    put(depot, "sessions", session_rows().assign(charger_id=["plug-1", "plug-1", "plug-2"]))
    context = Context.of(depot, AS_OF)
    check(context)
    assert plan(context, DAY).exit_code == 0
    assert publish(context, DAY).status == "ok"
    return around


@pytest.fixture
def planned(planned_around: Path, tmp_path: Path) -> Workspace:
    return copied(planned_around, tmp_path)


def test_rows_of_the_gateway_pass_the_checks_and_take_the_announced_sessions_place(
    planned: Workspace,
) -> None:
    file = planned.exports / f"dispatch_{DAY}_{ZONE}.json"
    read = plan_of(file.read_bytes(), file.name)
    begin = datetime(DAY.year, DAY.month, DAY.day, 7, 14, tzinfo=UTC)

    async def day() -> None:
        async with serving(planned.root, [1, 2], speed=SPEED, start=begin, meter_interval_s=300) as (
            gateway,
            url,
        ):
            setup = Setup(url=url, password=PASSWORD, speed=SPEED, meter_s=300.0)
            stations = stations_of(read, {station(1): setup, station(2): setup}, begin)
            for one in stations:
                one.visits = one.visits[:1]
            # car-2 of the day until it leaves; car-1 comes at 16:00
            await asyncio.wait_for(drive([one for one in stations if one.at.charger_id == "plug-2"]), 60)
            driving = asyncio.create_task(drive([one for one in stations if one.at.charger_id == "plug-1"]))
            async with asyncio.timeout(60):
                book = gateway.desk.book
                while not any(one.soc_last and one.car["battery_id"] == "car-1" for one in book.running):
                    await asyncio.sleep(0.05)
            driving.cancel()

    asyncio.run(day())
    as_of = begin + timedelta(days=1)
    context = Context.of(planned, as_of)
    taken = ingest_inbox(context)
    assert taken.status == "ok", taken
    assert {row["outcome"] for row in taken.tables["inbox"]} == {"landed"}
    checked = check(context)
    assert checked.exit_code == 0, checked
    sessions = planned.warehouse.read("core_session").set_index("session_id")
    over, here = sessions.loc["s3"], sessions.loc["s2"]
    assert over["charger_id"] == "plug-2"
    assert over["energy_kwh"] == pytest.approx(0.3 * 60.0 / 0.92, rel=0.25)
    assert abs(over["departure_utc"] - pd.Timestamp("2024-03-20T15:50Z")) < pd.Timedelta(minutes=15)
    assert here["departure_utc"] == pd.Timestamp("2024-03-21T06:00Z"), "it runs: it leaves when it should"
    assert here["arrival_soc"] == pytest.approx(0.5, abs=0.03)
    assert here["departure_soc"] == pytest.approx(0.8, abs=0.005)
    metering = planned.warehouse.read("core_metering", where={"battery_id": "car-2"})
    assert len(metering) > 30
    net = (metering["import_kwh"] - metering["export_kwh"]).sum()
    assert net == pytest.approx(over["energy_kwh"], abs=0.2)
    stated = words_of(context.known, here["arrival_utc"] + pd.Timedelta(hours=1), sessions.reset_index())
    assert stated["s2"].last.soc > 0.0
