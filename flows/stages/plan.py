"""Plan a market day: the best rung of the ladder, the modes it allows, the twin's word on what they wear."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pandas as pd

from flows.clock import now
from flows.context import Context
from flows.mapping.in_force import followed_mode
from flows.mapping.inputs import PlanInputs
from flows.mapping.left_out import left_out_rows
from flows.mapping.plan_rows import plan_frames, price_rows
from flows.mapping.read_inputs import read_inputs
from flows.mapping.rungs import PlanSource
from flows.mapping.used import files_used
from flows.mapping.verdict import Candidate, Verdict, changed_inputs, failed_modes, judge
from flows.mapping.withdrawn import unfounded_plans
from flows.stages.made import Made, followed_plans, input_notes, make
from flows.stages.plan_answer import answer
from flows.stages.record import StageResult, recorded
from flows.version import code_version
from warehouse.rows import Scalar
from warehouse.store import Guard, Read

_OF_CARS = ("out_plan_car", "out_plan_slot", "out_plan_departure", "out_plan_reason")


@recorded("plan")
def plan(context: Context, day: date) -> StageResult:
    """Plan `day` (local to the workspace's zone) with what was known at `as_of`.

    Same inputs as the plan in force: nothing is written. A worse rung never replaces a better, an earlier
    `as_of` never a later: its plan is kept as history. What is wrong with a car or a mode costs no other.
    Exit code 3 when the plan in force is degraded. Raises NoPlanError when sessions or fleet are missing,
    or no mode can be planned at all.
    """
    warehouse, inputs = context.workspace.warehouse, read_inputs(context, day)
    candidate = Candidate(
        zone=inputs.zone,
        market_date=day,
        as_of=context.as_of,
        source=best_rung(inputs.prices.source),
        input_hash=inputs.input_hash,
        written=now(),
        unfounded=_unfounded(context, inputs),
    )
    made: Made | None = None
    while True:  # other runs may write while the solver works: then it is judged anew
        other_plans = None
        if inputs.settings.plan.change_price_eur_per_kwh:
            other_plans = _plan_ids(
                warehouse.read("out_plan", where={"zone": inputs.zone}, columns=["plan_id"])
            )
        verdict = judge(warehouse.read("out_plan", where=candidate.where), candidate)
        if made is not None:
            verdict = _unless_whole(context, inputs, made, verdict)
        if verdict.outcome in ("unchanged", "kept"):
            lacks = made.notes if made else input_notes(inputs)
            return answer(context, inputs, verdict, lacks if verdict.outcome == "kept" else ())
        if made is None or made.following != followed_plans(context, inputs):
            made = make(context, inputs)
            source = made.source if inputs.prices.source == "charge_only" else candidate.source
            failed = frozenset(made.planned.failures)
            candidate = replace(candidate, failed=failed, source=source, written=now())
            continue
        tables = _tables(context, inputs, made, verdict, candidate.written)
        by = dict.fromkeys(tables, ("plan_id",))
        if warehouse.write(tables, replace=by, guard=_still(candidate, verdict, other_plans)):
            return answer(context, inputs, verdict)


def _unfounded(context: Context, inputs: PlanInputs) -> frozenset[str]:
    """The plans of the day on withdrawn prices; nobody asks next to published ones, which no plan is
    above."""
    if inputs.prices.source == "published":
        return frozenset()
    where: dict[str, Scalar] = {"market_date": inputs.market_date, "zone": inputs.zone}
    return unfounded_plans(context.known, sorted(_plan_ids(context.known.read("out_plan", where=where))))


def best_rung(source: PlanSource) -> PlanSource:
    """The best that a plan on prices of a rung can stand on: without any, an earlier plan."""
    return "last_plan" if source == "charge_only" else source


def _still(candidate: Candidate, verdict: Verdict, other_plans: frozenset[str] | None) -> Guard:
    """Whether the verdict still holds, asked inside the transaction that acts on it.

    other_plans: the plans of the zone among which those were looked for that departing from has a price; None
    where it has none. One of another market day may hold hours of this plan.
    """

    def holds(read: Read) -> bool:
        same = other_plans is None or _plan_ids(read("out_plan", {"zone": candidate.zone})) == other_plans
        return same and judge(read("out_plan", candidate.where), candidate) == verdict

    return holds


def _plan_ids(plans: pd.DataFrame) -> frozenset[str]:
    return frozenset(plans["plan_id"].astype(str))


def _unless_whole(context: Context, inputs: PlanInputs, made: Made, verdict: Verdict) -> Verdict:
    """Where modes failed, the plan in force stays if it has them and knows every session of the day.

    One that misses a session would cost its driver the charge: worse than that nothing is fed back.
    """
    in_force = verdict.replaces
    if verdict.outcome != "new" or in_force is None:
        return verdict
    if len(failed_modes(in_force)) >= len(made.planned.failures):
        return verdict
    followed = {"plan_id": in_force["plan_id"], "mode": followed_mode(in_force)}
    known = context.known.read("out_plan_departure", where=followed)
    if set(inputs.sessions["session_id"]) <= set(known["session_id"]):
        return Verdict(outcome="kept", stands=in_force)
    return verdict


def _tables(
    context: Context, inputs: PlanInputs, made: Made, verdict: Verdict, written: datetime
) -> dict[str, pd.DataFrame]:
    """Every out_plan… table of a plan that is to be written."""
    replaced = verdict.replaces
    changed = None if replaced is None else changed_inputs(replaced, inputs.parts)
    header = {
        "market_date": inputs.market_date,
        "zone": inputs.zone,
        "sequence": verdict.sequence,
        "replaces_plan_id": None if replaced is None else replaced["plan_id"],
        "changed_inputs": changed,
        "input_parts_json": json.dumps(dict(inputs.parts), sort_keys=True),
        "slots": len(inputs.prices.slots),
        "first_slot_utc": inputs.prices.horizon.start,
        "priced_until_utc": inputs.prices.horizon.priced_end,
        "end_utc": inputs.prices.horizon.end,
        "made_utc": pd.Timestamp(written),
        "has_past": inputs.carried.past,
        "own_misses": len(made.own_misses),
        "batteries": len(inputs.batteries),
        "followed_mode": made.followed,
        "failed_modes": ", ".join(made.planned.failures) or None,
        "note": "; ".join(made.notes) or None,
    }
    expected = inputs.expected.rows
    asked = {session.session_id for problem in made.problems.values() for session in problem.sessions}
    later = inputs.later[inputs.later["session_id"].isin(list(asked))]
    sessions = pd.concat([inputs.sessions, later]) if len(later) else inputs.sessions
    files = {"prices": inputs.prices.rows, "sessions": sessions, "fleet": inputs.batteries}
    tables = {
        "out_plan": pd.DataFrame([header]),
        "out_plan_source": files_used(
            files
            | {"sites": inputs.sites, "tariffs": inputs.prices.retail_rows, **inputs.surroundings.rows}
            | ({"awards": inputs.awards.rows} if len(inputs.awards.rows) else {})
        ),
        "out_plan_price": price_rows(inputs),
        "out_expected_stay": expected[expected["session_id"].isin(inputs.sessions["session_id"])],
        "out_left_out": left_out_rows(inputs.left_out, inputs.unforeseen),
        **plan_frames(inputs, made.problems, made.planned.plans, made.wear),
        **({"out_plan_reserve": made.reserve} if len(made.reserve) else {}),
        **({"out_plan_reserve_slot": made.reserve_slots} if len(made.reserve_slots) else {}),
        **({"out_plan_reason": made.reasons} if len(made.reasons) else {}),
    }
    lineage: dict[str, Any] = {
        "plan_id": verdict.plan_id,
        "plan_source": made.source,
        "run_id": context.run_id,
        "as_of_utc": pd.Timestamp(context.as_of),
        "input_hash": inputs.input_hash,
        "code_version": code_version(),
    }
    stated = {name: frame.assign(**lineage) for name, frame in tables.items()}
    of_cars = [name for name in _OF_CARS if name in stated] if made.rungs else []
    for name in of_cars:  # each car's own, in the mode that is followed
        mine = stated[name]["mode"] == made.followed
        stated[name].loc[mine, "plan_source"] = stated[name].loc[mine, "battery_id"].map(made.rungs)
    return stated
