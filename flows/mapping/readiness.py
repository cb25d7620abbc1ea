"""Whether each car of a plan is ready when it leaves, since when, and what it lacks if it leaves early."""

from __future__ import annotations

from typing import Any

import pandas as pd

from flows.plain import records
from optimize.realised import KEPT_SOC

EARLY = pd.Timedelta(hours=1)
"""How much earlier a driver may come than the plan expects: what the car lacks then is told."""
_SLOT = pd.Timedelta(minutes=15)
COLUMNS = (
    "battery_id", "departure_utc", "target_kwh", "reached_kwh", "missing_kwh", "ready_utc", "margin_h",
    "early_missing_kwh", "readiness",
)  # fmt: skip


def readiness(departures: pd.DataFrame, slots: pd.DataFrame, capacity_kwh: pd.Series) -> pd.DataFrame:
    """Return a row a departure that something is promised for, in the order of time.

    departures, slots: rows of out_plan_departure and out_plan_slot of one plan and mode. capacity_kwh: by
    battery. ready_utc: from when on the car holds what is promised until it leaves, NaT for never; margin_h:
    the hours from then on. early_missing_kwh: what it lacks an hour before. readiness: short (it leaves
    without what is promised), tight (it would, an hour earlier) or ready; less than 0.5 % of the battery, or
    what is not known, is no shortfall.
    """
    promised = departures[departures["target_kwh"] > 0].sort_values(["departure_utc", "battery_id"])
    own = {str(car): rows.sort_values("interval_start_utc") for car, rows in slots.groupby("battery_id")}
    rows = []
    for one in records(promised):
        car = str(one["battery_id"])
        least = one["target_kwh"] - KEPT_SOC * float(capacity_kwh.get(car, 0.0))
        ready, early = _since(own.get(car, slots.iloc[:0]), one["departure_utc"], one["target_kwh"], least)
        short = one["missing_kwh"] > one["target_kwh"] - least
        verdict = "short" if short else "tight" if early > one["target_kwh"] - least else "ready"
        margin = (one["departure_utc"] - ready) / pd.Timedelta(hours=1) if ready is not pd.NaT else 0.0
        rows.append(
            (
                car, one["departure_utc"], one["target_kwh"], one["reached_kwh"], one["missing_kwh"], ready,
                margin, early, verdict,
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _since(
    slots: pd.DataFrame, departure: pd.Timestamp, target_kwh: float, least_kwh: float
) -> tuple[Any, float]:
    """Since when a car has what it needs without a break, and what it lacks an hour before it leaves, kWh."""
    known = slots[slots["energy_end_kwh"].notna() & (slots["interval_start_utc"] < departure)]
    breaks = (known["interval_start_utc"].diff() > _SLOT).cumsum()
    stay = known[breaks == breaks.max()]
    if stay.empty:
        return pd.NaT, 0.0
    ends = [min(start + _SLOT, departure) for start in stay["interval_start_utc"]]
    held = [float(stay["energy_start_kwh"].iloc[0]), *stay["energy_end_kwh"].astype(float)]
    moments = [stay["interval_start_utc"].iloc[0], *ends]
    before = [kwh for moment, kwh in zip(moments, held, strict=True) if moment <= departure - EARLY]
    early = max(0.0, target_kwh - (before or held)[-1 if before else 0])
    lacking = [place for place, kwh in enumerate(held) if kwh < least_kwh]
    first = lacking[-1] + 1 if lacking else 0
    return (moments[first] if first < len(moments) else pd.NaT), early
