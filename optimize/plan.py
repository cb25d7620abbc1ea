"""The room's front door: a checked plan for each mode of a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from optimize.account import account, primary_value
from optimize.check import check_plan
from optimize.engines import plan_in_time
from optimize.errors import PlanCheckError
from optimize.types import MODES, DayProblem, Mode, ModePlan
from optimize.uncontrolled import charge_on_plug_in
from optimize.validation import require_limit, require_one_of

MONEY_TOLERANCE_EUR = 1e-6
PRIMARY_TOLERANCE = 1e-5


def plan_day(
    problem: DayProblem, modes: Sequence[Mode] = MODES, *, time_limit_seconds: float = 120.0
) -> dict[Mode, ModePlan]:
    """Plan the day in each mode; every plan has passed the independent check.

    Its accounts equal its objective to 1e-6 €, and it reaches what was held of an objective before net
    benefit. time_limit_seconds bounds the search of each mode: status "time_limit" and the gap say what it
    left open. Beyond it lie what any plan takes and, where binaries were needed, the LPs that close their
    search. Raises ProblemError for an unknown mode, SolverError, TimeLimitError or PlanCheckError.
    """
    for mode in modes:
        require_one_of("day", "mode", mode, MODES)
    require_limit("day", "time_limit_seconds", time_limit_seconds)
    return {mode: _plan_mode(problem, mode, time_limit_seconds) for mode in modes}


def _plan_mode(problem: DayProblem, mode: Mode, time_limit_seconds: float) -> ModePlan:
    if mode == "uncontrolled":
        plan = charge_on_plug_in(problem)
        objective = account(problem, plan).total.objective_eur
        plan = replace(plan, solver=replace(plan.solver, objective_eur=objective))
    else:
        plan = plan_in_time(problem, mode, time_limit_seconds)
    check_plan(problem, plan)
    excess = abs(account(problem, plan).total.objective_eur - plan.solver.objective_eur)
    # A departure short by too little to be called missed may still be paid for in the solver's objective.
    short = sum(max(0.0, each.target_kwh - each.reached_kwh - each.missing_kwh) for each in plan.departures)
    excess -= min(excess, short * problem.departure_price_eur_per_kwh)
    if not excess <= MONEY_TOLERANCE_EUR * max(1.0, abs(plan.solver.objective_eur) / 1e3):
        raise PlanCheckError("accounts equal to the objective, €", f"mode {mode}", excess)
    return _with_primary(problem, plan)


def _with_primary(problem: DayProblem, plan: ModePlan) -> ModePlan:
    """The plan with what it reaches of the objective before net benefit; it may be more than was held."""
    held, reached = plan.solver.primary, primary_value(problem, plan)
    worse = held - reached if problem.objective == "grid_support" else reached - held
    if worse > PRIMARY_TOLERANCE * max(1.0, abs(held)):
        raise PlanCheckError(f"objective {problem.objective} reached as held", f"mode {plan.mode}", worse)
    return replace(plan, solver=replace(plan.solver, primary=reached))
