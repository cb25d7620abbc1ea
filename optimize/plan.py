"""The room's front door: a checked plan for each mode of a day."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from optimize.account import account, primary_value
from optimize.check import check_plan
from optimize.constraints import LinearConstraint
from optimize.engines import plan_in_time
from optimize.errors import OptimizeError, PlanCheckError
from optimize.follow import charge_on_plug_in
from optimize.types import MODES, DayProblem, Mode, ModePlan
from optimize.validation import require_limit, require_one_of
from optimize.windows import missing_weights

MONEY_TOLERANCE_EUR = 1e-6
PRIMARY_TOLERANCE = 1e-5
WORSE = 1e-4
"""Relative to the larger of 1 and the value: by less than that no mode is left for another."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedDay:
    """What came of a day: the modes that were planned, and what kept the others from it."""

    plans: Mapping[Mode, ModePlan]
    failures: Mapping[Mode, Exception]


def plan_day(
    problem: DayProblem,
    modes: Sequence[Mode] = MODES,
    *,
    constraints: Sequence[LinearConstraint] = (),
    time_limit_seconds: float = 120.0,
) -> dict[Mode, ModePlan]:
    """Plan the day in each mode; every plan has passed the independent check.

    constraints: a user's own, besides those of the problem; "uncontrolled" is not held to them.
    Its accounts equal its objective to 1e-6 €, and it reaches what was held of an objective before net
    benefit. time_limit_seconds bounds the search of each mode: status "time_limit" and the gap say what it
    left open. Beyond it lie what any plan takes and, where binaries were needed, the LPs that close their
    search. Raises ProblemError for an unknown mode, SolverError (also where no plan keeps own constraints,
    which it names), TimeLimitError or PlanCheckError.
    """
    _require(modes, time_limit_seconds)
    if constraints:
        problem = replace(problem, constraints=(*problem.constraints, *constraints))
    return {mode: _plan_mode(problem, mode, time_limit_seconds) for mode in modes}


def plan_modes(
    problem: DayProblem, modes: Sequence[Mode] = MODES, *, time_limit_seconds: float = 120.0
) -> PlannedDay:
    """`plan_day`, in which the failure of one mode, whatever it is, costs no other its plan.

    Raises ProblemError for an unknown mode or a limit that is none.
    """
    _require(modes, time_limit_seconds)
    plans: dict[Mode, ModePlan] = {}
    failures: dict[Mode, Exception] = {}
    for mode in modes:
        try:
            plans[mode] = _plan_mode(problem, mode, time_limit_seconds)
        except Exception as failure:
            expected = isinstance(failure, OptimizeError)
            _log.warning("mode %s is not planned: %s", mode, failure, exc_info=not expected)
            failures[mode] = failure
    return PlannedDay(plans=plans, failures=failures)


def best_mode(problem: DayProblem, plans: Mapping[Mode, ModePlan]) -> Mode:
    """The mode to follow: the one that may do most, unless a plan of another is better.

    Each mode may do all that the ones before it may, so only an open gap makes it worse. Better is what the
    problem asks for, in its order: energy missing at departures and the objective before net benefit where
    there is one, then the objective in €. Raises ValueError without any plan.
    """
    known = [mode for mode in reversed(MODES) if mode in plans]
    if not known:
        raise ValueError("no mode is planned")
    best = known[0]
    for other in known[1:]:
        if _better(_merits(problem, plans[other]), _merits(problem, plans[best])):
            best = other
    return best


def _merits(problem: DayProblem, plan: ModePlan) -> list[float]:
    """What a plan reaches of each thing that is asked for, the first first; more is better."""
    total = account(problem, plan).total
    if problem.objective == "net_benefit":
        return [total.objective_eur]
    reached = primary_value(problem, plan)
    return [
        -total.unmet_kwh,
        reached if problem.objective == "grid_support" else -reached,
        total.objective_eur,
    ]


def _better(one: Sequence[float], other: Sequence[float]) -> bool:
    for mine, theirs in zip(one, other, strict=True):
        if abs(mine - theirs) > WORSE * max(1.0, abs(theirs)):
            return mine > theirs
    return False


def _require(modes: Sequence[Mode], time_limit_seconds: float) -> None:
    for mode in modes:
        require_one_of("day", "mode", mode, MODES)
    require_limit("day", "time_limit_seconds", time_limit_seconds)


def _plan_mode(problem: DayProblem, mode: Mode, time_limit_seconds: float) -> ModePlan:
    if mode == "uncontrolled":
        plan = charge_on_plug_in(problem)
        objective = account(problem, plan).total.objective_eur
        plan = replace(plan, solver=replace(plan.solver, objective_eur=objective))
    else:
        plan = plan_in_time(problem, mode, time_limit_seconds)
    check_plan(problem, plan)
    check_account(problem, plan)
    return with_primary(problem, plan)


def check_account(problem: DayProblem, plan: ModePlan) -> None:
    """Refuse a plan whose account is not what its record says was maximised. Raises PlanCheckError."""
    excess = abs(account(problem, plan).total.objective_eur - plan.solver.objective_eur)
    # A departure short by too little to be called missed may still be paid for in the solver's objective.
    weights = missing_weights(problem)
    short = sum(
        weights.get(each.session_id, 1.0) * max(0.0, each.target_kwh - each.reached_kwh - each.missing_kwh)
        for each in plan.departures
    )
    excess -= min(excess, short * problem.departure_price_eur_per_kwh)
    if not excess <= MONEY_TOLERANCE_EUR * max(1.0, abs(plan.solver.objective_eur) / 1e3):
        raise PlanCheckError("accounts equal to the objective, €", f"mode {plan.mode}", excess)


def with_primary(problem: DayProblem, plan: ModePlan) -> ModePlan:
    """The plan with what it reaches of the objective before net benefit; it may be more than was held.

    Raises PlanCheckError where it is less.
    """
    held, reached = plan.solver.primary, primary_value(problem, plan)
    worse = held - reached if problem.objective == "grid_support" else reached - held
    if worse > PRIMARY_TOLERANCE * max(1.0, abs(held)):
        raise PlanCheckError(f"objective {problem.objective} reached as held", f"mode {plan.mode}", worse)
    return replace(plan, solver=replace(plan.solver, primary=reached))
