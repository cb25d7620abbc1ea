"""Run the daily flow from the command line: quiet on the console, whole in Prefect's pages.

Prefect watches a run; it does not decide whether there is a plan. Where its server does not answer, the run
is kept by a server of its own, and where that does not come up either, the stages are run without any.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from datetime import date, datetime
from urllib.parse import urlsplit

from flows.clock import now
from flows.console import working
from flows.errors import ServerError, UsageError
from flows.notify import notified
from flows.outcome import Outcome, take
from flows.prefect_api import VARIABLE, trouble_with
from flows.secret import without_secrets
from flows.snapshot import keep_snapshot
from flows.stages import Context, StageResult
from flows.stages.ladder import climb, steps_of
from flows.stages.record import write_run
from flows.stages.trouble import DEGRADED, trace_of
from flows.status_stored import store_status
from flows.workers import twin_workers
from flows.workspace import Workspace
from warehouse.errors import WarehouseError

_log = logging.getLogger(__name__)


def run_daily(workspace: Workspace, as_of: datetime, day: date) -> list[StageResult]:
    """Run all stages for `day` as one Prefect flow; a stage that fails is one of the answers.

    Uses the server of PREFECT_API_URL, or a temporary one on loopback with its database in the workspace. One
    that does not answer is reported in a last answer "prefect", which makes the run a degraded one. Raises
    the warehouse's error where nothing can be read.
    """
    # Prefect would print a failed flow's traceback; the command line shows the errors itself.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    began, context = now(), Context.of(workspace, as_of)
    with working(f"daily run for {day}"), notified(workspace, began):
        dead = _without_dead_server()
        outcome = _watched(context, day)
        results = list(outcome.results)
        if lost := [*dead, *outcome.lost]:
            message = "; ".join(lost)
            with suppress(WarehouseError, OSError):
                write_run(context, "prefect", began, "degraded", DEGRADED, message)
            results.append(
                StageResult(stage="prefect", status="degraded", message=message, exit_code=DEGRADED)
            )
    return results


def _without_dead_server() -> list[str]:
    """Forget PREFECT_API_URL where nothing answers there, and say so; before prefect is imported."""
    url = os.environ.get(VARIABLE, "").strip()
    if not url or not (trouble := trouble_with(url)):
        return []
    del os.environ[VARIABLE]
    text = f"{VARIABLE} {_shown(url)} {trouble}: whoever watches there has not observed this run"
    _log.warning("%s; a server of its own keeps it", text)
    return [text]


def _shown(url: str) -> str:
    """An address without the password that it may hold."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no address)"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _watched(context: Context, day: date) -> Outcome:
    """The stages under Prefect or, where that fails, what they came to by then, or the stages without it."""
    try:
        from flows.server.of_run import server_of_run

        with server_of_run(context.workspace):
            from flows.daily import daily

            state = daily(
                workspace=str(context.workspace.root),
                day=day,
                as_of=context.as_of,
                run_id=context.run_id,
                return_state=True,
            )
        if outcome := take(context.run_id):
            return outcome
        state.result()  # raises what ended the run
        raise ServerError("Prefect answered for a run that did not begin")
    except (UsageError, WarehouseError):
        raise
    except Exception as error:
        why = without_secrets(f"{type(error).__name__}: {error}")
        _log.warning("Prefect: %s", why, exc_info=trace_of(error))
        lost = f"Prefect failed ({why}): its pages do not show all of this run"
        if outcome := take(context.run_id):
            return Outcome(results=outcome.results, lost=[*outcome.lost, lost])
        with twin_workers(context.workspace.settings.calibrate.twins):
            results = climb(context, steps_of(context, day), day)
        store_status(context.workspace)
        keep_snapshot(context.workspace)
        return Outcome(results=results, lost=[lost])
