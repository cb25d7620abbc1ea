"""A day that is planned in every mode that it allows, and what did not come of it as it should."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from flows.context import Context
from flows.errors import NoPlanError
from flows.mapping.awards import reserve_rows, reserve_slot_rows
from flows.mapping.inputs import PlanInputs
from flows.mapping.last_plan import last_schedule
from flows.mapping.past import followed_rows
from flows.mapping.plan_spans import plans_within
from flows.mapping.plannable import in_words
from flows.mapping.question import day_problem, unlinked
from flows.mapping.reason_rows import reason_rows
from flows.mapping.rungs import MODES, RUNGS, PlanSource
from flows.mapping.site_notes import overloaded
from flows.mapping.twin_wear import TwinWear, twin_wear
from flows.mapping.v2x_band import band_notes, bands_of
from optimize.market.bids.held import holding, restated
from optimize.plan import PlannedDay, best_mode, plan_modes
from optimize.rescue import rescue
from optimize.types import DayProblem, Mode, ModePlan

_log = logging.getLogger(__name__)
_DOES: Mapping[PlanSource, str] = {
    "last_plan": "as in the last good plan, within today's charge and limits",
    "charge_only": "charged on plug-in",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """A day that was planned: the modes, the one to follow, the twin's word on each.

    following: the plans that every departure from has a price; None where none has. problems: the question of
    each mode, the mode that is followed from what the cars hold, others from what they would have left them.
    own_misses: departures that the cars miss and ordered charging keeps. notes: what is not as it should be.
    source: the rung that it stands on; rungs: that of single cars, where they stand on several. reserve: what
    is held of what was won, rows of out_plan_reserve; reserve_slots: by which cars, of out_plan_reserve_slot.
    reasons: why the cars do what they follow, rows of out_plan_reason; none where nobody reads of it.
    """

    following: str | None
    problems: Mapping[Mode, DayProblem]
    planned: PlannedDay
    followed: Mode
    wear: TwinWear
    own_misses: Sequence[str]
    notes: tuple[str, ...]
    source: PlanSource
    rungs: Mapping[str, PlanSource]
    reserve: pd.DataFrame
    reserve_slots: pd.DataFrame
    reasons: pd.DataFrame


def make(context: Context, inputs: PlanInputs) -> Made:
    """Plan the day next to what is followed so far; raises NoPlanError when no mode can be planned."""
    modes = MODES[inputs.prices.source]
    forecast = inputs.settings.plan.feed_in_on_forecast
    if modes[-1] == "ordered" and (forecast or inputs.prices.published.any()):  # the hours that have prices
        modes = (*modes, "v2g")
    if inputs.awards.won:  # which no other mode holds; who may not feed back only charges in it
        modes = (*(mode for mode in modes if mode != "v2g"), "v2g")
    elif not inputs.calibrations:
        modes = tuple(mode for mode in modes if mode != "v2g")
    solved = _Solved(context=context, inputs=inputs)
    followed = solved.follow(modes)
    planned = PlannedDay(plans=solved.plans, failures=solved.failures)
    misses = _own_misses(planned.plans, followed)
    question = solved.problems[followed]
    reserve, short = reserve_rows(inputs.awards, question, solved.plans[followed], followed)
    notes = [
        *input_notes(inputs), *short, *unlinked(question), *overloaded(question), *solved.notes(followed)
    ]  # fmt: skip
    notes += band_notes(question, bands_of(inputs.sessions))
    if misses:
        notes.append(f"departures missed that ordered charging keeps: {', '.join(misses)}")
    wear: TwinWear = {}
    try:
        if context.shown:
            workers = context.workspace.settings.calibrate.twins
            wear = twin_wear(workers, inputs, solved.problems, planned.plans)
    except Exception as error:  # a figure for the reader: the schedule does not wait for it
        _log.warning("the twin has no word on the wear of this plan", exc_info=True)
        notes.append(f"wear by twin is not known: {in_words(error)}")
    reasons = pd.DataFrame()
    try:
        if context.shown:
            reasons = reason_rows(question, solved.plans[followed])
    except Exception as error:  # as above
        _log.warning("why the cars do what this plan says is not known", exc_info=True)
        notes.append(f"why cars do what they do is not known: {in_words(error)}")
    return Made(
        following=solved.following,
        problems=solved.problems,
        planned=planned,
        followed=followed,
        wear=wear,
        own_misses=misses,
        notes=tuple(notes),
        source=solved.source,
        rungs=solved.rungs,
        reserve=reserve,
        reserve_slots=reserve_slot_rows(inputs.awards, question, solved.plans[followed], followed),
        reasons=reasons,
    )


def followed_plans(context: Context, inputs: PlanInputs) -> str | None:
    """The plans of the horizon that departing from has a price; None where it has none or there are none."""
    if not inputs.settings.plan.change_price_eur_per_kwh:
        return None
    horizon = inputs.prices.horizon
    plans = plans_within(context.known, inputs.zone, horizon.start, horizon.end)
    return ", ".join(plans["plan_id"]) or None


def input_notes(inputs: PlanInputs) -> list[str]:
    """What the inputs lack for a whole plan; cars that are left out are reported elsewhere."""
    notes = [inputs.prices.note] if inputs.prices.note else []
    if inputs.unknown_chargers:
        names = ", ".join(inputs.unknown_chargers)
        notes.append(f"chargers that are not known, their cars planned by their own limits: {names}")
    if inputs.settings.plan.co2_price_eur_per_kg and inputs.surroundings.co2_kg_per_kwh is None:
        notes.append(f"emissions have a price, and none are known in zone {inputs.zone}")
    notes += [*inputs.contracts.unknown, *inputs.awards.notes]
    objective = inputs.settings.plan.objective
    if inputs.awards.won and objective != "net_benefit":
        notes.append(f"reserve was won: planned for net benefit, not {objective}")
    unusable = sorted(inputs.unusable.items())
    notes += [f"{battery_id}: its calibration cannot be used: {why}" for battery_id, why in unusable]
    return notes + uncalibrated(inputs)


def uncalibrated(inputs: PlanInputs) -> list[str]:
    """A note of cars that could feed back and have no calibration."""
    able = inputs.batteries.loc[inputs.batteries["discharge_limit_kw"] > 0.0, "battery_id"].astype(str)
    unknown = sorted(set(able) - set(inputs.calibrations))
    if unknown and not inputs.calibrations:
        of_all = f"none of {len(inputs.batteries)} cars is calibrated"
        return [f"{of_all}: what wear costs is unknown, and nothing is fed back"]
    return [f"not calibrated, so never discharged: {', '.join(unknown)}"] if unknown else []


@dataclass(kw_only=True, eq=False)
class _Solved:
    """The modes of a day as they are planned one after the other."""

    context: Context
    inputs: PlanInputs
    problems: dict[Mode, DayProblem] = field(default_factory=dict)
    plans: dict[Mode, ModePlan] = field(default_factory=dict)
    failures: dict[Mode, Exception] = field(default_factory=dict)
    rival: tuple[Mode, float] | None = None
    rungs: Mapping[str, PlanSource] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def follow(self, modes: Sequence[Mode]) -> Mode:
        """Plan the modes; the one that the cars follow begins with what they hold: the one that may do most.

        Raises NoPlanError when no mode can be planned.
        """
        most = modes[-1]
        for mode in modes:
            self._solve(mode, None if mode == most else mode)
        if (rescued := self._rescued(most)) is not None:
            return rescued
        able = [mode for mode in modes if mode in self.plans]
        while most not in self.plans and able:  # it is asked from what the cars hold, and may fail there
            most = able[-1]
            self._solve(most, None)
            able = [mode for mode in able if mode in self.plans]
        if not able:
            reasons = "; ".join(f"{mode}: {in_words(error)}" for mode, error in self.failures.items())
            raise NoPlanError(
                f"no plan for {self.inputs.market_date}: no mode can be planned: {reasons}",
                hint="The plan in force, if there is one, stays.",
            )
        return self._unless_another_is_better(most, able)

    def _solve(self, mode: Mode, carried: Mode | None) -> None:
        won = self.inputs.awards.won
        asked = self._following(day_problem(self.inputs, carried, linked=not won))
        self.problems[mode] = problem = holding(asked, won)
        limit = self.inputs.settings.plan.solver_time_limit_s
        self.plans.pop(mode, None)  # one from elsewhere is none of this question
        planned = plan_modes(problem, (mode,), time_limit_seconds=limit)
        for plan in planned.plans.values():
            self.problems[mode], self.plans[mode] = restated(asked, problem, plan, won)
        self.failures.update(planned.failures)

    @property
    def source(self) -> PlanSource:
        """The rung of the plan: that of its prices, unless all of its cars stand on worse ones."""
        stated = self.inputs.prices.source
        return min(self.rungs.values(), key=RUNGS.index) if self.rungs else stated

    def _rescued(self, most: Mode) -> Mode | None:
        """Plan what can be had where the mode to follow failed, or nothing has a price: part by part.

        None where that is no more than another mode, or charging on plug-in, has to give.
        """
        source = self.inputs.prices.source
        if most in self.plans and source != "charge_only":
            return None
        mode: Mode = "ordered" if source == "charge_only" else most
        if mode == "uncontrolled":
            return None
        problem = self._following(day_problem(self.inputs, None))
        last = last_schedule(self.context.known, self.inputs.zone, problem)
        limit = 0.0 if source == "charge_only" else self.inputs.settings.plan.solver_time_limit_s
        try:
            found = rescue(problem, mode, last, failure=self.failures.get(mode), time_limit_seconds=limit)
        except Exception as error:  # the other modes have plans of their own
            _log.warning("nothing is saved of mode %s: %s", mode, error)
            return None
        solved = "solved" in found.rungs.values()
        if not solved and ("ordered" in self.plans or "last_plan" not in found.rungs.values()):
            return None
        self.problems[mode], self.plans[mode] = problem, found.plan
        of_rung: Mapping[str, PlanSource] = {
            "solved": source, "last_plan": "last_plan", "plug_in": "charge_only"
        }  # fmt: skip
        self.rungs = {car: of_rung[rung] for car, rung in found.rungs.items()}
        self.reasons = found.failures
        return mode

    def _unless_another_is_better(self, most: Mode, able: Sequence[Mode]) -> Mode:
        """The mode that may do most, unless its search ended early and another is better.

        Where reserve was won only that mode holds it.
        """
        if self.plans[most].solver.status != "time_limit" or self.inputs.awards.won:
            return most
        # The others are asked from what the cars hold; what they would do from their own past sessions
        # theirs.
        own = dict(self.problems), dict(self.plans), dict(self.failures)
        for mode in able:
            if self.inputs.carried.of(mode) != self.inputs.carried.followed and mode != most:
                self._solve(mode, None)
        followed = best_mode(self.problems[most], self.plans)
        if followed != most:
            less = self.plans[followed].solver.objective_eur - self.plans[most].solver.objective_eur
            self.rival = most, less
            own[0][followed], own[1][followed] = self.problems[followed], self.plans[followed]
        self.problems, self.plans, self.failures = own
        return followed

    def _following(self, problem: DayProblem) -> DayProblem:
        """The problem, with what is followed in its slots so far if departing from that has a price."""
        if self.following is None:
            return problem
        cars = [car.battery_id for car in problem.cars]
        previous = self._followed_kw.reindex(index=cars, columns=problem.slots).to_numpy(dtype=np.float64)
        price = self.inputs.settings.plan.change_price_eur_per_kwh
        return replace(problem, previous_kw=previous, change_price_eur_per_kwh=price)

    @cached_property
    def following(self) -> str | None:
        """`followed_plans` as they were when the first mode was planned."""
        return followed_plans(self.context, self.inputs)

    @cached_property
    def _followed_kw(self) -> pd.DataFrame:
        """Metered power that is followed, by battery_id and slot; read once for all modes."""
        horizon, known = self.inputs.prices.horizon, self.context.known
        plans = plans_within(known, self.inputs.zone, horizon.start, horizon.end)
        where = {"plan_id": plans["plan_id"].tolist()}
        slots = known.read("out_plan_slot", where=where, start=horizon.start, end=horizon.end)
        return followed_rows(slots, plans).pivot_table(
            index="battery_id", columns="interval_start_utc", values="power_kw"
        )

    def notes(self, followed: Mode) -> list[str]:
        """Modes that failed, and one that is followed though another may do more."""
        notes = [f"{mode} could not be planned: {in_words(error)}" for mode, error in self.failures.items()]
        for rung, does in _DOES.items():
            cars = {car: self.reasons.get(car, "") for car, own in self.rungs.items() if own == rung}
            if cars:
                named = ", ".join(f"{car} ({why})" if why else car for car, why in sorted(cars.items()))
                notes.append(f"{does}: {named}")
        if self.rival:
            most, less = self.rival
            notes.append(f"the plan found for {most} is worse than the one for {followed}, by {less:,.2f} €")
        return [*notes, f"the cars follow {followed}"] if notes else []


def _own_misses(plans: Mapping[Mode, ModePlan], followed: Mode) -> list[str]:
    """The sessions whose promise the followed mode misses and ordered charging keeps."""
    if "ordered" not in plans:
        return []
    kept = {one.session_id for one in plans["ordered"].departures if not one.missing_kwh}
    missed = {one.session_id for one in plans[followed].departures if one.missing_kwh and one.due != "later"}
    return sorted(missed & kept)
