"""The ladder of prices for a market day: published, substituted, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimize.types import Mode
from warehouse.store import Warehouse
from warehouse.zones import market_day_slots, market_timezone

PlanSource = Literal["published", "substituted", "charge_only"]
RUNGS: tuple[PlanSource, ...] = ("published", "substituted", "charge_only")
MODES: Mapping[PlanSource, tuple[Mode, ...]] = {
    "published": ("uncontrolled", "ordered", "v2g"),
    "substituted": ("uncontrolled", "ordered"),
    "charge_only": ("uncontrolled",),
}
"""The modes a rung allows; the last one is the plan to follow."""
_TERMINAL_DAYS, _TERMINAL_QUANTILE = 7, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPrices:
    """The market price of a day's quarter-hours and how it came about.

    price_eur_per_kwh: [T], wholesale; None on the last rung. usual_eur_per_kwh: the lower quartile of the
    day's and the week's prices before it, what a kWh costs that may wait. note: why it is not the first
    rung, or empty. rows: the rows of core_price behind both.
    """

    source: PlanSource
    slots: pd.DatetimeIndex
    price_eur_per_kwh: npt.NDArray[np.float64] | None
    usual_eur_per_kwh: float
    note: str
    rows: pd.DataFrame


def day_prices(warehouse: Warehouse, zone: str, day: date) -> DayPrices:
    """The best rung for a market day: its own prices, those of the same weekday a week before, or none."""
    slots = market_day_slots(day, zone)
    rows = _read(warehouse, zone, slots)
    own = _spread(rows, slots)
    if not np.isnan(own).any():
        return _day(warehouse, zone, "published", slots, own, rows, note="")
    missing = (
        f"zone {zone}: {int(np.isnan(own).sum())} of {len(slots)} quarter-hours of {day} without one price"
    )
    before = day - timedelta(days=7)
    before_slots = market_day_slots(before, zone)
    rows = _read(warehouse, zone, before_slots)
    old = _spread(rows, before_slots)
    if np.isnan(old).any():
        return DayPrices(
            source="charge_only",
            slots=slots,
            price_eur_per_kwh=None,
            usual_eur_per_kwh=0.0,
            note=f"{missing}, nor is {before} complete",
            rows=rows.iloc[:0],
        )
    price = _same_clock(old, before_slots, slots, zone)
    note = f"{missing}: those of {before} stand in"
    return _day(warehouse, zone, "substituted", slots, price, rows, note=note)


def _day(
    warehouse: Warehouse,
    zone: str,
    source: PlanSource,
    slots: pd.DatetimeIndex,
    price: npt.NDArray[np.float64],
    rows: pd.DataFrame,
    *,
    note: str,
) -> DayPrices:
    """One day alone may be below zero throughout; a week tells what energy in store will save."""
    start = slots[0] - pd.Timedelta(days=_TERMINAL_DAYS)
    week = warehouse.read("core_price", where={"zone": zone}, start=start, end=slots[0])
    before = np.repeat(week["price_eur_per_kwh"].to_numpy(dtype=np.float64), week["resolution_minutes"] // 15)
    return DayPrices(
        source=source,
        slots=slots,
        price_eur_per_kwh=price,
        usual_eur_per_kwh=float(np.quantile(np.concatenate([before, price]), _TERMINAL_QUANTILE)),
        note=note,
        rows=pd.concat([week, rows]).drop_duplicates("interval_start_utc"),
    )


def _read(warehouse: Warehouse, zone: str, slots: pd.DatetimeIndex) -> pd.DataFrame:
    # An hour that began before the first slot still prices it.
    start, end = slots[0] - pd.Timedelta(hours=1), slots[-1] + pd.Timedelta(minutes=15)
    rows = warehouse.read("core_price", where={"zone": zone}, start=start, end=end)
    lasts = pd.to_timedelta(rows["resolution_minutes"], unit="min")
    return rows[rows["interval_start_utc"] + lasts > slots[0]]


def _spread(rows: pd.DataFrame, slots: pd.DatetimeIndex) -> npt.NDArray[np.float64]:
    """Price of each slot; NaN where no interval covers it, or several: then nobody knows which holds."""
    quarters = rows["resolution_minutes"].to_numpy(dtype=np.int64) // 15
    step = np.arange(quarters.sum()) - np.repeat(np.cumsum(quarters) - quarters, quarters)
    starts = pd.DatetimeIndex(rows["interval_start_utc"]).repeat(quarters) + step * pd.Timedelta(minutes=15)
    price = pd.Series(np.repeat(rows["price_eur_per_kwh"].to_numpy(dtype=np.float64), quarters), index=starts)
    return price[~price.index.duplicated(keep=False)].reindex(slots).to_numpy(dtype=np.float64)


def _same_clock(
    price: npt.NDArray[np.float64], given: pd.DatetimeIndex, wanted: pd.DatetimeIndex, zone: str
) -> npt.NDArray[np.float64]:
    """The price that the local clock showed: a repeated hour counts twice, a hidden one is as before."""
    timezone = market_timezone(zone)
    clock = _minutes(given, timezone)
    table = pd.Series(price, index=clock)
    table = table[~table.index.duplicated()].reindex(range(0, 24 * 60, 15)).ffill()
    return np.asarray(table.loc[_minutes(wanted, timezone)], dtype=np.float64)


def _minutes(slots: pd.DatetimeIndex, timezone: str) -> list[int]:
    local = slots.tz_convert(timezone)
    return [int(hour) * 60 + int(minute) for hour, minute in zip(local.hour, local.minute, strict=True)]
