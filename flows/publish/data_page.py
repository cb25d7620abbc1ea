"""The data engineer's page: what has come and when, what the checks held back, how long stages take, and
where the plan in force came from.

Whatever the age of the warehouse, the last days alone are looked at, and every table is cut; what is left out
is told with the command that has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.context import Context
from flows.publish.cut import Row
from flows.publish.data_files import files_section
from flows.publish.data_plan import plan_section
from flows.publish.data_runs import runs_section
from flows.publish.local_time import local_text
from flows.status_days import day_rows
from warehouse.at_once import at_once
from warehouse.contracts import DATASETS
from warehouse.known import Known
from warehouse.zones import market_timezone

DAYS = 13
"""How many market days back it is told what came of each and when."""


def contents(context: Context) -> Mapping[str, Any]:
    """What data.html is filled with, all of one state of the warehouse, times local to the zone."""
    workspace, known = context.workspace, context.known
    timezone = market_timezone(workspace.zone)
    with at_once(workspace.warehouse):
        return {
            "zone": workspace.zone,
            "timezone": timezone,
            "as_of": local_text(context.as_of, timezone),
            "days": _days(context, timezone),
            "datasets": [_dataset(known, dataset, timezone) for dataset in DATASETS],
            **files_section(known, timezone),
            **runs_section(workspace, timezone),
            **plan_section(workspace, known, timezone),
        }


def _days(context: Context, timezone: str) -> list[Row]:
    """A line a market day, the newest first: thing that is wanted of it → how it stands."""
    days: dict[str, Row] = {}
    for row in day_rows(context.workspace, context.as_of, DAYS):
        times = {name: local_text(row[f"{name}_utc"], timezone) for name in ("came", "deadline")}
        line = days.setdefault(str(row["market_date"]), {"market_date": row["market_date"]})
        line[str(row["source"])] = {"state": row["state"], "by": row["by"], **times}
    return [days[day] for day in sorted(days, reverse=True)]


def _dataset(known: Known, dataset: str, timezone: str) -> Row:
    extent = known.extent(dataset)
    return {
        "dataset": dataset,
        "rows": extent.rows,
        "waiting": extent.waiting,
        "newest": local_text(extent.newest_utc, timezone),
        "received": local_text(extent.received_utc, timezone),
    }
