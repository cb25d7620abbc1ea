"""What a battery does in the whole of a planned day: the plan while plugged, the trips in between.

A plan knows a car only while it is plugged; the twin ages it for all 24 hours. The gaps are closed so:
- between two sessions the car drives off what it lacks at the next arrival, evenly over the time away
  (or gains it, when it comes back with more than it left with: charged elsewhere);
- before the first and after the last session it drives what makes the day energy-neutral, so that the same
  day can be repeated for a life; a car plugged at both ends of the day drives the difference between its
  sessions, and one that is never away repeats its day unbalanced.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayProfile:
    """Battery-side kW ≥ 0 for each slot of the day, trips included, and the SoC it begins with (0–1)."""

    charge_kw: FloatArray
    discharge_kw: FloatArray
    start_soc: float


def whole_day(
    *,
    charge_kw: FloatArray,
    discharge_kw: FloatArray,
    plugged: npt.NDArray[np.bool_],
    energy_start_kwh: FloatArray,
    energy_end_kwh: FloatArray,
    slot_hours: float,
    capacity_kwh: float,
) -> DayProfile:
    """Close one car's planned day ([T] arrays, energies NaN while unplugged) as the module says.

    A day in which the car is never plugged is a day at rest at half charge.
    """
    net = np.where(plugged, charge_kw - discharge_kw, 0.0)
    stays = np.flatnonzero(plugged)
    if stays.size == 0:
        return DayProfile(charge_kw=np.zeros_like(net), discharge_kw=np.zeros_like(net), start_soc=0.5)
    first, last = int(stays[0]), int(stays[-1])
    for left, back in pairwise(stays):
        if back - left > 1:
            gain = energy_start_kwh[back] - energy_end_kwh[left]
            net[left + 1 : back] = gain / ((back - left - 1) * slot_hours)
    away = ~plugged
    outer = away.copy()
    outer[first : last + 1] = False
    closing = outer if outer.any() else away
    if closing.any():
        net[closing] -= net.sum() / closing.sum()
    start_kwh = energy_start_kwh[first] - net[:first].sum() * slot_hours
    return DayProfile(
        charge_kw=np.maximum(net, 0.0),
        discharge_kw=np.maximum(-net, 0.0),
        start_soc=float(np.clip(start_kwh / capacity_kwh, 0.0, 1.0)),
    )
