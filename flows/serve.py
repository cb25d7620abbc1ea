"""Serve the schedules: Prefect's server with its pages as a child process, the deployments in this one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from flows.console import make_console
from flows.errors import ServerError, UsageError
from flows.schedules import LocalCron, schedules
from flows.workspace import Workspace

HOST = "127.0.0.1"
_START_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 15.0


def serve(workspace: Workspace, port: int) -> None:
    """Run server and deployments until Ctrl-C or SIGTERM; the server ends with it, however it ends.

    Raises UsageError for a port in use, ServerError when the server does not come up.
    """
    # One way out for both signals; a shell may have set Ctrl-C to be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    with suppress(KeyboardInterrupt), prefect_server(workspace, port) as url:
        os.environ["PREFECT_API_URL"] = f"{url}/api"
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
        served = schedules(workspace.settings)
        make_console(stderr=True).print(
            f"Prefect's pages: {url} · Ctrl-C ends",
            *(f"  {name:<10}{when.cron:<14}{when.timezone}" for name, when in served.items()),
            sep="\n",
        )
        _serve_deployments(workspace, served)


@contextmanager
def prefect_server(workspace: Workspace, port: int) -> Iterator[str]:
    """Prefect's server with its pages on loopback, its database in the workspace; yields its address."""
    _require_free(port)
    url = f"http://{HOST}:{port}"
    log = workspace.prefect_home / "server.log"
    environment = {
        **os.environ,
        **workspace.environment(),
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_API_URL": f"{url}/api",
    }
    environment.pop("PREFECT_API_URL", None)  # the server must not look for another one
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches this process alone, which then ends the server in order.
        server = subprocess.Popen(  # noqa: S603 fixed command
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _wait_until_up(server, url, log)
            yield url
        finally:
            _stop(server)


def _serve_deployments(workspace: Workspace, served: Mapping[str, LocalCron]) -> None:
    from prefect import Flow
    from prefect.deployments.runner import RunnerDeployment
    from prefect.runner import Runner
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    from flows import daily

    class InterruptibleRunner(Runner):
        """Prefect's own answer to SIGTERM forgets the runs under way."""

        def handle_sigterm(self, *_: Any, **__: Any) -> None:
            _interrupt()

    flows: dict[str, Flow[..., Any]] = {
        "ingest": daily.ingest,
        "calibrate": daily.calibrate,
        "daily": daily.daily,
    }
    # One run at a time over all deployments: the warehouse has one writer.
    runner = InterruptibleRunner(limit=1, pause_on_shutdown=False)
    for name, when in served.items():
        deployment = RunnerDeployment.from_flow(
            flows[name],
            name=workspace.root.name,
            schedule=Cron(when.cron, timezone=when.timezone),
            parameters={"workspace": str(workspace.root)},
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        runner.add_deployment(deployment)
    asyncio.run(runner.start())


def _require_free(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise UsageError(f"port {port} of {HOST} is in use", hint="`--port` takes another one.")


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
            time.sleep(0.5)
    raise ServerError(f"Prefect's server was not up after {_START_TIMEOUT_S:.0f} s", hint=f"See {log}.")


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _interrupt(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)
