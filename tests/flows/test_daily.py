"""The daily flow through real Prefect, in a process of its own with an embedded server."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from flows.server.process import prefect_server
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, price_rows
from tests.flows.prefect_database import put_database
from tests.flows.processes import processes_of
from tests.flows.serving import v2g


def test_the_daily_run_ends_in_reports_and_no_server_is_left(depot: Workspace, tmp_path: Path) -> None:
    workspace = depot
    rows = price_rows(DAY, 1)
    rows["price_eur_per_kwh"] += 0.01
    rows.to_csv(workspace.inbox / "prices__csv__corrected.csv", index=False)
    around = set(tmp_path.iterdir())
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    words = ["run", f"--date={DAY}", f"--as-of={AS_OF:%Y-%m-%dT%H:%MZ}", "--json"]
    answer = subprocess.run(
        [sys.executable, "-m", "flows.cli", *words],
        cwd=workspace.root, env=environment, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr
    stages = {stage["stage"]: stage for stage in json.loads(answer.stdout)["stages"]}
    assert list(stages) == ["ingest", "fetch", "check", "realise", "calibrate", "plan", "publish"]
    assert {stage["status"] for stage in stages.values()} == {"ok"}
    assert stages["calibrate"]["reused"] == 2
    pages = [Path(file) for file in stages["publish"]["files"]]
    assert pages and all(page.is_file() and page.is_relative_to(workspace.root) for page in pages)
    assert set(tmp_path.iterdir()) == around
    runs = workspace.warehouse.read("out_run")
    daily = runs[runs["run_id"] == runs.sort_values("finished_utc")["run_id"].iloc[-1]]
    assert set(daily["stage"]) == set(stages)

    with sqlite3.connect(workspace.prefect_home / "prefect.db") as database:
        flow_runs = dict(database.execute("select name, state_type from flow_run").fetchall())
        tasks = [name for (name,) in database.execute("select name from task_run")]
        message = " ".join(text for (text,) in database.execute("select message from log"))
        artifacts = {key for (key,) in database.execute("select key from artifact")}
    assert {name.split()[0] for name in flow_runs} == {"daily", *stages}
    assert all(f"{DAY} DE-LU · depot" in name for name in flow_runs if name.split()[0] in ("daily", "plan"))
    assert set(flow_runs.values()) == {"COMPLETED"}
    assert [name for name in tasks if name.startswith("calibrate from")] == ["calibrate from car-1"]
    assert "calibrate: 2 batteries (2 prior), 2 of them unchanged" in message
    assert {"plan-modes", "calibrate-calibrations", "publish"} <= artifacts

    assert processes_of(workspace.prefect_home) == []


def test_a_server_of_the_user_s_own_is_used_with_the_user_s_password(
    depot: Workspace, tmp_path: Path
) -> None:
    theirs = Workspace.create(tmp_path / "theirs", zone="DE-LU")
    put_database(theirs)
    with prefect_server(theirs) as address:
        ran = v2g(depot, "run", f"--date={DAY}", f"--as-of={AS_OF:%Y-%m-%dT%H:%MZ}", **address.environment)
        assert ran.wait(timeout=900) == 0, (depot.root / "said.log").read_text()
    assert not (depot.prefect_home / "prefect.db").exists()
    with sqlite3.connect(theirs.prefect_home / "prefect.db") as database:
        flow_runs = dict(database.execute("select name, state_type from flow_run").fetchall())
    assert any(name.startswith(f"daily {DAY}") for name in flow_runs)
    assert set(flow_runs.values()) == {"COMPLETED"}
