"""Which quarter-hours a plan spans: from now to the last published price, and on to where its last session
ends.

The first of them is this moment, rounded up, if most prices up to the day are known, else where those begin
that are known without a gap, at the earliest the midnight that the day before begins with. Beyond the last
price a plan reaches on, with forecast prices, as far as the sessions that it touches go: what is due after
midnight is planned for with all that shares a feeder, not car by car.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from flows.errors import NoPlanError
from warehouse.zones import market_day_bounds, market_timezone

HorizonKind = Literal["published", "market_day"]
QUARTER = pd.Timedelta(minutes=15)
LONGEST_TAIL = pd.Timedelta(days=3)
"""How far beyond its last price a plan reaches: what is due later is kept reachable car by car."""
DAYS_AHEAD = pd.Timedelta(days=2)
"""How far beyond the market day prices are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Horizon:
    """slots: the starts of all quarter-hours, UTC. priced_end: where the market day and the published prices
    after it end, within or at their end; what follows is the tail.
    """

    zone: str
    market_date: date
    kind: HorizonKind
    slots: pd.DatetimeIndex
    priced_end: pd.Timestamp

    @property
    def start(self) -> pd.Timestamp:
        """Start of the first slot."""
        return self.slots[0]

    @property
    def end(self) -> pd.Timestamp:
        """End of the last slot."""
        return self.slots[-1] + QUARTER

    @property
    def priced_slots(self) -> int:
        """Slots up to the tail."""
        return int(self.slots.searchsorted(self.priced_end))

    @property
    def local(self) -> pd.DatetimeIndex:
        """The slots by the zone's clock."""
        return self.slots.tz_convert(market_timezone(self.zone))

    @property
    def day_starts(self) -> tuple[int, ...]:
        """The first slot of each local day."""
        days = np.asarray(self.local.normalize().asi8)
        return (0, *(np.flatnonzero(np.diff(days)) + 1).tolist())

    def reaching(self, departures: pd.Series) -> Horizon:
        """The horizon up to the last of some departures, at least to where its prices end."""
        last = min(max([self.priced_end, *departures]), self.priced_end + LONGEST_TAIL)
        return Horizon(
            zone=self.zone,
            market_date=self.market_date,
            kind=self.kind,
            slots=quarter_hours(self.start, last.ceil(QUARTER)),
            priced_end=self.priced_end,
        )


def mostly(flags: npt.NDArray[np.bool_]) -> bool:
    """Whether more than half of some slots have a price: few holes are filled, a day of holes is none."""
    return bool(flags.size and flags.mean() > 0.5)


def quarter_hours(start: datetime, end: datetime) -> pd.DatetimeIndex:
    """The starts of the quarter-hours of [start, end)."""
    return pd.date_range(start, end, freq=QUARTER, inclusive="left", unit="us")


def candidate_slots(zone: str, day: date, as_of: datetime, kind: HorizonKind) -> pd.DatetimeIndex:
    """The quarter-hours that a plan of a market day could hold, tail apart; none that has begun.

    A market day that is over is one to account for, and whole. Raises NoPlanError where nothing of a day is
    left to plan.
    """
    start, end = (pd.Timestamp(bound) for bound in market_day_bounds(day, zone))
    now = pd.Timestamp(as_of).tz_convert("UTC").ceil(QUARTER)
    if kind == "market_day":
        return quarter_hours(now if start < now < end else start, end)
    if now >= end:
        raise NoPlanError(
            f"no plan for {day}: the day is over as of {as_of:%Y-%m-%d %H:%M} UTC",
            hint="`--as-of MOMENT` plans it as of then, with what was known.",
        )
    before, _ = market_day_bounds(day - timedelta(days=1), zone)
    return quarter_hours(max(now, pd.Timestamp(before)), end + DAYS_AHEAD)


def first_horizon(
    zone: str, day: date, kind: HorizonKind, slots: pd.DatetimeIndex, stated: npt.NDArray[np.bool_]
) -> Horizon:
    """The horizon without its tail; stated: which of the candidate slots have a known price.

    It begins with the first of them where most before the day are known, else after the last of these that is
    not; it ends before the first after the day that is not.
    """
    start, end = (pd.Timestamp(bound) for bound in market_day_bounds(day, zone))
    before, after = (np.flatnonzero(~stated & np.asarray(side)) for side in (slots < start, slots >= end))
    gaps = before.size and not mostly(stated[np.asarray(slots < start)])
    first, last = int(before[-1]) + 1 if gaps else 0, int(after[0]) if after.size else len(slots)
    held = slots[first:last]
    return Horizon(zone=zone, market_date=day, kind=kind, slots=held, priced_end=held[-1] + QUARTER)


def stretches(slots: pd.DatetimeIndex, zone: str, *, most: int = 3) -> str:
    """Quarter-hours as stretches of the zone's local clock, "13:00–14:15, 17:00–17:15 and 2 more".

    On a day whose clock is put back each says how far from UTC it is: an hour comes twice.
    """
    local = slots.tz_convert(market_timezone(zone))
    begins = np.flatnonzero(np.diff(slots, prepend=slots[:1] - 2 * QUARTER) != QUARTER)
    ends = [*(begins[1:] - 1), len(slots) - 1]

    def shown(moment: pd.Timestamp) -> str:
        midnight = moment.normalize()
        back = (midnight + pd.DateOffset(days=1)) - midnight > pd.Timedelta(days=1)
        return f"{moment:%H:%M%z}" if back else f"{moment:%H:%M}"

    messages = [
        f"{shown(local[a])}–{shown(local[b] + QUARTER)}" for a, b in zip(begins[:most], ends, strict=False)
    ]
    return ", ".join(messages) + (f" and {len(begins) - most} more" if len(begins) > most else "")
