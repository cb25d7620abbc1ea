"""What a day asks of a cell, as laws see it: rest at charge and warmth, cycles by depth and rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.duty import DAY_S, Profile
from twin.health import Array

_SAMPLES = 96  # of the day's state of charge
_MOVING_C = 1e-4
_KELVIN = 273.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress:
    """One day.

    ``kelvin``: cell temperature; ``soc``: state of charge at equal steps of the day. Of every discharge,
    without the rests in it: ``depth`` (share of capacity, which is its share of a full cycle), ``c_rate``
    [1/h] as the mean of its own and the day's charging, ``mid_soc``; ``charge_c_rate`` of the day's charging.
    """

    kelvin: float
    soc: Array
    depth: Array
    c_rate: Array
    mid_soc: Array
    charge_c_rate: float

    @property
    def efc(self) -> float:
        """Equivalent full cycles of the day."""
        return float(self.depth.sum())


def stress_of(profile: Profile) -> Stress:
    """The stress of a day's current; a day at rest has no cycles."""
    hours = np.diff(np.append(profile.start_s, DAY_S)) / 3600
    rate = np.where(np.abs(profile.c_rate) < _MOVING_C, 0.0, profile.c_rate)
    corners = np.concatenate([[profile.start_soc], profile.start_soc + np.cumsum(rate * hours)])
    at = np.append(profile.start_s, DAY_S)
    moments = (np.arange(_SAMPLES) + 0.5) * DAY_S / _SAMPLES
    soc = np.clip(np.interp(moments, at, corners), 0.0, 1.0)
    charging = rate > 0
    charged = float((rate * hours)[charging].sum())
    charge_rate = charged / float(hours[charging].sum()) if charging.any() else 0.0
    runs: list[list[float]] = []  # depth, hours, SoC at its begin
    falling = False
    for step, value in enumerate(rate):
        if value < 0:
            if not falling:
                runs.append([0.0, 0.0, float(corners[step])])
            runs[-1][0] -= value * hours[step]
            runs[-1][1] += hours[step]
        falling = value < 0 or (falling and value == 0)
    table = np.array(runs).reshape(-1, 3)
    depth, own = table[:, 0], table[:, 0] / np.maximum(table[:, 1], 1e-9)
    return Stress(
        kelvin=profile.temperature_degc + _KELVIN,
        soc=soc,
        depth=depth,
        c_rate=(own + charge_rate) / 2 if charge_rate else own,
        mid_soc=np.clip(table[:, 2] - depth / 2, 0.0, 1.0),
        charge_c_rate=charge_rate,
    )
