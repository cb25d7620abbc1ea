"""Nothing is left of a run or a service 10 s after it was killed or told to end, while its twins work."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import pandas as pd
import pytest

from flows.clock import now
from flows.stages import Context
from flows.stages.check import check
from flows.stages.record import write_run
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, copied, created, fleet_rows, put, site_rows
from tests.flows.prefect_database import put_database
from tests.flows.processes import processes_of
from tests.flows.serving import Serving, free_port, served, soon, v2g

CARS = 8


@pytest.fixture(scope="module")
def checked_fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder around a depot with more cars to calibrate than two workers do in a minute."""
    around = tmp_path_factory.mktemp("fleet")
    made = created(around / "depot", workers=2)
    put(made, "sites", site_rows())
    first = fleet_rows().iloc[[0]]
    cars = [
        first.assign(battery_id=f"car-{number}", commissioned_utc=f"20{12 + number}-05-01T00:00:00Z")
        for number in range(CARS)
    ]
    put(made, "fleet", pd.concat(cars))
    assert check(Context.of(made, AS_OF)).exit_code == 0
    return around


@pytest.fixture
def fleet(checked_fleet: Path, tmp_path: Path) -> Workspace:
    return copied(checked_fleet, tmp_path)


def living(workspace: Workspace) -> dict[int, str]:
    """Process id → command line of all that belongs to the workspace."""
    found = {}
    for pid in map(int, processes_of(workspace.prefect_home)):
        with suppress(OSError):
            found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def twins_at_work(workspace: Workspace) -> dict[int, str] | None:
    """All living processes, once two twin processes have worked for some seconds."""
    found = living(workspace)
    twins = [pid for pid, words in found.items() if "spawn_main" in words]
    return found if len(twins) == 2 and all(_cpu_s(pid) > 3.0 for pid in twins) else None


def _cpu_s(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def left_after_10_s(pids: set[int]) -> list[int]:
    """Which of the processes are still there, at the latest 10 s from now."""
    deadline = time.monotonic() + 10.0
    while (left := [pid for pid in pids if _lives(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _lives(pid: int) -> bool:
    """A zombie has ended: whoever started it has not asked yet."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("order", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_no_process(fleet: Workspace, order: signal.Signals) -> None:
    put_database(fleet)
    process = v2g(fleet, "run", f"--date={DAY}", f"--as-of={AS_OF:%Y-%m-%dT%H:%MZ}")
    try:
        found = soon(lambda: twins_at_work(fleet), process=process)
        assert_closed(port_of(the_one(found, "flows.server.app")))
    finally:
        process.send_signal(order)
    assert left_after_10_s({process.pid, *found}) == []
    assert process.wait(timeout=5) in (-order, 128 + order)
    assert living(fleet) == {}


def port_of(pid: int) -> int:
    """The port on which a process listens."""
    sockets = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    (port,) = {
        int(words[1].rpartition(":")[2], 16)
        for words in lines
        if words[3] == "0A" and f"socket:[{words[9]}]" in sockets
    }
    return port


def assert_closed(port: int) -> None:
    """The server of a run asks for the password, as well, and goes by its own name alone."""
    for method, path, headers, expected in (
        ("POST", "/api/deployments/filter", {}, 401),
        ("PATCH", f"/api/deployments/{UUID(int=1)}", {}, 401),
        ("GET", "/api/health", {}, 200),
        ("GET", "/api/health", {"Host": "evil.test"}, 400),
        ("GET", "/api/health", {"Origin": "http://evil.test"}, 403),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, path, "{}" if method != "GET" else None, headers)
        answer = connection.getresponse()
        assert answer.status == expected, (method, path, headers)
        assert answer.getheader("access-control-allow-origin") is None


@contextmanager
def calibrating(workspace: Workspace, port: int = 0) -> Iterator[tuple[Serving, str, dict[int, str]]]:
    """A service in the middle of a served calibration: it, the run's id, its processes."""
    for stage in ("ingest", "calibrate", "realise", "maintain"):  # what would be due at its start
        write_run(Context.of(workspace, now()), stage, now(), "ok", 0, "by hand")
    with served(workspace, port) as up:
        scheduled = up.deployment("scheduled")["id"]  # what the clock would start meanwhile
        up.asked(f"deployments/{scheduled}", {"paused": True}, method="PATCH")
        run = up.start_run("daily", day=str(DAY), as_of=f"{AS_OF:%Y-%m-%dT%H:%MZ}")
        found = soon(lambda: twins_at_work(workspace), process=up.process)
        yield up, run, found


def the_one(found: dict[int, str], program: str) -> int:
    (pid,) = [pid for pid, words in found.items() if f"-m {program}" in words]
    return pid


def test_a_killed_service_leaves_nothing_and_starts_again_where_it_was(fleet: Workspace) -> None:
    with calibrating(fleet) as (up, run, found):
        assert {"flows.server.app", "flows.server.flow_run"} <= {
            word for words in found.values() for word in words.split()
        }
        up.asked(f"deployments/{up.deployment('daily')['id']}", {"path": "/elsewhere"}, method="PATCH")
        up.process.kill()
        assert left_after_10_s({up.process.pid, *found}) == []
        port = up.port
    with served(fleet, port) as again:
        state = again.state(run)
        assert (state["type"], "has ended" in state["message"]) == ("CRASHED", True)
        # What was changed in a deployment while it was served is not kept.
        assert again.deployment("daily")["path"] is None


def test_a_service_that_is_told_to_end_leaves_nothing(fleet: Workspace) -> None:
    with calibrating(fleet) as (up, _, found):
        up.process.send_signal(signal.SIGTERM)
        assert left_after_10_s({up.process.pid, *found}) == []
        assert up.process.wait(timeout=5) == 0
        assert "nanobind" not in up.said
        assert "Traceback" not in up.said


@pytest.mark.parametrize("order", [signal.SIGKILL, signal.SIGTERM])
def test_a_served_run_that_is_ended_takes_its_twins_along_and_the_service_goes_on(
    fleet: Workspace, order: signal.Signals
) -> None:
    with calibrating(fleet) as (up, run, found):
        child, server = the_one(found, "flows.server.flow_run"), the_one(found, "flows.server.app")
        os.kill(child, order)
        assert left_after_10_s(set(found) - {server}) == []
        assert up.ended(run)["type"] == "CRASHED"
        assert up.ended(up.start_run("ingest"))["type"] == "COMPLETED"


def test_a_server_that_hears_nothing_any_more_is_taken_over(fleet: Workspace) -> None:
    with served(fleet) as up:
        server = int(fleet.server_lock.read_text())
        os.kill(server, signal.SIGSTOP)  # it cannot see its parent go
        up.process.kill()
        up.process.wait()
        port = up.port
    assert _lives(server)
    with served(fleet, port) as again:
        assert f"ended process {server}" in again.said
        assert not _lives(server)
        other = v2g(fleet, "serve", f"--port={free_port()}", log="other.log")
        assert other.wait(timeout=120) == 75
        assert f"served already, by process {again.process.pid}" in (fleet.root / "other.log").read_text()
        assert again.process.poll() is None


def test_a_port_of_another_program_is_left_alone(fleet: Workspace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        serving = v2g(fleet, "serve", f"--port={port}")
        assert serving.wait(timeout=120) == 2
        assert "in use by another program" in (fleet.root / "said.log").read_text()
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
    assert living(fleet) == {}
