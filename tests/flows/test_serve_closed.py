"""`v2g serve` under attack: by somebody on its port, by somebody who even knows the password."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from flows.workspace import Workspace
from tests.flows.conftest import ZONE
from tests.flows.serving import Serving, evil_module, served

OPEN_TO_ALL = {("GET", "/health"), ("GET", "/ready")}
SOCKETS = (
    "events/in",
    "events/out",
    "logs/out",
    "task_runs/subscriptions/scheduled",
    "work_pools/p/workers/connect",
)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    workspace = Workspace.create(tmp_path_factory.mktemp("closed") / "depot", zone=ZONE)
    fields = {"ENTSOE_TOKEN": "known-to-the-planner"}
    with served(workspace, **fields) as up:
        yield up


def test_no_route_answers_without_the_password(serving: Serving) -> None:
    routes = serving.asked("openapi.json")["paths"]
    asked = [(method.upper(), path) for path, methods in routes.items() for method in methods]
    assert len(asked) > 150
    answered = {
        (method, path): serving.answer(path.lstrip("/"), {} if method != "GET" else None, method=method)[0]
        for method, path in asked
    }
    assert {one for one, status in answered.items() if status != 401} <= OPEN_TO_ALL
    wrong = base64.b64encode(b"v2g:guessed").decode()
    for header in (f"Basic {wrong}", "Basic", "Bearer x", f"Basic {base64.b64encode(b'').decode()}"):
        status, _ = serving.answer("deployments/filter", {}, headers={"authorization": header})
        assert status == 401


@pytest.mark.parametrize("path", SOCKETS)
def test_no_web_socket_opens_without_the_password(serving: Serving, path: str) -> None:
    async def heard(token: str | None, **more: Any) -> object:
        address = f"ws://127.0.0.1:{serving.port}/api/{path}"
        async with websockets.connect(
            address, subprotocols=[websockets.Subprotocol("prefect")], **more
        ) as ws:
            await ws.send(json.dumps({"type": "auth", "token": token}))
            return json.loads(await asyncio.wait_for(ws.recv(), 20))

    for token in (None, "", "v2g:guessed"):
        with pytest.raises(websockets.ConnectionClosed):
            asyncio.run(heard(token))
    assert asyncio.run(heard(serving.password)) == {"type": "auth_success"}
    # The right password, from a page of somebody else.
    with pytest.raises(websockets.InvalidStatus, match="403"):
        asyncio.run(heard(serving.password, origin=websockets.Origin("http://evil.test")))


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:{port}", "127.0.0.1", "127.0.0.1:1", "localhost:{port}.evil.test", ""]
)
def test_another_host_s_name_is_refused(serving: Serving, host: str) -> None:
    def status(path: str, *hosts: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=30)
        connection.putrequest("GET", path, skip_host=True)
        for one in hosts:
            connection.putheader("Host", one)
        connection.endheaders()
        return connection.getresponse().status

    own, other = f"127.0.0.1:{serving.port}", host.format(port=serving.port)
    for path in ("/api/health", "/ui-settings", "/"):
        assert status(path, own) == 200
        assert status(path, other) == 400
        assert status(path, own, other) == 400
    assert status("/api/health", f"localhost:{serving.port}") == 200


def test_reports_are_served_to_the_password_alone(serving: Serving) -> None:
    (serving.workspace.reports / "index.html").write_text("<h1>start</h1>", encoding="utf-8")
    basic = base64.b64encode(serving.password.encode()).decode()

    def asked(**headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=30)
        connection.request("GET", "/reports/", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    assert asked() == (401, b"")
    assert asked(authorization=f"Basic {basic}") == (200, b"<h1>start</h1>")
    assert f"{serving.url}/reports/" in serving.said


def test_only_its_own_pages_are_listened_to(serving: Serving) -> None:
    for origin, status in (
        (serving.url, 200),
        (f"http://localhost:{serving.port}", 200),
        ("http://127.0.0.1", 403),
        (f"https://127.0.0.1:{serving.port}", 403),
        (f"http://127.0.0.1:{serving.port + 1}", 403),
        ("null", 403),
        ("", 403),
    ):
        assert serving.answer("health", headers={"origin": origin})[0] == status


def test_the_password_is_in_its_file_and_nowhere_else(serving: Serving) -> None:
    home = serving.workspace.prefect_home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in home.glob("*") if file.is_file())
    secret = serving.password.partition(":")[2]
    assert len(secret) >= 32
    assert secret not in serving.said
    assert str(serving.workspace.password_file) in serving.said
    files = [file for file in home.rglob("*") if file.is_file()]
    telling = [file for file in files if secret in file.read_text(errors="replace")]
    assert telling == [serving.workspace.password_file]
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes()
        except OSError:
            continue
        assert secret.encode() not in words


def test_the_server_knows_no_token_of_the_planner(serving: Serving) -> None:
    pid = serving.workspace.server_lock.read_text().strip()
    stated = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"flows.server.app" in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"known-to-the-planner" not in stated


def attacks(evil: Path, canary: Path) -> dict[str, dict[str, object]]:
    touch = {"prefect.deployments.steps.run_shell_script": {"script": f"touch {canary}"}}
    return {
        "entrypoint and path": {"entrypoint": "evil.py:pwn", "path": str(evil.parent)},
        "pull steps": {"pull_steps": [touch]},
        "job variables": {"job_variables": {"command": f"touch {canary}", "env": {"X": str(evil)}}},
    }


def test_with_the_password_a_changed_deployment_runs_nothing(serving: Serving, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    evil = evil_module(tmp_path / "evil", canary)
    for name, change in attacks(evil, canary).items():
        before = serving.deployment("ingest")
        serving.asked(f"deployments/{before['id']}", change, method="PATCH")
        try:
            state = serving.ended(serving.start_run("ingest", workspace=str(serving.workspace.root)))
        finally:
            undo = {key: before[key] for key in change}
            serving.asked(f"deployments/{before['id']}", undo, method="PATCH")
        assert state["type"] == "FAILED", name
        assert "not as it was served" in state["message"], name
        assert all(key in state["message"] for key in change), name
    assert not canary.exists()
    # As it was served, it runs.
    assert serving.ended(serving.start_run("ingest"))["type"] == "COMPLETED"


def test_with_the_password_a_run_of_other_parameters_runs_nothing(serving: Serving, tmp_path: Path) -> None:
    other = Workspace.create(tmp_path / "other", zone=ZONE)
    for parameters, one in (
        ({"workspace": str(other.root)}, str(other.root)),
        ({"run_id": "../../../../outside"}, "run_id"),
    ):
        state = serving.ended(serving.start_run("ingest", **parameters))
        assert (state["type"], one in state["message"]) == ("FAILED", True)
    assert other.warehouse.read("out_run").empty


def test_a_deployment_of_somebody_else_is_not_run(serving: Serving, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    evil = evil_module(tmp_path / "evil", canary)
    flow = serving.deployment("ingest")["flow_id"]
    made = serving.asked(
        "deployments/",
        {"name": "theirs", "flow_id": flow, "entrypoint": "evil.py:pwn", "path": str(evil.parent)},
    )
    run = serving.asked(f"deployments/{made['id']}/create_flow_run", {})["id"]
    assert serving.ended(serving.start_run("ingest"))["type"] == "COMPLETED"  # one that came later
    assert serving.state(run)["type"] == "SCHEDULED"
    assert not canary.exists()
