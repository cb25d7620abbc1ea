"""Electrode balance: from health to usable capacity, stoichiometries and open-circuit voltage, for whole
arrays at once.

With Q_n, Q_p the electrode capacities and n the cyclable lithium (all Ah), the stoichiometries obey x·Q_n +
y·Q_p = n. The usable window lies between the two x at which U_p(y) − U_n(x) meets the chemistry's voltage
limits (Mohtat et al., J. Power Sources 427, 2019). The open-circuit voltage rises strictly with x, so
bisection cannot miss the root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pybamm

from twin.health import Array, Health

_GRID = np.linspace(0.0005, 0.9995, 4000)
_BISECTIONS = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Usable window of a cell: stoichiometries at 0 and 100 % and capacity [Ah]; arrays where health is."""

    x_0: Any
    x_100: Any
    y_0: Any
    y_100: Any
    capacity_ah: Any

    def at(self, soc: Any) -> tuple[Any, Any]:
        """Stoichiometries (x, y) at states of charge of 0–1."""
        x = self.x_0 + soc * (self.x_100 - self.x_0)
        y = self.y_0 + soc * (self.y_100 - self.y_0)
        return x, y


class OpenCircuit:
    """Open-circuit curves of one chemistry as tables, and the windows that follow from them.

    ``values``: PyBaMM's parameter values; ``fresh``: health of a new cell; ``ah_per_eps_n``,
    ``ah_per_eps_p``: capacity of either electrode per unit of active volume fraction [Ah].
    """

    def __init__(self, values: Any, *, fresh: Health, ah_per_eps_n: float, ah_per_eps_p: float) -> None:
        self.ah_per_eps_n, self.ah_per_eps_p = ah_per_eps_n, ah_per_eps_p
        self.u_n = self._table(values["Negative electrode OCP [V]"])
        self.u_p = self._table(values["Positive electrode OCP [V]"])
        self.v_min = float(values["Lower voltage cut-off [V]"])
        self.v_max = float(values["Upper voltage cut-off [V]"])
        self.fresh_capacity_ah = float(self.window(fresh).capacity_ah)

    @staticmethod
    def _table(curve: Any) -> Array:
        return np.asarray(curve(pybamm.Vector(_GRID)).evaluate(), dtype=float).reshape(-1)

    def voltage(self, x: Array, y: Array) -> Array:
        """Open-circuit voltage [V] at stoichiometries x, y."""
        return np.asarray(np.interp(y, _GRID, self.u_p) - np.interp(x, _GRID, self.u_n))

    def window(self, health: Health, drop_v: Any = 0.0) -> Window:
        """Usable window of a health state, limited by voltage and by what the electrodes can hold.

        ``drop_v``: what a load takes off the voltage [V]; a discharge under it ends that much earlier.
        """
        q_n = np.asarray(health.eps_n) * self.ah_per_eps_n
        q_p = np.asarray(health.eps_p) * self.ah_per_eps_p
        lithium = np.asarray(health.lithium_ah)
        lowest = np.maximum(_GRID[0], (lithium - _GRID[-1] * q_p) / q_n)
        highest = np.minimum(_GRID[-1], (lithium - _GRID[0] * q_p) / q_n)
        x_0 = self._meet(self.v_min + np.asarray(drop_v), lowest, highest, lithium, q_n, q_p)
        x_100 = self._meet(self.v_max, lowest, highest, lithium, q_n, q_p)
        return Window(
            x_0=x_0,
            x_100=x_100,
            y_0=(lithium - x_0 * q_n) / q_p,
            y_100=(lithium - x_100 * q_n) / q_p,
            capacity_ah=q_n * (x_100 - x_0),
        )

    def _meet(
        self, voltage_v: Array | float, low: Array, high: Array, lithium: Array, q_n: Array, q_p: Array
    ) -> Array:
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            below = self.voltage(middle, (lithium - middle * q_n) / q_p) < voltage_v
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return 0.5 * (low + high)
