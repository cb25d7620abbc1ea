"""The served schedules in a real server: runs are planned, Ctrl-C or SIGTERM ends everything."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.workspace import Workspace
from tests.flows.processes import processes_of


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(url: str, question: dict[str, Any]) -> list[dict[str, Any]]:
    body, header = json.dumps(question).encode(), {"content-type": "application/json"}
    request = urllib.request.Request(url, body, header)  # noqa: S310 loopback http
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return list(json.load(answer))


def test_the_day_ahead_run_is_planned_for_its_local_time_and_sigterm_leaves_nothing(
    workspace: Workspace,
) -> None:
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    command = [sys.executable, "-m", "flows.cli", "serve", "-w", str(workspace.root), "--port", str(port)]
    log = workspace.root / "serve.log"
    with log.open("wb") as output:
        serving = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        planned = wait_for_runs(f"http://127.0.0.1:{port}/api", serving)
    finally:
        serving.send_signal(signal.SIGTERM)
        code = serving.wait(timeout=60)
    assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert processes_of(workspace.prefect_home) == []
    times = [datetime.fromisoformat(run["expected_start_time"]) for run in planned]
    local = {f"{moment.astimezone(ZoneInfo('Europe/Berlin')):%H:%M}" for moment in times}
    assert local == {"12:55", "13:15", "22:30"}


def wait_for_runs(api: str, serving: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    scheduled = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "limit": 200}
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline and serving.poll() is None:
        time.sleep(2)
        try:
            runs = asked(f"{api}/flow_runs/filter", scheduled)
        except OSError:
            continue
        if len({run["deployment_id"] for run in runs}) == 3:
            return runs
    raise AssertionError("no run was scheduled")


def test_a_port_in_use_is_a_usage_error(workspace: Workspace) -> None:
    from flows.errors import UsageError
    from flows.serve import serve

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="in use"):
            serve(workspace, int(taken.getsockname()[1]))
