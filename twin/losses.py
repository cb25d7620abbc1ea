"""What a pack loses in its own resistance, by temperature and SoC, next to what it loses warm.

    charging:     kept(T) = (U + I·R(25 °C)) / (U + I·R(T))
    discharging:  kept(T) = (U − I·R(T)) / (U − I·R(25 °C))         I = P/U

with U the open-circuit voltage of the pack and P the battery-side power. The efficiencies that a car or a
charger is declared with are those of a warm pack, resistance included; below 25 °C these factors multiply
them. Above, nothing is gained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twin.entries import Matrix, Vector, matrix, number, numbers, optional

WARM_DEGC = 25.0
_MOST_DROP = 0.3  # of the open-circuit voltage: no charger lets a pack's voltage leave its window


@dataclass(frozen=True, slots=True, kw_only=True)
class PackLosses:
    """Resistance of a pack [ohm], a row a temperature [°C, ascending], a column a SoC [0–1, ascending].

    ``rest_v``: its open-circuit voltage at each SoC [V]. ``today_degc``: what its telemetry of the last day
    measured in the mean; None where nothing was sent. Beyond the table its ends hold.
    """

    temperature_degc: Vector
    soc: Vector
    ohm: Matrix
    rest_v: Vector
    today_degc: float | None = None

    def __post_init__(self) -> None:
        if not self.temperature_degc or not self.soc:
            raise ValueError("resistance by no temperature or no SoC")
        if len(self.ohm) != len(self.temperature_degc) or any(len(row) != len(self.soc) for row in self.ohm):
            raise ValueError("resistance is not a row a temperature and a column a SoC")
        if len(self.rest_v) != len(self.soc) or min(self.rest_v) <= 0.0:
            raise ValueError("open-circuit voltage is not one positive number a SoC")
        for name in ("temperature_degc", "soc"):
            if (np.diff(getattr(self, name)) <= 0.0).any():
                raise ValueError(f"{name} does not ascend")
        if min(min(row) for row in self.ohm) < 0.0:
            raise ValueError("resistance is below 0")

    def ohm_at(self, degc: float, soc: float) -> float:
        """Resistance of the pack [ohm] at a temperature [°C] and a SoC."""
        by_soc = [np.interp(degc, self.temperature_degc, column) for column in zip(*self.ohm, strict=True)]
        return float(np.interp(soc, self.soc, by_soc))

    def kept_charging(self, power_kw: float, soc: float, degc: float) -> float:
        """What of a warm pack's efficiency is left at ``degc`` when ``power_kw`` goes into store; 0–1."""
        cold, warm = self._drops(power_kw, soc, degc)
        return (1.0 + warm) / (1.0 + cold)

    def kept_discharging(self, power_kw: float, soc: float, degc: float) -> float:
        """The same when ``power_kw`` comes out of store."""
        cold, warm = self._drops(power_kw, soc, degc)
        return (1.0 - cold) / (1.0 - warm)

    def _drops(self, power_kw: float, soc: float, degc: float) -> tuple[float, float]:
        """I·R/U at a temperature and warm, the first not below the second."""
        rest = float(np.interp(soc, self.soc, self.rest_v))
        drop = power_kw * 1000.0 / rest**2
        warm = min(_MOST_DROP, drop * self.ohm_at(WARM_DEGC, soc))
        cold = min(_MOST_DROP, drop * self.ohm_at(min(degc, WARM_DEGC), soc))
        return max(cold, warm), warm


def read_losses(held: Mapping[str, Any]) -> PackLosses:
    """The losses of a record's entry; ValueError, TypeError or KeyError if it is none."""
    return PackLosses(
        temperature_degc=numbers(held["temperature_degc"]),
        soc=numbers(held["soc"]),
        ohm=matrix(held["ohm"]),
        rest_v=numbers(held["rest_v"]),
        today_degc=optional(held, "today_degc", number),
    )
