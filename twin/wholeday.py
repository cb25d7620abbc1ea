"""A planned day closed into one that can be repeated for a life.

The trips are the same whatever the plan does at the charger. If the plan puts in less than they take, because
charging was left for the early hours of the next day, those hours are given back to this day: its idle time
at the charger, from midnight on, recharges what is missing. If it puts in more, because energy was cheap, a
repeated day would have no room for it: the last charging is left out. Start and end hold the same energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.health import Array

_IDLE_KW = 1e-6
_MARGIN = 0.05  # of capacity: the voltage under load runs ahead of the charge
_NOTHING_KWH = 1e-3  # rounding of a balanced day is no trip


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """A time away: its first and last slot, and what is driven in it [kWh]."""

    first: int
    last: int
    energy_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeDay:
    """Power at the charger [kW, + = charge], the drives that count, what is in store at midnight [kWh]."""

    power_kw: Array
    drives: tuple[Drive, ...]
    start_kwh: float


def close_day(
    power_kw: Array,
    plugged: npt.NDArray[np.bool_],
    drives: Sequence[Drive],
    *,
    first_kwh: float,
    capacity_kwh: float,
    slot_hours: float,
    charge_limit_kw: float,
) -> WholeDay:
    """Close a planned day.

    ``power_kw``: battery-side, 0 while away; ``drives``: one for each time away at most; ``first_kwh``: in
    store when the car is first plugged in, or at midnight if it never is; the day is begun with more or less
    where it would come close to 0 or ``capacity_kwh`` otherwise.
    """
    balance = float(power_kw.sum()) * slot_hours - sum(drive.energy_kwh for drive in drives)
    if balance < 0:
        power = _recharged(power_kw, plugged, -balance, slot_hours, charge_limit_kw)
    else:
        power = _left_out(power_kw, balance, slot_hours)
    # The first departure is the plan's: what is added to the session before it was missing when that began.
    start = first_kwh - _in_first_session(power - power_kw, plugged) * slot_hours
    start += sum(drive.energy_kwh for drive in drives if drive.first == 0 and not plugged[0])
    lowest, highest = _swing(power * slot_hours, drives)
    margin = max(0.0, min(_MARGIN * capacity_kwh, (capacity_kwh - highest + lowest) / 2))
    start = min(max(start, margin - lowest), capacity_kwh - margin - highest)
    kept = tuple(drive for drive in drives if drive.energy_kwh > _NOTHING_KWH)
    return WholeDay(power_kw=power, drives=kept, start_kwh=start)


def _swing(moved_kwh: Array, drives: Sequence[Drive]) -> tuple[float, float]:
    """The lowest and highest energy of the day against its start; half of a drive is on leaving."""
    moved = moved_kwh.copy()
    for drive in drives:
        moved[drive.first] -= drive.energy_kwh / 2
        moved[drive.last] -= drive.energy_kwh / 2
    level = np.cumsum(moved)
    return min(0.0, float(level.min())), max(0.0, float(level.max()))


def _in_first_session(values: Array, plugged: npt.NDArray[np.bool_]) -> float:
    sessions = runs(np.flatnonzero(plugged))
    return float(values[sessions[0][0] : sessions[0][1] + 1].sum()) if sessions else 0.0


def _recharged(
    power: Array, plugged: npt.NDArray[np.bool_], missing_kwh: float, slot_hours: float, limit_kw: float
) -> Array:
    """The power with ``missing_kwh`` put into idle plugged slots at the charger's limit, from midnight on."""
    filled = power.copy()
    for slot in np.flatnonzero(plugged & (np.abs(power) < _IDLE_KW)):
        if missing_kwh <= 0:
            break
        filled[slot] = min(limit_kw, missing_kwh / slot_hours)
        missing_kwh -= filled[slot] * slot_hours
    return filled


def _left_out(power: Array, surplus_kwh: float, slot_hours: float) -> Array:
    """The power without ``surplus_kwh`` of charging, the latest first."""
    cut = power.copy()
    for slot in np.flatnonzero(power > _IDLE_KW)[::-1]:
        if surplus_kwh <= 0:
            break
        less = min(cut[slot], surplus_kwh / slot_hours)
        cut[slot] -= less
        surplus_kwh -= less * slot_hours
    return cut


def runs(indices: npt.NDArray[np.integer[Any]]) -> list[tuple[int, int]]:
    """First and last of each unbroken run of ascending indices."""
    groups = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    return [(int(group[0]), int(group[-1])) for group in groups if len(group)]
