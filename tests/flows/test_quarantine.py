"""Rows that a person lets out of quarantine, and takes back."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_checks import check_frame
from flows import cli
from flows.errors import UsageError
from flows.stages import Context
from flows.stages.check import check, check_context
from flows.stages.quarantine import listed, release, shown
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, ZONE, fleet_rows, put, site_rows
from warehouse.quarantine import Wanted, quarantined, raw_rows

NOON = pd.Timestamp("2024-03-18T12:00Z")


@pytest.fixture(scope="module")
def checked_depot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sites and fleet, checked."""
    made = Workspace.create(tmp_path_factory.mktemp("quarantine") / "depot", zone=ZONE)
    put(made, "sites", site_rows())
    put(made, "fleet", fleet_rows())
    check(Context.of(made, AS_OF))
    return made.root


@pytest.fixture
def workspace(checked_depot: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(Path(shutil.copytree(checked_depot, tmp_path / "depot")))


def samples(minutes=30, **changed):
    """A car at rest; changed: column → {minute: value}."""
    rows = pd.DataFrame(
        {
            "battery_id": "car-1",
            "time_utc": NOON + pd.to_timedelta(np.arange(minutes), unit="min"),
            "voltage_v": 360.0 + 0.01 * np.arange(minutes),
            "current_a": 0.0,
            "temperature_degc": 15.0,
        }
    )
    for column, values in changed.items():
        for minute, value in values.items():
            rows.loc[minute, column] = value
    return rows


def take_in(workspace, rows, hours=0):
    """Ingest and check a file that arrives some hours after AS_OF."""
    at = AS_OF + timedelta(hours=hours)
    put(workspace, "telemetry", rows, as_of=at)
    check(Context.of(workspace, at))


def decide(workspace, rule, action="release", **wanted):
    wanted = Wanted(dataset="telemetry", rule=rule, **wanted)
    at = AS_OF + timedelta(days=1)
    return release(Context.of(workspace, at), wanted, action=action, decided_by="ada", reason="relay test")


def core(workspace, table="core_telemetry"):
    return workspace.warehouse.read(table, where={"battery_id": "car-1"})


def voltage(workspace, minute=12):
    rows = core(workspace).set_index("time_utc")["voltage_v"]
    return float(rows.get(NOON + pd.Timedelta(minutes=minute), np.nan))


def test_a_released_row_is_in_the_core_table_and_recorded_with_who_when_and_why(workspace):
    take_in(workspace, samples(voltage_v={12: 420.0}))
    assert np.isnan(voltage(workspace))
    assert [(row["rule"], row["rows"], row["released"]) for row in listed(workspace)] == [("jump", 1, 0)]
    tables = shown(workspace, Wanted(dataset="telemetry"), limit=5)
    assert tables["found"][0]["value"] == "420.0"
    assert tables["rows as they arrived"][0]["row"] == 13
    result = decide(workspace, "jump", source_row=13)
    assert result.details["rows"] == 1
    assert voltage(workspace) == 420.0
    assert core(workspace, "core_telemetry_15min")["samples"].tolist() == [15, 15]
    known_rows = workspace.warehouse.read("core_release").iloc[0]
    assert (known_rows["action"], known_rows["rule"], known_rows["source_row"]) == ("release", "jump", 13)
    assert (known_rows["decided_by"], known_rows["reason"]) == ("ada", "relay test")
    assert known_rows["decided_utc"] == pd.Timestamp(AS_OF + timedelta(days=1))
    assert listed(workspace)[0]["released"] == 1
    with pytest.raises(UsageError, match="no row of telemetry is in quarantine for --rule jump"):
        decide(workspace, "jump")
    decide(workspace, "jump", action="withdraw")
    assert np.isnan(voltage(workspace))
    assert core(workspace, "core_telemetry_15min")["samples"].tolist() == [14, 15]


def test_the_next_check_of_the_same_file_lets_a_released_row_pass_and_no_other(workspace):
    take_in(workspace, samples(voltage_v={12: 420.0, 20: 420.0}))
    decide(workspace, "jump", source_row=13)
    rows = quarantined(workspace.warehouse, Wanted(dataset="telemetry", released=None))
    every = pd.DataFrame({"source_id": rows["source_id"].iloc[0], "source_row": np.arange(1, 31)})
    frame = raw_rows(workspace.warehouse, "telemetry", every)
    report = check_frame("telemetry", frame, check_context(Context.of(workspace, AS_OF), "telemetry", frame))
    assert report.quarantine["source_row"].tolist() == [21]
    assert len(report.good) == 29


def test_taking_a_release_back_brings_the_displaced_belief_forward(workspace):
    take_in(workspace, samples())
    before, quarters = core(workspace), core(workspace, "core_telemetry_15min")
    take_in(workspace, samples(voltage_v={12: 420.0}).iloc[10:15], hours=1)
    assert voltage(workspace) == pytest.approx(360.12)
    decide(workspace, "jump")
    assert voltage(workspace) == 420.0
    assert core(workspace, "core_telemetry_15min")["voltage_max_v"].max() == 420.0
    decide(workspace, "jump", action="withdraw")
    pd.testing.assert_frame_equal(
        core(workspace)[["time_utc", "voltage_v"]], before[["time_utc", "voltage_v"]]
    )
    pd.testing.assert_frame_equal(core(workspace, "core_telemetry_15min"), quarters)
    assert workspace.warehouse.read("core_release")["action"].tolist() == ["release", "withdraw"]
    assert listed(workspace)[0]["released"] == 0


def test_a_row_received_later_holds_against_a_released_one(workspace):
    take_in(workspace, samples(voltage_v={12: 420.0}))
    take_in(workspace, samples(voltage_v={12: 361.0}).iloc[10:15], hours=1)
    decide(workspace, "jump")
    assert voltage(workspace) == 361.0


def test_a_bad_row_reported_twice_is_not_let_in_by_the_back_door(workspace):
    rows = samples(voltage_v={12: 420.0, 20: 420.0})
    take_in(workspace, pd.concat([rows, rows.iloc[[12]]]))
    decide(workspace, "jump")
    decide(workspace, "jump", action="withdraw", source_row=13)
    assert np.isnan(voltage(workspace))
    assert voltage(workspace, 20) == 420.0


def test_what_breaks_the_contract_cannot_be_released(workspace):
    take_in(workspace, samples(voltage_v={12: 5000.0}))
    before = core(workspace)
    with pytest.raises(UsageError, match=r"row 13 cannot be released: voltage_v is outside 0 to 2000 V"):
        decide(workspace, "range")
    pd.testing.assert_frame_equal(core(workspace), before)
    assert workspace.warehouse.read("core_release").empty


def test_of_rows_that_contradict_each_other_one_can_be_released(workspace):
    take_in(workspace, pd.concat([samples(), samples(voltage_v={12: 361.0}).iloc[[12]]]))
    assert np.isnan(voltage(workspace))
    for wanted in ({}, {"source_row": 31}, {"source_row": 13}):
        if wanted.get("source_row") == 31:
            decide(workspace, "unique", **wanted)
            continue
        with pytest.raises(UsageError, match=r"rows 13 and 31 of .* contradict each other"):
            decide(workspace, "unique", **wanted)
    assert voltage(workspace) == 361.0


def test_the_command_line_lists_shows_and_releases(workspace, monkeypatch, capsys):
    take_in(workspace, samples(voltage_v={12: 420.0}))

    def v2g(*words):
        monkeypatch.setattr(sys, "argv", ["v2g", "--workspace", str(workspace.root), "--json", *words])
        monkeypatch.setattr("flows.cli._leave", lambda code: codes.append(code))
        cli.main()
        return json.loads(capsys.readouterr().out or "{}")

    codes = []
    assert v2g("quarantine", "list", "--dataset", "telemetry")["quarantine"][0]["value"] == "420.0"
    assert v2g("quarantine", "list", "--battery", "car-2")["quarantine"] == []
    assert v2g("quarantine", "show", "telemetry", "--rule", "jump")["found"][0]["row"] == 13
    v2g("quarantine", "release", "telemetry", "--rule", "jump")
    answer = v2g("quarantine", "release", "telemetry", "--rule", "jump", "--reason", "relay", "--by", "ada")
    assert answer["stages"][0]["message"] == "jump set aside for 1 row of telemetry, by ada: relay"
    assert codes == [0, 0, 0, 2, 0]
    assert voltage(workspace) == 420.0
