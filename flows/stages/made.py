"""A day that is planned in every mode that it allows, and what did not come of it as it should."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from flows.errors import NoPlanError
from flows.stages.context import Context
from flows.stages.in_force import Plan, followed_mode
from flows.stages.inputs import PlanInputs, day_problem
from flows.stages.plannable import in_words
from flows.stages.prices import MODES
from flows.stages.twin_wear import TwinWear, twin_wear
from optimize.plan import PlannedDay, best_mode, plan_modes
from optimize.types import DayProblem, Mode

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """A day that was planned: the modes, the one to follow, the twin's word on each.

    following: the plan that every departure from has a price; None where none has. notes: what is not as it
    should be.
    """

    following: str | None
    problem: DayProblem
    planned: PlannedDay
    followed: Mode
    wear: TwinWear
    notes: tuple[str, ...]


def make(context: Context, inputs: PlanInputs, replaced: Plan | None) -> Made:
    """Plan the day beside the plan that it would replace; raises NoPlanError when no mode can be planned."""
    problem = _following(context, inputs, replaced)
    modes = MODES[inputs.prices.source]
    if not inputs.calibrations:
        modes = tuple(mode for mode in modes if mode != "v2g")
    limit = inputs.settings.plan.solver_time_limit_s
    planned = plan_modes(problem, modes, time_limit_seconds=limit)
    if not planned.plans:
        reasons = "; ".join(f"{mode}: {in_words(error)}" for mode, error in planned.failures.items())
        raise NoPlanError(
            f"no plan for {inputs.market_date}: no mode can be planned: {reasons}",
            hint="The plan in force, if there is one, stays.",
        )
    followed = best_mode(problem, planned.plans)
    notes = [*input_notes(inputs), *_mode_notes(planned, followed)]
    wear: TwinWear = {}
    try:
        wear = twin_wear(context.workspace.settings.calibrate.workers, inputs, problem, planned.plans)
    except Exception as error:  # a figure for the reader: the schedule does not wait for it
        _log.warning("the twin has no word on the wear of this plan", exc_info=True)
        notes.append(f"wear by twin is not known: {in_words(error)}")
    return Made(
        following=followed_plan(inputs, replaced),
        problem=problem,
        planned=planned,
        followed=followed,
        wear=wear,
        notes=tuple(notes),
    )


def followed_plan(inputs: PlanInputs, replaced: Plan | None) -> str | None:
    """The plan that departing from has a price."""
    priced = inputs.settings.plan.change_price_eur_per_kwh > 0.0
    return str(replaced["plan_id"]) if priced and replaced else None


def input_notes(inputs: PlanInputs) -> list[str]:
    """What the inputs lack for a whole plan; cars that are left out are told elsewhere."""
    notes = [inputs.prices.note] if inputs.prices.note else []
    unusable = sorted(inputs.unusable.items())
    notes += [f"{battery_id}: its calibration cannot be used: {why}" for battery_id, why in unusable]
    able = inputs.batteries.loc[inputs.batteries["discharge_limit_kw"] > 0.0, "battery_id"].astype(str)
    unknown = sorted(set(able) - set(inputs.calibrations))
    if unknown and not inputs.calibrations:
        of_all = f"none of {len(inputs.batteries)} cars is calibrated"
        notes.append(f"{of_all}: what wear costs is unknown, and nothing is fed back")
    elif unknown:
        notes.append(f"not calibrated, so never discharged: {', '.join(unknown)}")
    return notes


def _following(context: Context, inputs: PlanInputs, replaced: Plan | None) -> DayProblem:
    """The problem, with the plan that it would replace if departing from it has a price."""
    problem = day_problem(inputs)
    plan_id = followed_plan(inputs, replaced)
    if replaced is None or plan_id is None:
        return problem
    where = {"plan_id": plan_id, "mode": followed_mode(replaced)}
    slots = context.known.read("out_plan_slot", where=where)
    power = slots.pivot_table(index="battery_id", columns="interval_start_utc", values="power_kw")
    cars = [car.battery_id for car in problem.cars]
    previous = power.reindex(index=cars, columns=problem.slots).to_numpy(dtype=np.float64)
    price = inputs.settings.plan.change_price_eur_per_kwh
    return replace(problem, previous_kw=previous, change_price_eur_per_kwh=price)


def _mode_notes(planned: PlannedDay, followed: Mode) -> list[str]:
    """Modes that failed, and one that is followed though another may do more."""
    notes = [f"{mode} could not be planned: {in_words(error)}" for mode, error in planned.failures.items()]
    most = [*planned.plans][-1]
    if followed != most:
        less = planned.plans[followed].solver.objective_eur - planned.plans[most].solver.objective_eur
        notes.append(f"the plan found for {most} is worse than the one for {followed}, by {less:,.2f} €")
    return [*notes, f"the cars follow {followed}"] if notes else []
