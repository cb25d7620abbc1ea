"""A planned day closed into one that can be repeated for a life.

A plan knows a car only while it is plugged in. What it drives is what it left with less what it came back
with. If the day puts more into the battery than that, the rest is driven as well; if it puts in less, because
charging was left for the early hours of the next day, those hours are given back to this day: its idle time
at the charger, from midnight on, recharges what is missing. Start and end then hold the same energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from twin.cell import Array

_IDLE_KW = 1e-6
_NOTHING_KWH = 1e-3  # rounding of a balanced day is no trip


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeDay:
    """Power at the charger [kW, + = charge], drives (first, last slot, kWh), and the first energy."""

    power_kw: Array
    drives: tuple[tuple[int, int, float], ...]
    start_kwh: float | None


def close_day(
    power_kw: Array,
    plugged: npt.NDArray[np.bool_],
    energy_start_kwh: Array,
    energy_end_kwh: Array,
    *,
    slot_hours: float,
    charge_limit_kw: float,
) -> WholeDay:
    """Close a planned day; energies are NaN while the car is away, ``start_kwh`` is None if it always is."""
    power = np.where(plugged, power_kw, 0.0)
    if not plugged.any():
        return WholeDay(power_kw=power, drives=(), start_kwh=None)
    away = runs(np.flatnonzero(~plugged))
    last_slot = len(power) - 1
    driven = {
        (first, last): max(0.0, float(energy_end_kwh[first - 1] - energy_start_kwh[last + 1]))
        for first, last in away
        if first > 0 and last < last_slot
    }
    balance = float(power.sum()) * slot_hours - sum(driven.values())
    if balance > 0:
        outer = [run for run in away if run not in driven]
        taking = outer or away
        slots = sum(last + 1 - first for first, last in taking)
        for first, last in taking:
            driven[first, last] = driven.get((first, last), 0.0) + balance * (last + 1 - first) / slots
    else:
        power = _recharged(power, plugged, -balance, slot_hours, charge_limit_kw)
    first_plugged = int(np.argmax(plugged))
    start = float(energy_start_kwh[first_plugged])
    if first_plugged:
        start += driven.get((0, first_plugged - 1), 0.0)
    elif plugged[-1]:
        start += min(balance, 0.0)
    drives = tuple((first, last, kwh) for (first, last), kwh in sorted(driven.items()) if kwh > _NOTHING_KWH)
    return WholeDay(power_kw=power, drives=drives, start_kwh=start)


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


def runs(indices: npt.NDArray[np.integer[Any]]) -> list[tuple[int, int]]:
    """First and last of each unbroken run of ascending indices."""
    groups = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    return [(int(group[0]), int(group[-1])) for group in groups if len(group)]
