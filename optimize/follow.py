"""A schedule that is followed by cars that come, leave and hold other than it was made for.

In each slot a car that the schedule tells of does as it says, as far as its battery allows. One that it does
not tell of charges on plug-in, as if nobody planned: at full power, tapered where it tapers, until its
departure target (at most soc_max). Where limits of the site tree bind, the shares of these powers rise
together until one binds; the cars below it stay there and the others rise on. A car that needs less takes
what it needs. A share below the least that a car can charge with is none: those who came last pause for the
others; and where a taper lets a car take less than that, it is done.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from optimize.arrays import BoolArray, FloatArray, IntArray
from optimize.assemble import assemble_plan
from optimize.shares import LEAST_ROUNDING_KW, filled, filled_at_least, sites_above
from optimize.tree import site_tree
from optimize.types import DayProblem, Mode, ModePlan, SolverRecord
from optimize.windows import SessionWindow, session_windows, taper_line


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Schedule:
    """Battery-side powers [n, T], kW, ≥ 0, and in which slots the schedule tells of a car, [n, T]."""

    charge_kw: FloatArray
    discharge_kw: FloatArray
    scheduled: BoolArray


SIMULATED = SolverRecord(
    status="simulated",
    objective_eur=math.nan,
    gap=math.nan,
    solve_seconds=0.0,
    columns=0,
    rows=0,
    binaries=0,
    wear_cuts=0,
)


def charge_on_plug_in(problem: DayProblem) -> ModePlan:
    """What happens when nobody plans: the uncontrolled plan; its objective is left to the accounts (NaN)."""
    return follow(problem, untold(problem), "uncontrolled")


def untold(problem: DayProblem) -> Schedule:
    """A schedule that says nothing of any car."""
    shape = (len(problem.cars), len(problem.slots))
    nothing = np.zeros(shape)
    return Schedule(charge_kw=nothing, discharge_kw=nothing, scheduled=np.zeros(shape, dtype=np.bool_))


def follow(
    problem: DayProblem,
    schedule: Schedule,
    mode: Mode,
    *,
    driven_kwh: Mapping[str, float] | None = None,
    unplanned: bool = True,
    feeder: bool = True,
) -> ModePlan:
    """What comes of a schedule on the day as it is in `problem`.

    driven_kwh: by session_id what the car drove before it came, battery side: it arrives with what its
    session before left it with, less that, whatever its session says. unplanned: whether cars charge that the
    schedule does not tell of; feeder: whether the limits of sites hold.
    """
    windows, tree = session_windows(problem), site_tree(problem)
    sessions = _Sessions(problem, windows, schedule, driven_kwh or {}, unplanned=unplanned)
    above = sites_above(tree, windows)
    shape = (len(problem.cars), len(problem.slots))
    charge, discharge = np.zeros(shape), np.zeros(shape)
    for t in range(shape[1]):
        here, full, wanted, out = sessions.wanted(t)
        if feeder:
            own, intake, feed_in = above[here], tree.import_kw[:, t], tree.export_kw[:, t]
            eta_in, eta_out = sessions.efficiency_charge[here], sessions.efficiency_discharge[here]
            if out.any():
                out = filled(
                    out, out, 1.0 / eta_out, own, feed_in + _below(own, wanted / eta_in, feed_in.size)
                )
                intake = intake + _below(own, out * eta_out, intake.size)
            wanted = filled_at_least(
                full, wanted, eta_in, own, intake, sessions.least[here], sessions.first[here]
            )
        charge[sessions.car[here], t], discharge[sessions.car[here], t] = wanted, out
        sessions.moved(t, here, wanted - out)
    return assemble_plan(problem, sessions.arrived(), mode, charge, discharge, SIMULATED)


class _Sessions:
    """The sessions as they go by, each with what it holds."""

    def __init__(
        self,
        problem: DayProblem,
        windows: tuple[SessionWindow, ...],
        schedule: Schedule,
        driven_kwh: Mapping[str, float],
        *,
        unplanned: bool,
    ) -> None:
        self.windows, self.schedule, self.driven_kwh = windows, schedule, driven_kwh
        self.hours, self.unplanned = problem.slot_hours, unplanned
        self.car = np.array([window.car for window in windows], dtype=np.int64)
        self.first = np.array([window.first for window in windows], dtype=np.int64)
        self.end = np.array([window.end for window in windows], dtype=np.int64)
        self.energy = np.array([window.arrival_kwh for window in windows])
        self.arrival = self.energy.copy()
        self.capacity = np.array([problem.cars[window.car].capacity_kwh for window in windows])
        self.lowest = np.array([window.lowest_kwh for window in windows])
        self.highest = np.array([window.highest_kwh for window in windows])
        self.target = np.array([_target_kwh(problem, window) for window in windows])
        self.charge_limit = np.array([window.charge_limit_kw for window in windows])
        self.least = np.array([problem.cars[window.car].min_charge_kw for window in windows])
        self.discharge_limit = np.array([window.discharge_limit_kw for window in windows])
        self.efficiency_charge = np.array([window.efficiency_charge for window in windows])
        self.efficiency_discharge = np.array([window.efficiency_discharge for window in windows])
        self.lines = np.array(
            [taper_line(problem.cars[window.car], problem.slot_hours) for window in windows]
        ).reshape(-1, 2)
        self._arrive(0)

    def wanted(self, t: int) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        """The sessions of a slot, their full power, and what they charge and discharge without a feeder,
        kW."""
        here = np.flatnonzero((self.first <= t) & (t < self.end))
        car, energy = self.car[here], self.energy[here]
        full = np.clip(self.lines[here, 0] - self.lines[here, 1] * energy, 0.0, self.charge_limit[here])
        full = np.where(full < self.least[here] - LEAST_ROUNDING_KW, 0.0, full)
        scheduled = self.schedule.scheduled[car, t]
        room = np.clip((self.highest[here] - energy) / self.hours, 0.0, None)
        as_announced = np.minimum(self.schedule.charge_kw[car, t], room)
        on_plug_in = np.clip((self.target[here] - energy) / self.hours, 0.0, None) * self.unplanned
        stored = np.clip((energy - self.lowest[here]) / self.hours, 0.0, self.discharge_limit[here])
        out = np.where(scheduled, np.minimum(self.schedule.discharge_kw[car, t], stored), 0.0)
        wanted = np.minimum(np.where(scheduled, as_announced, on_plug_in), full)
        return here, np.where(scheduled, wanted, full), wanted, out

    def moved(self, t: int, here: IntArray, kw: FloatArray) -> None:
        """Take what was charged in slot t; then the sessions that begin after it arrive."""
        self.energy[here] += kw * self.hours
        self._arrive(t + 1)

    def _arrive(self, t: int) -> None:
        for s in np.flatnonzero(self.first == t).tolist():
            window, left = self.windows[s], float(self.energy[s - 1]) if s else 0.0
            driven = self.driven_kwh.get(window.session.session_id)
            if driven is not None and s and self.car[s - 1] == self.car[s]:  # windows: by car and arrival
                self.energy[s] = self.arrival[s] = came_with_kwh(left, driven, float(self.capacity[s]))
            elif window.carries:
                self.energy[s] = self.arrival[s] = window.came_kwh(self.windows, self.energy)

    def arrived(self) -> list[SessionWindow]:
        """The windows with what their cars really came with."""
        return [
            replace(window, arrival_kwh=kwh, carries=False, behind=-1, surplus_kwh=0.0)
            for window, kwh in zip(self.windows, self.arrival.tolist(), strict=True)
        ]


def came_with_kwh(left_kwh: float, driven_kwh: float, capacity_kwh: float) -> float:
    """What a car comes back with: what it left with less what it drove, as far as a battery can hold it."""
    return min(max(left_kwh - driven_kwh, 0.0), capacity_kwh)


def _below(above: IntArray, metered_kw: FloatArray, sites: int) -> FloatArray:
    """What some cars draw below each site, kW."""
    drawn = np.zeros(sites + 1)  # the last: no site
    np.add.at(drawn, above, metered_kw[:, None])
    return drawn[:-1]


def _target_kwh(problem: DayProblem, window: SessionWindow) -> float:
    return min(window.session.departure_soc * problem.cars[window.car].capacity_kwh, window.highest_kwh)
