"""The gateway and a station by other hands: two npm packages that check every frame by schemas of their own.

They are installed from npm's registry when the tests run; without node, or without the registry, they skip.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.dispatch.rules import check_message
from flows.dispatch.station import VERSIONS, Station, Version
from tests.flows.depots import (
    PASSWORD,
    START,
    at_site,
    folders,
    kinds,
    made_plan,
    rows_of,
    serving,
    station,
)  # fmt: skip

HERE = Path(__file__).parent / "counterparty"
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNREFUSED", "ENETUNREACH", "ECONNRESET")
HOUR = [8.0, -6.0, 0.0, 4.0]


@pytest.fixture(scope="module")
def counterparty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not on this machine")
    folder = tmp_path_factory.mktemp("counterparty")
    for file in HERE.iterdir():
        shutil.copy(file, folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and any(word in done.stderr for word in UNREACHABLE):
        pytest.skip("npm's registry cannot be reached")
    assert done.returncode == 0, done.stderr
    return folder / "station.cjs"


async def until_reported(heard: Sequence[Mapping[str, Any]], what: str, count: int) -> None:
    async with asyncio.timeout(20):
        while sum(what in one for one in heard) < count:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_at_a_foreign_station_is_steered_and_reported(
    tmp_path: Path, counterparty: Path, version: Version
) -> None:
    async def session() -> tuple[list[dict[str, Any]], set[str]]:
        plan = at_site(made_plan({1: HOUR * 8}), 10.0)  # less than its plug: its meter is asked for
        folders(tmp_path, plan)
        heard: list[dict[str, Any]] = []
        async with serving(tmp_path, [1], speed=10.0) as (gateway, url):
            departure = (START + timedelta(hours=8)).isoformat().replace("+00:00", "Z")
            node = await asyncio.create_subprocess_exec(
                "node", str(counterparty), url, station(1), PASSWORD, version, "CAR1", departure,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert node.stdin and node.stdout
            lines = node.stdout

            async def listen() -> None:
                while line := await lines.readline():
                    heard.append(json.loads(line))

            listening = asyncio.create_task(listen())
            await until_reported(heard, "profile", 2)  # the default, and the session's
            await until_reported(heard, "meter", 4 if version == "1.6" else 1)
            await until_reported(heard, "trigger", 1)
            await asyncio.sleep(0.5)
            node.stdin.write(b"leave\n")
            await asyncio.wait_for(listening, 20)
            assert await node.wait() == 0
            gateway.desk.flush()
            return heard, kinds(gateway)

    heard, alerts = asyncio.run(session())
    assert [one for one in heard if {"invalid", "error", "failed"} & one.keys()] == []
    assert alerts <= ({"left early"} if version == "2.1" else {"left early", "refuses to discharge"})
    meters = dict(pair for one in heard for pair in one.get("meter", ()))
    assert meters["MeterValueSampleInterval" if version == "1.6" else "TxUpdatedInterval"] == "60"
    asked = [one["trigger"] for one in heard if "trigger" in one]
    place = {"connectorId": 1} if version == "1.6" else {"evse": {"id": 1}}
    assert asked == [{"requestedMessage": "MeterValues", **place}]
    assert sum(one.get("action") == "MeterValues" for one in heard) == (3 if version == "1.6" else 1)
    profiles = [one["profile"] for one in heard if "profile" in one]
    for profile in profiles:
        assert check_message([2, "1", "SetChargingProfile", profile], Station(version=version)) == []
    own = [
        one for one in (p.get("chargingProfile") or p["csChargingProfiles"] for p in profiles)
        if one["chargingProfilePurpose"] == "TxProfile"
    ]  # fmt: skip
    assert len(own) == 1
    assert powers(own[0], 4) == pytest.approx(
        [1e3 * power if version == "2.1" else 1e3 * max(power, 0.0) for power in HOUR]
    )
    stated = rows_of(tmp_path, "sessions")[-1]
    assert (stated["session_id"], stated["battery_id"]) == ("s1", "CAR1")
    assert stated["departure_utc"]
    assert float(stated["energy_kwh"]) == 3.0
    assert {row["battery_id"] for row in rows_of(tmp_path, "soc_power")} == {"CAR1"}


def powers(profile: Mapping[str, Any], quarters: int) -> list[float]:
    """What a profile asks for in its first quarter-hours, W: the setpoint, or the limit."""
    schedule = profile["chargingSchedule"]
    schedule = schedule[0] if isinstance(schedule, list) else schedule
    assert schedule["chargingRateUnit"] == "W"
    found = []
    for quarter in range(quarters):
        at = 900 * quarter + 450
        period = [one for one in schedule["chargingSchedulePeriod"] if one["startPeriod"] <= at][-1]
        idle = period.get("operationMode") == "Idle"
        found.append(0.0 if idle else float(period["setpoint" if "setpoint" in period else "limit"]))
    return found
