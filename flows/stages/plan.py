"""Plan a market day: the best rung of the ladder, the modes it allows, the twin's word on what they wear."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from flows.stages.disputes import disputes_of, named
from flows.stages.hashing import hash_values
from flows.stages.inputs import PlanInputs, day_problem, read_inputs
from flows.stages.plan_rows import mode_table, plan_frames
from flows.stages.prices import MODES, RUNGS
from flows.stages.record import StageResult, recorded
from flows.stages.twin_wear import twin_wear
from flows.stages.used import files_used
from flows.version import code_version
from flows.workspace import Workspace
from optimize.plan import plan_day
from optimize.types import DayProblem


@recorded("plan")
def plan(workspace: Workspace, as_of: datetime, run_id: str, day: date) -> StageResult:
    """Plan `day` (local to the workspace's zone) with what is known as of `as_of`.

    Same inputs as the plan in force: nothing is written. A worse rung never replaces a better. Exit code 3
    when the plan in force is degraded. Raises NoPlanError when sessions, fleet or calibrations are missing.
    """
    inputs = read_inputs(workspace, day, as_of)
    history = workspace.warehouse.read("out_plan", where={"market_date": day, "zone": inputs.zone})
    history = history.sort_values("sequence")
    source = inputs.prices.source
    if not history.empty:
        newest = history.iloc[-1]
        if newest["input_hash"] == inputs.input_hash:
            return _kept(workspace, newest, "unchanged: the same inputs as", inputs)
        if RUNGS.index(newest["plan_source"]) < RUNGS.index(source):
            return _kept(workspace, newest, f"a {source} plan does not replace the better", inputs)
    problem = _following(workspace, inputs, history, day_problem(inputs))
    plans = plan_day(problem, MODES[source], time_limit_seconds=inputs.settings.plan.solver_time_limit_s)
    wear = twin_wear(workspace.settings.calibrate.workers, inputs, problem, plans)
    frames = plan_frames(inputs, problem, plans, wear)
    header = _header(inputs, history)
    lineage: dict[str, Any] = {
        "plan_id": header["plan_id"],
        "plan_source": source,
        "run_id": run_id,
        "as_of_utc": pd.Timestamp(as_of),
        "input_hash": inputs.input_hash,
        "code_version": code_version(),
    }
    files = {"prices": inputs.prices.rows, "sessions": inputs.sessions, "fleet": inputs.batteries}
    used = files_used(files | {"sites": inputs.sites, "tariffs": inputs.prices.retail.rows})
    tables = {"out_plan": pd.DataFrame([header]), "out_plan_source": used, **frames}
    tables = {name: frame.assign(**lineage) for name, frame in tables.items()}
    workspace.warehouse.write(tables, replace=dict.fromkeys(tables, ("plan_id",)))
    size = f"{header['slots']} quarter-hours, {header['batteries']} cars"
    told = f"plan {header['plan_id']} for {day} ({source}, {size})"
    if header["replaces_plan_id"]:
        told += f" replaces {header['replaces_plan_id']}: changed {header['changed_inputs']}"
    return _result(told, tables["out_plan"].iloc[0], tables["out_plan_mode"], inputs, outcome="new")


def _following(
    workspace: Workspace, inputs: PlanInputs, history: pd.DataFrame, problem: DayProblem
) -> DayProblem:
    """The problem with the plan in force, if departing from it has a price."""
    price = inputs.settings.plan.change_price_eur_per_kwh
    if history.empty or price == 0.0:
        return problem
    newest = history.iloc[-1]
    mode = MODES[newest["plan_source"]][-1]
    slots = workspace.warehouse.read("out_plan_slot", where={"plan_id": newest["plan_id"], "mode": mode})
    power = slots.pivot_table(index="battery_id", columns="interval_start_utc", values="power_kw")
    cars = [car.battery_id for car in problem.cars]
    previous = power.reindex(index=cars, columns=problem.slots).to_numpy(dtype=np.float64)
    return replace(problem, previous_kw=previous, change_price_eur_per_kwh=price)


def _header(inputs: PlanInputs, history: pd.DataFrame) -> dict[str, object]:
    replaced = None if history.empty else history.iloc[-1]
    plan_id = inputs.input_hash[:16]
    if replaced is not None and plan_id in set(history["plan_id"]):  # back to inputs that were replaced since
        plan_id = hash_values([inputs.input_hash, replaced["plan_id"]])[:16]
    return {
        "plan_id": plan_id,
        "market_date": inputs.market_date,
        "zone": inputs.zone,
        "sequence": 1 if replaced is None else int(replaced["sequence"]) + 1,
        "replaces_plan_id": None if replaced is None else replaced["plan_id"],
        "changed_inputs": None
        if replaced is None
        else _changes(json.loads(replaced["input_parts_json"]), inputs.parts),
        "input_parts_json": json.dumps(dict(inputs.parts), sort_keys=True),
        "slots": len(inputs.prices.slots),
        "batteries": len(inputs.batteries),
    }


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    return ", ".join(name for name in sorted({*before, *now}) if before.get(name) != now.get(name))


def _kept(workspace: Workspace, newest: pd.Series, why: str, inputs: PlanInputs) -> StageResult:
    modes = workspace.warehouse.read("out_plan_mode", where={"plan_id": newest["plan_id"]})
    told = f"{why} {newest['plan_source']} plan {newest['plan_id']} for {newest['market_date']}"
    return _result(
        told, newest, modes, inputs, outcome="unchanged" if why.startswith("unchanged") else "kept"
    )


def _result(
    told: str, row: pd.Series, modes: pd.DataFrame, inputs: PlanInputs, *, outcome: str
) -> StageResult:
    unknown = sorted(set(inputs.batteries["battery_id"]) - set(inputs.calibrations))
    notes = [inputs.prices.note] if inputs.prices.note else []
    if unknown:
        notes.append(f"not calibrated, so never discharged: {', '.join(unknown)}")
    disputed = disputes_of(inputs.calibrations.values())
    if disputed:
        notes.append(named(disputed))
    degraded = row["plan_source"] != "published"
    return StageResult(
        stage="plan",
        status="degraded" if degraded or outcome == "kept" else "ok",
        message="; ".join([told, *notes]),
        exit_code=3 if degraded else 0,
        tables={"modes": mode_table(modes, int(row["batteries"]))},
        details={
            "outcome": outcome,
            "plan_id": row["plan_id"],
            "plan_source": row["plan_source"],
            "market_date": str(inputs.market_date),
            "sequence": int(row["sequence"]),
            "replaces_plan_id": row["replaces_plan_id"] or None,
            "changed_inputs": row["changed_inputs"] or None,
            "disputed": disputed,
        },
    )
