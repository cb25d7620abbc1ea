"""The prices of a market day by those of the days before: what is known of them → a forecast with a band."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from flows.mapping.horizon import quarter_hours
from flows.mapping.like_days import LikeDays
from flows.mapping.retail import spread
from flows.settings import UnknownPrices
from optimize.arrays import FloatArray, IntArray
from optimize.forecast.band import ErrorBand
from optimize.forecast.combined import combined_prices
from optimize.forecast.doubt import doubt
from optimize.forecast.price_regression import MOST_AHEAD, forecast_prices
from warehouse.known import Known
from warehouse.zones import market_day_bounds, market_timezone

MODEL = "regression"
HISTORY_DAYS = 1470
FEW_DAYS, LEAST_DAYS, BAND_DAYS = 28, 60, 28
"""So many whole days are needed, combined and with a band; it is of the last errors, of what was issued or
else made up for."""
_QUARTERS = 96


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PriceForecast:
    """Of the quarter-hours of a local day by the clock, €/kWh [96]; days: those that it rests on."""

    expected: FloatArray
    half_width: FloatArray
    days: int


def price_forecast(
    known: Known, zone: str, day: date, issued: Mapping[date, FloatArray], share: float
) -> PriceForecast | str:
    """The prices of a day and a band that holds them with a share (0–1), or why there are none.

    issued: what was forecast of days on the eve of each, [96] by local date. The last day that is known may
    lie seven days before the one asked; of a hole further back the same weekday before stands in; what lies
    before a longer one does not count.
    """
    past = _Past.of(known, zone, day, LEAST_DAYS, MOST_AHEAD)
    if isinstance(past, str):
        return past
    days = len(past.prices)
    band = ErrorBand(slots=past.prices.shape[1], share=share)
    for row in range(days - BAND_DAYS, days):
        before = issued.get(past.dates[row].date()) if past.ahead == 1 else None
        one = past.expected(row) if before is None else before[:: past.step]
        band.learn(past.prices[row] - one)
    width = band.half_width()
    if width is None:
        raise AssertionError(f"{BAND_DAYS} errors make a band")
    expected = past.expected(days + past.ahead - 1)
    return PriceForecast(expected=expected.repeat(past.step), half_width=width.repeat(past.step), days=days)


def expected_prices(known: Known, zone: str, day: date) -> FloatArray | str:
    """What several forecasts combined expect of a day, [96], or why there is nothing to expect it by."""
    past = _Past.of(known, zone, day, FEW_DAYS)
    return past if isinstance(past, str) else combined_prices(past.prices, past.weekday).repeat(past.step)


def doubted(known: Known, zone: str, day: date, stand_in: UnknownPrices) -> float:
    """By how much less a kWh counts that is fed back on a day at what stands in for its prices, €/kWh.

    With too few days for several forecasts combined, that of like days, which then stand in; 0 where no day
    tells.
    """
    table = _whole_days(known, zone, day)
    if table.empty:
        return 0.0
    past = _Past.of_days(table, day)
    name = "like_days" if stand_in == "combined" and len(past.prices) <= FEW_DAYS else stand_in
    return doubt(name, past.prices, past.weekday) or 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Past:
    """prices: [days, slots] of whole days up to the one before, each price of `step` quarter-hours.

    weekday: of each and of those up to the day asked, which is `ahead` days after the last.
    """

    dates: pd.DatetimeIndex
    prices: FloatArray
    weekday: IntArray
    step: int
    ahead: int

    @classmethod
    def of(cls, known: Known, zone: str, day: date, least: int, most_ahead: int = 1) -> _Past | str:
        table = _whole_days(known, zone, day)
        if table.empty or table.index[-1] < pd.Timestamp(day - timedelta(days=most_ahead)):
            if most_ahead > 1 and not table.empty:
                last = table.index[-1].date()
                return f"zone {zone}: prices are known up to {last}, more than {most_ahead} days before {day}"
            return f"zone {zone}: prices of {day - timedelta(days=1)} are not complete"
        past = cls.of_days(table, day)
        least += past.ahead - 1
        if len(table) < least:
            return f"zone {zone}: {len(table)} days of prices before {day}, {least} are needed"
        return past

    @classmethod
    def of_days(cls, table: pd.DataFrame, day: date) -> _Past:
        """table: of `_whole_days`, not empty."""
        prices, dates = table.to_numpy(dtype=np.float64), pd.DatetimeIndex(table.index)
        step = 4 if (prices.reshape(-1, 24, 4) == prices.reshape(-1, 24, 4)[:, :, :1]).all() else 1
        weekday = np.asarray(pd.date_range(dates[0], pd.Timestamp(day)).day_of_week, dtype=np.int64)
        ahead = len(weekday) - len(dates)
        return cls(dates=dates, prices=prices[:, ::step], weekday=weekday, step=step, ahead=ahead)

    def expected(self, row: int) -> FloatArray:
        """The prices of a day by those that are known so many days before it."""
        known = self.prices[: row - self.ahead + 1]
        return forecast_prices(known, self.weekday[: row + 1], ahead=self.ahead)


def clock_quarters(slots: pd.DatetimeIndex, zone: str) -> IntArray:
    """The quarter-hour of the local clock, 0–95, in which each of some slots begins."""
    local = slots.tz_convert(market_timezone(zone))
    return np.asarray(local.hour * 4 + local.minute // 15)


def of_clock(slots: pd.DatetimeIndex, values: FloatArray, zone: str) -> FloatArray:
    """Values of a day's quarter-hours by the local clock, [96]: a hidden hour is as the one before."""
    table = pd.Series(values, index=clock_quarters(slots, zone))
    table = table[~table.index.duplicated()].reindex(range(_QUARTERS)).ffill().bfill()
    return np.asarray(table, dtype=np.float64)


def _whole_days(known: Known, zone: str, day: date) -> pd.DataFrame:
    """Prices by local date and quarter-hour of consecutive days, the newest last."""
    end = pd.Timestamp(market_day_bounds(day, zone)[0])
    start = pd.Timestamp(market_day_bounds(day - timedelta(days=HISTORY_DAYS), zone)[0])
    rows = known.read("core_price", where={"zone": zone}, start=start - pd.Timedelta(hours=1), end=end)
    if rows.empty:
        return pd.DataFrame()
    slots = quarter_hours(max(start, rows["interval_start_utc"].min()), end)
    table = LikeDays.of(pd.Series(spread(rows, slots), index=slots), zone).table
    if table.empty:
        return table
    table = table.reindex(pd.date_range(table.index[0], table.index[-1], freq="D"))
    table = table.where(table.notna(), table.shift(7))
    holes = np.flatnonzero(table.isna().any(axis=1))
    return table.iloc[holes[-1] + 1 :] if holes.size else table
