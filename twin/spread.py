"""Cells apart: what the lowest and highest cell of a pack leave of its capacity.

A pack stops discharging at its lowest cell and charging at its highest. At rest, where voltage tells charge,
the distances of the two from the mean are charge that the pack cannot use. A check-up of the whole pack has
that in it already; a capacity that comes from mean cell voltage has not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from twin.evidence import seconds_of
from twin.health import Health
from twin.opencircuit import OpenCircuit
from twin.types import BatterySpec

_COLUMNS = ("cell_voltage_min_v", "cell_voltage_max_v")
_STILL_C, _STILL_V = 0.02, 1.5e-3
_SLOPE_V = 0.3  # per unit of SoC; a flatter curve turns millivolts into much charge
_LEAST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSpread:
    """``spread_v``: highest less lowest cell voltage at rest, median; ``usable_share`` of the mean cell's
    capacity, None where the curve is too flat to tell.
    """

    spread_v: float
    usable_share: float | None


def cell_spread(
    telemetry: pd.DataFrame, battery: BatterySpec, circuit: OpenCircuit, health: Health
) -> CellSpread | None:
    """The spread that resting samples show; None without cell voltages or rests."""
    if not set(_COLUMNS) <= set(telemetry.columns):
        return None
    known = telemetry.dropna(subset=list(_COLUMNS))
    if len(known) < _LEAST:
        return None
    low, high = (known[name].to_numpy(dtype=float) for name in _COLUMNS)
    mean = known["voltage_v"].to_numpy(dtype=float) / battery.cells_series
    rate = known["current_a"].to_numpy(dtype=float) / battery.nominal_capacity_ah
    time_s = seconds_of(known["time_utc"])
    still = np.abs(np.diff(mean, prepend=np.nan)) < _STILL_V
    rest = still & (np.abs(rate) < _STILL_C) & (np.diff(time_s, prepend=np.nan) < 1800) & (high >= low)
    if rest.sum() < _LEAST:
        return None
    socs = np.linspace(0, 1, 400)
    curve = circuit.voltage(*circuit.window(health).at(socs))
    at_mean = np.interp(mean[rest], curve, socs)
    steep = np.interp(at_mean, socs, np.gradient(curve, socs)) > _SLOPE_V
    share = None
    if steep.sum() >= _LEAST:
        at_low, at_high = (np.interp(values[rest], curve, socs) for values in (low, high))
        share = float(np.clip(1 - np.median((at_high - at_low)[steep]), 0.0, 1.0))
    return CellSpread(spread_v=float(np.median((high - low)[rest])), usable_share=share)
