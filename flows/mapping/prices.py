"""The ladder of prices of a market day (published, substituted, none), and of all slots that a plan spans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from flows.clock import tomorrow
from flows.context import Context
from flows.mapping.hashing import hash_values
from flows.mapping.horizon import (
    LONGEST_TAIL,
    QUARTER,
    Horizon,
    HorizonKind,
    candidate_slots,
    first_horizon,
    quarter_hours,
)
from flows.mapping.like_days import HISTORY, LikeDays
from flows.mapping.retail import Prices, retail_rows, spread
from optimize.types import Mode, Tariff
from warehouse.known import Known
from warehouse.zones import market_day_bounds, market_day_slots, market_timezone, publication

PlanSource = Literal["published", "substituted", "charge_only"]
RUNGS: tuple[PlanSource, ...] = ("published", "substituted", "charge_only")
MODES: Mapping[PlanSource, tuple[Mode, ...]] = {
    "published": ("uncontrolled", "ordered", "v2g"),
    "substituted": ("uncontrolled", "ordered"),
    "charge_only": ("uncontrolled",),
}
"""The modes a rung allows, each may do more than the one before; the last one that is known is followed."""
PRICE_SOURCES = ("published", "substituted", "forecast")
_MINUTES = pd.Timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanPrices:
    """The prices of a plan's quarter-hours and how they came about.

    source: the rung of the market day. told: where each slot's price is from, one of PRICE_SOURCES, [T].
    market: wholesale, €/kWh [T]; None where no market price is known. bought, sold: what a retail tariff says
    at the plug, fees and taxes included, €/kWh [T], NaN where the market's price holds; None for no tariff.
    past, past_bought: the same of the days before. note: why it is not the first rung, or empty. rows,
    retail_rows: of core_price, core_tariff.
    """

    source: PlanSource
    horizon: Horizon
    told: tuple[str, ...]
    market: Prices | None
    bought: Prices | None
    sold: Prices | None
    past: LikeDays
    past_bought: LikeDays
    note: str
    rows: pd.DataFrame
    retail_rows: pd.DataFrame

    @property
    def slots(self) -> pd.DatetimeIndex:
        """The quarter-hours that the plan spans."""
        return self.horizon.slots

    @property
    def published(self) -> int:
        """How many slots, from the first, have a published price: those that may be fed back in."""
        run = next((i for i, told in enumerate(self.told) if told != "published"), len(self.told))
        return min(run, self.horizon.priced_slots)

    @property
    def digest(self) -> str:
        """Hash of slots, rung and the market's prices, those of the past too, by which a plan knows them."""
        market = None if self.market is None else self.market.tolist()
        past = [table.to_numpy().tolist() for table in (self.past.table, self.past_bought.table)]
        return hash_values([str(self.slots[0]), len(self.slots), self.source, self.told, market, past])

    def at_the_plug(self, settings: Tariff) -> tuple[Prices, Prices]:
        """What a kWh costs and earns in each slot: by retail tariff, else by market price and settings."""
        market, nothing = self.market, np.zeros(len(self.slots))
        buy = nothing if market is None else settings.import_price_eur_per_kwh(market)
        sell = nothing if market is None else settings.export_price_eur_per_kwh(market)
        bought, sold = (
            market if tariff is None else np.where(np.isnan(tariff), market, tariff)
            for tariff, market in ((self.bought, buy), (self.sold, sell))
        )
        return bought, sold

    def past_at_the_plug(self, settings: Tariff, slots: pd.DatetimeIndex) -> Prices:
        """What a kWh bought cost in slots like these on each of the last like days, [days, T]."""
        if self.bought is not None:
            return self.past_bought.each(slots)
        return settings.import_price_eur_per_kwh(self.past.each(slots))


Departures = Callable[[Horizon], pd.Series]
"""When the cars of a horizon leave, as far as it is known or expected."""


def plan_prices(
    context: Context, day: date, departures: Departures, kind: HorizonKind | None = None
) -> PlanPrices:
    """The best rung for a market day: its own prices, those of the same weekday a week before, or none.

    A retail tariff of what is bought that covers the day counts as published where no market price is known;
    nothing is earned then but what a tariff of what is sold says. departures: they tell how far the plan
    reaches. kind: of the horizon, that of the settings unless told. Raises NoPlanError where the
    day is over.
    """
    known, zone = context.known, context.workspace.zone
    kind = kind or context.workspace.settings.plan.horizon
    slots = candidate_slots(zone, day, context.as_of, kind)
    rows = _rows(known, "core_price", zone, slots[0] - HISTORY, slots[-1] + QUARTER)
    tariff = _rows(known, "core_tariff", zone, slots[0] - HISTORY, slots[-1] + QUARTER + LONGEST_TAIL)
    own, buys = spread(rows, slots), spread(retail_rows(tariff, "import"), slots)
    of_day = slots.isin(market_day_slots(day, zone))
    retail = np.isfinite(buys[of_day]).all() and not np.isfinite(own[of_day]).all()
    horizon = first_horizon(zone, day, kind, slots, np.isfinite(buys if retail else own))
    horizon = horizon.reaching(departures(horizon))
    return _Ladder(known, horizon, rows, tariff).climbed(retail=bool(retail))


def day_to_plan_now(context: Context) -> date:
    """The last market day whose prices are known of those that a plan from now on can be made of.

    Tomorrow once they are published, by the market or a retail tariff; before, the day that is running.
    """
    known, zone = context.known, context.workspace.zone
    day = tomorrow(context.as_of, zone)
    begin, _ = market_day_bounds(day, zone)
    if pd.Timestamp(context.as_of).ceil(QUARTER) >= begin:  # nothing is left of today
        return day
    if context.workspace.settings.plan.horizon == "market_day":
        return day - timedelta(days=1)
    slots = market_day_slots(day, zone)
    rows, tariff = (
        _rows(known, name, zone, slots[0], slots[-1] + QUARTER) for name in ("core_price", "core_tariff")
    )
    told = (spread(rows, slots), spread(retail_rows(tariff, "import"), slots))
    return day if any(np.isfinite(one).all() for one in told) else day - timedelta(days=1)


def known_since(context: Context, day: date) -> datetime:
    """When the prices of a past day had all come; where that was after it began, when they are out."""
    zone = context.workspace.zone
    begin, end = market_day_bounds(day, zone)
    rows = context.known.read("core_price", where={"zone": zone}, start=begin, end=end)
    came = None if rows.empty else rows["received_utc"].max()
    return publication(day, zone) if came is None or came >= begin else came.to_pydatetime()


@dataclass(frozen=True, slots=True)
class _Ladder:
    """All that a plan's prices are made of."""

    known: Known
    horizon: Horizon
    rows: pd.DataFrame
    tariff: pd.DataFrame

    def climbed(self, *, retail: bool) -> PlanPrices:
        horizon = self.horizon
        slots, zone, day = horizon.slots, horizon.zone, horizon.market_date
        market = spread(self.rows, slots)
        in_day = np.arange(len(slots)) < horizon.priced_slots
        published = np.isfinite(market)
        lacks = int((~published & in_day).sum())
        if not lacks:
            return self._priced("published", market, published, note="")
        if retail:
            return self._priced("published", None, in_day, note="")
        missing = f"zone {zone}: {lacks} of {int(in_day.sum())} quarter-hours of {day} without one price"
        before = day - timedelta(days=7)
        old_slots = market_day_slots(before, zone)
        old = spread(_rows(self.known, "core_price", zone, old_slots[0], old_slots[-1] + QUARTER), old_slots)
        if np.isnan(old).any():
            note = f"{missing}, nor is {before} complete"
            return self._priced("charge_only", None, np.zeros(len(slots), dtype=np.bool_), note=note)
        # What is known of the day is planned on: only its holes are last week's.
        holes = in_day & ~published & np.asarray(slots >= market_day_slots(day, zone)[0])
        market[holes] = _same_clock(old, old_slots, slots[holes], zone)
        note = f"{missing}: those of {before} stand in"
        return self._priced("substituted", market, published, note=note)

    def _priced(
        self, source: PlanSource, market: Prices | None, published: npt.NDArray[np.bool_], *, note: str
    ) -> PlanPrices:
        horizon, zone = self.horizon, self.horizon.zone
        in_day = np.arange(len(horizon.slots)) < horizon.priced_slots
        bought_rows, sold_rows = (retail_rows(self.tariff, way) for way in ("import", "export"))
        past, past_bought = (LikeDays.of(self._before(rows), zone) for rows in (self.rows, bought_rows))
        bought, sold = (
            self._whole(spread(rows, horizon.slots), LikeDays.of(self._before(rows), zone), market)
            for rows in (bought_rows, sold_rows)
        )
        if market is not None:
            market = _filled(market, past, horizon.slots)
        rest = np.where(in_day, "substituted", "forecast")
        return PlanPrices(
            source=source,
            horizon=horizon,
            told=tuple(np.where(published, "published", rest).tolist()),
            market=market,
            bought=bought,
            sold=sold,
            past=past,
            past_bought=past_bought,
            note=note,
            rows=self.rows.iloc[:0] if market is None else self.rows,
            retail_rows=pd.concat(
                [rows for rows, used in ((bought_rows, bought), (sold_rows, sold)) if used is not None]
                or [self.tariff.iloc[:0]]
            ),
        )

    def _before(self, rows: pd.DataFrame) -> pd.Series:
        """The quarter-hours of the weeks before and of the horizon's day."""
        slots = quarter_hours(self.horizon.start - HISTORY, self.horizon.priced_end)
        return pd.Series(spread(rows, slots), index=slots)

    def _whole(self, prices: Prices, past: LikeDays, market: Prices | None) -> Prices | None:
        """A direction's tariff, if it covers the whole market day; beyond it as on days before.

        NaN in hours before the day that the tariff does not cover and the market does.
        """
        slots = self.horizon.slots
        of_day = slots.isin(market_day_slots(self.horizon.market_date, self.horizon.zone))
        if np.isnan(prices[of_day]).any():
            return None
        filled = _filled(prices, past, slots)
        if market is not None:
            before = np.asarray(slots < slots[of_day][0])
            filled[before & np.isnan(prices) & np.isfinite(market)] = np.nan
        return filled


def _filled(prices: Prices, past: LikeDays, slots: pd.DatetimeIndex) -> Prices:
    """Prices with a forecast where there are none: of like days, else their own mean."""
    filled = np.where(np.isnan(prices), past.mean(slots), prices)
    return np.where(np.isnan(filled), np.nanmean(filled), filled)


def _rows(known: Known, table: str, zone: str, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    # An hour that began before the first slot still prices it.
    rows = known.read(table, where={"zone": zone}, start=start - timedelta(hours=1), end=end)
    return rows[rows["interval_start_utc"] + rows["resolution_minutes"] * _MINUTES > start]


def _same_clock(price: Prices, given: pd.DatetimeIndex, wanted: pd.DatetimeIndex, zone: str) -> Prices:
    """The price that the local clock showed: a repeated hour counts twice, a hidden one is as before."""
    timezone = market_timezone(zone)
    table = pd.Series(price, index=_clock(given, timezone))
    table = table[~table.index.duplicated()].reindex(range(0, 24 * 60, 15)).ffill()
    return np.asarray(table.loc[_clock(wanted, timezone)], dtype=np.float64)


def _clock(slots: pd.DatetimeIndex, timezone: str) -> list[int]:
    local = slots.tz_convert(timezone)
    return [int(hour) * 60 + int(minute) for hour, minute in zip(local.hour, local.minute, strict=True)]
