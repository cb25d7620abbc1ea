"""The ladder of prices for a market day: published, substituted, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np
import pandas as pd

from flows.stages.hashing import hash_values
from flows.stages.retail import Prices, RetailPrices, quarter_prices, retail_prices, spread
from optimize.types import Mode, Tariff
from warehouse.known import Known
from warehouse.zones import market_day_slots, market_timezone

PlanSource = Literal["published", "substituted", "charge_only"]
RUNGS: tuple[PlanSource, ...] = ("published", "substituted", "charge_only")
MODES: Mapping[PlanSource, tuple[Mode, ...]] = {
    "published": ("uncontrolled", "ordered", "v2g"),
    "substituted": ("uncontrolled", "ordered"),
    "charge_only": ("uncontrolled",),
}
"""The modes a rung allows, each may do more than the one before; the last one that is known is followed."""
_TERMINAL_DAYS, _TERMINAL_QUANTILE = 7, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPrices:
    """The prices of a day's quarter-hours and how they came about.

    price_eur_per_kwh: [T], wholesale; None where no market price is known. usual_eur_per_kwh: the lower
    quartile of the day's and the week's prices before it, what a kWh costs that may wait. retail: what a
    tariff says of the day. note: why it is not the first rung, or empty. rows: the rows of core_price behind.
    """

    source: PlanSource
    slots: pd.DatetimeIndex
    price_eur_per_kwh: Prices | None
    usual_eur_per_kwh: float
    retail: RetailPrices
    note: str
    rows: pd.DataFrame

    @property
    def digest(self) -> str:
        """Hash of the rung and the market's prices, by which a plan knows them again."""
        price = self.price_eur_per_kwh
        return hash_values([self.source, None if price is None else price.tolist(), self.usual_eur_per_kwh])

    def at_the_plug(self, settings: Tariff) -> tuple[Prices, Prices]:
        """What a kWh costs and earns in each slot: by retail tariff, else by market price and settings."""
        market, nothing = self.price_eur_per_kwh, np.zeros(len(self.slots))
        buy = nothing if market is None else settings.import_price_eur_per_kwh(market)
        sell = nothing if market is None else settings.export_price_eur_per_kwh(market)
        bought, sold = self.retail.import_eur_per_kwh, self.retail.export_eur_per_kwh
        return buy if bought is None else bought, sell if sold is None else sold

    def usual_at_the_plug(self, settings: Tariff) -> float:
        """What a kWh bought costs that may wait, €/kWh."""
        bought = self.retail.import_eur_per_kwh
        if bought is not None:
            return _usual(self.retail.week_eur_per_kwh, bought)
        return float(settings.import_price_eur_per_kwh(np.array([self.usual_eur_per_kwh]))[0])


def day_prices(known: Known, zone: str, day: date) -> DayPrices:
    """The best rung for a market day: its own prices, those of the same weekday a week before, or none.

    A retail tariff of what is bought that covers the day counts as published where no market price is known;
    nothing is earned then but what a tariff of what is sold says.
    """
    slots = market_day_slots(day, zone)
    retail = retail_prices(known, zone, slots, _TERMINAL_DAYS)
    rows = _read(known, zone, slots)
    own = spread(rows, slots)
    if not np.isnan(own).any():
        return _day(known, zone, "published", slots, own, retail, rows, note="")
    if retail.import_eur_per_kwh is not None:
        return _unknown("published", slots, retail, rows, note="")
    missing = (
        f"zone {zone}: {int(np.isnan(own).sum())} of {len(slots)} quarter-hours of {day} without one price"
    )
    before = day - timedelta(days=7)
    before_slots = market_day_slots(before, zone)
    rows = _read(known, zone, before_slots)
    old = spread(rows, before_slots)
    if np.isnan(old).any():
        note = f"{missing}, nor is {before} complete"
        return _unknown("charge_only", slots, retail, rows, note=note)
    price = _same_clock(old, before_slots, slots, zone)
    note = f"{missing}: those of {before} stand in"
    return _day(known, zone, "substituted", slots, price, retail, rows, note=note)


def _unknown(
    source: PlanSource, slots: pd.DatetimeIndex, retail: RetailPrices, rows: pd.DataFrame, *, note: str
) -> DayPrices:
    """A day without market price."""
    return DayPrices(
        source=source,
        slots=slots,
        price_eur_per_kwh=None,
        usual_eur_per_kwh=0.0,
        retail=retail,
        note=note,
        rows=rows.iloc[:0],
    )


def _day(
    known: Known,
    zone: str,
    source: PlanSource,
    slots: pd.DatetimeIndex,
    price: Prices,
    retail: RetailPrices,
    rows: pd.DataFrame,
    *,
    note: str,
) -> DayPrices:
    start = slots[0] - pd.Timedelta(days=_TERMINAL_DAYS)
    week = known.read("core_price", where={"zone": zone}, start=start, end=slots[0])
    return DayPrices(
        source=source,
        slots=slots,
        price_eur_per_kwh=price,
        usual_eur_per_kwh=_usual(quarter_prices(week), price),
        retail=retail,
        note=note,
        rows=pd.concat([week, rows]).drop_duplicates("interval_start_utc"),
    )


def _usual(before: Prices, own: Prices) -> float:
    """One day alone may be below zero throughout; a week tells what energy in store will save."""
    return float(np.quantile(np.concatenate([before, own]), _TERMINAL_QUANTILE))


def _read(known: Known, zone: str, slots: pd.DatetimeIndex) -> pd.DataFrame:
    # An hour that began before the first slot still prices it.
    start, end = slots[0] - pd.Timedelta(hours=1), slots[-1] + pd.Timedelta(minutes=15)
    rows = known.read("core_price", where={"zone": zone}, start=start, end=end)
    lasts = pd.to_timedelta(rows["resolution_minutes"], unit="min")
    return rows[rows["interval_start_utc"] + lasts > slots[0]]


def _same_clock(price: Prices, given: pd.DatetimeIndex, wanted: pd.DatetimeIndex, zone: str) -> Prices:
    """The price that the local clock showed: a repeated hour counts twice, a hidden one is as before."""
    timezone = market_timezone(zone)
    clock = _minutes(given, timezone)
    table = pd.Series(price, index=clock)
    table = table[~table.index.duplicated()].reindex(range(0, 24 * 60, 15)).ffill()
    return np.asarray(table.loc[_minutes(wanted, timezone)], dtype=np.float64)


def _minutes(slots: pd.DatetimeIndex, timezone: str) -> list[int]:
    local = slots.tz_convert(timezone)
    return [int(hour) * 60 + int(minute) for hour, minute in zip(local.hour, local.minute, strict=True)]
