"""Charge on plug-in: what happens when nobody plans.

Every car charges at full power, tapered where it tapers, from the moment it is plugged in until its departure
target (at most soc_max). Where limits of the site tree bind, the shares of full power rise together until one
binds; the cars below it stay there and the others rise on. A car that needs less takes what it needs.
"""

from __future__ import annotations

import math

import numpy as np

from optimize.assemble import assemble_plan
from optimize.tree import site_tree
from optimize.types import BoolArray, DayProblem, FloatArray, ModePlan, SolverRecord
from optimize.windows import SessionWindow, session_windows, taper_line


def charge_on_plug_in(problem: DayProblem) -> ModePlan:
    """The uncontrolled plan, by forward simulation; its objective is left to the accounts (NaN)."""
    shape = (len(problem.cars), len(problem.slots))
    charge: FloatArray = np.zeros(shape)
    windows, tree = session_windows(problem), site_tree(problem)
    below = np.zeros((len(windows), len(problem.sites)), dtype=np.bool_)
    for s, window in enumerate(windows):
        below[s, list(tree.paths[window.site])] = True
    efficiency = np.array([window.efficiency_charge for window in windows])
    energy = np.array([window.arrival_kwh for window in windows])
    lines = np.array([taper_line(problem.cars[window.car]) for window in windows]).reshape(-1, 2)
    target = np.array([_wanted_kwh(problem, window) for window in windows])
    limit = np.array([window.charge_limit_kw for window in windows])
    car = np.array([window.car for window in windows], dtype=np.int64)
    first = np.array([window.first for window in windows])
    end = np.array([window.end for window in windows])
    for t in range(shape[1]):
        here = np.flatnonzero((first <= t) & (t < end))
        tapered = lines[here, 0] - lines[here, 1] * energy[here]
        full = np.clip(tapered, 0.0, limit[here])
        need = np.clip((target[here] - energy[here]) / problem.slot_hours, 0.0, full)
        power = _filled(full, need, efficiency[here], below[here], tree.import_kw[:, t])
        charge[car[here], t] = power
        energy[here] += power * problem.slot_hours
    record = SolverRecord(
        status="simulated",
        objective_eur=math.nan,
        gap=math.nan,
        solve_seconds=0.0,
        columns=0,
        rows=0,
        binaries=0,
        wear_cuts=0,
    )
    return assemble_plan(problem, windows, "uncontrolled", charge, np.zeros(shape), record)


def _wanted_kwh(problem: DayProblem, window: SessionWindow) -> float:
    return min(window.session.departure_soc * problem.cars[window.car].capacity_kwh, window.highest_kwh)


def _filled(
    full_kw: FloatArray, need_kw: FloatArray, efficiency: FloatArray, below: BoolArray, limit_kw: FloatArray
) -> FloatArray:
    """Powers min(share·full, need) with shares that rise together until the limits above each car bind.

    below [cars, sites]: whose cars count at which limit [sites], metered.
    """
    power = need_kw.copy()
    rising = need_kw > 0.0
    while True:
        metered = power / efficiency
        drawn = below.T @ metered
        least, stopped = np.inf, np.zeros_like(rising)
        for j in np.flatnonzero(drawn > limit_kw + 1e-12 * np.maximum(1.0, limit_kw)):
            group = rising & below[:, j]
            room = limit_kw[j] - float(metered[below[:, j] & ~rising].sum())
            share = _common_share(full_kw[group], need_kw[group], efficiency[group], room)
            if group.any() and share < least:
                least, stopped = share, group
        if not stopped.any():
            return power
        power[stopped] = np.minimum(least * full_kw[stopped], need_kw[stopped])
        rising &= ~stopped


def _common_share(
    full_kw: FloatArray, needed_kw: FloatArray, efficiency: FloatArray, limit_kw: float
) -> float:
    """The largest share ≤ 1 with Σ min(share·full, needed)/efficiency ≤ limit.

    The sum grows piecewise linearly in the share, so walk its kinks from the car that is done first.
    """
    order = np.argsort(needed_kw / full_kw, kind="stable")
    kinks = (needed_kw / full_kw)[order].tolist()
    metered_full = (full_kw / efficiency)[order].tolist()
    metered_need = (needed_kw / efficiency)[order].tolist()
    rising, done = sum(metered_full), 0.0
    for kink, full, need in zip(kinks, metered_full, metered_need, strict=True):
        share = max(0.0, limit_kw - done) / rising
        if share <= kink:
            return float(share)
        rising -= full
        done += need
    return 1.0
