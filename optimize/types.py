"""The day's planning problem; with it, from here, every type of the question and of the answer.

Battery-side powers and energies are ≥ 0 and in kW and kWh; prices are €/kWh metered at the plug; times are
tz-aware UTC; SoC, efficiencies and the drawdown limit are 0–1. Arrays count n cars, S sites, B reserve blocks
and T slots in the problem's order. Everything is validated on construction: a ProblemError names the thing
and the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimize.answer import (
    MODES,
    DepartureOutcome,
    Mode,
    ModePlan,
    Prices,
    ReserveBid,
    SolverRecord,
)
from optimize.arrays import BoolArray, CodeArray, FloatArray, checked_array, checked_flags
from optimize.cars import Car, Session, Taper
from optimize.constraints import LinearConstraint, check_constraints
from optimize.errors import ProblemError
from optimize.sites import ReserveBlock, Site, check_reserves, check_sites
from optimize.tariff import Tariff
from optimize.validation import (
    require_finite,
    require_not_negative,
    require_one_of,
    require_positive,
    require_unique,
    require_utc,
)
from optimize.wear import WearForm, WearPrice, choose_form

__all__ = [
    "MODES",
    "OBJECTIVES",
    "BoolArray",
    "Car",
    "CodeArray",
    "DayProblem",
    "DepartureOutcome",
    "FloatArray",
    "LinearConstraint",
    "Mode",
    "ModePlan",
    "Objective",
    "Prices",
    "ReserveBid",
    "ReserveBlock",
    "Session",
    "Site",
    "SolverRecord",
    "Taper",
    "Tariff",
    "WearForm",
    "WearPrice",
    "choose_form",
]

Objective = Literal["net_benefit", "grid_support", "peak_shaving", "load_levelling"]
OBJECTIVES: tuple[Objective, ...] = ("net_benefit", "grid_support", "peak_shaving", "load_levelling")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayProblem:
    """Everything the day's plan depends on.

    slots: T interval starts, evenly spaced by slot_hours. Prices: [T]. Each session must touch the day, or
    come after it and carry on what the one before it leaves: what it lacks then is asked for, too. Sessions
    of one battery must not overlap. terminal_value_eur_per_kwh: worth of a stored (battery-side) kWh
    when a session or the horizon ends, where the session says nothing. departure_price_eur_per_kwh: price of
    a battery-side kWh missing then.
    reserves: capacity that may be sold. constraints: a user's own, of plans in modes "ordered" and "v2g".
    co2_kg_per_kwh [T] is charged at co2_price_eur_per_kg on every metered kWh drawn and credited on every one
    fed back. previous_kw [n, T]: metered power (+ = import) of a
    plan that is in force, NaN where there is none; each plugged kWh of departure from it costs
    change_price_eur_per_kwh.

    What is said of a day holds of each day: duty_days is how many days the slots are, for the wear price of
    their mean daily duty; day_starts the slots at which days begin, each with its own v2g_limit_kwh.
    may_discharge [T]: whether anything may be discharged in a slot; None: in all.

    objective: "net_benefit", or one that comes before it: "grid_support", the most energy fed in net over
    peak_slots; "peak_shaving", the least sum over root sites of the day's largest import; "load_levelling",
    the least Σ_t |P − mean P| of the root sites, kW; base load counts. Before that again comes the energy
    that departures are promised, and after it, among equals, net benefit.
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
    reserves: tuple[ReserveBlock, ...] = ()
    constraints: tuple[LinearConstraint, ...] = ()
    co2_kg_per_kwh: FloatArray | None = None
    co2_price_eur_per_kg: float = 0.0
    previous_kw: FloatArray | None = None
    change_price_eur_per_kwh: float = 0.0
    objective: Objective = "net_benefit"
    peak_slots: tuple[int, ...] = ()
    duty_days: float = 1.0
    day_starts: tuple[int, ...] = (0,)
    may_discharge: BoolArray | None = None

    def __post_init__(self) -> None:
        self._check_slots()
        for field in ("import_price_eur_per_kwh", "export_price_eur_per_kwh"):
            object.__setattr__(self, field, self._checked_price(field))
        require_finite("day", "terminal_value_eur_per_kwh", self.terminal_value_eur_per_kwh)
        require_not_negative("day", "departure_price_eur_per_kwh", self.departure_price_eur_per_kwh)
        require_unique("day", "battery_id", [car.battery_id for car in self.cars])
        require_unique("day", "session_id", [session.session_id for session in self.sessions])
        check_sites(self.sites, len(self.slots))
        check_reserves(self.reserves, self.sites, len(self.slots))
        check_constraints(self.constraints, len(self.cars), len(self.slots))
        site_ids = {site.site_id for site in self.sites}
        for car in self.cars:
            _require_site(f"car {car.battery_id!r}", car.site_id, site_ids)
        self._check_sessions(site_ids)
        self._check_extras()

    @property
    def end_utc(self) -> pd.Timestamp:
        """End of the last slot."""
        return self.slots[-1] + pd.Timedelta(hours=self.slot_hours)

    @property
    def able(self) -> BoolArray:
        """Whether anything may be discharged in each slot, [T]."""
        return np.ones(len(self.slots), dtype=np.bool_) if self.may_discharge is None else self.may_discharge

    @property
    def day_of_slot(self) -> npt.NDArray[np.int64]:
        """The number of each slot's day, [T]."""
        return np.searchsorted(self.day_starts, np.arange(len(self.slots)), side="right") - 1

    def v2g_left_kwh(self) -> FloatArray:
        """What each car may discharge by contract in each day, [n, days] kWh; inf is no limit."""
        limit = np.array([car.v2g_limit_kwh for car in self.cars]).reshape(-1, 1)
        left = np.repeat(limit, len(self.day_starts), axis=1)
        left[:, 0] = np.maximum(left[:, 0] - [car.v2g_used_kwh for car in self.cars], 0.0)
        return left

    def most_gain_eur_per_kwh(self) -> float:
        """More than a battery-side kWh can earn or spare anywhere in the day, wear and rest apart, €/kWh."""
        co2 = float(np.abs(self.co2_eur_per_kwh).max())
        prices = (self.import_price_eur_per_kwh, self.export_price_eur_per_kwh)
        price = max(float(np.abs(one).max()) for one in prices) + co2 + 2.0 * self.change_price_eur_per_kwh
        parent = {site.site_id: site.parent_id for site in self.sites}
        charged = {site.site_id: site.peak_price_eur_per_kw for site in self.sites}
        peak = 0.0
        for site in self.sites:  # a kW is drawn at all the sites that its plug hangs on, and at no other
            drawn, place = 0.0, site.site_id if charged[site.site_id] else None
            while place is not None:
                drawn, place = drawn + charged[place], parent[place]
            peak = max(peak, drawn / self.slot_hours)
        own = [abs(one.value_eur_per_kwh or 0.0) for one in self.sessions]
        values = max([abs(self.terminal_value_eur_per_kwh), *own])
        given = [car.efficiency_charge for car in self.cars]
        given += [one.efficiency_charge for one in self.sessions if one.efficiency_charge is not None]
        rest = max((car.rest_price_eur_per_kwh_h for car in self.cars), default=0.0)
        efficiency = min(given, default=1.0)
        return (price + peak) / efficiency + values + rest * self.slot_hours * len(self.slots)

    @property
    def co2_eur_per_kwh(self) -> FloatArray:
        """What emissions add to both prices in each slot, [T] €/kWh metered."""
        if self.co2_kg_per_kwh is None:
            return np.zeros(len(self.slots))
        return self.co2_price_eur_per_kg * self.co2_kg_per_kwh

    @property
    def import_cost_eur_per_kwh(self) -> FloatArray:
        """What a kWh drawn costs at its meter, emissions included, [T]."""
        return self.import_price_eur_per_kwh + self.co2_eur_per_kwh

    @property
    def export_value_eur_per_kwh(self) -> FloatArray:
        """What a kWh fed back is worth at its meter, emissions included, [T]."""
        return self.export_price_eur_per_kwh + self.co2_eur_per_kwh

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

    def _check_sessions(self, site_ids: set[str]) -> None:
        cars = {car.battery_id: car for car in self.cars}
        start, end = self.slots[0], self.end_utc
        by_battery: dict[str, list[Session]] = {}
        for session in self.sessions:
            subject = f"session {session.session_id!r}"
            if session.battery_id not in cars:
                raise ProblemError(
                    subject, "battery_id", repr(session.battery_id), "is not a car of this day"
                )
            subject = f"{subject} of battery {session.battery_id!r}"
            if session.departure_utc <= start or (session.arrival_utc >= end and not session.carries):
                visit = f"{session.arrival_utc} to {session.departure_utc}"
                rule = f"must touch the day ({start} to {end})"
                raise ProblemError(subject, "stay", visit, rule)
            if session.site_id is not None:
                _require_site(subject, session.site_id, site_ids)
            _require_order(subject, session, cars[session.battery_id])
            by_battery.setdefault(session.battery_id, []).append(session)
        for battery_id, sessions in by_battery.items():
            for one, other in pairwise(sorted(sessions, key=lambda visit: visit.arrival_utc)):
                if other.arrival_utc < one.departure_utc:
                    subject = f"battery {battery_id!r}, session {other.session_id!r}"
                    rule = f"overlaps session {one.session_id!r}, which leaves at {one.departure_utc}"
                    raise ProblemError(subject, "arrival_utc", other.arrival_utc, rule)
                if other.carries:
                    self._check_carried(one, other)

    def _check_carried(self, before: Session, session: Session) -> None:
        """What is left must pass through a trip, be worth the same after it, and not be made by missing."""
        subject = f"session {session.session_id!r} of battery {session.battery_id!r}"
        if session.arrival_soc > before.departure_soc:
            rule = f"carries: must not be above the target of {before.session_id!r} ({before.departure_soc})"
            raise ProblemError(subject, "arrival_soc", session.arrival_soc, rule)
        if session.value_eur_per_kwh != before.value_eur_per_kwh:
            rule = f"must be that of session {before.session_id!r} ({before.value_eur_per_kwh})"
            raise ProblemError(subject, "value_eur_per_kwh", session.value_eur_per_kwh, rule)
        if self.reserves or self.constraints:
            together_with = "reserves" if self.reserves else "own constraints"
            raise ProblemError(subject, "carries", True, f"is not known next to {together_with}")
        most = self.most_gain_eur_per_kwh()
        if self.departure_price_eur_per_kwh <= most:
            rule = f"must be above what a kWh can earn ({most:.3g}) where sessions carry"
            raise ProblemError("day", "departure_price_eur_per_kwh", self.departure_price_eur_per_kwh, rule)

    def _check_extras(self) -> None:
        slots = len(self.slots)
        if self.co2_kg_per_kwh is not None:
            co2 = checked_array("day", "co2_kg_per_kwh", self.co2_kg_per_kwh, (slots,))
            object.__setattr__(self, "co2_kg_per_kwh", co2)
        require_not_negative("day", "co2_price_eur_per_kg", self.co2_price_eur_per_kg)
        if self.previous_kw is not None:
            shape = (len(self.cars), slots)
            previous = checked_array("day", "previous_kw", self.previous_kw, shape, gaps=True)
            object.__setattr__(self, "previous_kw", previous)
        require_not_negative("day", "change_price_eur_per_kwh", self.change_price_eur_per_kwh)
        require_one_of("day", "objective", self.objective, OBJECTIVES)
        require_positive("day", "duty_days", self.duty_days)
        starts = self.day_starts
        if not starts or starts[0] != 0 or any(b <= a for a, b in pairwise(starts)) or starts[-1] >= slots:
            raise ProblemError("day", "day_starts", starts, f"must rise from 0 to below {slots}")
        if self.may_discharge is not None:
            able = checked_flags("day", "may_discharge", self.may_discharge, (slots,))
            object.__setattr__(self, "may_discharge", able)
        if any(not 0 <= slot < slots for slot in self.peak_slots):
            raise ProblemError("day", "peak_slots", self.peak_slots, f"must lie in 0 … {slots - 1}")
        if self.objective == "grid_support" and not self.peak_slots:
            raise ProblemError("day", "peak_slots", "empty", "must name the hours to support")


def _require_order(subject: str, session: Session, car: Car) -> None:
    """The least of a session is not above what it may hold at most, nor that below what the car has to."""
    if session.max_soc is not None and session.max_soc < car.soc_min:
        rule = f"must be >= the car's soc_min ({car.soc_min})"
        raise ProblemError(subject, "max_soc", session.max_soc, rule)
    highest = car.soc_max if session.max_soc is None else min(car.soc_max, session.max_soc)
    if session.min_soc is not None and session.min_soc > highest:
        whose = "the car's soc_max" if session.max_soc is None else "its max_soc and the car's"
        raise ProblemError(subject, "min_soc", session.min_soc, f"must be <= {whose} ({highest})")


def _require_site(subject: str, site_id: str, site_ids: set[str]) -> None:
    if site_id not in site_ids:
        raise ProblemError(subject, "site_id", repr(site_id), f"must be one of {sorted(site_ids)}")
