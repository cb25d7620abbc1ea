"""Solve one optimising mode: LP, exact wear by tangents, binaries only where a rule needs them.

0. Where a user's own constraints forbid idling, first find a plan that keeps them at little wear. It may cost
   what idling does not, so wear may go that much further; without such a plan the constraints are named.
1. Solve the LP; add a tangent wherever a car's wear is underestimated, until the total error is negligible.
2. Look for what breaks a rule that an LP cannot keep (`switches`). If nothing does, this is the plan.
3. Otherwise give that, and only that, a binary; fix each to what the LP does on balance and repeat 1 until
   nothing is broken: a plan. If it is not yet proven to be the best, let the MILP over the binaries improve
   it and say how good it can get, and repeat. The last LP, with binaries fixed, holds plan and prices.
4. Where objectives come before net benefit, do all this for each in turn, and hold what it reached.

Every program solved with its binaries free relaxes the whole problem: tangents never overestimate wear, and
what has no binary may do anything. So the best bound seen is a bound on the exact problem.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csc_array

from optimize import most_duty
from optimize.arrays import FloatArray
from optimize.assemble import assemble_plan
from optimize.constraints import excludes_idling, named
from optimize.errors import SolverError, TimeLimitError
from optimize.explain import bids, prices
from optimize.highs import FEW_SUBSEARCHES, HighsProgram
from optimize.model.assembly import Assembly
from optimize.model.day import DayModel, add_wear_cuts, build_day
from optimize.model.objectives import costs_before_benefit
from optimize.overstated import Overstated
from optimize.switches import Powers, Switches, idle_powers, read_powers
from optimize.tie_break import break_ties
from optimize.types import DayProblem, Mode, ModePlan, SolverRecord
from optimize.wear import NO_WEAR
from optimize.windows import SessionWindow, session_windows

WEAR_ERROR_EUR = 1e-7
GAP = 2e-6
MILP_SHARE = 0.8
CUT_ROUNDS = 60
# What an earlier objective reached is held to this, absolute or relative.
HELD = 1e-7
# A first plan that keeps own constraints need only be one, in a share of the time.
ANY_GAP = 1.0
FIRST_SHARE = 0.5


@dataclass(slots=True)
class Search:
    """One solve under way: the program in force, its switches and when its time is up.

    powers: of the last LP; fallback: of the last solution that broke no rule, None before there is one.
    objectives_left share the time.
    gap_wanted: relative to max(1, |objective|), as is gap, the one that is proven in the end; primary: what
    the last objective before net benefit reached, NaN for none. wear_error_eur: by how much the last LP's
    tangents understate wear.
    """

    day: DayModel
    program: HighsProgram
    switches: Switches
    overstated: Overstated
    deadline: float
    powers: Powers
    fallback: Powers | None
    gap_wanted: float = GAP
    gap: float = np.inf
    primary: float = np.nan
    exact_wear: bool = True
    wear_error_eur: float = 0.0
    objectives_left: int = 1
    seconds_spent: float = 0.0
    lp_seconds: float | None = None
    cuts: int = 0

    @property
    def seconds_left(self) -> float:
        """Of the limit."""
        return self.deadline - time.perf_counter()

    def timed(self, seconds_allowed: float, *, feasible: bool = True) -> bool:
        """Run; whether it ended as `HighsProgram.run` says or, unless surely feasible, was feasible."""
        before = self.program.seconds
        try:
            run = self.program.run if feasible else self.program.run_if_feasible
            return run(seconds_allowed)
        finally:
            self.seconds_spent += self.program.seconds - before

    def run_lp(self, *, feasible: bool = True) -> bool:
        """An LP that closes a search may overrun the limit by a few times what the first one took."""
        return self.timed(max(self.seconds_left, self.lp_seconds or 0.0), feasible=feasible)


def solve_mode(
    problem: DayProblem, mode: Mode, time_limit_seconds: float, *, building_counts: bool = False
) -> ModePlan:
    """The best plan of an optimising mode ("ordered" or "v2g"), not yet checked.

    The limit is that of the search, or of putting the programme together as well, where that takes long.
    Same input, same plan, unless the time limit strikes: one thread, fixed seed. Raises TimeLimitError if not
    even the LP was solved in time and SolverError if the solver ends otherwise or no plan keeps the problem's
    own constraints: it names those that cannot be kept together.
    """
    deadline = time.perf_counter() + time_limit_seconds
    windows = session_windows(problem)
    fallback: Powers | None = None
    if excludes_idling(problem.constraints):
        day, fallback = _with_constraints(problem, windows, mode, time_limit_seconds)
    else:
        day = build_day(problem, windows, mode)
    counts = building_counts or fallback is not None
    search = solve_day(
        day, deadline - time.perf_counter() if counts else time_limit_seconds, fallback=fallback
    )
    charge, discharge = break_ties(
        problem, windows, _on_grid(day, search.powers.charge), _on_grid(day, search.powers.discharge)
    )
    record = SolverRecord(
        status="optimal" if search.gap <= GAP else "time_limit",
        objective_eur=0.0 - (search.program.objective() + search.wear_error_eur),
        gap=search.gap,
        solve_seconds=search.seconds_spent,
        columns=search.program.columns,
        rows=search.program.rows,
        binaries=search.switches.columns.size,
        wear_cuts=search.cuts,
        primary=search.primary,
    )
    return assemble_plan(
        problem,
        windows,
        mode,
        charge,
        discharge,
        record,
        reserves=bids(day, search.powers.values),
        prices=prices(day, search.program.row_duals(), search.program.column_duals()),
    )


def solve_day(
    day: DayModel, time_limit_seconds: float, *, gap: float = GAP, fallback: Powers | None = None
) -> Search:
    """Search for a day's best plan until its gap is proven or the time is up; errors as in `solve_mode`.

    The programme's objective less gap·max(1 €, |objective|) bounds the cost of any plan. fallback: a plan to
    fall back on; left out, idling.
    """
    search = _search(day, time_limit_seconds, gap, fallback or idle_powers(day))
    earlier, search.primary = _converge_earlier_objectives(search)
    search.program.set_options(FEW_SUBSEARCHES)
    search.gap = max(earlier, _converge(search))
    return search


def _search(day: DayModel, time_limit_seconds: float, gap: float, fallback: Powers | None) -> Search:
    options = {"mip_rel_gap": 0.5 * gap, "mip_abs_gap": 0.05 * gap}
    return Search(
        day=day,
        program=HighsProgram(day.programme, day.mode, options),
        switches=Switches(day),
        overstated=Overstated(day),
        deadline=time.perf_counter() + time_limit_seconds,
        powers=fallback or idle_powers(day),
        fallback=fallback,
        gap_wanted=gap,
    )


def _with_constraints(
    problem: DayProblem, windows: Sequence[SessionWindow], mode: Mode, time_limit_seconds: float
) -> tuple[DayModel, Powers]:
    """The day's model with room for the wear that its own constraints ask for, and a plan that keeps them."""
    slope = np.array([car.wear.over(problem.duty_days).slope_eur(0.0) for car in problem.cars])
    free = replace(problem, cars=tuple(replace(car, wear=NO_WEAR) for car in problem.cars))
    day = build_day(free, windows, mode, np.full(slope.size, np.inf))
    search = _search(day, FIRST_SHARE * time_limit_seconds, ANY_GAP, None)
    search.exact_wear = False
    cost = np.zeros(day.programme.cost.size)
    cost[day.duty] = slope[day.wearing]
    search.program.set_cost(cost, 0.0)
    try:
        _converge(search)
    except TimeLimitError:
        raise
    except SolverError as error:
        raise SolverError(mode, f"no plan keeps {_not_met(search)}", search.program.size) from error
    duty = search.powers.values[day.duty].tolist()
    wear = [problem.cars[i].wear.over(problem.duty_days) for i in day.wearing.tolist()]
    worn = sum(one.cost_eur(max(0.0, x)) for one, x in zip(wear, duty, strict=True))
    # A euro more, so that whoever can discharge has the same columns in both models.
    most = most_duty.most_worth_eur(problem, windows) + worn + 1.0
    limits = most_duty.duty_at_worth_efc(problem, most)
    return build_day(problem, windows, mode, limits), search.powers


def _not_met(search: Search) -> str:
    """The own constraints that no plan keeps together, by name: without any of them there is one."""
    program, day = search.program, search.day
    low, high = day.programme.row_lower, day.programme.row_upper
    guilty = list(range(day.constraints.size))
    for number in range(day.constraints.size):
        row = day.constraints[[number]]
        program.bound_rows(row, np.array([-np.inf]), np.array([np.inf]))
        try:
            needed = search.timed(search.seconds_left, feasible=False)
        except TimeLimitError:
            needed = True
        if needed:
            program.bound_rows(row, low[row], high[row])
        else:
            guilty.remove(number)
    return named([day.problem.constraints[number] for number in guilty])


def _converge_earlier_objectives(search: Search) -> tuple[float, float]:
    """Reach and hold what comes before net benefit; its gap and the last objective's value, NaN for none."""
    gap, primary = 0.0, np.nan
    day, program = search.day, search.program
    search.exact_wear = False
    costs = costs_before_benefit(day)
    search.objectives_left += len(costs)
    for cost in costs:
        program.set_cost(cost, 0.0)
        gap = max(gap, _converge(search))
        search.objectives_left -= 1
        primary = program.objective()
        more = Assembly(program.columns, program.rows).finished()
        used = np.flatnonzero(cost)
        row = np.zeros((1, program.columns))
        row[0, used] = cost[used]
        most = primary + HELD * max(1.0, abs(primary))
        held = replace(more, matrix=csc_array(row), row_lower=np.array([-np.inf]), row_upper=np.array([most]))
        program.extend(held)
    if np.isfinite(primary):
        program.set_cost(day.programme.cost, day.programme.offset)
        primary = -primary if day.problem.objective == "grid_support" else primary
    search.exact_wear = True
    return gap, primary


def _converge(search: Search) -> float:
    """Leave a solution that breaks no rule in the search, its binaries fixed; returns its proven gap."""
    program, switches = search.program, search.switches
    search.overstated.release(program)
    program.relax(switches.columns)
    _solve_lp(search)
    if search.lp_seconds is None:
        search.lp_seconds = 0.5 + 4.0 * search.seconds_spent
    bound, in_time = program.objective(), True
    if not switches.broken(search.powers).any() and not search.overstated.any(search.powers):
        search.fallback = search.powers
        return 0.0
    while True:
        _repair(search)
        search.fallback = search.powers
        objective = program.objective()
        gap = max(0.0, objective - bound) / max(1.0, abs(objective))
        if gap <= search.gap_wanted or not in_time or search.seconds_left <= 0.0:
            return gap
        columns = switches.columns
        values = switches.values(search.powers)
        search.overstated.release(program)
        program.free_binaries(columns)
        program.suggest(columns, values)
        try:
            in_time = search.timed(MILP_SHARE * search.seconds_left / search.objectives_left)
            values = np.round(program.values()[columns])
            bound = max(bound, program.mip_bound())
        except TimeLimitError:
            in_time = False
        _solve_fixed(search, values)


def _repair(search: Search) -> None:
    """Fix what is broken to what the solution does on balance and solve again, until nothing is."""
    switches, first = search.switches, True
    while (broken := switches.broken(search.powers)).any():
        wide = switches.widened(broken, search.powers)
        if not first and not switches.fresh(wide):
            raise SolverError(search.day.mode, "a fixed binary is not kept", search.program.size)
        switches.add(search.program, wide)
        _solve_fixed(search, switches.values(search.powers))
        first = False
    if search.overstated.any(search.powers):
        _solve_fixed(search, switches.values(search.powers))


def _solve_fixed(search: Search, values: FloatArray) -> None:
    """Solve with the binaries fixed; to those of a good solution where these leave no way."""
    columns = search.switches.columns
    search.program.fix(columns, values)
    if not _solve_truly(search):
        fallback = _possible(search) if search.fallback is None else search.switches.values(search.fallback)
        search.program.fix(columns, fallback)
        if not _solve_truly(search):
            raise SolverError(search.day.mode, "no plan with what is missing as it is", search.program.size)


def _solve_truly(search: Search) -> bool:
    """Solve the LP in force until no session is said to miss more than it does; False if infeasible."""
    search.overstated.release(search.program)
    for _ in range(CUT_ROUNDS):
        if not _solve_lp(search, feasible=False):
            return False
        if not search.overstated.any(search.powers):
            return True
        search.overstated.hold(search.program, search.powers)
    return False


def _possible(search: Search) -> FloatArray:
    """Values of the binaries in force with which every row can be kept. Raises SolverError for none."""
    search.program.free_binaries(search.switches.columns)
    search.timed(search.seconds_left)
    values: FloatArray = np.round(search.program.values()[search.switches.columns])
    return values


def _solve_lp(search: Search, *, feasible: bool = True) -> bool:
    """Solve the LP in force, adding tangents until its wear is exact; False if infeasible."""
    day = search.day
    for _ in range(CUT_ROUNDS):
        if not search.run_lp(feasible=feasible) and not feasible:
            return False
        values = search.program.values()
        x = values[day.duty]
        cost = np.array(
            [
                day.problem.cars[i].wear.over(day.problem.duty_days).cost_eur(at)
                for i, at in zip(day.wearing.tolist(), x.tolist(), strict=True)
            ]
        )
        error = cost - values[day.wear]
        if not search.exact_wear or float(np.maximum(error, 0.0).sum()) <= WEAR_ERROR_EUR:
            search.powers, search.wear_error_eur = read_powers(day, values), float(error.sum())
            return True
        short = np.flatnonzero(error > WEAR_ERROR_EUR / (2 * error.size))
        more = Assembly(search.program.columns, search.program.rows)
        add_wear_cuts(more, day.problem, day.wearing[short], day.duty[short], day.wear[short], x[short])
        search.program.extend(more.finished())
        search.cuts += short.size
    raise SolverError(day.mode, f"wear not exact after {CUT_ROUNDS} rounds of tangents", search.program.size)


def _on_grid(day: DayModel, pair_values: FloatArray) -> FloatArray:
    grid: FloatArray = np.zeros((len(day.problem.cars), len(day.problem.slots)))
    grid[day.pairs.car, day.pairs.slot] = pair_values
    return grid
