"""A real `v2g serve` in a process of its own, and questions to its server."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from flows.workspace import Workspace
from tests.flows.prefect_database import put_database

T = TypeVar("T")
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
BUSY = 503  # Prefect's answer when its database is busy; its own clients ask again, and so do these tests


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """This process's variables, without what would lead Prefect elsewhere."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    return {**kept, "PREFECT_RUNNER_POLL_FREQUENCY": "1", **more}


def v2g(workspace: Workspace, *words: str, log: str = "said.log", **more: str) -> subprocess.Popen[bytes]:
    """Start a command in the workspace; what it says is in its log."""
    with (workspace.root / log).open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *words],
            cwd=workspace.root,
            env=environment(**more),
            stdout=output,
            stderr=output,
        )


def soon(what: Callable[[], T | None], *, within_s: float = 600.0, process: Any = None) -> T:
    """The first answer that is neither None nor false; an AssertionError when there is none in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        if answer := what():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"not in {within_s:.0f} s, or the process has ended")


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A `v2g serve` that is up."""

    workspace: Workspace
    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def password(self) -> str:
        return self.workspace.password_file.read_text().strip()

    @property
    def said(self) -> str:
        return (self.workspace.root / "said.log").read_text()

    def answer(
        self, path: str, body: object = None, *, method: str = "", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of /api/`path` to somebody who knows nothing."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 loopback http
            f"{self.url}/api/{path}",
            data,
            {"content-type": "application/json", **(headers or {})},
            method=method or None,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def asked(self, path: str, body: object = None, *, method: str = "") -> Any:
        """JSON of /api/`path` to somebody who knows the password."""
        basic = base64.b64encode(self.password.encode()).decode()
        for _ in range(40):
            status, answer = self.answer(
                path, body, method=method, headers={"authorization": f"Basic {basic}"}
            )
            if status != BUSY:
                break
            time.sleep(0.5)
        assert status < 300, (status, answer)
        return answer

    def deployment(self, flow: str) -> dict[str, Any]:
        found: dict[str, Any] = self.asked(f"deployments/name/{flow}/{self.workspace.root.name}")
        return found

    def start_run(self, flow: str, **parameters: object) -> str:
        made = self.asked(
            f"deployments/{self.deployment(flow)['id']}/create_flow_run", {"parameters": parameters}
        )
        return str(made["id"])

    def state(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.asked(f"flow_runs/{run}")["state"]
        return found

    def ended(self, run: str) -> dict[str, Any]:
        """The state in which a run ends."""

        def final() -> dict[str, Any] | None:
            state = self.state(run)
            return state if state["type"] in ENDED else None

        return soon(final, process=self.process)


@contextmanager
def served(workspace: Workspace, port: int = 0, **more: str) -> Iterator[Serving]:
    """Serve a workspace; at the block's end it is told to end, if it has not."""
    port = port or free_port()
    put_database(workspace)
    log = workspace.root / "said.log"
    before = len(log.read_text()) if log.exists() else 0
    process = v2g(workspace, "serve", f"--port={port}", **more)
    serving = Serving(workspace=workspace, process=process, port=port)
    try:
        soon(lambda: "Prefect's pages" in serving.said[before:], process=process)
        yield serving
    except AssertionError as error:
        raise AssertionError(f"{error}\n{serving.said[before:]}") from error
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def evil_module(folder: Path, canary: Path) -> Path:
    """A file whose import, and whose flow, leave a canary."""
    folder.mkdir(exist_ok=True)
    evil = folder / "evil.py"
    evil.write_text(
        "from pathlib import Path\n"
        "from prefect import flow\n"
        f"Path({str(canary)!r}).touch()\n"
        "@flow\n"
        "def pwn(workspace=None, day=None, as_of=None, run_id=None):\n"
        f"    Path({str(canary)!r}).touch()\n",
        encoding="utf-8",
    )
    return evil
