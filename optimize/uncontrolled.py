"""Charge on plug-in: what happens when nobody plans.

Every car charges at full power from the moment it is plugged in until its departure target (at most soc_max).
Where a site's import limit binds, all its charging cars run at the same fraction of their power; a car that
needs less than that to be done takes what it needs and leaves the rest to the others.
"""

from __future__ import annotations

import math

import numpy as np

from optimize.assemble import assemble_plan
from optimize.types import DayProblem, FloatArray, ModePlan, SolverRecord
from optimize.windows import SessionWindow, session_windows


def charge_on_plug_in(problem: DayProblem) -> ModePlan:
    """The uncontrolled plan, by forward simulation; its objective is left to the accounts (NaN)."""
    shape = (len(problem.cars), len(problem.slots))
    charge: FloatArray = np.zeros(shape)
    windows = session_windows(problem)
    energy = [window.arrival_kwh for window in windows]
    for t in range(shape[1]):
        for site in problem.sites:
            here = [
                s
                for s, window in enumerate(windows)
                if t in window.slots and problem.cars[window.car].site_id == site.site_id
            ]
            cars = [problem.cars[windows[s].car] for s in here]
            needed = [_needed_kw(problem, windows[s], energy[s]) for s in here]
            share = _common_share(
                [car.charge_limit_kw for car in cars],
                needed,
                [car.efficiency_charge for car in cars],
                site.import_limit_kw,
            )
            for s, car, need in zip(here, cars, needed, strict=True):
                power = min(share * car.charge_limit_kw, need)
                charge[windows[s].car, t] = power
                energy[s] += power * problem.slot_hours
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
    no_price: FloatArray = np.full((len(problem.sites), shape[1]), np.nan)
    return assemble_plan(problem, windows, "uncontrolled", charge, np.zeros(shape), record, no_price)


def _needed_kw(problem: DayProblem, window: SessionWindow, energy_kwh: float) -> float:
    """Battery-side power that would finish the car within the slot, at most its limit."""
    car = problem.cars[window.car]
    target = min(window.session.departure_soc, car.soc_max) * car.capacity_kwh
    return min(car.charge_limit_kw, max(0.0, (target - energy_kwh) / problem.slot_hours))


def _common_share(
    full_kw: list[float], needed_kw: list[float], efficiency: list[float], limit_kw: float
) -> float:
    """The largest share ≤ 1 with Σ min(share·full, needed)/efficiency ≤ limit.

    The sum grows piecewise linearly in the share, so walk its kinks from the car that is done first.
    """
    demand = sum(need / eta for need, eta in zip(needed_kw, efficiency, strict=True))
    if demand <= limit_kw:
        return 1.0
    charging = sorted(
        (need / full, full / eta, need / eta)
        for full, need, eta in zip(full_kw, needed_kw, efficiency, strict=True)
        if need > 0.0
    )
    rising = sum(metered_full for _, metered_full, _ in charging)
    done = 0.0
    for kink, metered_full, metered_need in charging:
        share = (limit_kw - done) / rising
        if share <= kink:
            return share
        rising -= metered_full
        done += metered_need
    return 1.0
