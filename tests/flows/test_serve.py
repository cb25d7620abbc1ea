"""The served schedules in a real server: runs are planned, SIGTERM ends everything in order."""

from __future__ import annotations

import signal
import socket
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.workspace import Workspace
from tests.flows.processes import processes_of
from tests.flows.serving import Serving, served, soon


def test_the_day_ahead_run_is_planned_for_its_local_time_and_sigterm_leaves_nothing(
    workspace: Workspace,
) -> None:
    with served(workspace) as up:
        planned = soon(lambda: scheduled(up), process=up.process)
        up.process.send_signal(signal.SIGTERM)
        code = up.process.wait(timeout=60)
    assert code == 0, up.said
    assert "Traceback" not in up.said
    soon(lambda: not processes_of(workspace.prefect_home), within_s=10.0)
    times = [datetime.fromisoformat(run["expected_start_time"]) for run in planned]
    local = {f"{moment.astimezone(ZoneInfo('Europe/Berlin')):%H:%M}" for moment in times}
    assert local == {"12:55", "13:15", "22:30"}


def scheduled(up: Serving) -> list[dict[str, Any]] | None:
    question = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "limit": 200}
    runs: list[dict[str, Any]] = up.asked("flow_runs/filter", question)
    return runs if len({run["deployment_id"] for run in runs}) == 3 else None


def test_a_port_in_use_is_a_usage_error(workspace: Workspace) -> None:
    from flows.errors import UsageError
    from flows.server.process import prefect_server

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        with pytest.raises(UsageError, match="in use"), prefect_server(workspace, port):
            pass
