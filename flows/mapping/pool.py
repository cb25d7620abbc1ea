"""What all cars of a fleet together have plugged in: the least of each block of hours, past and to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from flows.mapping.calendar import holidays_for
from optimize.arrays import FloatArray
from optimize.forecast.day_kind import number_of
from optimize.forecast.pool import MEMORY_DAYS, PoolMinimum, block_minima, pool_minimum, recorded_days
from warehouse.known import Known
from warehouse.zones import market_timezone

BLOCK_HOURS = 4
SIZES: Mapping[str, str | None] = {
    "pool_cars": None, "pool_kw": "charge_limit_kw", "pool_kwh": "nominal_energy_kwh",
}  # fmt: skip
"""Target of out_forecast → column of core_battery that tells what a car counts for; None: one."""
_HISTORY = timedelta(days=2 * MEMORY_DAYS)
_BLOCKS = 24 // BLOCK_HOURS


def block_edges(zone: str, first: date, days: int) -> pd.DatetimeIndex:
    """Where the blocks of local days begin, and the last one's end, UTC; by the clock that is shown."""
    return clock_edges(market_timezone(zone), first, days, BLOCK_HOURS)


def clock_edges(
    timezone: str, first: date, days: int, block_hours: int, first_hour: int = 0
) -> pd.DatetimeIndex:
    """Where blocks begin by the clock that is shown, and the last one's end, UTC.

    first_hour: of the day's first block; from 12 on it is of the evening before.
    """
    begin = pd.Timestamp(first) + pd.Timedelta(hours=first_hour - 24 if first_hour >= 12 else first_hour)
    clock = pd.date_range(begin, periods=days * 24 // block_hours + 1, freq=pd.Timedelta(hours=block_hours))
    local = clock.tz_localize(
        timezone, ambiguous=np.ones(len(clock), dtype=np.bool_), nonexistent="shift_forward"
    )
    return pd.DatetimeIndex(local).tz_convert("UTC")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolPast:
    """The recorded days of a pool that are over: their numbers [n], and minima by target [n, blocks]."""

    days: npt.NDArray[np.int64]
    minima: Mapping[str, FloatArray]

    @classmethod
    def of(cls, known: Known, zone: str, first: date, last: date) -> PoolPast:
        """Of local days, by the cars of today's fleet."""
        edges = block_edges(zone, first, (last - first).days + 1)
        cars = known.read("core_battery").set_index("battery_id")
        sessions = known.sessions(edges[0], edges[-1])
        sessions = sessions[
            sessions["battery_id"].isin(cars.index) & (sessions["departure_utc"] > sessions["arrival_utc"])
        ]
        begins, ends = (_seconds(sessions[f"{name}_utc"]) for name in ("arrival", "departure"))
        at = _seconds(pd.Series(edges))
        came = np.array([((begins < end) & (ends > begin)).any() for begin, end in pairwise(at[::_BLOCKS])])
        kept = recorded_days(came)
        minima = {}
        for target, column in SIZES.items():
            counts = (
                np.ones(len(sessions))
                if column is None
                else sessions["battery_id"].map(cars[column]).to_numpy()
            )
            minima[target] = block_minima(begins, ends, counts, at).reshape(-1, _BLOCKS)[kept]
        return cls(days=(number_of(first) + np.arange(len(came)))[kept], minima=minima)


def pool_forecast(
    known: Known, zone: str, day: date, given_holidays: str, share: float
) -> dict[str, PoolMinimum]:
    """Target → the least plugged in by block of a day, with a share (0–1); {} where too little is known.

    By the days that are over as of the moment of `known`.
    """
    now = pd.Timestamp(known.as_of)
    last = min(now.tz_convert(market_timezone(zone)).date(), day) - timedelta(days=1)
    sessions = known.read("core_session", start=now - _HISTORY, end=now, columns=["arrival_utc"])
    if sessions.empty or known.read("core_battery", columns=["battery_id"]).empty:
        return {}
    first = sessions["arrival_utc"].min().tz_convert(market_timezone(zone)).date() + timedelta(days=1)
    if first > last:
        return {}
    past = PoolPast.of(known, zone, first, last)
    holidays = holidays_for(zone, given_holidays, range(first.year, day.year + 2))
    found = {
        target: pool_minimum(minima, past.days, number_of(day), holidays, share)
        for target, minima in past.minima.items()
    }
    return {target: one for target, one in found.items() if one is not None}


def _seconds(times: pd.Series) -> FloatArray:
    return np.asarray((times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1), dtype=np.float64)
