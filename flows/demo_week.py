"""The demo's last days, planned one after the other with what was known then, and accounted for."""

from __future__ import annotations

from datetime import timedelta

from flows.console import working
from flows.demo import MARKET_DATE, PART, ZONE, Demo
from flows.mapping.promises import promises_met
from flows.stages import Context, StageResult
from flows.stages.calibrate import calibrate
from flows.stages.check import check
from flows.stages.inbox import ingest_inbox
from flows.stages.plan import plan
from flows.stages.realise import realise
from flows.workers import twin_workers
from warehouse.zones import publication

DAYS = 7
_LEAST_TELEMETRY_DAYS = 2
"""What the first calibration has to go by."""


def live_the_week(made: Demo, days: int) -> StageResult | None:
    """Plan the last days of the demo in turn, then let today's files in; None where that was done before.

    days: of telemetry that the demo has.
    """
    workspace = made.workspace
    arriving = sorted(workspace.inbox.glob(f"*{PART}"))
    if not arriving:
        return None
    lived = max(0, min(DAYS, days - _LEAST_TELEMETRY_DAYS))
    planned = [MARKET_DATE - timedelta(days=number) for number in range(lived + 1, 0, -1)]
    now = Context.of(workspace, made.as_of)
    with twin_workers(workspace.settings.calibrate.twins), working("the days before") as progress:
        ingest_inbox(now)
        check(now)
        progress("calibrating with what was known a week ago")
        calibrate(Context.of(workspace, publication(planned[0], ZONE)))
        for day in planned:
            progress(f"planning {day}")
            plan(Context.of(workspace, publication(day, ZONE)), day)
        progress("what was promised, and what came of it")
        account = realise(now, planned[:-1])
    for file in arriving:
        file.rename(file.with_suffix(""))
    promises = promises_met(now.known, ZONE)
    return StageResult(
        stage="days before",
        status=account.status,
        message=account.message,
        exit_code=account.exit_code,
        tables={"promised_and_realised": promises},
    )
