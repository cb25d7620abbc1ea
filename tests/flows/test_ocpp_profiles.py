"""A plan of the real stages as charging profiles: what they say is what was planned, by rules that hold."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.dispatch.plan_profiles import Profiles, breaches_together, plan_profiles
from flows.dispatch.planned import plan_file
from flows.dispatch.profile import OFFLINE_S
from flows.dispatch.rules import check_message
from flows.dispatch.station import Station, Version
from flows.mapping.in_force import plan_in_force
from flows.stages import Context
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, begun, copied, put, session_rows

CHARGERS = {"s1": "plug-1", "s2": "plug-1", "s3": "plug-2"}


@pytest.fixture(scope="module")
def planned_around(calibrated_depot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two connectors of one station, every session at one of them, and a plan that feeds back."""
    around = tmp_path_factory.mktemp("planned")
    depot = begun(calibrated_depot, around)
    row = {
        "site_id": "yard",
        "phases": 3,
        "max_current_a": 16.0,
        "max_discharge_current_a": 16.0,
        "station_id": "S",
    }
    chargers = [row | {"charger_id": f"plug-{number}", "connector_id": number} for number in (1, 2)]
    put(depot, "chargers", pd.DataFrame(chargers))
    put(depot, "sessions", session_rows().assign(charger_id=lambda rows: rows["session_id"].map(CHARGERS)))
    context = Context.of(depot, AS_OF)
    check(context)
    assert plan(context, DAY).exit_code == 0
    return around


@pytest.fixture
def planned(planned_around: Path, tmp_path: Path) -> Workspace:
    return copied(planned_around, tmp_path)


def made(workspace: Workspace, **station: Any) -> tuple[Profiles, Mapping[str, Any], Station]:
    context = Context.of(workspace, AS_OF)
    header = plan_in_force(context.known, ZONE, DAY)
    assert header is not None
    stated = Station(**station)
    return plan_profiles(plan_file(context, header), stated), header, stated


def slots_of(workspace: Workspace, header: Mapping[str, Any], battery: str) -> pd.Series:
    rows = workspace.warehouse.read(
        "out_plan_slot", where={"plan_id": header["plan_id"], "mode": "v2g", "battery_id": battery}
    )
    return rows[rows["plugged"]].set_index("interval_start_utc")["power_kw"]


def powers(entry: Mapping[str, Any], version: Version = "2.1") -> pd.Series:
    """What a profile asks for in each quarter-hour, kW, read as a station would."""
    stated = entry["request"]["csChargingProfiles" if version == "1.6" else "chargingProfile"]
    schedule = stated["chargingSchedule"] if version == "1.6" else stated["chargingSchedule"][0]
    start = pd.Timestamp(datetime.fromisoformat(schedule["startSchedule"]))
    end = start + pd.Timedelta(seconds=schedule["duration"])
    slots = pd.date_range(start, end, freq="15min", inclusive="left", unit="us")
    begins = np.array([period["startPeriod"] for period in schedule["chargingSchedulePeriod"]])
    values = np.array(
        [period.get("setpoint", period.get("limit", 0.0)) for period in schedule["chargingSchedulePeriod"]]
    )
    at = np.searchsorted(begins, (slots - start).total_seconds(), side="right") - 1
    return pd.Series(values[at] / 1000.0, index=slots)


def test_the_profiles_say_what_was_planned(planned: Workspace) -> None:
    found, header, station = made(planned)
    plans = [entry for entry in found.entries if entry["purpose"] == "plan"]
    assert found.left_out == {}
    assert {entry["session_id"] for entry in plans} >= {"s2", "s3"}
    for entry in plans:
        assert check_message(entry["request"], station) == []
        asked = powers(entry)
        wanted = slots_of(planned, header, entry["battery_id"]).reindex(asked.index).fillna(0.0)
        np.testing.assert_allclose(asked, wanted, atol=1.1e-3)  # rounded towards 0, to a watt
        assert entry["merge_cost_eur"] == pytest.approx(0.0, abs=1e-9)
    assert min(powers(entry).min() for entry in plans) < -1.0
    assert breaches_together(found.entries, station) == []


def test_without_its_line_a_station_charges_within_the_sites_limit_and_feeds_nothing_back(
    planned: Workspace,
) -> None:
    found, _, station = made(planned)
    falls = [entry["request"]["chargingProfile"] for entry in found.entries if entry["purpose"] == "fallback"]
    assert len(falls) == 2
    for one in falls:
        assert check_message({"evseId": 1, "chargingProfile": one}, station) == []
    limits = [one["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] for one in falls]
    assert 0.0 < sum(limits) <= 30_000.0
    for entry in found.entries:
        stated = entry["request"]["chargingProfile"]
        if entry["purpose"] == "plan":
            assert stated["stackLevel"] > falls[0]["stackLevel"]
            assert (stated["maxOfflineDuration"], "validTo" in stated) == (OFFLINE_S, True)


def test_fewer_periods_keep_each_sessions_energy(planned: Workspace) -> None:
    whole, header, _ = made(planned)
    most = max(entry["periods"] for entry in whole.entries)
    few, _, station = made(planned, most_periods=most - 3)
    merged = [entry for entry in few.entries if entry["purpose"] == "plan"]
    assert max(entry["periods"] for entry in merged) <= most - 3
    assert sum(entry["merge_cost_eur"] for entry in merged) >= -1e-9
    for entry in merged:
        assert check_message(entry["request"], station) == []
        asked = powers(entry)
        wanted = slots_of(planned, header, entry["battery_id"]).reindex(asked.index).fillna(0.0)
        assert 0.25 * asked.sum() == pytest.approx(0.25 * wanted.sum(), abs=0.02)


def test_what_takes_more_periods_than_there_are_is_left_out_alone(planned: Workspace) -> None:
    found, _, _ = made(planned, most_periods=1)
    assert all("cannot be expressed in" in why for why in found.left_out.values())
    assert 0 < len(found.left_out) <= 3


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_older_stations_charge_as_planned_and_feed_nothing_back(planned: Workspace, version: Version) -> None:
    found, header, station = made(planned, version=version)
    plans = [entry for entry in found.entries if entry["purpose"] == "plan"]
    assert plans
    for entry in plans:
        assert check_message(entry["request"], station) == []
        asked = powers(entry, version)
        wanted = slots_of(planned, header, entry["battery_id"]).reindex(asked.index).fillna(0.0)
        np.testing.assert_allclose(asked, wanted.clip(lower=0.0), atol=1.1e-3)


def test_the_command_writes_what_its_check_lets_through_and_names_who_has_none(planned: Workspace) -> None:
    rows = session_rows().assign(charger_id=lambda rows: rows["session_id"].map({**CHARGERS, "s3": ""}))
    put(planned, "sessions", rows)
    context = Context.of(planned, AS_OF)
    check(context)
    plan(context, DAY)
    run = [sys.executable, "-m", "flows.cli", "-w", str(planned.root), "--json", "ocpp"]
    as_of = ["--as-of", AS_OF.isoformat()]
    done = subprocess.run([*run, "profiles", "--date", str(DAY), *as_of], capture_output=True, text=True)
    answer = json.loads(done.stdout)
    assert (done.returncode, list(answer["left_out"])) == (3, ["car-2 · s3"])
    assert "no station and connector" in answer["left_out"]["car-2 · s3"]
    assert (answer["stays"], answer["fallbacks"], answer["conflicts"]) == (2, 1, [])
    done = subprocess.run([*run, "check", answer["file"]], capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"messages": 3, "broken": []})
