"""What is said of a plan that was written, or of the one that stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from flows.context import Context
from flows.errors import NoPlanError
from flows.mapping.disputes import disputes_of, named
from flows.mapping.in_force import Plan, newest_plan
from flows.mapping.inputs import PlanInputs
from flows.mapping.left_out import in_words
from flows.mapping.missing import why_missing
from flows.mapping.plan_rows import mode_table
from flows.mapping.standing import standing_of
from flows.mapping.verdict import Verdict
from flows.plain import records
from flows.stages.record import StageResult
from warehouse.at_once import at_once
from warehouse.zones import market_day_bounds


def answer(
    context: Context, inputs: PlanInputs, verdict: Verdict, not_written: Sequence[str] = ()
) -> StageResult:
    """The answer of the plan stage; not_written: what was wrong with a plan that replaces none."""
    with at_once(context.workspace.warehouse):
        return _answer(context, inputs, verdict, not_written)


def _answer(
    context: Context, inputs: PlanInputs, verdict: Verdict, not_written: Sequence[str]
) -> StageResult:
    workspace = context.workspace
    plans = workspace.warehouse.read(
        "out_plan", where={"market_date": inputs.market_date, "zone": inputs.zone}
    )
    plan_id = verdict.plan_id or (verdict.stands or {}).get("plan_id")
    row, in_force = newest_plan(plans[plans["plan_id"] == plan_id]), newest_plan(plans)
    if row is None or in_force is None:
        raise NoPlanError(f"plan {plan_id} for {inputs.market_date} was taken away meanwhile")
    stands = standing_of(workspace, row)
    ruling = stands if row["plan_id"] == in_force["plan_id"] else standing_of(workspace, in_force)
    of_another = [f"of the one not written: {note}" for note in not_written]
    notes = list(dict.fromkeys([*of_another, *stands.notes]))
    disputed = disputes_of(inputs.calibrations.values())
    expected = context.known.read("out_expected_stay", where={"plan_id": row["plan_id"]})
    stated = [
        _stated(inputs, verdict, row, in_force),
        *_expected(expected),
        *([f"not expected: {in_words(stands.unforeseen)}"] if stands.unforeseen else []),
        *notes,
        *([named(disputed)] if disputed else []),
    ]
    if inputs.prices.source != "published":
        span = market_day_bounds(inputs.market_date, inputs.zone)
        why = why_missing(context.known, "prices", where={"zone": [inputs.zone]}, span=span)
        stated.append(f"prices of {inputs.market_date}: {why}")
    degraded = stands.degraded or ruling.degraded
    return StageResult(
        stage="plan",
        status="degraded" if degraded or verdict.outcome == "kept" else "ok",
        message="; ".join(stated),
        exit_code=3 if degraded else 0,
        tables={"modes": mode_table(stands.modes, row["batteries"]), **_reserve(context, row)},
        details={
            "outcome": verdict.outcome,
            "plan_id": row["plan_id"],
            "plan_source": row["plan_source"],
            "followed_mode": stands.followed,
            "market_date": str(inputs.market_date),
            "sequence": row["sequence"],
            "replaces_plan_id": row["replaces_plan_id"],
            "changed_inputs": row["changed_inputs"],
            "in_force_plan_id": in_force["plan_id"],
            "left_out": dict(stands.left_out),
            "not_expected": dict(stands.unforeseen),
            "expected_stays": len(expected),
            "gap": stands.solver.get("gap"),
            "solver_status": stands.solver.get("solver_status"),
            "disputed": disputed,
            "notes": notes,
        },
    )


def _reserve(context: Context, plan: Plan) -> dict[str, Sequence[dict[str, Any]]]:
    """What the plan holds of reserve that was won; nothing where none was."""
    rows = context.known.read("out_plan_reserve", where={"plan_id": plan["plan_id"]})
    shown = [{name: row[name] for name in _OF_RESERVE} for row in records(rows)]
    return {"reserve": shown} if shown else {}


_OF_RESERVE = ("product", "direction", "interval_start_utc", "won_kw", "held_kw", "income_eur", "reason")


def _expected(sessions: pd.DataFrame) -> list[str]:
    """What is said of sessions that nobody has announced; no fault of the plan."""
    cars = sessions["battery_id"].nunique()
    return [f"expected and not announced: sessions {len(sessions)}, cars {cars}"] if cars else []


def _stated(inputs: PlanInputs, verdict: Verdict, row: Plan, in_force: Plan) -> str:
    name = f"{row['plan_source']} plan {row['plan_id']} for {row['market_date']}"
    if verdict.outcome == "unchanged":
        return f"unchanged: the same inputs as {name}"
    if verdict.outcome == "kept":
        return f"a {inputs.prices.source} plan does not replace the better {name}"
    size = f"{row['slots']} quarter-hours, {row['batteries']} cars"
    text = f"plan {row['plan_id']} for {row['market_date']} ({row['plan_source']}, {size})"
    if verdict.outcome == "history" and row["as_of_utc"] >= in_force["as_of_utc"]:
        return (
            f"{text} is kept as history: the day was over when it was made, and plan {in_force['plan_id']}, "
            "which could be followed, sessions in force"
        )
    if verdict.outcome == "history":
        return (
            f"{text} is kept as history: plan {in_force['plan_id']} rests on later knowledge "
            f"({in_force['as_of_utc']:%Y-%m-%d %H:%M} UTC) and sessions in force"
        )
    if row["replaces_plan_id"]:
        changed = f"changed {row['changed_inputs']}" if row["changed_inputs"] else "the same inputs"
        text += f" replaces {row['replaces_plan_id']}: {changed}"
    return text
