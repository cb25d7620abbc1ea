"""A page of another origin, in a real browser, against a real `v2g serve`."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.workspace import Workspace
from tests.flows.conftest import ZONE
from tests.flows.serving import Serving, served, soon

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no browser on this machine: `apt-get install chromium` brings one"
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
    ),
)

# Tries every way a page has, and tells what came of each.
PAGE = """<!doctype html><script>
const api = "http://HOST/api", socket = "ws://HOST/api/events/in", told = {};
const attempt = async (name, work) => {
  try { told[name] = await work() } catch (error) { told[name] = "refused" }
};
const status = async answer => `${answer.status} ${(await answer.text()).length > 40 ? "read" : ""}`.trim();
const json = {"content-type": "application/json"}, basic = {authorization: "Basic BASIC"};
(async () => {
  await attempt("get", async () => status(await fetch(`${api}/admin/version`)));
  await attempt("read", async () => status(await fetch(`${api}/deployments/filter`,
    {method: "POST", body: "{}", headers: json})));
  await attempt("write", async () => status(await fetch(`${api}/deployments/ID`,
    {method: "PATCH", body: JSON.stringify({entrypoint: "evil.py:pwn"}), headers: json})));
  await attempt("read with the password", async () => status(await fetch(`${api}/deployments/filter`,
    {method: "POST", body: "{}", headers: {...json, ...basic}})));
  await attempt("write with the password", async () => status(await fetch(`${api}/deployments/ID`,
    {method: "PATCH", body: JSON.stringify({entrypoint: "evil.py:pwn"}), headers: {...json, ...basic}})));
  await attempt("blind write", async () => (await fetch(`${api}/variables/`,
    {method: "POST", mode: "no-cors", body: new Blob([JSON.stringify({name: "planted", value: 1})])})).type);
  await attempt("cookies", async () => status(await fetch(`${api}/admin/version`, {credentials: "include"})));
  await attempt("socket", () => new Promise((done, failed) => {
    const ws = new WebSocket(socket, ["prefect"]);
    ws.onopen = () => ws.send(JSON.stringify({type: "auth", token: atob("BASIC")}));
    ws.onmessage = () => done("open"); ws.onerror = failed; ws.onclose = failed;
  }));
  await fetch("/told", {method: "POST", body: JSON.stringify(told)});
})();
</script>"""


@contextmanager
def page(text: str) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A site with one page: its port and what the page has reported it."""
    noted: list[dict[str, Any]] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def do_POST(self) -> None:
            noted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        yield site.server_port, noted
    finally:
        site.shutdown()
        site.server_close()


@contextmanager
def browser(profile: Path, address: str, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    assert CHROMIUM is not None
    seeing = subprocess.Popen(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *more, address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield seeing
    finally:
        seeing.terminate()
        seeing.wait(timeout=30)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    workspace = Workspace.create(tmp_path_factory.mktemp("seen") / "depot", zone=ZONE)
    with served(workspace) as up:
        yield up


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "rebound.test"])
def test_a_page_of_another_origin_neither_reads_nor_writes(
    serving: Serving, tmp_path: Path, name: str
) -> None:
    """The page even knows the password; rebound.test is a name that its owner lets point to this machine."""
    before = serving.deployment("ingest")
    basic = base64.b64encode(serving.password.encode()).decode()
    text = PAGE.replace("HOST", f"{name}:{serving.port}").replace("ID", before["id"]).replace("BASIC", basic)
    with (
        page(text) as (port, stated),
        browser(
            tmp_path / "profile",
            f"http://{name}:{port}/",
            "--host-resolver-rules=MAP rebound.test 127.0.0.1",
        ) as seeing,
    ):
        answer = soon(lambda: stated, process=seeing)[0]
    opaque = {"opaque", "refused"}
    assert answer.pop("blind write") in opaque
    assert set(answer.values()) == {"refused"}, answer
    assert len(answer) == 7
    after = serving.deployment("ingest")
    assert after["entrypoint"] == before["entrypoint"]
    assert serving.asked("variables/count", {}) == 0


def test_the_own_pages_ask_for_the_password(serving: Serving, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    seen = subprocess.run(
        [
            *(CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}"),
            *("--virtual-time-budget=30000", "--dump-dom", f"{serving.url}/dashboard"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    assert "password" in seen.stdout.lower(), seen.stdout[-3000:]
