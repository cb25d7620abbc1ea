"""From a plan back to the files and rows that made it."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from flows import cli
from flows.errors import UsageError
from flows.mapping.trace import trace, trace_tables
from flows.stages import Context
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, price_rows, session_rows


@pytest.fixture
def planned(depot: Workspace) -> tuple[Workspace, str]:
    result = plan(Context.of(depot, AS_OF), DAY)
    return depot, str(result.details["plan_id"])


def file_of(calibrated_depot: Path, name: str) -> Path:
    return calibrated_depot.parent / name


def test_a_plan_leads_to_the_rows_of_every_file_it_was_made_of(
    planned: tuple[Workspace, str], calibrated_depot: Path
) -> None:
    workspace, plan_id = planned
    traced = trace(workspace, plan_id)
    files = {file["dataset"]: file for file in traced["files"]}
    assert {"prices", "sessions", "fleet", "sites"} <= set(files)
    for file in files.values():
        source = file_of(calibrated_depot, file["file"]["file_name"])
        assert file["file"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
        assert file["file"]["received_utc"].startswith(AS_OF.isoformat()[:19])
    prices = files["prices"]
    written = pd.read_csv(file_of(calibrated_depot, prices["file"]["file_name"]))
    rows = written.iloc[prices["first_row"] - 1 : prices["last_row"]]
    assert len(rows) == prices["rows_used"] == len(price_rows(DAY, 1))
    sessions = files["sessions"]
    assert sessions["file"]["rows"] == 2 * len(session_rows())
    assert (sessions["first_row"], sessions["last_row"], sessions["rows_used"]) == (1, 3, 3)
    assert [row["stage"] for row in traced["run"]] == ["plan"]
    assert traced["plan"]["input_parts"]["prices"]


def test_a_calibration_leads_to_its_own_files_and_one_battery_can_be_asked_for(
    planned: tuple[Workspace, str],
) -> None:
    workspace, plan_id = planned
    whole = trace(workspace, plan_id)
    assert [row["battery_id"] for row in whole["calibrations"]] == ["car-1", "car-2"]
    one = trace(workspace, plan_id[:6], battery_id="car-2")
    assert one["calibrations"] == whole["calibrations"][1:]
    used = {
        file["dataset"]: (file["first_row"], file["last_row"]) for file in one["calibrations"][0]["files"]
    }
    # car-2 is the second row of the fleet; of its sessions the first is the third row of the file.
    assert used["fleet"] == (2, 2)
    assert used["sessions"][0] == 3
    assert one["not_calibrated"] == []
    shown = trace_tables(one)
    assert shown["calibrations"][0]["telemetry"] == "none"
    assert shown["files behind the calibrations"]


def test_a_plan_or_battery_that_is_not_there_is_named(planned: tuple[Workspace, str]) -> None:
    workspace, plan_id = planned
    with pytest.raises(UsageError, match="no plans begin with 'zzz'") as missing:
        trace(workspace, "zzz")
    assert plan_id in missing.value.hint
    with pytest.raises(UsageError, match="battery car-9 is not in plan"):
        trace(workspace, plan_id, battery_id="car-9")


def test_the_command_answers_for_people_and_for_programs(
    planned: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, plan_id = planned

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["v2g", "trace", plan_id, "-w", str(workspace.root), *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 0
        return capsys.readouterr().out

    assert json.loads(run("--json")) == trace(workspace, plan_id)
    text = run()
    assert plan_id in text
    assert "prices" in text
    assert "files behind the plan" in text
