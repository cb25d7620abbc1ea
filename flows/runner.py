"""Run the daily flow from the command line: quiet on the console, whole in Prefect's pages."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime

from flows.console import working
from flows.lifeline import end_soon_after
from flows.stages import StageResult
from flows.workspace import Workspace

_END_WITHIN_S = 6.0
_TERMINATED = 128 + signal.SIGTERM


def run_daily(workspace: Workspace, as_of: datetime, day: date) -> list[StageResult]:
    """Run all stages for `day` as one Prefect flow; the error of a stage that failed passes through.

    Uses the server of PREFECT_API_URL, or a temporary one on loopback with its database in the workspace.
    """
    # Prefect would print a failed flow's traceback; the command line shows the error itself.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    end_soon_after(frozenset({signal.SIGTERM}), within_s=_END_WITHIN_S, code=_TERMINATED)
    workspace.prefect_home.mkdir(mode=0o700, exist_ok=True)
    with working(f"daily run for {day}"), _some_server(workspace):
        from flows.daily import daily

        return daily(workspace=str(workspace.root), day=day, as_of=as_of)


@contextmanager
def _some_server(workspace: Workspace) -> Iterator[None]:
    """The server that the user has named to Prefect, with the user's password; else one of this run alone."""
    from prefect.context import refresh_global_settings_context
    from prefect.settings import get_current_settings

    from flows.server.process import prefect_server

    if get_current_settings().api.url:
        yield
        return
    before = dict(os.environ)
    with prefect_server(workspace) as address:
        os.environ.update(address.environment)
        refresh_global_settings_context()
        try:
            yield
        finally:
            for name in address.environment:
                if name in before:
                    os.environ[name] = before[name]
                else:
                    del os.environ[name]
            refresh_global_settings_context()
