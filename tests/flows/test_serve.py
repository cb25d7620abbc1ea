"""The served alarm in a real server: what is due is done, SIGTERM ends everything in order."""

from __future__ import annotations

import json
import signal
import socket
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flows.workspace import Workspace
from tests.flows.processes import processes_of
from tests.flows.serving import Serving, served, soon
from tests.warehouse.http_server import Reply, serving


def test_the_alarm_rings_every_quarter_hour_and_what_is_due_is_done_at_once(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "depot", zone="DE-LU")
    (workspace.inbox / "prices__csv__broken.csv").write_text("no,prices\n1,2\n", encoding="utf-8")
    with (
        serving(Reply()) as hook,
        served(workspace, V2G_NOTIFY__WEBHOOK_URL=f"http://127.0.0.1:{hook.port}/") as up,
    ):
        planned = soon(lambda: alarms(up), process=up.process, within_s=90.0)
        (first,) = soon(lambda: runs_of(up, auto=False), process=up.process, within_s=90.0)
        ended = up.ended(first["id"])
        again = up.ended(up.start_run("scheduled"))
        up.process.send_signal(signal.SIGTERM)
        code = up.process.wait(timeout=60)
    assert code == 0, up.said
    assert "Traceback" not in up.said
    soon(lambda: not processes_of(workspace.prefect_home), within_s=10.0)
    times = [datetime.fromisoformat(run["expected_start_time"]) for run in planned]
    assert {(moment.minute % 15, moment.second) for moment in times} == {(0, 0)}
    assert len(set(times)) == len(times)
    assert "  calibrate 20" in up.said.replace("  calibrate  ", "  calibrate ")
    # A file was refused: what ran is not green, and the backup was made all the same.
    assert (ended["type"], ended["name"]) == ("FAILED", "Degraded")
    assert "0 files ingested, 1 refused" in ended["message"]
    assert (again["type"], again["name"]) in {("COMPLETED", "Nothing due"), ("COMPLETED", "Completed")}
    stated = [json.loads(asked.body)["causes"] for asked in hook.asked]
    assert [[one["about"] for one in causes] for causes in stated] == [["ingest"]]
    assert json.loads((workspace.exports / "status.json").read_text())["last runs"]
    assert len(list(workspace.backups.glob("*.duckdb"))) == 1
    assert set(workspace.warehouse.read("out_run")["stage"]) == {"ingest", "check", "maintain"}


def alarms(up: Serving) -> list[dict[str, Any]] | None:
    """The next runs that Prefect has planned."""
    runs = runs_of(up, auto=True)
    return runs if len(runs) >= 3 else None


def runs_of(up: Serving, *, auto: bool) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = up.asked("flow_runs/filter", {"limit": 200})
    return [run for run in runs if run["deployment_id"] and run["auto_scheduled"] is auto]


def test_a_port_in_use_is_a_usage_error(workspace: Workspace) -> None:
    from flows.errors import UsageError
    from flows.server.process import prefect_server

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        with pytest.raises(UsageError, match="in use"), prefect_server(workspace, port):
            pass
