"""Run the daily flow from the command line: quiet on the console, whole in Prefect's pages."""

from __future__ import annotations

import os
from datetime import date, datetime

from flows.console import working
from flows.stages import StageResult
from flows.workspace import Workspace


def run_daily(workspace: Workspace, as_of: datetime, day: date) -> list[StageResult]:
    """Run all stages for `day` as one Prefect flow; the error of a stage that failed passes through.

    Uses the server of PREFECT_API_URL, or a temporary one on loopback with its database in the workspace.
    """
    # Prefect would print a failed flow's traceback; the command line shows the error itself.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    with working(f"daily run for {day}"):
        from flows.server.of_run import server_of_run

        with server_of_run(workspace):
            from flows.daily import daily

            return daily(workspace=str(workspace.root), day=day, as_of=as_of)
