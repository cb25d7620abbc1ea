"""A Prefect server that is not there, or not well, costs a run its audience, never its plan."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from flows import prefect_api
from flows.prefect_api import trouble_with
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, WEEK, price_rows
from tests.flows.prefect_database import put_database
from tests.flows.processes import processes_of
from tests.warehouse.http_server import Reply, serving


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(workspace: Workspace, url: str, **more: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Exit code, stages by name and stderr of a run for the day that has last week's prices alone."""
    put_database(workspace)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    words = ["run", f"--date={DAY + WEEK}", f"--as-of={AS_OF + WEEK:%Y-%m-%dT%H:%MZ}", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *words],
        cwd=workspace.root, env=environment | {"PREFECT_API_URL": url, **more},
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, {one["stage"]: one for one in json.loads(done.stdout)["stages"]}, done.stderr


def test_a_run_whose_server_is_gone_is_kept_by_its_own_and_nothing_degraded_is_green(
    depot: Workspace,
) -> None:
    (depot.inbox / "prices__csv__bad.csv").write_text("zone\nDE-LU\n")
    url = f"http://watcher:secret@127.0.0.1:{closed_port()}/api"
    asks = {"V2G_FETCH__PRICES": '["energy_charts"]', "HTTPS_PROXY": f"http://127.0.0.1:{closed_port()}"}
    code, stages, stderr = run(depot, url, **asks)
    assert code == 3, stderr
    assert list(stages) == ["ingest", "fetch", "check", "realise", "calibrate", "plan", "publish", "prefect"]
    codes = {name: (one["status"], one["exit_code"]) for name, one in stages.items()}
    degraded, ok = ("degraded", 3), ("ok", 0)
    assert codes == {
        "ingest": degraded, "fetch": degraded, "check": ok, "realise": ok, "calibrate": ok,
        "plan": degraded, "publish": ok, "prefect": degraded,
    }  # fmt: skip
    assert "prices__csv__bad.csv" in stages["ingest"]["tables"]["inbox"][0]["file"]
    assert "energy_charts: " in stages["fetch"]["message"]
    shown = url.replace("watcher:secret@", "")
    assert shown in stages["prefect"]["message"] and shown in stderr.replace("\n", "")
    assert "secret" not in stderr + json.dumps(stages)
    assert "Traceback" not in stderr
    assert set(depot.warehouse.read("out_run")["stage"]) >= {*stages}

    with sqlite3.connect(depot.prefect_home / "prefect.db") as database:
        states = {
            name.split()[0]: (kind, state)
            for name, kind, state in database.execute("select name, state_type, state_name from flow_run")
        }
    red, green = ("FAILED", "Degraded"), ("COMPLETED", "Completed")
    assert states == {
        "daily": red, "ingest": red, "fetch": red, "check": green, "realise": green,
        "calibrate": green, "plan": red, "publish": green,
    }  # fmt: skip
    assert processes_of(depot.prefect_home) == []


@contextmanager
def well_but_for_everything_else(said: object = None) -> Iterator[str]:
    """A server that says it is well, and fails whatever is asked of it, with what it has to say."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = b"true" if self.path.endswith("/health") else json.dumps({"detail": said}).encode()
            self.send_response(200 if self.path.endswith("/health") else 500)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
    finally:
        server.shutdown()
        server.server_close()


def test_a_run_whose_server_fails_it_goes_on_without(depot: Workspace) -> None:
    price_rows(DAY + WEEK, 1).to_csv(depot.inbox / "prices__csv__week.csv", index=False)
    with well_but_for_everything_else() as url:
        code, stages, stderr = run(depot, url)
    assert code == 3, stderr
    assert list(stages) == ["ingest", "fetch", "check", "realise", "calibrate", "plan", "publish", "prefect"]
    assert (stages["plan"]["plan_source"], stages["plan"]["exit_code"]) == ("published", 0)
    assert stages["publish"]["files"]
    assert "Prefect failed" in stages["prefect"]["message"]
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        (Reply(body=b"true"), ""),
        (Reply(status=401), ""),
        (Reply(status=404), "answers 404"),
        (Reply(status=502), "answers 502"),
        (Reply(hang_s=60), "does not answer"),
        (Reply(head_drip_s=0.05), "does not answer within 0.5 s"),
    ],
)
def test_what_answers_is_reported_from_what_does_not(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, trouble: str
) -> None:
    if trouble.startswith("does not"):
        monkeypatch.setattr(prefect_api, "_DEADLINE_S", 0.5)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:secret")
    with serving(reply) as server:
        found = trouble_with(f"http://127.0.0.1:{server.port}/api/")
    assert found.startswith(trouble) if trouble else found == ""
    assert [one.path for one in server.asked] == ["/api/health"]
    assert server.asked[0].headers["Authorization"] == "Basic YWRtaW46c2VjcmV0"


@pytest.mark.parametrize(
    "url", ["nonsense", "http://", "http://[::1", "ftp://127.0.0.1/api", "http://nowhere.invalid/api"]
)
def test_an_address_that_is_none_is_reported(url: str) -> None:
    assert trouble_with(url)


def test_nothing_that_listens_is_reported() -> None:
    assert "does not answer (ConnectError" in trouble_with(f"http://127.0.0.1:{closed_port()}/api")
