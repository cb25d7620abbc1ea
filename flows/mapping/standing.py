"""How a plan stands: what is not as it should be, for its answer, its pages and its exit code alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.mapping.in_force import Plan, followed_mode
from flows.mapping.left_out import apart, in_words
from flows.plain import records
from flows.settings import PlanSettings
from flows.workspace import Workspace
from optimize.answer import MODES
from warehouse.known import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A plan as it is stored, with what is wrong with it.

    plan: its row of out_plan; modes: its rows of out_plan_mode. left_out: battery_id → reason. unforeseen:
    likewise, of cars that are not expected, which is no fault of the plan. notes: one a thing that is not as
    it should be; none, and the plan is whole.
    """

    plan: Plan
    modes: Sequence[Mapping[str, Any]]
    left_out: Mapping[str, str]
    unforeseen: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def followed(self) -> str:
        """The mode that the cars follow."""
        return followed_mode(self.plan)

    @property
    def degraded(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.notes)

    @property
    def solver(self) -> Mapping[str, Any]:
        """The row of out_plan_mode of the mode that is followed; empty where it is not reported."""
        return next((mode for mode in self.modes if mode["mode"] == self.followed), {})


def standing_of(workspace: Workspace, plan: Plan) -> Standing:
    """How a plan (a row of out_plan) stands, by the settings of now."""
    known, mine = Known(workspace.warehouse, plan["as_of_utc"]), {"plan_id": plan["plan_id"]}
    modes = sorted(records(known.read("out_plan_mode", where=mine)), key=lambda row: MODES.index(row["mode"]))
    left_out, unforeseen = apart(known.read("out_left_out", where=mine))
    notes = [plan["note"]] if plan["note"] else []
    if not notes and plan["plan_source"] != "published":
        notes.append(f"no published prices: {plan['plan_source']}")
    if left_out:
        notes.append(f"left out: {in_words(left_out)}")
    notes += gap_notes(modes, workspace.settings.plan)
    return Standing(plan=plan, modes=modes, left_out=left_out, unforeseen=unforeseen, notes=tuple(notes))


def gap_notes(modes: Sequence[Mapping[str, Any]], settings: PlanSettings) -> list[str]:
    """What is said of each mode whose proven gap is above the one that is put up with."""
    notes = []
    for mode in modes:
        gap = mode["gap"]
        if gap is None or gap <= settings.gap_warning:
            continue
        if not math.isfinite(gap):
            text = "without any bound on what is possible"
        else:
            text = f"with a gap of {100 * gap:.3g} %"
            if mode["primary_value"] is None:  # otherwise the gap may be one of kWh or kW
                text += f": up to {gap * max(1.0, abs(mode['objective_eur'])):,.2f} € better may be possible"
        ended = {"time_limit": "the solver stopped at its time limit"}.get(mode["solver_status"])
        notes.append(f"{mode['mode']}: {ended or 'the solver ended'} {text}")
    return notes
