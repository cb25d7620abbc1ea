"""What each session sets, spread over cars and slots, so that plans can be looked at as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimize.types import BoolArray, DayProblem, FloatArray
from optimize.windows import SessionWindow, taper_line


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionSlots:
    """Arrays [n, T] by car and slot; where nothing is plugged in: 0, efficiency 1 and site −1."""

    plugged: BoolArray
    site: npt.NDArray[np.int64]
    charge_limit_kw: FloatArray
    discharge_limit_kw: FloatArray
    efficiency_charge: FloatArray
    efficiency_discharge: FloatArray
    lowest_kwh: FloatArray
    highest_kwh: FloatArray

    def metered_kw(self, charge_kw: FloatArray, discharge_kw: FloatArray) -> FloatArray:
        """Power at the plug of battery-side powers [n, T], + = import."""
        power: FloatArray = charge_kw / self.efficiency_charge - discharge_kw * self.efficiency_discharge
        return power

    def site_kw(self, power_kw: FloatArray, sites: int) -> FloatArray:
        """Sums [S, T] of metered powers [n, T] over the cars plugged in directly at each site."""
        total: FloatArray = np.zeros((sites, power_kw.shape[1]))
        rows, slots = np.nonzero(self.plugged)
        np.add.at(total, (self.site[rows, slots], slots), power_kw[rows, slots])
        return total


def by_slot(problem: DayProblem, windows: Sequence[SessionWindow]) -> SessionSlots:
    """Lay the windows' terms on the day's grid."""
    shape = (len(problem.cars), len(problem.slots))
    sessions = SessionSlots(
        plugged=np.zeros(shape, dtype=np.bool_),
        site=np.full(shape, -1),
        charge_limit_kw=np.zeros(shape),
        discharge_limit_kw=np.zeros(shape),
        efficiency_charge=np.ones(shape),
        efficiency_discharge=np.ones(shape),
        lowest_kwh=np.zeros(shape),
        highest_kwh=np.zeros(shape),
    )
    for window in windows:
        place = window.car, slice(window.first, window.end)
        sessions.plugged[place] = True
        sessions.site[place] = window.site
        sessions.charge_limit_kw[place] = window.charge_limit_kw
        sessions.discharge_limit_kw[place] = window.discharge_limit_kw
        sessions.efficiency_charge[place] = window.efficiency_charge
        sessions.efficiency_discharge[place] = window.efficiency_discharge
        sessions.lowest_kwh[place] = window.lowest_kwh
        sessions.highest_kwh[place] = window.highest_kwh
    sessions.discharge_limit_kw[:, ~problem.able] = 0.0
    return sessions


def taper_kw(problem: DayProblem, energy_start_kwh: FloatArray) -> FloatArray:
    """What the batteries' own taper allows at energies [n, T], kW; inf without one."""
    lines = np.array([taper_line(car, problem.slot_hours) for car in problem.cars]).reshape(-1, 2)
    allowed: FloatArray = lines[:, :1] - lines[:, 1:] * np.where(lines[:, 1:] > 0.0, energy_start_kwh, 0.0)
    return allowed
