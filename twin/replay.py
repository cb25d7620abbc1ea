"""A window of telemetry as the reference cell sees it: current steps, and voltages to compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from twin.health import Array

BIN_S = 300.0
MAX_STEPS = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A window of telemetry as the reference cell sees it.

    ``start_s``, ``c_rate``: current steps; ``times_s``: bin middles, or when snapshots were taken;
    ``voltage_v``: cell voltage there; ``begin_utc``: window start. ``silent``: the steps in which nothing was
    sent, whose current is no sensor's (none if None); ``charge_variance``: of the charge counted up to
    ``times_s`` [(C·h)², of nominal], 0 if None.
    """

    begin_utc: pd.Timestamp
    start_s: Array
    c_rate: Array
    times_s: Array
    voltage_v: Array
    temperature_degc: float
    silent: npt.NDArray[np.bool_] | None = None
    charge_variance: Array | None = None

    @property
    def observed_throughout(self) -> bool:
        """Whether the current was: not by snapshots with charge between them that nobody saw."""
        return self.charge_variance is None

    @property
    def end_utc(self) -> pd.Timestamp:
        """End of the window."""
        return self.begin_utc + pd.Timedelta(seconds=self.end_s)

    @property
    def end_s(self) -> float:
        """End of the window [s]."""
        return float(max(self.times_s[-1] + BIN_S / 2, self.start_s[-1] + 1.0))

    def charge_at(self, times_s: Array) -> Array:
        """Charge moved since the beginning, by the current steps [C·h]."""
        edges = np.append(self.start_s, self.end_s)
        moved = np.concatenate([[0.0], np.cumsum(self.c_rate * np.diff(edges) / 3600)])
        return np.asarray(np.interp(times_s, edges, moved))

    def observed_hours_at(self, times_s: Array) -> Array:
        """Hours since the beginning in which the current is a sensor's."""
        edges = np.append(self.start_s, self.end_s)
        observed = np.diff(edges) / 3600
        if self.silent is not None:
            observed = np.where(self.silent, 0.0, observed)
        return np.asarray(np.interp(times_s, edges, np.concatenate([[0.0], np.cumsum(observed)])))
