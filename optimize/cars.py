"""The things that are planned: cars and their plug-in sessions.

Battery-side powers and energies are ≥ 0 and in kW and kWh; SoC, shares and efficiencies are 0–1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from optimize.errors import ProblemError
from optimize.validation import (
    require_efficiency,
    require_finite,
    require_fraction,
    require_limit,
    require_not_negative,
    require_positive,
    require_utc,
)
from optimize.wear import WearPrice


@dataclass(frozen=True, slots=True, kw_only=True)
class Taper:
    """Charging power that falls at high SoC, as a battery's own limit whatever the charger gives.

    In every slot c ≤ P·(1 − (1 − full_share)·(soc − from_soc)/(1 − from_soc)) with the SoC at the slot's
    start and P the car's charge_limit_kw: P at from_soc, full_share·P when full. One straight line, so that
    the limit is concave in stored energy and exact in a linear programme.
    """

    from_soc: float
    full_share: float

    def __post_init__(self) -> None:
        require_fraction("taper", "from_soc", self.from_soc)
        require_fraction("taper", "full_share", self.full_share)
        if self.from_soc == 1.0:
            raise ProblemError("taper", "from_soc", self.from_soc, "must be < 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """One battery as the planner sees it today.

    capacity_kwh: usable energy today. Limits: battery-side kW. drawdown_limit (ΔDOD threshold): the largest
    fall of SoC below any earlier SoC of the same plug-in session, 0–1; 1 is no limit. min_charge_kw,
    min_discharge_kw: least battery-side power when on (planned powers are 0 or at least that; a mean over a
    slot that is only simulated may be less). rest_price_eur_per_kwh_h ρ: wear of resting charged,
    ρ·Δt·(e_{k−1} + e_k)/2 in every plugged slot. v2g_limit_kwh: the most that may be discharged in a day by
    contract, battery-side, activation of reserve not counted; inf is no limit. v2g_used_kwh: what of it is
    used already in the first day.
    """

    battery_id: str
    site_id: str
    capacity_kwh: float
    soc_min: float
    soc_max: float
    charge_limit_kw: float
    discharge_limit_kw: float
    efficiency_charge: float
    efficiency_discharge: float
    drawdown_limit: float
    wear: WearPrice
    charge_taper: Taper | None = None
    min_charge_kw: float = 0.0
    min_discharge_kw: float = 0.0
    rest_price_eur_per_kwh_h: float = 0.0
    v2g_limit_kwh: float = math.inf
    v2g_used_kwh: float = 0.0

    def __post_init__(self) -> None:
        subject = f"car {self.battery_id!r}"
        require_positive(subject, "capacity_kwh", self.capacity_kwh)
        require_fraction(subject, "soc_min", self.soc_min)
        require_fraction(subject, "soc_max", self.soc_max)
        if self.soc_min > self.soc_max:
            raise ProblemError(subject, "soc_min", self.soc_min, f"must be <= soc_max ({self.soc_max})")
        require_not_negative(subject, "charge_limit_kw", self.charge_limit_kw)
        require_not_negative(subject, "discharge_limit_kw", self.discharge_limit_kw)
        require_efficiency(subject, "efficiency_charge", self.efficiency_charge)
        require_efficiency(subject, "efficiency_discharge", self.efficiency_discharge)
        require_fraction(subject, "drawdown_limit", self.drawdown_limit)
        require_not_negative(subject, "min_charge_kw", self.min_charge_kw)
        require_not_negative(subject, "min_discharge_kw", self.min_discharge_kw)
        require_not_negative(subject, "rest_price_eur_per_kwh_h", self.rest_price_eur_per_kwh_h)
        require_limit(subject, "v2g_limit_kwh", self.v2g_limit_kwh)
        require_not_negative(subject, "v2g_used_kwh", self.v2g_used_kwh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session at a charger: when, with what SoC it comes and with what it should leave.

    What the charger, the contract or the car itself sets for this session next to the car's own: min_soc (the
    higher of it and the car's soc_min holds), max_soc (the lower of it and its soc_max), charge_limit_kw and
    discharge_limit_kw (the lower of each and the car's holds); and in place of it: efficiency_charge,
    efficiency_discharge and site_id. None is as the car says.
    value_eur_per_kwh: worth of a kWh in store (battery-side) when the session ends; None is as the problem
    says. carries: it comes with arrival_soc and, besides, with what the car's last session of whole slots
    leaves above its target, if those between carry as well; otherwise with arrival_soc whatever happened
    before.
    """

    session_id: str
    battery_id: str
    arrival_utc: pd.Timestamp
    departure_utc: pd.Timestamp
    arrival_soc: float
    departure_soc: float
    min_soc: float | None = None
    max_soc: float | None = None
    charge_limit_kw: float | None = None
    discharge_limit_kw: float | None = None
    efficiency_charge: float | None = None
    efficiency_discharge: float | None = None
    site_id: str | None = None
    value_eur_per_kwh: float | None = None
    carries: bool = False

    def __post_init__(self) -> None:
        subject = f"session {self.session_id!r} of battery {self.battery_id!r}"
        require_utc(subject, "arrival_utc", self.arrival_utc)
        require_utc(subject, "departure_utc", self.departure_utc)
        if self.departure_utc <= self.arrival_utc:
            rule = f"must be after arrival_utc ({self.arrival_utc})"
            raise ProblemError(subject, "departure_utc", self.departure_utc, rule)
        require_fraction(subject, "arrival_soc", self.arrival_soc)
        require_fraction(subject, "departure_soc", self.departure_soc)
        for field in ("min_soc", "max_soc"):
            if (bound := getattr(self, field)) is not None:
                require_fraction(subject, field, bound)
        for field in ("charge_limit_kw", "discharge_limit_kw"):
            if (limit := getattr(self, field)) is not None:
                require_not_negative(subject, field, limit)
        for field in ("efficiency_charge", "efficiency_discharge"):
            if (efficiency := getattr(self, field)) is not None:
                require_efficiency(subject, field, efficiency)
        if self.value_eur_per_kwh is not None:
            require_finite(subject, "value_eur_per_kwh", self.value_eur_per_kwh)
