"""Write the report pages and exports of a plan."""

from __future__ import annotations

from datetime import date, datetime

from flows.errors import NoPlanError
from flows.publish import publish_run
from flows.stages.record import StageResult, recorded
from flows.workspace import Workspace


@recorded("publish")
def publish(
    workspace: Workspace,
    as_of: datetime,  # noqa: ARG001 every stage takes it
    run_id: str,  # noqa: ARG001
    day: date | None = None,
    *,
    plan_id: str | None = None,
) -> StageResult:
    """Publish the plan in force of `day`, the plan `plan_id`, or the newest plan of all.

    Raises NoPlanError when there is none.
    """
    plans = workspace.warehouse.read("out_plan", where={"zone": workspace.zone})
    if day is not None:
        plans = plans[plans["market_date"] == day]
    if plan_id is not None:
        plans = plans[plans["plan_id"] == plan_id]
    if plans.empty:
        wanted = f"plan {plan_id}" if plan_id else f"plan for {day}" if day else "plan"
        raise NoPlanError(f"there is no {wanted} to report on", hint="`v2g plan --date DATE` makes one.")
    newest = plans.sort_values(["as_of_utc", "market_date", "sequence"]).iloc[-1]
    if day is not None:
        newest = plans.sort_values("sequence").iloc[-1]
    files = publish_run(workspace, newest["plan_id"])
    return StageResult(
        stage="publish",
        status="ok",
        message=f"{len(files)} files for plan {newest['plan_id']} of {newest['market_date']}",
        files=tuple(str(file) for file in files),
        details={"plan_id": newest["plan_id"]},
    )
