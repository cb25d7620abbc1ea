"""Reports over http: who is let in, what is answered, and `v2g open` as a process of its own."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from flows.server.guard import Guard
from flows.server.opening import _entrance
from flows.server.pages import LINKED, PREFIX, Pages
from flows.workspace import Workspace
from tests.flows.browsing import browsing, needs_browser
from tests.flows.conftest import ZONE

PASSWORD = "v2g:secret-of-192-bits"  # noqa: S105 of these tests
PORT = 8123
BASE = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    reports = tmp_path / "reports"
    (reports / "2026-06-16").mkdir(parents=True)
    (reports / "index.html").write_text("<h1>start</h1>", encoding="utf-8")
    (reports / "2026-06-16" / "index.html").write_text("<h1>day</h1>", encoding="utf-8")
    (tmp_path / "ledger.key").write_text("PRIVATE", encoding="utf-8")
    (reports / "out.html").symlink_to(tmp_path / "ledger.key")
    return reports


class Asking:
    """A client of an app in this process, with its cookies."""

    def __init__(self, app: Any) -> None:
        self.app, self.cookies = app, httpx.Cookies()

    def get(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url=BASE, cookies=self.cookies) as client:
                answer = await client.request(method, path, headers=headers)
                self.cookies.update(client.cookies)
                return answer

        return asyncio.run(asked())


def client(folder: Path) -> Asking:
    return Asking(Guard(Pages(folder, PASSWORD), PORT))


def basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(password.encode()).decode()}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("v2g:wrong"),
        basic("other:secret-of-192-bits"),
        {"authorization": "Basic ~"},
        {"authorization": "Bearer secret-of-192-bits"},
        {"cookie": "v2g_pages=wrong"},
        {"cookie": "a=b; v2g_pages"},
    ],
)
def test_nobody_without_the_password_reads_a_page(folder: Path, headers: dict[str, str]) -> None:
    for path in ("/reports/", "/reports/index.html", "/reports/2026-06-16/", "/reports/none.html"):
        answer = client(folder).get(path, headers=headers)
        assert answer.status_code == 401 and "start" not in answer.text


def test_the_password_opens_pages_and_nothing_else(folder: Path) -> None:
    asked = client(folder)
    assert asked.get("/reports/", headers=basic(PASSWORD)).text == "<h1>start</h1>"
    day = asked.get("/reports/2026-06-16/index.html", headers=basic(PASSWORD))
    assert day.text == "<h1>day</h1>" and day.headers["cache-control"] == "no-store"
    assert {day.headers[name] for name in ("x-content-type-options", "x-frame-options")} == {
        "nosniff",
        "DENY",
    }
    for path in (
        "/reports/out.html",
        "/reports/..%2fledger.key",
        "/reports/%2e%2e/ledger.key",
        "/ledger.key",
        "/",
    ):
        answer = asked.get(path, headers=basic(PASSWORD))
        assert answer.status_code in (401, 404) and "PRIVATE" not in answer.text, path
    assert asked.get("/reports/", basic(PASSWORD), method="POST").status_code == 405


def test_a_link_with_the_key_lets_a_browser_in_for_good(folder: Path) -> None:
    asked = client(folder)
    answer = asked.get("/reports/index.html?key=secret-of-192-bits")
    assert answer.status_code == 303 and answer.headers["location"] == "/reports/index.html"
    for cookie, path in zip(answer.headers.get_list("set-cookie"), (PREFIX, *LINKED), strict=True):
        assert {"HttpOnly", f"Path={path}", "SameSite=lax"} <= set(cookie.split("; "))
    assert asked.get("/reports/2026-06-16/index.html").text == "<h1>day</h1>"
    assert client(folder).get("/reports/?key=wrong").status_code == 403


def test_what_pages_link_to_beside_them_opens_as_they_do(folder: Path) -> None:
    """Statements and passports, of which pages have relative links; nothing else of the exports."""
    exports = folder.parent / "exports"
    statement, passport = "statements/car-1-2026-06/index.html", "twins/car-1.passport.json"
    for name in (statement, passport, "status.json", "twins/../status.json"):
        (exports / name).parent.mkdir(parents=True, exist_ok=True)
        (exports / name).write_text(f'"{name}"', encoding="utf-8")
    (exports / "twins" / "out.json").symlink_to(folder.parent / "ledger.key")
    asked = client(folder)
    for name in (statement, passport):
        assert asked.get(f"/exports/{name}").status_code == 401
    asked.get("/reports/?key=secret-of-192-bits")
    for name in (statement, passport):
        answer = asked.get(f"/exports/{name}")
        assert answer.text == f'"{name}"' and answer.headers["cache-control"] == "no-store"
    for name in (
        "status.json",
        "twins/..%2fstatus.json",
        "twins/%2e%2e/%2e%2e/ledger.key",
        "twins/out.json",
        "",
    ):
        answer = asked.get(f"/exports/{name}", headers=basic(PASSWORD))
        assert answer.status_code in (401, 404) and "status" not in answer.text, name


def test_another_name_or_origin_is_refused_whatever_it_knows(folder: Path) -> None:
    asked = client(folder)
    assert asked.get("/reports/", headers={**basic(PASSWORD), "host": "evil.example"}).status_code == 400
    stranger = {**basic(PASSWORD), "origin": "http://evil.example"}
    assert asked.get("/reports/", headers=stranger).status_code == 403


def test_the_rest_goes_to_the_other_app(folder: Path) -> None:
    from starlette.responses import PlainTextResponse

    asked = Asking(Pages(folder, PASSWORD, PlainTextResponse("prefect")))  # type: ignore[arg-type]
    assert asked.get("/api/health").text == "prefect" and asked.get("/reportsx").text == "prefect"


def test_what_a_browser_is_started_with_is_a_private_file_that_leads_there(tmp_path: Path) -> None:
    entrance = _entrance(tmp_path, f"{BASE}/reports/?key=a&b")
    assert entrance.stat().st_mode & 0o077 == 0
    assert f"url={BASE}/reports/?key=a&amp;b" in entrance.read_text(encoding="utf-8")


@pytest.fixture
def empty(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "depot", zone=ZONE)


def opened(workspace: Workspace) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "flows.cli", "-w", str(workspace.root), "open", "--no-browser", "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    said = ""
    while not said.rstrip().endswith("}"):
        line = process.stdout.readline()
        assert line, said
        said += line
    return process, str(json.loads(said)["link"])


def test_v2g_open_writes_the_start_shows_it_and_ends_when_it_is_told(empty: Workspace) -> None:
    process, link = opened(empty)
    try:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/reports/\?key=[\w-]{32}", link)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(link, timeout=10) as answer:  # a client with cookies follows as a browser does
            assert "V2G fleet" in answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(link.partition("?")[0], timeout=10)  # noqa: S310 loopback
        raw = HTTPConnection(urlsplit(link).netloc, timeout=10)
        raw.request("GET", "/reports/../v2g.toml")
        assert raw.getresponse().status in (401, 404)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)


@needs_browser
def test_a_browser_goes_through_a_link_to_the_pages(empty: Workspace, tmp_path: Path) -> None:
    process, link = opened(empty)
    try:
        with browsing() as window:
            window.goto(_entrance(tmp_path, link).as_uri())
            window.wait_for_url("http://127.0.0.1:*/reports/")
            assert window.locator("h1").inner_text() == f"V2G fleet, {ZONE}"
            window.get_by_role("link", name="Start").click()
            assert window.locator("h1").inner_text() == f"V2G fleet, {ZONE}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
