"""What stands on the page of one car: its day by mode, and its twin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flows.money import EURO, Money
from flows.plain import records
from flows.publish import day_charts, twin_charts
from flows.publish.stored_plan import StoredPlan
from flows.publish.twin_section import twin_section
from flows.publish.why import NONE_KEPT, Why
from twin.chemistry import chemistry
from twin.types import Calibration

_QUALITIES = {
    "calibrated": "fitted to telemetry and check-ups",
    "energy": "capacity by energy against SoC, for the car tells no voltage, and check-ups",
    "checkups": "fitted to check-ups alone",
    "prior": "no usable data: the chemistry's prior",
    "disputed": "the fit to telemetry belies itself: check-ups alone, or the prior where there are none",
    "stale": "sensors refused: the last good calibration is kept",
}


class _Rows:
    """Rows of a table by one column, found without looking through all of them again."""

    def __init__(self, frame: pd.DataFrame, by: str) -> None:
        self._none = frame.iloc[:0]
        self._own = {str(key): own for key, own in frame.groupby(by, sort=False)}

    def of(self, key: str) -> pd.DataFrame:
        """The rows of a key, none for an unknown one."""
        return self._own.get(key, self._none)


@dataclass(frozen=True, slots=True, eq=False)
class BatteryPages:
    """What the pages of all cars of a plan are filled with; `of` for one of them."""

    plan: StoredPlan
    why: Why
    slots: _Rows
    reasons: _Rows
    departures: _Rows
    cars: _Rows
    points: _Rows
    residuals: _Rows
    checkups: _Rows
    batteries: _Rows
    wear_days: _Rows
    wear_maps: _Rows
    history: _Rows

    @classmethod
    def of_plan(cls, plan: StoredPlan, money: Money = EURO) -> BatteryPages:
        """Rows of a plan by car or by calibration."""
        return cls(
            plan=plan,
            why=Why(prices=plan.prices, timezone=plan.axis.timezone, money=money),
            slots=_Rows(plan.slots, "battery_id"),
            reasons=_Rows(plan.reasons, "battery_id"),
            departures=_Rows(plan.departures[plan.departures["mode"] == plan.followed], "battery_id"),
            cars=_Rows(plan.cars, "battery_id"),
            points=_Rows(plan.life_points, "calibration_id"),
            residuals=_Rows(plan.residuals, "calibration_id"),
            checkups=_Rows(plan.checkups, "battery_id"),
            batteries=_Rows(plan.batteries, "battery_id"),
            wear_days=_Rows(plan.wear_days, "battery_id"),
            wear_maps=_Rows(plan.wear_maps, "calibration_id"),
            history=_Rows(plan.history, "battery_id"),
        )

    def of(self, battery_id: str, calibration_id: str) -> Mapping[str, Any]:
        """The figures and charts of one car."""
        plan, battery = self.plan, self.batteries.of(battery_id)
        known = calibration_id in plan.calibrations.index
        record = records(plan.calibrations.loc[[calibration_id]])[0] if known else None
        held = None
        if record:
            held = Calibration.from_record(record | {"calibration_id": calibration_id})
        nominal = float(battery["nominal_energy_kwh"].iloc[0]) if len(battery) else math.nan
        capacity = float(record["usable_energy_kwh"]) if record else nominal
        slots = self.slots.of(battery_id)
        points, residuals = self.points.of(calibration_id), self.residuals.of(calibration_id)
        return {
            "battery_id": battery_id,
            "calibration_id": calibration_id,
            "calibration": record,
            "cell": chemistry(record["chemistry"]) if record else None,
            "quality": _QUALITIES[record["quality"]]
            if record
            else "not calibrated: charged, never discharged",
            "duty": held.record.duty if held else None,
            "cars": records(self.cars.of(battery_id)),
            "points": records(points),
            "followed": plan.followed,
            "timezone": plan.axis.timezone,
            "day_chart": day_charts.battery_day(
                plan.axis,
                slots,
                capacity,
                prices=plan.prices,
                stretches=self.reasons.of(battery_id),
                departures=self.departures.of(battery_id),
            )
            if capacity > 0
            else "",
            "stays": self._stays(battery_id, slots),
            "no_reasons": NONE_KEPT,
            "fit_chart": twin_charts.voltage_fit(residuals) if len(residuals) else "",
            "law_chart": twin_charts.life_law(points) if len(points) else "",
            **twin_section(
                held,
                battery,
                self.checkups.of(battery_id),
                self.wear_days.of(battery_id),
                self.wear_maps.of(calibration_id),
                self.history.of(battery_id),
                as_of_utc=pd.Timestamp(plan.header["as_of_utc"]),
            ),
        }

    def _stays(self, battery_id: str, slots: pd.DataFrame) -> Sequence[Mapping[str, Any]]:
        """The car's sessions with why it does what it does in each; none where no reasons were kept."""
        reasons = self.reasons.of(battery_id)
        if reasons.empty:
            return ()
        followed = slots[slots["mode"] == self.plan.followed]
        return self.why.sessions(reasons, followed, self.departures.of(battery_id))
