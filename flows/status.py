"""What a workspace holds, in a few small tables: as it stands, or as it was known at a moment.

Nothing is read whole that grows with the age of a warehouse: what is counted is counted where it lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flows.clock import now
from flows.mapping.calibrations import ORDER, oldest_first
from flows.mapping.in_force import IN_FORCE_BY, followed_mode, plans_in_force
from flows.mapping.promises import promises_met
from flows.plain import known, records
from flows.status_days import calibration_rows, day_rows, disk_rows, next_rows, spooled_rows, under_way_rows
from flows.workspace import Workspace
from warehouse.at_once import at_once
from warehouse.contracts import DATASETS
from warehouse.known import Known
from warehouse.quarantine import counted
from warehouse.store import Extent, Warehouse

PLAN_DAYS = 14
"""Of how many market days, the last that have one, the plan in force is reported."""
RUNS = 8
"""How many stages are reported, those that ended last."""
_PLAN = (
    "market_date", "plan_id", "plan_source", "followed_mode", "sequence", "batteries", "as_of_utc", "note",
)  # fmt: skip

_CALIBRATION = ("battery_id", "quality", "soh", "l0_days", "as_of_utc")

Tables = Mapping[str, list[dict[str, Any]]]


def status_of(workspace: Workspace, as_of: datetime | None = None) -> Tables:
    """Days and what they lack, data, quarantine by rule, calibrations, plans in force, the last runs.

    as_of: tz-aware; what had been received, found out and ended by then. None: all there is.
    """
    with at_once(workspace.warehouse):
        return _tables(workspace, as_of)


def _tables(workspace: Workspace, as_of: datetime | None) -> Tables:
    warehouse, moment = workspace.warehouse, as_of or now()
    columns = list(dict.fromkeys([*_CALIBRATION, *ORDER]))
    newest = warehouse.newest("out_calibration", by=["battery_id"], columns=columns, known_by=as_of)
    newest = oldest_first(newest).drop_duplicates("battery_id", keep="last").sort_values("battery_id")
    return {
        "days": day_rows(workspace, moment),
        "data": [_dataset(dataset, warehouse.extent(dataset, known_by=as_of)) for dataset in DATASETS],
        "quarantine": _quarantine(warehouse, as_of),
        "calibrated": calibration_rows(workspace, newest, moment),
        "calibrations": [_row(row) for row in records(newest[list(_CALIBRATION)])],
        "plans": _plans(workspace, as_of),
        "promised and realised": promises_met(
            warehouse if as_of is None else Known(warehouse, as_of), workspace.zone
        ),
        "last runs": _runs(warehouse, as_of),
        "under way": under_way_rows(workspace) if as_of is None else [],
        "spooled": spooled_rows(workspace) if as_of is None else [],
        "next": next_rows(workspace, moment),
        "disk": disk_rows(workspace),
    }


def _dataset(dataset: str, extent: Extent) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "rows": extent.rows,
        "unchecked": extent.waiting,
        "newest_utc": _text(extent.newest_utc),
        "received_utc": _text(extent.received_utc),
    }


def _quarantine(warehouse: Warehouse, as_of: datetime | None) -> list[dict[str, Any]]:
    """Rows that are out of the core tables by rule; released ones are not."""
    rows = records(counted(warehouse, known_by=as_of).rename(columns={"rows": "size"}))
    place = {dataset: number for number, dataset in enumerate(DATASETS)}
    return sorted(rows, key=lambda row: place[row["dataset"]])


def _plans(workspace: Workspace, as_of: datetime | None) -> list[dict[str, Any]]:
    """The plans in force of the last market days that have one."""
    warehouse, of_zone = workspace.warehouse, dict[str, Any](zone=workspace.zone)
    days = warehouse.newest(
        "out_plan", by=["market_date"], where=of_zone, columns=["market_date"], known_by=as_of
    )
    last_days = sorted(set(days["market_date"]))[-PLAN_DAYS:]
    plans = warehouse.read(
        "out_plan", where=of_zone | {"market_date": last_days},
        columns=list(dict.fromkeys([*_PLAN, *IN_FORCE_BY])), known_by=as_of,
    )  # fmt: skip
    first = ["market_date", "plan_id", "plan_source"]
    last = ["sequence", "batteries", "as_of_utc", "note"]
    rows = records(plans_in_force(plans).sort_values("market_date"))
    modes = workspace.warehouse.read(
        "out_plan_mode",
        where={"plan_id": [row["plan_id"] for row in rows]},
        columns=["plan_id", "mode", "gap"],
    )
    gaps = modes.set_index(["plan_id", "mode"])["gap"].to_dict()
    return [
        _row({name: row[name] for name in first} | {"followed_mode": followed_mode(row)})
        | {"gap": known(gaps.get((row["plan_id"], followed_mode(row))))}
        | _row({name: row[name] for name in last})
        for row in rows
    ]


def _runs(warehouse: Warehouse, as_of: datetime | None) -> list[dict[str, Any]]:
    """The stages that ended last; they are noted by the clock, whatever moment they judged as of."""
    rows = warehouse.read("out_run", within={"finished_utc": (None, as_of)}, last=("finished_utc", RUNS))
    shown = ["finished_utc", "stage", "status", "exit_code", "message"]
    return [_row(row) for row in records(rows.sort_values("finished_utc", kind="stable")[shown])]


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value if isinstance(value, str | int | float) else _text(value) for key, value in row.items()
    }


def _text(value: Any) -> str | None:
    value = known(value)
    if value is None:
        return None
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)
