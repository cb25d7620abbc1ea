"""Whether each car of a plan is ready when it leaves, since when, and what it lacks if it leaves early."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from flows.plain import records
from optimize.realised import KEPT_SOC

EARLY_S = 3600.0
"""How much earlier a driver may come than the plan expects: what the car lacks then is told."""
_SLOT_S = 900.0
Values = npt.NDArray[np.float64]
COLUMNS = (
    "battery_id", "departure_utc", "target_kwh", "reached_kwh", "missing_kwh", "ready_utc", "margin_h",
    "early_missing_kwh", "readiness",
)  # fmt: skip


def capacity_kwh(cars: pd.DataFrame, usable_kwh: pd.Series, batteries: pd.DataFrame) -> pd.Series:
    """Return the usable energy of cars by battery, kWh: of their calibrations, else as batteries are sold.

    cars: rows of out_plan_car of one plan and mode; usable_kwh: by calibration; batteries: of core_battery.
    """
    usable = cars.set_index("battery_id")["calibration_id"].map(usable_kwh).astype(float)
    nominal = batteries.set_index("battery_id")["nominal_energy_kwh"].astype(float)
    return usable.fillna(nominal.reindex(usable.index))


def readiness(departures: pd.DataFrame, slots: pd.DataFrame, capacity_kwh: pd.Series) -> pd.DataFrame:
    """Return a row a departure that something is promised for, in the order of time.

    departures, slots: rows of out_plan_departure and out_plan_slot of one plan and mode. capacity_kwh: by
    battery. ready_utc: from when on the car holds what is promised until it leaves, NaT for never; margin_h:
    the hours from then on. early_missing_kwh: what it lacks an hour before. readiness: short (it leaves
    without what is promised), tight (it would, an hour earlier) or ready; less than 0.5 % of the battery, or
    what is not known, is no shortfall.
    """
    promised = departures[departures["target_kwh"] > 0].sort_values(["departure_utc", "battery_id"])
    charges = _charges(slots)
    rows = []
    for one in records(promised):
        car = str(one["battery_id"])
        tolerance = KEPT_SOC * float(capacity_kwh.get(car, 0.0))
        charge, leaves = charges.get(car), one["departure_utc"].timestamp()
        ready, held = (None, None) if charge is None else charge.until(leaves, one["target_kwh"] - tolerance)
        early = 0.0 if held is None else max(0.0, one["target_kwh"] - held)
        verdict = "short" if one["missing_kwh"] > tolerance else "tight" if early > tolerance else "ready"
        rows.append({
            **{name: one[name] for name in COLUMNS[:5]},
            "ready_utc": pd.NaT if ready is None else pd.Timestamp(ready, unit="s", tz="UTC"),
            "margin_h": 0.0 if ready is None else (leaves - ready) / 3600.0,
            "early_missing_kwh": early, "readiness": verdict,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True, slots=True, eq=False)
class _Charge:
    """What a car holds: starts of plugged quarter-hours, s since 1970, energy at both their ends, kWh."""

    starts: Values
    begin_kwh: Values
    end_kwh: Values

    def until(self, departure: float, least_kwh: float) -> tuple[float | None, float | None]:
        """Since when in the stay before a departure it holds so much, s, and what it holds an hour before."""
        last = int(np.searchsorted(self.starts, departure))
        if last == 0:
            return None, None
        breaks = np.flatnonzero(np.diff(self.starts[:last]) > 1.5 * _SLOT_S)
        first = int(breaks[-1]) + 1 if len(breaks) else 0
        moments = np.append(self.starts[first], np.minimum(self.starts[first:last] + _SLOT_S, departure))
        held = np.append(self.begin_kwh[first], self.end_kwh[first:last])
        before = int(np.searchsorted(moments, departure - EARLY_S, side="right")) - 1
        lacking = np.flatnonzero(held < least_kwh)
        since = int(lacking[-1]) + 1 if len(lacking) else 0
        ready = float(moments[since]) if since < len(moments) else None
        return ready, float(held[max(before, 0)])


def _charges(slots: pd.DataFrame) -> dict[str, _Charge]:
    """What each car holds while it is plugged in."""
    known = slots[slots["energy_start_kwh"].notna() & slots["energy_end_kwh"].notna()]
    starts = _seconds(known["interval_start_utc"])
    codes, cars = pd.factorize(known["battery_id"].astype(str), sort=True)
    order = np.lexsort((starts, codes))
    energy = known[["energy_start_kwh", "energy_end_kwh"]].to_numpy(dtype=np.float64)[order]
    edges = np.searchsorted(codes[order], np.arange(len(cars) + 1)).tolist()
    return {
        str(car): _Charge(starts[order[begin:end]], energy[begin:end, 0], energy[begin:end, 1])
        for car, begin, end in zip(cars, edges[:-1], edges[1:], strict=True)
    }


def _seconds(times: pd.Series) -> Values:
    """Seconds since 1970 of tz-aware times."""
    stamps = pd.to_datetime(times, utc=True) - pd.Timestamp(0, tz="UTC")
    return np.asarray(stamps.dt.total_seconds(), dtype=np.float64)
