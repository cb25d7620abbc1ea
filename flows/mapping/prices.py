"""The ladder of prices of a market day (published, substituted, none), and of all slots that a plan spans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from flows.clock import tomorrow
from flows.context import Context
from flows.errors import SettingsError
from flows.mapping.hashing import hash_values
from flows.mapping.horizon import (
    LONGEST_TAIL,
    QUARTER,
    Horizon,
    HorizonKind,
    candidate_slots,
    first_horizon,
    mostly,
    quarter_hours,
    stretches,
)
from flows.mapping.like_days import HISTORY, LikeDays
from flows.mapping.price_forecast import clock_quarters, doubted, expected_prices
from flows.mapping.retail import Prices, retail_rows, spread
from flows.mapping.rungs import PlanSource
from flows.settings import UnknownPrices
from optimize.errors import TermsError
from optimize.market.book import TariffBook
from optimize.market.prices import demand_charge_eur_per_kw
from optimize.market.prices import prices as by_book
from optimize.types import BoolArray, Tariff
from warehouse.at_once import at_once
from warehouse.known import Known
from warehouse.zones import market_day_bounds, market_day_slots, market_timezone, publication

PRICE_SOURCES = ("published", "substituted", "forecast")
_DAYS_BEFORE: Mapping[UnknownPrices, int] = {"week_ago": 7, "day_before": 1}
_MINUTES = pd.Timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanPrices:
    """The prices of a plan's quarter-hours and how they came about.

    source: the rung of the market day. slot_sources: where each slot's price is from, one of PRICE_SOURCES,
    [T]. market: wholesale, €/kWh [T]; None where no market price is known. bought, sold: what a retail tariff
    says at the plug, fees and taxes included, €/kWh [T], NaN where the market's price holds; None for no
    tariff. past, past_bought: the same of the days before. note: why it is not the first rung, or empty.
    rows, retail_rows: of core_price, core_tariff. book: what a kWh costs and earns by it, whatever else is
    reported. doubt_eur_per_kwh: how much lower the market's price is taken to be for what is sold at one that
    is not published.
    """

    source: PlanSource
    horizon: Horizon
    slot_sources: tuple[str, ...]
    market: Prices | None
    bought: Prices | None
    sold: Prices | None
    past: LikeDays
    past_bought: LikeDays
    note: str
    rows: pd.DataFrame
    retail_rows: pd.DataFrame
    book: TariffBook | None = None
    doubt_eur_per_kwh: float = 0.0

    @property
    def slots(self) -> pd.DatetimeIndex:
        """The quarter-hours that the plan spans."""
        return self.horizon.slots

    @property
    def published(self) -> BoolArray:
        """Which slots have a published price, [T]: those in which cars may feed back."""
        return np.array([slot_sources == "published" for slot_sources in self.slot_sources], dtype=np.bool_)

    @property
    def priced(self) -> BoolArray:
        """Which slots lie before the tail and have some price, [T]."""
        inside: BoolArray = np.arange(len(self.slots)) < self.horizon.priced_slots
        return inside & (self.source != "charge_only")

    @property
    def digest(self) -> str:
        """Hash of slots, rung and the market's prices, those of the past too, by which a plan knows them."""
        market = None if self.market is None else self.market.tolist()
        past = [table.to_numpy().tolist() for table in (self.past.table, self.past_bought.table)]
        parts = [str(self.slots[0]), len(self.slots), self.source, self.slot_sources, market, past]
        parts += [self.doubt_eur_per_kwh] if self.doubt_eur_per_kwh else []
        return hash_values(parts if self.book is None else [*parts, self.book.digest])

    @property
    def demand_charge(self) -> float:
        """What a kW of the month's highest import costs by book or tariff, €; 0 for none."""
        if self.book is not None:
            return demand_charge_eur_per_kw(self.book)
        charge = retail_rows(self.retail_rows, "import")["demand_charge_eur_per_kw"].max()
        return 0.0 if pd.isna(charge) else float(charge)

    def at_the_plug(self, settings: Tariff) -> tuple[Prices, Prices]:
        """What a kWh costs and earns in each slot: by book, else retail tariff, else market and settings."""
        market, nothing = self.market, np.zeros(len(self.slots))
        sold_at = None if market is None else market - np.where(self.published, 0.0, self.doubt_eur_per_kwh)
        if self.book is not None:
            return (by_book(self.book, self.slots, market)[0], by_book(self.book, self.slots, sold_at)[1])
        buy = nothing if market is None else settings.import_price_eur_per_kwh(market)
        sell = nothing if sold_at is None else settings.export_price_eur_per_kwh(sold_at)
        bought, sold = (
            market if tariff is None else np.where(np.isnan(tariff), market, tariff)
            for tariff, market in ((self.bought, buy), (self.sold, sell))
        )
        return bought, sold

    def past_at_the_plug(self, settings: Tariff, slots: pd.DatetimeIndex) -> Prices:
        """What a kWh bought cost in slots like these on each of the last like days, [days, T]."""
        if self.book is not None:
            return np.array([by_book(self.book, slots, day)[0] for day in self.past.each(slots)])
        if self.bought is not None:
            return self.past_bought.each(slots)
        return settings.import_price_eur_per_kwh(self.past.each(slots))


Departures = Callable[[Horizon], pd.Series]
"""When the cars of a horizon leave, as far as it is known or expected."""


def plan_prices(
    context: Context, day: date, departures: Departures, kind: HorizonKind | None = None
) -> PlanPrices:
    """The best rung for a market day: its own prices, those that stand in for them by the settings, or none.

    Of a day known in part the holes alone are filled. A retail tariff of what is bought that covers more of
    the day than the market's prices counts as published in their place; nothing is earned then but what a
    tariff of what is sold says. departures: they tell how far the plan reaches. kind: of the horizon, that of
    the settings unless given. Raises NoPlanError where the day is over.
    """
    known, zone = context.known, context.workspace.zone
    kind = kind or context.workspace.settings.plan.horizon
    slots = candidate_slots(zone, day, context.as_of, kind)
    until, book = slots[-1] + QUARTER + LONGEST_TAIL, context.workspace.book
    if book is not None:
        _require_in_force(book, slots)
    with at_once(known.warehouse):
        rows = _rows(known, "core_price", zone, slots[0] - HISTORY, slots[-1] + QUARTER)
        tariff = _rows(known, "core_tariff", zone, slots[0] - HISTORY, until)
    if book is not None:
        tariff = _written_out(book, quarter_hours(slots[0] - HISTORY, until), tariff.iloc[:0])
    own, buys = spread(rows, slots), spread(retail_rows(tariff, "import"), slots)
    of_day = slots.isin(market_day_slots(day, zone))
    retail = np.isfinite(buys[of_day]).sum() > np.isfinite(own[of_day]).sum()
    horizon = first_horizon(zone, day, kind, slots, np.isfinite(buys if retail else own))
    horizon = horizon.reaching(departures(horizon))
    settings = context.workspace.settings.plan
    found = _Ladder(known, horizon, rows, tariff, settings.unknown_prices).climbed(retail=bool(retail))
    if settings.feed_in_on_forecast and found.market is not None and (found.priced & ~found.published).any():
        less = doubted(known, zone, day, settings.unknown_prices)
        found = replace(found, doubt_eur_per_kwh=less, note=f"{found.note}; {_told(less)}")
    if book is None:
        return found
    return replace(found, book=book, bought=None, sold=None, retail_rows=found.retail_rows.iloc[:0])


def _told(doubt_eur_per_kwh: float) -> str:
    return (
        f"what is fed back at prices that are not published counts for {100 * doubt_eur_per_kwh:.2g} ct/kWh "
        "less, by as much as such prices have been off within the day"
    )


def _require_in_force(book: TariffBook, slots: pd.DatetimeIndex) -> None:
    local = slots.tz_convert(book.timezone)
    try:
        book.require_in_force(local[0].date(), local[-1].date())
    except TermsError as error:
        raise SettingsError(str(error)) from error


def day_to_plan_now(context: Context) -> date:
    """The last market day whose prices are known of those that a plan from now on can be made of.

    Tomorrow once most of them are published, by the market or a tariff; before, the day that is running.
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
    if context.workspace.book is not None:
        tariff = _written_out(context.workspace.book, slots, tariff.iloc[:0])
    slot_sources = (spread(rows, slots), spread(retail_rows(tariff, "import"), slots))
    return day if any(mostly(np.isfinite(one)) for one in slot_sources) else day - timedelta(days=1)


def known_since(context: Context, day: date) -> datetime:
    """When the prices of a past day had all come; where that was after it began, when they are out."""
    zone = context.workspace.zone
    begin, end = market_day_bounds(day, zone)
    rows = context.known.read("core_price", where={"zone": zone}, start=begin, end=end)
    came = None if rows.empty else rows["received_utc"].max()
    return publication(day, zone) if came is None or came >= begin else came.to_pydatetime()


@dataclass(frozen=True, slots=True)
class _Ladder:
    """All that a plan's prices are made of; stand_in: what fills a day that nobody has announced the prices
    of."""

    known: Known
    horizon: Horizon
    rows: pd.DataFrame
    tariff: pd.DataFrame
    stand_in: UnknownPrices

    def climbed(self, *, retail: bool) -> PlanPrices:
        """retail: the day is known by a tariff of what is bought, and the market has less of it."""
        horizon = self.horizon
        slots, zone, day = horizon.slots, horizon.zone, horizon.market_date
        own = spread(retail_rows(self.tariff, "import") if retail else self.rows, slots)
        in_day = np.arange(len(slots)) < horizon.priced_slots
        of_day = np.asarray(slots.isin(market_day_slots(day, zone)))
        slot_sources = np.where(np.isfinite(own) & in_day, "published", "forecast").astype(object)
        market = None if retail else own
        holes, before = (
            of_day & (slot_sources != "published"),
            in_day & ~of_day & (slot_sources != "published"),
        )
        notes = []
        if before.any():
            notes.append(f"zone {zone}: {int(before.sum())} quarter-hours before {day} without one price "
                         f"({stretches(slots[before], zone)})")  # fmt: skip
        if not holes.any():
            return self._priced("published", market, slot_sources, notes)
        missing = f"zone {zone}: {int(holes.sum())} of {int(of_day.sum())} quarter-hours of {day}"
        missing += " without one price"
        if (of_day & ~holes).any():
            missing += f" ({stretches(slots[holes], zone)})"
        known = bool((of_day & ~holes).any())
        if not retail:
            before_by = _DAYS_BEFORE.get(self.stand_in)
            if before_by is not None and self._filled_by(own, holes, day - timedelta(days=before_by)):
                slot_sources[holes] = "substituted"
                note = f"{missing}: those of {day - timedelta(days=before_by)} stand in"
                return self._priced("substituted", market, slot_sources, [note, *notes])
            if self.stand_in == "combined":
                expected = expected_prices(self.known, zone, day)
                if not isinstance(expected, str):
                    own[holes] = expected[clock_quarters(slots[holes], zone)]
                    slot_sources[holes] = "substituted"
                    note = f"{missing}: what several forecasts combined expect stands in"
                    return self._priced("substituted", market, slot_sources, [note, *notes])
                notes.append(f"nothing combined: {expected}")
            if not known and not len(self._past(self.rows).each(slots)):
                nothing = np.full(len(slots), "substituted", dtype=object)
                nothing[~in_day] = "forecast"
                note = f"{missing}, nor is any day of the {HISTORY.days} before it complete"
                return self._priced("charge_only", None, nothing, [note])
        # What is known of the day is planned on: only its holes are as on days like it.
        return self._priced(
            "substituted", market, slot_sources, [f"{missing}: those of like days stand in", *notes]
        )

    def _priced(
        self,
        source: PlanSource,
        market: Prices | None,
        slot_sources: npt.NDArray[np.object_],
        notes: list[str],
    ) -> PlanPrices:
        horizon, zone = self.horizon, self.horizon.zone
        bought_rows, sold_rows = (retail_rows(self.tariff, way) for way in ("import", "export"))
        past, past_bought, past_sold = (self._past(rows) for rows in (self.rows, bought_rows, sold_rows))
        direct: list[Prices | None] = []
        for rows, before, name in ((bought_rows, past_bought, "bought"), (sold_rows, past_sold, "sold")):
            given = spread(rows, horizon.slots)
            whole = self._whole(given, before, market)
            direct.append(whole)
            if whole is None:
                continue
            holes = np.isnan(given) & np.isfinite(whole) & (slot_sources == "published")
            if holes.any():
                notes = [*notes, f"zone {zone}: {int(holes.sum())} quarter-hours of the tariff of what is "
                         f"{name} without one price: those of like days stand in"]  # fmt: skip
                slot_sources = np.where(holes, "forecast", slot_sources)
        bought, sold = direct
        if market is not None:
            market = _filled(market, past, horizon.slots, horizon.priced_slots)
        return PlanPrices(
            source=source,
            horizon=horizon,
            slot_sources=tuple(slot_sources.tolist()),
            market=market,
            bought=bought,
            sold=sold,
            past=past,
            past_bought=past_bought,
            note="; ".join(notes),
            rows=self.rows.iloc[:0] if market is None else self.rows,
            retail_rows=pd.concat(
                [rows for rows, used in ((bought_rows, bought), (sold_rows, sold)) if used is not None]
                or [self.tariff.iloc[:0]]
            ),
        )

    def _filled_by(self, own: Prices, holes: BoolArray, day: date) -> bool:
        """Whether a day before is complete; its prices then stand in the holes, by the local clock."""
        zone = self.horizon.zone
        slots = market_day_slots(day, zone)
        old = spread(_rows(self.known, "core_price", zone, slots[0], slots[-1] + QUARTER), slots)
        if not np.isfinite(old).all():
            return False
        own[holes] = _same_clock(old, slots, self.horizon.slots[holes], zone)
        return True

    def _past(self, rows: pd.DataFrame) -> LikeDays:
        """The prices of the weeks before and of the horizon's day."""
        slots = quarter_hours(self.horizon.start - HISTORY, self.horizon.priced_end)
        return LikeDays.of(pd.Series(spread(rows, slots), index=slots), self.horizon.zone)

    def _whole(self, prices: Prices, past: LikeDays, market: Prices | None) -> Prices | None:
        """A direction's tariff, if it covers most of the market day; its holes as on days before.

        Where no market price is known, any part of the day will do. NaN in hours before the day that the
        tariff does not cover and the market does.
        """
        slots = self.horizon.slots
        of_day = slots.isin(market_day_slots(self.horizon.market_date, self.horizon.zone))
        covered = np.isfinite(prices[of_day])
        if not covered.any() or (market is not None and not mostly(covered)):
            return None
        filled = _filled(prices, past, slots, self.horizon.priced_slots)
        if market is not None:
            before = np.asarray(slots < slots[of_day][0])
            filled[before & np.isnan(prices) & np.isfinite(market)] = np.nan
        return filled


def _filled(prices: Prices, past: LikeDays, slots: pd.DatetimeIndex, priced: int) -> Prices:
    """Prices with a forecast where there are none: of like days; else, of the first `priced` slots, between
    what is known on both sides, and of all others the mean of what is known.
    """
    filled = np.where(np.isnan(prices), past.mean(slots), prices)
    if not np.isnan(filled).any():
        return filled
    at, known = np.arange(len(filled)), np.flatnonzero(np.isfinite(filled))
    if not known.size:
        return filled
    between = np.interp(at, known, filled[known])
    return np.where(np.isfinite(filled), filled, np.where(at < priced, between, filled[known].mean()))


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


def _written_out(book: TariffBook, slots: pd.DatetimeIndex, empty: pd.DataFrame) -> pd.DataFrame:
    """Rows like those of core_tariff (empty: none of them) of what a book's kWh costs without a spot price.

    None where the market's price decides either way. They tell which slots have a price, never what it is.
    """
    if book.by_spot:
        return empty
    bought, _ = by_book(book, slots, None)
    rows = {
        "direction": "import",
        "interval_start_utc": slots,
        "resolution_minutes": 15,
        "price_eur_per_kwh": bought,
        "received_utc": slots[0],
    }
    return pd.DataFrame({name: rows.get(name) for name in empty.columns}, index=range(len(slots)))
