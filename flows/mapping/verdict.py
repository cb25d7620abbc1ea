"""What becomes of a plan next to those that a market day has, decided from what is stored and that alone.

A worse rung never replaces a better one, an earlier knowledge never a later one, and the same inputs change
nothing. It is decided before solving, to spare it, and again inside the transaction that writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import pandas as pd

from flows.mapping.hashing import hash_values
from flows.mapping.in_force import Plan, newest_knowledge, newest_plan, worse_rung, written_late
from flows.mapping.rungs import PlanSource
from flows.plain import known

Outcome = Literal["new", "history", "unchanged", "kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What decides on the side of the plan that is made. failed: modes that should be planned and are not.

    unfounded: plans that rest on withdrawn prices, which stand in nobody's way. written: when it is written.
    """

    zone: str
    market_date: date
    as_of: datetime
    source: PlanSource
    input_hash: str
    written: datetime
    failed: frozenset[str] = frozenset()
    unfounded: frozenset[str] = frozenset()

    @property
    def where(self) -> dict[str, Any]:
        """The rows of out_plan that it is judged by."""
        return {"market_date": self.market_date, "zone": self.zone}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """new: it is in force. history: it is kept; another one of later knowledge, or one that could be followed
    where this one comes too late, sessions in force. unchanged, kept: nothing is written, `stands` holds.
    replaces: the plan that was in force as of the same moment.
    sequence: the number of the plan among those of its moment and before.
    """

    outcome: Outcome
    stands: Plan | None = None
    replaces: Plan | None = None
    sequence: int = 0
    plan_id: str = ""


def judge(plans: pd.DataFrame, candidate: Candidate) -> Verdict:
    """The verdict on a plan, by the rows of out_plan of its zone and day."""
    in_force, then = newest_plan(plans), newest_knowledge(plans, candidate.as_of)
    if then is not None:  # one of later knowledge is none that it could have been judged by
        same = then["input_hash"] == candidate.input_hash
        if same and len(failed_modes(then)) <= len(candidate.failed):
            return Verdict(outcome="unchanged", stands=then)
        if then["plan_id"] not in candidate.unfounded and worse_rung(candidate.source, then["plan_source"]):
            return Verdict(outcome="kept", stands=then)
    later = in_force is not None and _sessions(in_force, candidate)
    before = plans[plans["as_of_utc"] <= pd.Timestamp(candidate.as_of)]
    sequence = 1 if before.empty else int(before["sequence"].max()) + 1
    plan_id = candidate.input_hash[:16]
    if plan_id in set(plans["plan_id"]):  # back to inputs that were replaced since
        plan_id = hash_values([candidate.input_hash, candidate.as_of.isoformat(), sequence])[:16]
    return Verdict(
        outcome="history" if later else "new",
        stands=in_force if later else None,
        replaces=then if later else in_force,
        sequence=sequence,
        plan_id=plan_id,
    )


def _sessions(in_force: Plan, candidate: Candidate) -> bool:
    """Whether what is in force stays so, whatever the rungs."""
    day = (candidate.zone, candidate.market_date)
    made = known(in_force["made_utc"]) or in_force["as_of_utc"]
    late, was_late = written_late(*day, candidate.written), written_late(*day, made)
    return bool(late and not was_late) or (
        late == was_late and pd.Timestamp(candidate.as_of) < in_force["as_of_utc"]
    )


def changed_inputs(replaced: Plan, parts: Mapping[str, str]) -> str:
    """The parts of the inputs that a plan has otherwise than the one that it replaces."""
    before: Mapping[str, str] = json.loads(replaced["input_parts_json"])
    return ", ".join(name for name in sorted({*before, *parts}) if before.get(name) != parts.get(name))


def failed_modes(plan: Plan) -> frozenset[str]:
    """The modes of a row of out_plan that should have been planned and were not."""
    return frozenset((plan["failed_modes"] or "").split(", ")) - {""}
