"""The question and the answer: a day's planning problem and one mode's plan.

Battery-side powers and energies are ≥ 0 and in kW and kWh; prices are €/kWh metered at the plug; times are
tz-aware UTC; SoC, efficiencies and the drawdown limit are 0–1. Arrays count n cars, S sites and T slots in
the problem's order. Everything is validated on construction: a ProblemError names the thing and the value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimize.errors import ProblemError
from optimize.tariff import Tariff
from optimize.validation import (
    require_efficiency,
    require_finite,
    require_fraction,
    require_not_negative,
    require_positive,
    require_unique,
    require_utc,
)
from optimize.wear import WearForm, WearPrice, choose_form

__all__ = [
    "MODES",
    "Car",
    "DayProblem",
    "DepartureOutcome",
    "Mode",
    "ModePlan",
    "Session",
    "Site",
    "SolverRecord",
    "Tariff",
    "WearForm",
    "WearPrice",
    "choose_form",
]

Mode = Literal["uncontrolled", "ordered", "v2g"]
MODES: tuple[Mode, ...] = ("uncontrolled", "ordered", "v2g")
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """One battery as the planner sees it today.

    capacity_kwh: usable energy today. Limits: battery-side kW. drawdown_limit (ΔDOD threshold): the largest
    fall of SoC below any earlier SoC of the same plug-in session, 0–1; 1 is no limit.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One stay at a charger: when, with what SoC it comes and with what it should leave."""

    session_id: str
    battery_id: str
    arrival_utc: pd.Timestamp
    departure_utc: pd.Timestamp
    arrival_soc: float
    departure_soc: float

    def __post_init__(self) -> None:
        subject = f"session {self.session_id!r} of battery {self.battery_id!r}"
        require_utc(subject, "arrival_utc", self.arrival_utc)
        require_utc(subject, "departure_utc", self.departure_utc)
        if self.departure_utc <= self.arrival_utc:
            rule = f"must be after arrival_utc ({self.arrival_utc})"
            raise ProblemError(subject, "departure_utc", self.departure_utc, rule)
        require_fraction(subject, "arrival_soc", self.arrival_soc)
        require_fraction(subject, "departure_soc", self.departure_soc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A grid connection shared by its cars: limits in metered kW, ≥ 0; inf is no limit."""

    site_id: str
    import_limit_kw: float
    export_limit_kw: float

    def __post_init__(self) -> None:
        for field, value in (
            ("import_limit_kw", self.import_limit_kw),
            ("export_limit_kw", self.export_limit_kw),
        ):
            if math.isnan(value) or value < 0:
                raise ProblemError(f"site {self.site_id!r}", field, value, "must be >= 0")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayProblem:
    """Everything the day's plan depends on.

    slots: T interval starts, evenly spaced by slot_hours. Prices: [T]. Each session must touch the day, and
    sessions of one battery must not overlap. terminal_value_eur_per_kwh: worth of a stored (battery-side) kWh
    when a session or the day ends. departure_price_eur_per_kwh: price of a battery-side kWh missing then.
    """

    slots: pd.DatetimeIndex
    slot_hours: float
    import_price_eur_per_kwh: FloatArray
    export_price_eur_per_kwh: FloatArray
    cars: tuple[Car, ...]
    sessions: tuple[Session, ...]
    sites: tuple[Site, ...]
    terminal_value_eur_per_kwh: float
    departure_price_eur_per_kwh: float

    def __post_init__(self) -> None:
        self._check_slots()
        for field in ("import_price_eur_per_kwh", "export_price_eur_per_kwh"):
            object.__setattr__(self, field, self._checked_price(field))
        require_finite("day", "terminal_value_eur_per_kwh", self.terminal_value_eur_per_kwh)
        require_not_negative("day", "departure_price_eur_per_kwh", self.departure_price_eur_per_kwh)
        require_unique("day", "battery_id", [car.battery_id for car in self.cars])
        require_unique("day", "session_id", [session.session_id for session in self.sessions])
        require_unique("day", "site_id", [site.site_id for site in self.sites])
        site_ids = {site.site_id for site in self.sites}
        for car in self.cars:
            if car.site_id not in site_ids:
                rule = f"must be one of {sorted(site_ids)}"
                raise ProblemError(f"car {car.battery_id!r}", "site_id", repr(car.site_id), rule)
        self._check_sessions()

    @property
    def end_utc(self) -> pd.Timestamp:
        """End of the last slot."""
        return self.slots[-1] + pd.Timedelta(hours=self.slot_hours)

    def _check_slots(self) -> None:
        if len(self.slots) == 0:
            raise ProblemError("day", "slots", "empty", "must hold at least one slot")
        require_utc("day", "slots", self.slots[0])
        require_positive("day", "slot_hours", self.slot_hours)
        step = pd.Timedelta(hours=self.slot_hours)
        for before, after in pairwise(self.slots):
            if after - before != step:
                rule = f"must follow {before} by slot_hours ({self.slot_hours})"
                raise ProblemError("day", "slots", after, rule)

    def _checked_price(self, field: str) -> FloatArray:
        price: FloatArray = np.array(getattr(self, field), dtype=np.float64)
        if price.shape != (len(self.slots),):
            raise ProblemError("day", f"shape of {field}", price.shape, f"must be ({len(self.slots)},)")
        bad = np.flatnonzero(~np.isfinite(price))
        if bad.size:
            subject = f"slot {self.slots[bad[0]]}"
            raise ProblemError(subject, field, price[bad[0]], "must be a finite number")
        price.setflags(write=False)
        return price

    def _check_sessions(self) -> None:
        battery_ids = {car.battery_id for car in self.cars}
        by_battery: dict[str, list[Session]] = {}
        for session in self.sessions:
            subject = f"session {session.session_id!r}"
            if session.battery_id not in battery_ids:
                raise ProblemError(
                    subject, "battery_id", repr(session.battery_id), "is not a car of this day"
                )
            if session.departure_utc <= self.slots[0] or session.arrival_utc >= self.end_utc:
                stay = f"{session.arrival_utc} to {session.departure_utc}"
                rule = f"must touch the day ({self.slots[0]} to {self.end_utc})"
                raise ProblemError(f"{subject} of battery {session.battery_id!r}", "stay", stay, rule)
            by_battery.setdefault(session.battery_id, []).append(session)
        for battery_id, stays in by_battery.items():
            for one, other in pairwise(sorted(stays, key=lambda stay: stay.arrival_utc)):
                if other.arrival_utc < one.departure_utc:
                    subject = f"battery {battery_id!r}, session {other.session_id!r}"
                    rule = f"overlaps session {one.session_id!r}, which leaves at {one.departure_utc}"
                    raise ProblemError(subject, "arrival_utc", other.arrival_utc, rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartureOutcome:
    """What a session was promised and what it got, battery-side kWh.

    due "departure": the car leaves within the day. due "day_end": it stays plugged beyond the day; the target
    is then what it must hold at the day's end for its departure to stay in reach. reason: "" if kept.
    """

    session_id: str
    battery_id: str
    departure_utc: pd.Timestamp
    due: Literal["departure", "day_end"]
    target_kwh: float
    reached_kwh: float
    missing_kwh: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverRecord:
    """How a plan was found.

    status: "optimal", "time_limit" (a feasible plan with an open gap) or "simulated" (no optimisation).
    gap: proven distance of the objective to its bound, relative to the larger of 1 € and the objective; 0 for
    an LP, NaN if simulated.
    """

    status: Literal["optimal", "time_limit", "simulated"]
    objective_eur: float
    gap: float
    solve_seconds: float
    columns: int
    rows: int
    binaries: int
    wear_cuts: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModePlan:
    """One mode's plan. Arrays [n, T], site_shadow_price [S, T]; energies are NaN where a car is unplugged.

    site_shadow_price, €/kWh metered, is signed like grid power: +v says one more kWh of import limit in that
    slot is worth v, −v the same of export limit; NaN where the mode does not optimise.
    """

    mode: Mode
    charge_kw: FloatArray
    discharge_kw: FloatArray
    plugged: BoolArray
    energy_start_kwh: FloatArray
    energy_end_kwh: FloatArray
    departures: tuple[DepartureOutcome, ...]
    solver: SolverRecord
    site_shadow_price: FloatArray
