"""Prefect's server as a child process: on loopback, with a password, its database in the workspace."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.errors import ServerError, UsageError
from flows.server.password import new_password
from flows.workspace import Workspace

HOST = "127.0.0.1"
_START_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 4.0
# What the server is given of this process's environment; a planner's tokens are none of its business.
_PASSED_ON = ("HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")
_PASSED_ON_PREFIXES = ("LC_", "LD_LIBRARY_", "DYLD_LIBRARY_", "PREFECT_", "PYTHON", "XDG_")
# Settings of a server that would move or open this one.
_OWN_SETTINGS = (
    *("PREFECT__", "PREFECT_API_", "PREFECT_UI_"),
    *("PREFECT_SERVER_API_", "PREFECT_SERVER_CORS_", "PREFECT_SERVER_UI_"),
)
_DATABASE = "PREFECT_API_DATABASE_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server answers, and to which password."""

    url: str
    password: str

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables by which Prefect finds the server, in this process or a child."""
        return {"PREFECT_API_URL": f"{self.url}/api", "PREFECT_API_AUTH_STRING": self.password}


@contextmanager
def prefect_server(workspace: Workspace, port: int = 0, *, lock: Path | None = None) -> Iterator[Address]:
    """A server for as long as the block, or this process, lasts; port 0 is any free one.

    With `lock`, the file that it holds while it lives, it has pages and a scheduler; without, it is a run's
    own. Raises UsageError for a port that cannot be had, ServerError when the server does not come up.
    """
    workspace.make_prefect_home()
    log = workspace.prefect_home / ("server.log" if lock else "run-server.log")
    with listening_on(port) as listening:
        url = f"http://{HOST}:{listening.getsockname()[1]}"
        address = Address(url=url, password=new_password())
        command = [
            *(sys.executable, "-P", "-m", "flows.server.app"),
            *("--parent", str(os.getpid()), "--socket", str(listening.fileno())),
            *(("--lock", str(lock), "--reports", str(workspace.reports)) if lock else ()),
        ]
        with _own_file(log) as output:
            # A session of its own: Ctrl-C reaches this process alone, which then ends the server in order.
            server = subprocess.Popen(  # noqa: S603 fixed command
                command,
                env=_environment(workspace, address),
                pass_fds=[listening.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    try:
        _wait_until_up(server, url, log)
        yield address
    finally:
        _stop(server)


def _environment(workspace: Workspace, address: Address) -> dict[str, str]:
    """What the server is given: an allow-list of this process's variables, and its own settings."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if (name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES))
        and (name.startswith(_DATABASE) or not name.startswith(_OWN_SETTINGS))
    }
    port = address.url.rpartition(":")[2]
    own = {
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": port,
        "PREFECT_SERVER_API_AUTH_STRING": address.password,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{address.url},http://localhost:{port}",
        "PREFECT_SERVER_UI_API_URL": f"{address.url}/api",
    }
    return {**passed, **workspace.environment(), **own}


@contextmanager
def listening_on(port: int) -> Iterator[socket.socket]:
    """A socket of this machine alone; raises UsageError for a port that cannot be had."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        # Connections of an earlier server may still be dying down.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
            listening.listen()
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "in use by another program" if error.errno == errno.EADDRINUSE else "not allowed"
            raise UsageError(f"port {port} of {HOST} is {why}", hint="`--port` takes another one.") from None
        yield listening


@contextmanager
def _own_file(path: Path) -> Iterator[int]:
    """A file of its owner alone, emptied; never what a link in its place points to."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(file, 0o600)
        yield file
    finally:
        os.close(file)


def _wait_until_up(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise ServerError(
                f"Prefect's server ended with code {server.returncode}:\n{tail}", hint=f"See {log}."
            )
        try:
            with urllib.request.urlopen(f"{url}/api/health", timeout=2) as answer:  # noqa: S310 loopback http
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise ServerError(f"Prefect's server was not up after {_START_TIMEOUT_S:.0f} s", hint=f"See {log}.")


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
