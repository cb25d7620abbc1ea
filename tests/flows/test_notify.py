"""Somebody is reported once for each cause, over real sockets; what cannot be sent is sent with the next
run."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from flows.errors import SettingsError
from flows.notify import notify
from flows.stages import Context
from flows.stages.record import write_run
from flows.workspace import Workspace
from tests.warehouse.http_server import Reply, Server, serving

TOKEN = "s3cret-of-the-hook"  # noqa: S105
DAY = date(2026, 6, 14)


@pytest.fixture
def empty(tmp_path: Any) -> Workspace:
    return Workspace.create(tmp_path / "depot", zone="DE-LU")


def with_notify(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Workspace:
    for name, value in settings.items():
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"V2G_NOTIFY__{name.upper()}", text)
    return Workspace.open(workspace.root)


def ran(workspace: Workspace, stage: str, code: int, message: str = "", day: date | None = None) -> datetime:
    """Put a stage on record; returns a moment before it began."""
    from flows.clock import now

    began = now()
    status = "ok" if code == 0 else "degraded" if code == 3 else "failed"
    write_run(Context.of(workspace, began), stage, began, status, code, message, day)
    return began - timedelta(seconds=1)


def notified(server: Server) -> list[list[str]]:
    return [[one["about"] for one in json.loads(asked.body)["causes"]] for asked in server.asked]


def test_a_cause_is_reported_once_until_it_has_passed(
    empty: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_TOKEN", TOKEN)
    with serving(Reply()) as server:
        workspace = with_notify(empty, monkeypatch, webhook_url=f"http://127.0.0.1:{server.port}/hook")
        assert notify(workspace, ran(workspace, "fetch", 3, "prices are not to be had", DAY)) == 1
        assert notify(workspace, ran(workspace, "fetch", 3, "still not", DAY)) == 0
        assert notify(workspace, ran(workspace, "fetch", 3, "of another day", DAY + timedelta(days=1))) == 1
        assert notify(workspace, ran(workspace, "fetch", 0, "by energy_charts", DAY)) == 0
        assert notify(workspace, ran(workspace, "fetch", 3, "lost again", DAY)) == 1
        assert notify(workspace, ran(workspace, "calibrate", 1, "a fault")) == 1
    assert notified(server) == [
        [f"fetch {DAY}"], [f"fetch {DAY + timedelta(days=1)}"], [f"fetch {DAY}"], ["calibrate"],
    ]  # fmt: skip
    first = json.loads(server.asked[0].body)
    assert (first["workspace"], first["zone"]) == ("depot", "DE-LU")
    assert first["causes"][0]["message"] == "prices are not to be had"
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {TOKEN}"}
    kept = [file.read_bytes() for file in workspace.root.rglob("*") if file.is_file()]
    assert not any(TOKEN.encode() in one for one in kept) and TOKEN not in caplog.text


@pytest.mark.parametrize("reply", [Reply(status=500), Reply(status=302, headers={"Location": "http://x/"})])
def test_what_was_not_taken_is_reported_with_the_next_run(
    empty: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, reply: Reply
) -> None:
    with serving(reply, Reply()) as server:
        workspace = with_notify(empty, monkeypatch, webhook_url=f"http://127.0.0.1:{server.port}/s3cret/path")
        since = ran(workspace, "plan", 5, "no plan", DAY)
        assert notify(workspace, since) == 0
        assert "notification by webhook was not taken" in caplog.text and "s3cret" not in caplog.text
        assert notify(workspace, since) == 1
        assert notify(workspace, since) == 0
    assert notified(server) == [[f"plan {DAY}"]] * 2


class Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as takes a message."""

    def handle(self) -> None:
        received: list[bytes] = self.server.received  # type: ignore[attr-defined]
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                received.append(b"".join(lines))
            if word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 ok\r\n")


@pytest.fixture
def post() -> Iterator[socketserver.ThreadingTCPServer]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        server.received = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_mail_is_sent_and_one_way_that_fails_costs_the_other_nothing(
    empty: Workspace, monkeypatch: pytest.MonkeyPatch, post: socketserver.ThreadingTCPServer
) -> None:
    with serving(Reply(status=500)) as server:
        workspace = with_notify(
            empty, monkeypatch, webhook_url=f"http://127.0.0.1:{server.port}/", email_to=["ops@example.org"],
            email_from="v2g@example.org", smtp_url=f"smtp://127.0.0.1:{post.server_address[1]}",
        )  # fmt: skip
        since = ran(workspace, "plan", 5, "no car is plugged in", DAY)
        assert notify(workspace, since) == 1
        assert notify(workspace, since) == 0
    (mail,) = post.received  # type: ignore[attr-defined]
    assert f"Subject: v2g depot: plan {DAY}".encode() in mail
    assert b"To: ops@example.org" in mail and b"no car is plugged in" in mail
    assert len(server.asked) == 2  # by the web it is tried again


def test_nobody_is_told_where_nobody_is_named(empty: Workspace) -> None:
    assert notify(empty, ran(empty, "plan", 5, "no plan", DAY)) == 0
    assert not (empty.prefect_home / "told.json").exists()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"webhook_url": "http://hooks.example.org/x"}, "https is needed for another machine"),
        ({"webhook_url": "ftp://hooks.example.org/x"}, "an address https://… is needed"),
        ({"smtp_url": "smtps://me:pass@mail.example.org"}, "no password stands here"),
        ({"smtp_url": "smtp://mail.example.org"}, "is needed for another machine"),
        ({"email_to": ["nobody"]}, "is no address"),
        ({"email_to": ["a@b.c"]}, "email_to needs email_from and smtp_url"),
    ],
)
def test_a_way_that_cannot_be_meant_is_refused(
    empty: Workspace, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], why: str
) -> None:
    with pytest.raises(SettingsError, match=why) as refused:
        with_notify(empty, monkeypatch, **settings)
    assert not any(one in str(refused.value) for one in ("me:pass", "hooks.example.org", "mail.example.org"))
