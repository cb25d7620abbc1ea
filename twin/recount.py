"""The charge counted along a window of snapshots, corrected by what its voltages ask for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twin.cell import ReferenceCell
from twin.health import Array, Health
from twin.replay import Replay

LOAD_OHM_AH = 0.06
_VOLTAGE_SD_V, _DROP_SD, _LEAST_SD = 0.01, 0.5, 5e-3  # volts; of the load's drop; of SoC
_SURE, _START_SD = 2.0, 1.0  # standard deviations beyond full or empty; of SoC, at the start


def recounted(counted: Replay, wandered: Array) -> Replay:
    """The window with ``wandered`` [C·h, at its times] more charge than was counted."""
    edges = np.append(counted.start_s, counted.end_s)
    moved = np.interp(edges, np.append(0.0, counted.times_s), np.append(0.0, wandered))
    return replace(counted, c_rate=counted.c_rate + np.diff(moved) / (np.diff(edges) / 3600))


def asked_by_voltage(replay: Replay, guess: Health, cell: ReferenceCell) -> Array | None:
    """How far the charge counted is off at each time [C·h], where a cell of ``guess`` cannot hold it.

    The likeliest wandering (a Gaussian process of `Replay.charge_variance`) by SoC from voltage less the
    load's drop. None where the current was observed throughout, or what was counted has room.
    """
    if replay.charge_variance is None:
        return None
    circuit, window, socs = cell.circuit, cell.circuit.window(guess), np.linspace(0, 1, 400)
    share = float(window.capacity_ah) / circuit.fresh_capacity_ah
    curve = circuit.voltage(*window.at(socs))
    drop = LOAD_OHM_AH * replay.c_rate[np.searchsorted(replay.start_s, replay.times_s, side="right") - 1]
    open_v, off = replay.voltage_v - drop, _VOLTAGE_SD_V + _DROP_SD * np.abs(drop)
    low, soc, high = (np.interp(open_v + side * off, curve, socs) for side in (-1, 0, 1))
    spread = 0.5 * (high - low) + _LEAST_SD
    moved = replay.charge_at(replay.times_s)
    counted = soc[0] + (moved - moved[0]) / share
    room = _SURE * float(spread[0])
    if -room <= counted.min() and counted.max() <= 1 + room:
        return None
    wandering = np.minimum.outer(replay.charge_variance, replay.charge_variance) / share**2
    found = wandering + _START_SD**2 + np.diag(spread**2)
    return np.asarray(share * wandering @ np.linalg.solve(found, soc - counted))
