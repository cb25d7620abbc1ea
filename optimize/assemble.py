"""From powers to a plan: energies by summation, each departure's outcome, and what holds every power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from optimize.binding import bindings
from optimize.constraints import LinearConstraint, at_bounds
from optimize.reasons import Course, why_missed
from optimize.session_slots import by_slot
from optimize.tree import SiteTree, site_tree
from optimize.types import (
    DayProblem,
    DepartureOutcome,
    FloatArray,
    Mode,
    ModePlan,
    Prices,
    ReserveBid,
    SolverRecord,
)
from optimize.windows import SessionWindow

NEGLIGIBLE_KWH = 1e-6
NEGLIGIBLE_KW = 1e-6


def assemble_plan(
    problem: DayProblem,
    windows: Sequence[SessionWindow],
    mode: Mode,
    charge_kw: FloatArray,
    discharge_kw: FloatArray,
    solver: SolverRecord,
    *,
    reserves: Sequence[ReserveBid] | None = None,
    prices: Prices | None = None,
) -> ModePlan:
    """The plan of given battery-side powers [n, T], kW; energies follow by adding up, so they balance.

    Left out, reserves are bids of nothing and prices unknown.
    """
    shape = (len(problem.cars), len(problem.slots))
    start = np.full(shape, np.nan)
    end = np.full(shape, np.nan)
    change = problem.slot_hours * (charge_kw - discharge_kw)
    reached: list[float] = []
    came: list[SessionWindow] = []
    for item in windows:
        arrival_kwh = item.came_kwh(windows, reached)
        window = replace(item, arrival_kwh=arrival_kwh, carries=False, behind=-1, surplus_kwh=0.0)
        came.append(window)
        row, slots = window.car, slice(window.first, window.end)
        end[row, slots] = window.arrival_kwh + np.cumsum(change[row, slots])
        if window.slots:
            start[row, window.first] = window.arrival_kwh
            start[row, window.first + 1 : window.end] = end[row, window.first : window.end - 1]
        reached.append(float(end[row, window.end - 1]) if window.slots else window.arrival_kwh)
    windows = came
    sessions = by_slot(problem, windows)
    plan = ModePlan(
        mode=mode,
        charge_kw=charge_kw,
        discharge_kw=discharge_kw,
        plugged=sessions.plugged,
        energy_start_kwh=start,
        energy_end_kwh=end,
        departures=(),
        solver=solver,
        reserves=no_bids(problem) if reserves is None else tuple(reserves),
        prices=prices or Prices.unknown(shape[0], len(problem.sites), len(problem.reserves), shape[1]),
        binding=np.zeros(shape, dtype=np.int8),
    )
    import_kw, export_kw = (
        charge_kw / sessions.efficiency_charge,
        discharge_kw * sessions.efficiency_discharge,
    )
    own = [one for one, _ in at_bounds(problem.constraints, import_kw, export_kw, NEGLIGIBLE_KW)]
    tree = site_tree(problem)
    drawn = tree.total_kw(sessions.site_kw(sessions.metered_kw(charge_kw, discharge_kw), len(problem.sites)))
    full = drawn >= tree.import_kw - NEGLIGIBLE_KW, -drawn >= tree.export_kw - NEGLIGIBLE_KW
    return replace(
        plan,
        departures=tuple(
            _outcome(problem, tree, window, energy, drawn, plan, own)
            for window, energy in zip(windows, reached, strict=True)
        ),
        binding=bindings(problem, windows, sessions, tree, full, plan),
    )


def _outcome(
    problem: DayProblem,
    tree: SiteTree,
    window: SessionWindow,
    reached_kwh: float,
    drawn_kw: FloatArray,
    plan: ModePlan,
    own: Sequence[LinearConstraint],
) -> DepartureOutcome:
    missing = max(0.0, window.target_kwh - reached_kwh)
    if missing <= NEGLIGIBLE_KWH:
        missing = 0.0
    session = window.session
    course = Course(
        charge_kw=plan.charge_kw[window.car],
        discharge_kw=plan.discharge_kw[window.car],
        drawn_kw=drawn_kw,
        reached_kwh=reached_kwh,
        reserves=plan.reserves,
        at_bounds=() if plan.mode == "uncontrolled" else own,
        solver=plan.solver,
    )
    return DepartureOutcome(
        session_id=session.session_id,
        battery_id=session.battery_id,
        departure_utc=session.departure_utc,
        due=window.due,
        target_kwh=window.target_kwh,
        reached_kwh=reached_kwh,
        missing_kwh=missing,
        reason=why_missed(problem, tree, window, course) if missing else "",
    )


def no_bids(problem: DayProblem) -> tuple[ReserveBid, ...]:
    """Nothing offered in any block."""
    return tuple(
        ReserveBid(name=block.name, bid_kw=0.0, up_kw=nothing, down_kw=nothing)
        for block in problem.reserves
        for nothing in [np.broadcast_to(0.0, (len(problem.cars), len(block.slots)))]
    )
