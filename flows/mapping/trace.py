"""From a plan back to what it was made of: run, files and responses, calibrations and their files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from flows.errors import UsageError
from flows.mapping.in_force import followed_mode, plan_in_force, plans_in_force
from flows.plain import plain, record, records
from flows.workspace import Workspace

_FILE = (
    "file_name", "source", "url", "sha256", "rows", "provider", "licence", "attribution", "options",
    "received_utc", "received", "fetched_utc", "checked_utc", "pruned_utc",
)  # fmt: skip
_CALIBRATION = (
    "battery_id", "calibration_id", "previous_calibration_id", "quality", "reason", "run_id", "as_of_utc",
    "input_hash", "code_version",
)  # fmt: skip


def trace(workspace: Workspace, plan_id: str, *, battery_id: str | None = None) -> dict[str, Any]:
    """All that led to a plan, as plain values: plan, left-out cars, run, files, calibrations and their files.

    plan_id: whole, or the beginning of it that only one plan has. battery_id: of the calibrations, this one
    alone. Raises UsageError for a plan or a battery of the plan that is not there.
    """
    warehouse = workspace.warehouse
    plan = plan_by_id(workspace, plan_id)
    in_force = plan_in_force(warehouse, plan["zone"], plan["market_date"])
    used = warehouse.read("out_plan_source", where={"plan_id": plan["plan_id"]})
    cars = warehouse.read(
        "out_plan_car", where={"plan_id": plan["plan_id"]}, columns=["battery_id", "calibration_id"]
    ).drop_duplicates()
    if battery_id is not None:
        if battery_id not in set(cars["battery_id"]):
            raise UsageError(f"battery {battery_id} is not in plan {plan['plan_id']}")
        cars = cars[cars["battery_id"] == battery_id]
    ids = [str(name) for name in cars["calibration_id"].unique()]
    behind = warehouse.read("out_calibration_source", where={"calibration_id": ids})
    files = warehouse.read(
        "raw_source", where={"source_id": list({*used["source_id"], *behind["source_id"]})}
    )
    known = {str(row["source_id"]): plain({key: row[key] for key in _FILE}) for row in records(files)}
    calibrations = warehouse.read("out_calibration", where={"calibration_id": ids})
    shown = calibrations.sort_values("battery_id")[list(_CALIBRATION)]
    of_calibration: dict[str, list[dict[str, Any]]] = {}
    for name, file in zip(behind["calibration_id"], _used(behind, known), strict=True):
        of_calibration.setdefault(str(name), []).append(file)
    return {
        "plan": {
            **plain(plan),
            "followed_mode": followed_mode(plan),
            "in_force_plan_id": in_force and in_force["plan_id"],
            "input_parts": json.loads(plan["input_parts_json"]),
        },
        "left_out": plain(
            warehouse.read("out_left_out", where={"plan_id": plan["plan_id"]})[["battery_id", "reason"]]
        ),
        "run": plain(warehouse.read("out_run", where={"run_id": plan["run_id"]})),
        "files": _used(used, known),
        "calibrations": [
            {**row, "files": of_calibration.get(row["calibration_id"], [])} for row in plain(shown)
        ],
        "not_calibrated": sorted(
            cars.loc[~cars["calibration_id"].isin(calibrations["calibration_id"]), "battery_id"]
        ),
    }


def plan_by_id(workspace: Workspace, plan_id: str) -> dict[str, Any]:
    """The row of out_plan of a plan by its id, or the beginning that only one has; raises UsageError."""
    warehouse = workspace.warehouse
    if len(exact := warehouse.read("out_plan", where={"plan_id": plan_id})):
        return record(exact.iloc[0])
    plans = warehouse.read("out_plan")
    found = plans[plans["plan_id"].str.startswith(plan_id)] if plan_id else plans.iloc[:0]
    if len(found) != 1:
        newest = plans_in_force(plans).tail(1)["plan_id"].tolist()
        hint = f"The newest plan is {newest[0]}." if newest else "There is no plan yet: `v2g run` makes one."
        raise UsageError(f"{len(found) or 'no'} plans begin with {plan_id!r}", hint=hint)
    return record(found.iloc[0])


def _used(rows: pd.DataFrame, files: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of out_…_source with what is known of each file."""
    return [
        {
            **{key: row[key] for key in ("dataset", "source_id", "first_row", "last_row")},
            "rows_used": row["rows"],
            "file": files[row["source_id"]],
        }
        for row in records(rows)
    ]


def trace_tables(traced: Mapping[str, Any]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """The same for a reader: small tables."""
    plan = traced["plan"]
    shown = (
        "plan_id", "market_date", "zone", "plan_source", "followed_mode", "sequence", "replaces_plan_id",
        "as_of_utc", "in_force_plan_id",
    )  # fmt: skip
    calibrations = [
        {
            **{key: row[key] for key in _CALIBRATION[:4]},
            **{
                dataset: _counted([file for file in row["files"] if file["dataset"] == dataset])
                for dataset in ("telemetry", "checkups", "sessions")
            },
        }
        for row in traced["calibrations"]
    ]
    behind = [
        {"battery_id": row["battery_id"], **_file_row(file)}
        for row in traced["calibrations"]
        for file in row["files"]
    ]
    return {
        "plan": [{key: plan[key] for key in shown}],
        **({"left out": traced["left_out"]} if traced["left_out"] else {}),
        "inputs": [{"input": name, "sha256": value} for name, value in plan["input_parts"].items()],
        "run": [
            {key: row[key] for key in ("run_id", "stage", "finished_utc", "status", "message")}
            for row in traced["run"]
        ],
        "files behind the plan": [_file_row(file) for file in traced["files"]],
        "calibrations": calibrations,
        "files behind the calibrations": behind if len(traced["calibrations"]) == 1 else _distinct(behind),
    }


def _counted(files: Sequence[Mapping[str, Any]]) -> str:
    rows = sum(file["rows_used"] for file in files)
    return f"{rows} rows of {len(files)} files" if files else "none"


def _file_row(file: Mapping[str, Any]) -> dict[str, Any]:
    source = file["file"]
    first, last = file["first_row"], file["last_row"]
    return {
        "dataset": file["dataset"],
        "file": source["url"] or source["file_name"],
        "rows": "not noted" if first is None else f"{first}–{last}",
        "used": file["rows_used"],
        "sha256": source["sha256"][:12],
        "reader": source["source"],
        "provider": source["provider"],
        "licence": source["licence"],
        "received_utc": source["received_utc"],
    }


def _distinct(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Files of many batteries, each once; `--battery` tells the rows of one."""
    kept = ("dataset", "file", "sha256", "reader", "provider", "licence", "received_utc")
    return list({(row["dataset"], row["sha256"]): {key: row[key] for key in kept} for row in rows}.values())
