"""What a workspace holds, in a few small tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from flows.plain import known, records
from flows.stages.calibrations import ORDER, oldest_first
from flows.stages.in_force import followed_mode, plans_in_force
from flows.workspace import Workspace
from warehouse.contracts import DATASETS
from warehouse.quarantine import Wanted, quarantined
from warehouse.store import Warehouse

_PLAN = (
    "market_date", "plan_id", "plan_source", "followed_mode", "sequence", "batteries", "as_of_utc", "note",
)  # fmt: skip

Tables = Mapping[str, list[dict[str, Any]]]


def status_of(workspace: Workspace) -> Tables:
    """Data with freshness, quarantine by rule, newest calibrations, plans in force, the last runs."""
    warehouse = workspace.warehouse
    return {
        "data": [_dataset(workspace, dataset) for dataset in DATASETS],
        "quarantine": _quarantine(warehouse),
        "calibrations": _calibrations(warehouse),
        "plans": _plans(
            warehouse.newest(
                "out_plan", by=["market_date"], where={"zone": workspace.zone}, columns=[*_PLAN, "zone"]
            )
        ),
        "last runs": _runs(warehouse.read("out_run")),
    }


def _dataset(workspace: Workspace, dataset: str) -> dict[str, Any]:
    extent = workspace.warehouse.extent(dataset)
    return {
        "dataset": dataset,
        "rows": extent.rows,
        "unchecked": extent.waiting,
        "newest_utc": _text(extent.newest_utc),
        "received_utc": _text(extent.received_utc),
    }


def _quarantine(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Rows that are out of the core tables by rule; released ones are not."""
    counted: list[dict[str, Any]] = []
    for dataset in DATASETS:
        rows = quarantined(warehouse, Wanted(dataset=dataset))
        counted += records(rows.groupby(["dataset", "rule", "severity"], as_index=False).size())
    return counted


def _calibrations(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The newest calibration of each battery."""
    shown = ["battery_id", "quality", "soh", "l0_days", "as_of_utc"]
    columns = list(dict.fromkeys([*shown, *ORDER]))
    rows = oldest_first(warehouse.newest("out_calibration", by=["battery_id"], columns=columns))
    newest = rows.drop_duplicates("battery_id", keep="last").sort_values("battery_id")
    return [_row(row) for row in records(newest[shown])]


def _plans(plans: pd.DataFrame) -> list[dict[str, Any]]:
    """The plans in force, by market day."""
    first = ["market_date", "plan_id", "plan_source"]
    last = ["sequence", "batteries", "as_of_utc", "note"]
    rows = records(plans_in_force(plans).sort_values("market_date"))
    return [
        _row({name: row[name] for name in first} | {"followed_mode": followed_mode(row)})
        | _row({name: row[name] for name in last})
        for row in rows
    ]


def _runs(rows: pd.DataFrame) -> list[dict[str, Any]]:
    last = rows.sort_values("finished_utc").tail(8)
    shown = ["finished_utc", "stage", "status", "exit_code", "message"]
    return [_row(row) for row in records(last[shown])]


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value if isinstance(value, str | int | float) else _text(value) for key, value in row.items()
    }


def _text(value: Any) -> str | None:
    value = known(value)
    if value is None:
        return None
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)
