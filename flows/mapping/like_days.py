"""What a quarter-hour costs that nobody has given the price of: as on the last days like it.

Like days are workdays, or days of the weekend. By the local clock: an hour that is hidden or repeated when
clocks change is as its neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from flows.mapping.retail import Prices
from warehouse.zones import market_timezone

HISTORY = pd.Timedelta(days=28)
LIKE_DAYS = 7
_MINUTES = range(0, 24 * 60, 15)
_SATURDAY = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LikeDays:
    """Prices of the past by local date and minute of the day, €/kWh; NaN where none is known."""

    timezone: str
    table: pd.DataFrame

    @classmethod
    def of(cls, prices: pd.Series, zone: str) -> LikeDays:
        """prices: by the start of each quarter-hour, UTC, in order."""
        timezone = market_timezone(zone)
        if prices.isna().all():  # of most fleets' tariffs, whenever a plan is made
            nothing = pd.DataFrame(index=pd.DatetimeIndex([]), columns=_MINUTES, dtype=np.float64)
            return cls(timezone=timezone, table=nothing)
        local = pd.DatetimeIndex(prices.index).tz_convert(timezone)
        frame = pd.DataFrame(
            {
                "date": local.tz_localize(None).normalize(),
                "minute": local.hour * 60 + local.minute,
                "price": prices.to_numpy(dtype=np.float64),
            }
        ).drop_duplicates(["date", "minute"])
        table = frame.pivot_table(index="date", columns="minute", values="price")
        table = table.reindex(columns=_MINUTES).sort_index()
        whole = table.notna().sum(axis=1) >= len(_MINUTES) - 4  # all but the hour that a clock hides
        return cls(timezone=timezone, table=table[whole].ffill(axis=1))

    def each(self, slots: pd.DatetimeIndex) -> Prices:
        """The prices of slots on each of the last like days, [days, T]; no row where no day is known."""
        local = slots.tz_convert(self.timezone)
        dates = local.tz_localize(None).normalize()
        minutes = np.asarray(local.hour * 60 + local.minute) // 15
        columns: list[Prices] = []
        for date in dates.unique():
            before = self.table[self.table.index < dates[0]]
            free = pd.DatetimeIndex(before.index).day_of_week >= _SATURDAY
            like = before[free == (date.day_of_week >= _SATURDAY)]
            days = (like if len(like) else before).iloc[-LIKE_DAYS:].to_numpy(dtype=np.float64)
            columns.append(days[:, minutes[dates == date]])
        least = min((len(days) for days in columns), default=0)
        return np.hstack([days[len(days) - least :] for days in columns]) if columns else np.zeros((0, 0))

    def mean(self, slots: pd.DatetimeIndex) -> Prices:
        """The mean price of each slot over its last like days, [T]; NaN where no day is known."""
        days = self.each(slots)
        return days.mean(axis=0) if len(days) else np.full(len(slots), np.nan)
