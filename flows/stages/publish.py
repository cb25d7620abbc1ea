"""Write the report pages and exports of a plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from flows.context import Context
from flows.dispatch.planned import write_plan_file
from flows.errors import NoPlanError
from flows.mapping.in_force import IN_FORCE_BY, Plan, plan_in_force, plans_in_force
from flows.plain import record
from flows.publish import publish_run
from flows.publish.site import write_site
from flows.stages.record import StageResult, recorded
from flows.workspace import Workspace
from warehouse.rows import Scalar


@recorded("publish")
def publish(
    context: Context,
    day: date | None = None,
    *,
    plan_id: str | None = None,
) -> StageResult:
    """Publish the plan in force of `day`, the plan `plan_id`, or the newest plan of all.

    "In force" is by what was known at `as_of`; where nothing was planned by then, by what is known now. Only
    what is in force now is published as the day's pages and schedule: those of any other plan are written
    apart. The workspace's own pages follow. Raises NoPlanError when there is none.
    """
    workspace = context.workspace
    while True:
        chosen = _chosen(context, day, plan_id)
        ruling = _ruling(workspace, chosen)
        in_force = ruling["plan_id"] == chosen["plan_id"]
        stated = write_plan_file(context, chosen) if in_force else []
        files = [*publish_run(workspace, chosen["plan_id"], in_force=in_force), *stated]
        # Somebody's plan may have taken its place meanwhile: then its pages are the ones that must stay.
        if not in_force or _ruling(workspace, chosen)["plan_id"] == chosen["plan_id"]:
            break
    files += write_site(_as_it_stands(context))
    message = f"{len(files)} files for plan {chosen['plan_id']} of {chosen['market_date']}"
    if not in_force:
        message += f", apart from those of plan {ruling['plan_id']}, which is in force"
    return StageResult(
        stage="publish",
        status="ok",
        message=message,
        files=tuple(str(file) for file in files),
        details={"plan_id": chosen["plan_id"], "in_force_plan_id": ruling["plan_id"]},
    )


def _as_it_stands(context: Context) -> Context:
    """The moment of the workspace's own pages: a replay of an earlier one takes nothing from them."""
    workspace = context.workspace
    newest = workspace.warehouse.newest(
        "out_plan", by=["zone"], where={"zone": workspace.zone}, columns=["as_of_utc"]
    )["as_of_utc"].max()
    return replace(context, as_of=max(context.as_of, newest.to_pydatetime()))


def _chosen(context: Context, day: date | None, plan_id: str | None) -> Plan:
    warehouse, fields = context.workspace.warehouse, {"market_date": day, "plan_id": plan_id}
    where: dict[str, Scalar] = {"zone": context.workspace.zone}
    where |= {name: value for name, value in fields.items() if value is not None}
    columns = ["plan_id", *IN_FORCE_BY]
    chosen = plans_in_force(context.known.read("out_plan", where=where, columns=columns))
    if plan_id is not None or chosen.empty:
        chosen = plans_in_force(warehouse.read("out_plan", where=where, columns=columns))
    if chosen.empty:
        wanted = f"plan {plan_id}" if plan_id else f"plan for {day}" if day else "plan"
        raise NoPlanError(f"there is no {wanted} to report on", hint="`v2g plan --date DATE` makes one.")
    return record(warehouse.read("out_plan", where={"plan_id": chosen["plan_id"].iloc[-1]}).iloc[0])


def _ruling(workspace: Workspace, chosen: Plan) -> dict[str, Any]:
    return plan_in_force(workspace.warehouse, chosen["zone"], chosen["market_date"]) or dict(chosen)
