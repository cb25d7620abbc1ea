"""What stands on the page of one car: its day by mode, and its twin."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flows.money import EURO, Money
from flows.publish import day_charts, twin_charts
from flows.publish.drawing import Drawn
from flows.publish.rows_by import RowsBy
from flows.publish.stored_plan import StoredPlan
from flows.publish.twin_section import twin_section
from flows.publish.why import NONE_KEPT, Why
from flows.version import code_version
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


@dataclass(frozen=True, slots=True, eq=False)
class BatteryPages:
    """What the pages of all cars of a plan are filled with: `of` for one of them, `key_of` before that."""

    plan: StoredPlan
    why: Why
    prices: Sequence[Drawn]
    shared: bytes
    calibrations: RowsBy
    slots: RowsBy
    reasons: RowsBy
    departures: RowsBy
    cars: RowsBy
    points: RowsBy
    residuals: RowsBy
    checkups: RowsBy
    batteries: RowsBy
    wear_days: RowsBy
    wear_maps: RowsBy
    history: RowsBy

    @classmethod
    def of_plan(cls, plan: StoredPlan, money: Money = EURO) -> BatteryPages:
        """Rows of a plan by car or by calibration."""
        shared = [plan.axis.slots[0], len(plan.axis.slots), plan.axis.timezone, plan.followed, money]
        shared += [plan.header["as_of_utc"], plan.prices.titles, plan.prices.unit]
        prices = pd.util.hash_pandas_object(plan.prices.frame, index=False).to_numpy()
        return cls(
            plan=plan,
            why=Why(prices=plan.prices, timezone=plan.axis.timezone, money=money),
            prices=day_charts.price_panels(plan.axis, plan.prices),
            shared=repr(shared).encode() + prices.tobytes(),
            calibrations=RowsBy(plan.calibrations.reset_index(), "calibration_id"),
            slots=RowsBy(plan.slots.sort_values("interval_start_utc", kind="stable"), "battery_id"),
            reasons=RowsBy(plan.reasons.sort_values("interval_start_utc", kind="stable"), "battery_id"),
            departures=RowsBy(plan.departures[plan.departures["mode"] == plan.followed], "battery_id"),
            cars=RowsBy(plan.cars, "battery_id"),
            points=RowsBy(plan.life_points, "calibration_id"),
            residuals=RowsBy(plan.residuals, "calibration_id"),
            checkups=RowsBy(plan.checkups, "battery_id"),
            batteries=RowsBy(plan.batteries, "battery_id"),
            wear_days=RowsBy(plan.wear_days, "battery_id"),
            wear_maps=RowsBy(plan.wear_maps, "calibration_id"),
            history=RowsBy(plan.history, "battery_id"),
        )

    def key_of(self, battery_id: str, calibration_id: str, beside: str) -> str:
        """The same for the same page: of what `of` takes for a car, what stands beside it, and the code."""
        own = repr((code_version(), battery_id, calibration_id, beside))
        digest = hashlib.sha256(own.encode("utf-8", "surrogatepass") + self.shared)
        by_car = (self.slots, self.reasons, self.departures, self.cars, self.checkups, self.batteries)
        for rows in (*by_car, self.wear_days, self.history):
            digest.update(b"|" + rows.digest(battery_id))
        for rows in (self.calibrations, self.points, self.residuals, self.wear_maps):
            digest.update(b"|" + rows.digest(calibration_id))
        return digest.hexdigest()

    def of(self, battery_id: str, calibration_id: str) -> Mapping[str, Any]:
        """The figures and charts of one car."""
        plan, battery = self.plan, self.batteries.of(battery_id)
        record = next(iter(self.calibrations.records(calibration_id)), None)
        held = Calibration.from_record(record) if record else None
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
            "cars": self.cars.records(battery_id),
            "points": self.points.records(calibration_id),
            "followed": plan.followed,
            "timezone": plan.axis.timezone,
            "day_chart": day_charts.battery_day(
                plan.axis,
                slots,
                capacity,
                prices=self.prices,
                price_names=day_charts.price_names(plan.prices),
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
                money=self.why.money,
            ),
        }

    def _stays(self, battery_id: str, slots: pd.DataFrame) -> Sequence[Mapping[str, Any]]:
        """The car's sessions with why it does what it does in each; none where no reasons were kept."""
        reasons = self.reasons.of(battery_id)
        if reasons.empty:
            return ()
        followed = slots[slots["mode"] == self.plan.followed]
        return self.why.sessions(reasons, followed, self.departures.of(battery_id))
