"""A plan without a search, and how good any plan could be: for a day whose search found none in time.

Every car finds its way alone at the market's prices; that, or plugging in, is repaired to keep every rule.
"""

from __future__ import annotations

import time
from dataclasses import replace

from optimize.account import account, primary_value
from optimize.constraints import named
from optimize.errors import TimeLimitError
from optimize.fleet.alone import with_own_limits
from optimize.fleet.arrays import FleetArrays, arrays_of
from optimize.fleet.compile import chunk_bytes
from optimize.fleet.coupling import node_power_range
from optimize.fleet.errors import UnsupportedError
from optimize.fleet.plan import at_least_plugged_in, kernel_seconds, plan_of
from optimize.fleet.solve import solve_arrays
from optimize.types import DayProblem, Mode, ModePlan
from optimize.windows import session_windows


def plan_at_once(problem: DayProblem, mode: Mode, *, threads: int | None = None) -> ModePlan:
    """The plan, not yet checked, its gap proven as ever; also of days that the engine cannot express.

    Of whatever else the engine cannot express, the plan keeps all rules; its gap says what it may have cost.
    That of an objective before net benefit is taken to the least that it could be: nothing missing at
    departures, no import, no change, or all that chargers can feed in over the hours to support. Raises
    TimeLimitError next to a user's own constraints, which only a search keeps.
    """
    if problem.constraints:
        words = f"no time for a plan that keeps {named(problem.constraints)}"
        raise TimeLimitError(mode, words, f"{len(problem.cars)} cars and {len(problem.slots)} slots")
    windows = session_windows(problem)
    arrays = with_own_limits(arrays_of(problem, windows, mode))
    income = 0.0
    try:
        chunk_bytes(arrays)
    except UnsupportedError:  # products that do not fit are not offered, and may have earned all they can
        income = _most_income(arrays)
        arrays = replace(arrays, blocks=(), block_site=arrays.block_site[:0])
    begun = time.perf_counter() + kernel_seconds(arrays)
    found = solve_arrays(arrays, threads=threads, most_iterations=0)
    found = at_least_plugged_in(problem, found)
    plan = plan_of(problem, windows, mode, found)
    objective = account(problem, plan).total.objective_eur
    gap = (objective + found.bound_eur - income) / -max(1.0, abs(objective))
    gap = max(0.0, gap, _gap_before_benefit(problem, arrays, plan))
    record = replace(
        plan.solver,
        status="time_limit",
        objective_eur=objective,
        gap=gap,
        solve_seconds=max(0.0, time.perf_counter() - begun),
    )
    return replace(plan, solver=record)


def _most_income(arrays: FleetArrays) -> float:
    """More than all reserve blocks together can earn, €."""
    low, high = node_power_range(arrays)
    income = 0.0
    for block, root in zip(arrays.blocks, arrays.block_site.tolist(), strict=True):
        most = min(block.max_kw, float((high - low)[root, block.first_slot : block.end_slot].min()))
        income += max(0.0, block.price_eur_per_kw_h) * arrays.slot_hours * len(block.slots) * most
    return income


def _gap_before_benefit(problem: DayProblem, arrays: FleetArrays, plan: ModePlan) -> float:
    """How far the objectives before net benefit may be from their best; 0 where there are none."""
    if problem.objective == "net_benefit":
        return 0.0
    missing = sum(outcome.missing_kwh for outcome in plan.departures)
    reached, best = primary_value(problem, plan), 0.0
    if problem.objective == "grid_support":
        low, _ = node_power_range(arrays)
        fed = -low[arrays.parent < 0][:, sorted(set(problem.peak_slots))].sum()
        best = float(fed) * problem.slot_hours
    return max(missing / max(1.0, missing), abs(best - reached) / max(1.0, abs(reached)))
