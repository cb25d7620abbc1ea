"""Serve the schedules: Prefect's server with its pages as a child process, the deployments in this one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from zoneinfo import ZoneInfo

from rich.console import Console

from flows.clock import now
from flows.console import make_console
from flows.dispatch.bell import listen
from flows.due import upcoming
from flows.errors import ServerError
from flows.lifeline import ending_soon_after
from flows.server.held import end_holder, hold, let_go
from flows.server.pages import PREFIX
from flows.server.password import keep
from flows.server.process import Address, prefect_server
from flows.workspace import Workspace
from warehouse.zones import market_timezone

_END_WITHIN_S = 8.0


def serve(workspace: Workspace, port: int) -> None:
    """Run server and deployments until Ctrl-C or SIGTERM; the server ends with it, however it ends.

    Raises UsageError for a port in use, ServerError when the server does not come up or the workspace is
    served already.
    """
    # One way out for both signals; a shell may have set Ctrl-C to be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    out = make_console(stderr=True)
    with (
        suppress(KeyboardInterrupt),
        ending_soon_after(frozenset({signal.SIGINT, signal.SIGTERM}), within_s=_END_WITHIN_S, code=0),
        _the_only_one(workspace, out),
        prefect_server(workspace, port, lock=workspace.server_lock) as address,
    ):
        os.environ.update(address.environment)
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
        keep(address.password, workspace.password_file)
        asyncio.run(_serve_deployments(workspace, address, out))


async def _serve_deployments(workspace: Workspace, address: Address, out: Console) -> None:
    from flows.server.runner import ServedRunner

    runner = ServedRunner(workspace)
    await runner.crash_what_an_earlier_one_left()
    await runner.serve_all()
    timezone = ZoneInfo(market_timezone(workspace.zone))
    coming = upcoming(workspace.settings.schedule, workspace.zone, now())
    out.print(
        f"Prefect's pages: {address.url} · password {_stated(address, workspace)} · Ctrl-C ends",
        f"Reports: {address.url}{PREFIX}/ · the same name and password",
        *(f"  {name:<10}{when.astimezone(timezone):%Y-%m-%d %H:%M %Z}" for name, when in coming.items()),
        sep="\n",
        soft_wrap=True,
    )
    listening = asyncio.create_task(listen(workspace, runner.ring))
    try:
        await runner.start()
    finally:
        listening.cancel()


def _stated(address: Address, workspace: Workspace) -> str:
    """The password for somebody at a terminal; where it is kept for what may be a log."""
    if sys.stderr.isatty():
        return address.password
    return f"in {workspace.password_file}"


@contextmanager
def _the_only_one(workspace: Workspace, out: Console) -> Iterator[None]:
    """For one process a workspace; what an earlier one left when it was killed is ended first."""
    workspace.make_prefect_home()
    if (other := hold(workspace.serve_lock)) is not None:
        raise ServerError(
            f"{workspace.root} is served already, by process {other}", hint="One `v2g serve` a workspace."
        )
    try:
        for lock in (workspace.server_lock, workspace.run_lock):
            if pid := end_holder(lock):
                out.print(f"ended process {pid}, which an earlier `v2g serve` had left behind")
        yield
    finally:
        let_go(workspace.serve_lock)


def _interrupt(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)
