"""With V2G_LOG=json stderr holds JSON lines alone, each with the run, stage and battery that it is of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, put, session_rows

SECRET = "s3cr3t-of-a-provider-0123456789"  # noqa: S105


def said(workspace: Workspace, *words: object, form: str = "json", **more: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "-w", str(workspace.root), *map(str, words)],
        env={**os.environ, "V2G_LOG": form, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_calibration_tells_run_stage_and_battery_and_nothing_else_is_on_stderr(bare: Workspace) -> None:
    code, out, err = said(bare, "--json", "calibrate", "--as-of", AS_OF.isoformat())
    told = lines(err)
    assert code == json.loads(out)["stages"][0]["exit_code"]
    of_cars = [line for line in told if "battery_id" in line]
    assert {line["battery_id"] for line in of_cars} == {"car-1", "car-2"}
    run = bare.warehouse.read("out_run", where={"stage": "calibrate"})["run_id"].tolist()
    assert {(line["run_id"], line["stage"]) for line in told} == {(one, "calibrate") for one in run}
    assert {"time", "level", "logger", "message"} <= set(told[0])
    assert told[0]["time"].endswith("+00:00")


def test_a_command_that_fails_says_so_in_a_line(bare: Workspace) -> None:
    code, out, err = said(bare, "report", "--date", DAY)
    (line,) = [line for line in lines(err) if line["logger"] == "flows.console"]
    assert (code, line["exit_code"], line["kind"], line["level"]) == (5, 5, "NoPlanError", "ERROR")
    assert f"no plan for {DAY}" in line["message"]
    assert out == ""


def test_no_secret_is_in_a_line(bare: Workspace) -> None:
    put(bare, "sessions", session_rows().assign(session_id=f"s-{SECRET}"))
    _, _, err = said(bare, "check", ENTSOE_TOKEN=SECRET)
    assert lines(err)
    assert SECRET not in err
    plain = said(bare, "report", "--plan-id", SECRET, ENTSOE_TOKEN=SECRET)[2]
    assert "…" in lines(plain)[-1]["message"] and SECRET not in plain


def test_another_form_is_refused_by_its_name_and_text_is_as_it_was(bare: Workspace) -> None:
    code, _, err = said(bare, "status", form="xml")
    assert (code, "V2G_LOG=xml: text or json" in err) == (2, True)
    code, _, err = said(bare, "report", "--date", DAY, form="text")
    assert (code, "no plan for" in err) == (5, True)
    with pytest.raises(json.JSONDecodeError):
        lines(err)
