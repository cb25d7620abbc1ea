"""A car as its plug sees it: a battery with limits and losses, that may not do as instructed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True, kw_only=True)
class Car:
    """energy_kwh: in store now. obeys: whether it follows setpoints; one that does not only charges.

    greedy: it charges as fast as it can, whatever it is reported.
    """

    battery_id: str
    capacity_kwh: float
    energy_kwh: float
    charge_kw: float
    discharge_kw: float
    efficiency_charge: float = 0.92
    efficiency_discharge: float = 0.92
    obeys: bool = True
    greedy: bool = False

    @property
    def soc(self) -> float:
        """0–1."""
        return self.energy_kwh / self.capacity_kwh

    def step(self, asked_kw: float, hours: float) -> float:
        """Do what is asked at the plug (kW, + = charge) for so long, as far as it can; the power it took."""
        power = min(max(asked_kw, -self.discharge_kw if self.obeys else 0.0), self.charge_kw)
        power = self.charge_kw if self.greedy else power
        if hours <= 0:
            return power
        most = (self.capacity_kwh - self.energy_kwh) / (hours * self.efficiency_charge)
        least = -self.energy_kwh * self.efficiency_discharge / hours
        power = min(max(power, least), most)
        way = self.efficiency_charge if power >= 0 else 1.0 / self.efficiency_discharge
        self.energy_kwh = min(max(self.energy_kwh + power * hours * way, 0.0), self.capacity_kwh)
        return power


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A car's session at a plug, and what it wants to leave with (kWh in store)."""

    car: Car
    arrival: datetime
    departure: datetime
    target_kwh: float
