"""The gateway and charge points of the `ocpp` package, over the real protocol on loopback."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from flows.dispatch.rules import check_message
from flows.dispatch.simulator.fleet import drive, stations_of
from flows.dispatch.simulator.station import Fault, Setup, SimulatedStation
from flows.dispatch.station import VERSIONS, Station, Version
from tests.flows.depots import (
    PASSWORD,
    START,
    folders,
    kinds,
    later,
    made_plan,
    rows_of,
    serving,
    station,
    until,
    write_plan,
)  # fmt: skip

HOUR = [8.0, -6.0, 0.0, 4.0]


def simulated(
    plan: Any, url: str, *, version: Version = "2.1", speed: float = 1.0, meter_s: float = 60.0,
    now: datetime = START, faults: frozenset[Fault] = frozenset(),
) -> list[SimulatedStation]:  # fmt: skip
    names = {one.plug.station_id for one in plan.plugs}
    setup = Setup(url=url, password=PASSWORD, version=version, speed=speed, meter_s=meter_s, faults=faults)
    return stations_of(plan, dict.fromkeys(names, setup), now)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_announced_followed_and_reported_back(tmp_path: Path, version: Version) -> None:
    async def day() -> float:
        plan = made_plan({1: HOUR})
        folders(tmp_path, plan)
        async with serving(tmp_path, [1], speed=450.0) as (gateway, url):
            (one,) = simulated(plan, url, version=version, speed=450.0)
            await asyncio.wait_for(drive([one]), 60)
            # at this speed a machine that halts for 0.7 s looks like a clock that is off by five minutes
            assert kinds(gateway) - {"left early", "clock off"} == (
                {"refuses to discharge"} if version != "2.1" else set()
            )
            running = [p for p in one.set_profiles if p["charging_profile_purpose"] == "TxProfile"]
            assert len(running) == 1
            asked = [(step - START, power) for step, power, _ in one.followed]
            wanted = HOUR if version == "2.1" else [max(power, 0.0) for power in HOUR]
            for after, power in asked:
                passed = after / timedelta(minutes=15)
                if 0.2 < passed % 1 < 0.8:  # away from where one quarter-hour becomes another
                    assert power == pytest.approx(wanted[int(passed)], abs=1e-3)
            assert len(asked) > 20

            return one.drawn_kwh - one.fed_kwh

    at_plug = asyncio.run(day())
    stated = rows_of(tmp_path, "sessions")
    assert stated[-1]["session_id"] == "s1"
    assert stated[-1]["battery_id"] == "CAR1"
    left = datetime.fromisoformat(stated[-1]["departure_utc"])
    assert abs(left - START - timedelta(hours=1)) < timedelta(minutes=3)
    metering = rows_of(tmp_path, "metering")
    begins = [row["interval_start_utc"] for row in metering]
    assert len(set(begins)) == len(begins) >= 4
    counted = [(float(row["import_kwh"]), float(row["export_kwh"])) for row in metering[:4]]
    wanted = HOUR if version == "2.1" else [max(power, 0.0) for power in HOUR]
    for (drawn, fed), power in list(zip(counted, wanted, strict=True))[1:]:
        assert drawn - fed == pytest.approx(power / 4, abs=0.45)
    assert float(stated[-1]["energy_kwh"]) == pytest.approx(at_plug, abs=2e-3)
    every = sum(float(row["import_kwh"]) - float(row["export_kwh"]) for row in metering)
    assert every == pytest.approx(at_plug, abs=2e-3)
    soc = rows_of(tmp_path, "soc_power")
    assert len(soc) > 20
    assert {row["battery_id"] for row in soc} == {"CAR1"}


@pytest.mark.parametrize("version", VERSIONS)
def test_whoever_is_not_on_the_list_is_refused_before_the_websocket_opens(
    tmp_path: Path, version: Version
) -> None:
    async def knock(url: str, name: str, secret: str | None) -> int:
        stated = (
            {} if secret is None else {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}
        )
        with pytest.raises(InvalidStatus) as refused:
            async with connect(
                f"{url}/{name}", additional_headers=stated, subprotocols=[Subprotocol(f"ocpp{version}")]
            ):
                pass
        return refused.value.response.status_code

    async def knocks() -> None:
        folders(tmp_path)
        async with serving(tmp_path, [1, 2]) as (gateway, url):
            for name, secret in (
                (station(1), f"{station(1)}:wrong"), (station(1), f"{station(2)}:{PASSWORD}"),
                (station(1), None),
                ("DEPOT-9", f"DEPOT-9:{PASSWORD}"), ("DEPOT-9", "DEPOT-9:None"),
                (station(1), "é"), ("", f":{PASSWORD}"),
            ):  # fmt: skip
                assert await knock(url, name, secret) == 401
            assert gateway.stations == {}
            assert kinds(gateway) == {"refused connection"}

    asyncio.run(knocks())


def test_a_new_plan_goes_to_the_stations_that_it_changes_and_to_no_other(tmp_path: Path) -> None:
    async def day() -> None:
        plan = made_plan({1: HOUR * 8, 2: HOUR * 8})
        folders(tmp_path, plan)
        async with serving(tmp_path, [1, 2]) as (_, url):
            stations = simulated(plan, url)
            driving = asyncio.create_task(drive(stations))
            await until(lambda: all(len(one.set_profiles) == 2 for one in stations))
            write_plan(tmp_path / "exports", later(plan, 2, [5.0] * 32, plan_id="p2"))
            await until(lambda: len(stations[1].set_profiles) == 3, 3.0)
            await asyncio.sleep(1.0)
            driving.cancel()
            assert [len(one.set_profiles) for one in stations] == [2, 3]
            old, new = stations[1].set_profiles[-2:]
            assert new["id"] == old["id"]
            assert new["charging_schedule"][0]["charging_schedule_period"][0]["limit"] == 5000.0
            assert len(stations[1].profiles.held) == 2

    asyncio.run(day())


def test_odd_frames_cost_themselves_alone(tmp_path: Path) -> None:
    frames: list[Any] = [
        "", "{", "[]", "[2]", "null", "[2,1,2,3]", '[2,"",""]', '[2,"a",["x"],{}]',
        '[2,"a","../../etc/passwd",{}]',
        '[2,"a","Heartbeat"]', '[2,"a","Heartbeat",[]]', '[3,"a",{}]', '[4,"a","b","c",{}]', '[5,"x"]', "[9]",
        '[2,"a","NoSuchAction",{}]', '[2,"a","TransactionEvent",{}]', "[" * 5000, b"\xff\x00",
        '[2,"a","Heartbeat",{"x":1}]',
        json.dumps([2, "s", "TransactionEvent", {"eventType": "Started", "timestamp": "no", "seqNo": 0,
                    "triggerReason": "Authorized", "transactionInfo": {"transactionId": "\ud800"}}]),
        json.dumps([2, "n", "NotifyEVChargingNeeds",
                    {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "DC"}}]),
    ]  # fmt: skip

    async def talk() -> None:
        folders(tmp_path, made_plan({1: HOUR}))
        async with serving(tmp_path, [1]) as (gateway, url):
            secret = base64.b64encode(f"{station(1)}:{PASSWORD}".encode()).decode()
            async with connect(
                f"{url}/{station(1)}", additional_headers={"Authorization": f"Basic {secret}"},
                subprotocols=[Subprotocol("ocpp2.1")],
            ) as line:  # fmt: skip
                for frame in frames:
                    await line.send(frame)
                await line.send('[2,"last","Heartbeat",{}]')
                async with asyncio.timeout(5):
                    while json.loads(answer := await line.recv())[1] != "last":
                        pass
                assert json.loads(answer)[0] == 3
            assert "odd frame" in kinds(gateway)

    asyncio.run(talk())


def test_messages_that_come_twice_count_once(tmp_path: Path) -> None:
    async def day(version: Version, root: Path) -> list[dict[str, str]]:
        plan = made_plan({1: HOUR})
        folders(root, plan)
        async with serving(root, [1], speed=300.0) as (gateway, url):
            stations = simulated(plan, url, version=version, speed=300.0, faults=frozenset({Fault.DUPLICATE}))
            await asyncio.wait_for(drive(stations), 60)
            assert len(gateway.desk.book.transactions) == 1
        return rows_of(root, "metering")

    for version in ("1.6", "2.1"):
        rows = asyncio.run(day(version, tmp_path / version))
        begins = [row["interval_start_utc"] for row in rows]
        assert len(set(begins)) == len(begins)
        wanted = sum(power for power in HOUR if version == "2.1" or power > 0) / 4
        assert sum(float(row["import_kwh"]) - float(row["export_kwh"]) for row in rows) == pytest.approx(
            wanted, abs=0.5
        )


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.REFUSING, "profile rejected"),
        (Fault.SILENT, "silent"),
        (Fault.CLOCK_OFF, "clock off"),
        (Fault.DISOBEYING, "refuses to discharge"),
        (Fault.BROKEN, "fault"),
    ],
)
def test_what_goes_wrong_is_named_and_a_new_plan_is_asked_for(
    tmp_path: Path, fault: Fault, kind: str
) -> None:
    async def day() -> None:
        plan = made_plan({1: [-6.0] * 16})
        folders(tmp_path, plan)
        async with serving(tmp_path, [1], speed=300.0) as (gateway, url):
            stations = simulated(plan, url, speed=300.0, faults=frozenset({fault}))
            driving = asyncio.create_task(drive(stations))
            await until(lambda: kind in kinds(gateway), 20)
            driving.cancel()
            stated = [one for one in gateway.desk.alerts.newest if one["kind"] == kind]
            assert {one["station"] for one in stated} == {station(1)}
            if fault is not Fault.CLOCK_OFF:  # our own time is taken: nothing changes
                assert "asked_utc" in json.loads((tmp_path / "gateway" / "replan.json").read_text())

    asyncio.run(day())
    lines = (tmp_path / "gateway" / "alerts.jsonl").read_text().splitlines()
    assert kind in {json.loads(line)["kind"] for line in lines}


def test_late_and_reconnecting_stations_get_there_all_the_same(tmp_path: Path) -> None:
    async def day() -> None:
        plan = made_plan({1: HOUR * 2, 2: HOUR * 2})
        folders(tmp_path, plan)
        async with serving(tmp_path, [1, 2], speed=300.0) as (_, url):
            stations = simulated(plan, url, speed=300.0)
            for one, fault in zip(stations, (Fault.LATE, Fault.RECONNECTING), strict=True):
                one.setup = Setup(
                    **{
                        **{f: getattr(one.setup, f) for f in one.setup.__dataclass_fields__},
                        "faults": frozenset({fault}),
                    }
                )
            await asyncio.wait_for(drive(stations), 60)
            assert [one.missed for one in stations] == [[], []]
            for one in stations:
                running = [p for p in one.set_profiles if p["charging_profile_purpose"] == "TxProfile"]
                assert len({p["id"] for p in running}) == 1
                for profile in running:
                    assert check_message({"evseId": 1, "chargingProfile": _camel(profile)}, Station()) == []

    asyncio.run(day())
    assert [row["session_id"] for row in rows_of(tmp_path, "sessions") if row["energy_kwh"]] != []


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            "".join([k.split("_")[0], *(w.title() for w in k.split("_")[1:])]): _camel(v)
            for k, v in value.items()
        }
    return [_camel(one) for one in value] if isinstance(value, list) else value


def test_without_its_line_a_station_charges_and_feeds_nothing_back(tmp_path: Path) -> None:
    async def day() -> None:
        plan = made_plan({1: [-1.0] * 80 + [0.0] * 16})  # it feeds back for longer than a slow machine takes
        folders(tmp_path, plan)
        async with serving(tmp_path, [1], speed=900.0) as (_, url):
            (one,) = simulated(plan, url, speed=900.0)
            driving = asyncio.create_task(drive([one]))
            await until(lambda: any(power < -0.8 for *_, power in one.followed), 60)
        gone = datetime.now(UTC)
        await until(lambda: len([1 for *_, power in one.followed if power > 3.0]) > 5, 20)
        driving.cancel()
        assert datetime.now(UTC) - gone < timedelta(seconds=20)
        assert one.followed[-1][2] == pytest.approx(3.7)

    asyncio.run(day())
