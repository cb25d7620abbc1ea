"""Where the plan in force came from, and what it does otherwise than the one that it replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.errors import UsageError
from flows.mapping.in_force import followed_mode, plan_in_force
from flows.mapping.plan_diff import plan_diff
from flows.mapping.trace import trace, trace_tables
from flows.plain import known as plain_value
from flows.publish.cut import Row, first_of
from flows.publish.local_time import local_text
from flows.workspace import Workspace
from warehouse.known import Known

MOST_CARS, MOST_FILES = 100, 60
"""Rows of a table of cars and of one of files."""


def plan_section(workspace: Workspace, known: Known, timezone: str) -> Mapping[str, Any]:
    """plan: that in force of the day that was planned last, None for none; lineage, difference: of it."""
    plan = _plan(known, workspace.zone)
    if plan is None:
        return {"plan": None, "lineage": None, "difference": None}
    return {
        "plan": {
            **{
                name: plan[name]
                for name in ("plan_id", "market_date", "plan_source", "sequence", "batteries")
            },
            "followed_mode": followed_mode(plan),
            "replaces_plan_id": plan["replaces_plan_id"],
            "as_of": local_text(plan["as_of_utc"], timezone),
        },
        "lineage": _lineage(workspace, str(plan["plan_id"]), timezone),
        "difference": _difference(workspace, plan, timezone),
    }


def _plan(known: Known, zone: str) -> dict[str, Any] | None:
    last = known.newest("out_plan", by=["zone"], where={"zone": zone}, columns=["market_date"])
    return None if last.empty else plan_in_force(known, zone, max(last["market_date"]))


def _lineage(workspace: Workspace, plan_id: str, timezone: str) -> Mapping[str, Any]:
    """The tables of `v2g trace`: files newest first, times local, each cut."""
    tables = trace_tables(trace(workspace, plan_id))

    def shown(name: str, most: int) -> Any:
        rows = [_local(dict(row), timezone) for row in tables.get(name, ())]
        return first_of(sorted(rows, key=lambda row: row.get("received_utc") or "", reverse=True), most)

    return {
        "inputs": list(tables["inputs"]),
        "run": [_local(dict(row), timezone) for row in tables["run"]],
        "left_out": shown("left out", MOST_CARS),
        "files": shown("files behind the plan", MOST_FILES),
        "calibrations": first_of(list(map(dict, tables["calibrations"])), MOST_CARS),
        "behind": shown("files behind the calibrations", MOST_FILES),
    }


def _local(row: Row, timezone: str) -> Row:
    """A record with its moments by the local clock."""
    return {
        name: local_text(value, timezone) if name.endswith("_utc") else value for name, value in row.items()
    }


def _difference(workspace: Workspace, plan: Mapping[str, Any], timezone: str) -> Mapping[str, Any] | None:
    """What `v2g diff` tells of the plan and the one that it replaced, None where it replaced none.

    why_not: what the two cannot be compared for, "" where they are; by_car: the largest change first.
    """
    before = plain_value(plan["replaces_plan_id"])
    if before is None:
        return None
    try:
        found = plan_diff(workspace, str(before), str(plan["plan_id"]))
    except UsageError as error:
        return {"why_not": str(error)}
    changed = sorted(found["by car"], key=lambda row: -abs(row["energy_cost_eur"]))
    return {
        "why_not": "",
        "plans": [row | {"as_of": local_text(row["as_of_utc"], timezone)} for row in found["plans"]],
        "in_all": found["in all"][0],
        "inputs": [row["input"] for row in found["changed inputs"]],
        "by_car": first_of(changed, MOST_CARS),
    }
