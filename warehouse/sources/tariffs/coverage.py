"""Whether prices hold the market day that was asked for."""

import datetime as dt

import numpy as np
import pandas as pd

from warehouse.errors import WrongDayError
from warehouse.zones import market_day_slots, market_timezone

_QUARTER = pd.Timedelta(minutes=15)


def require_day(frame: pd.DataFrame, zone: str, day: dt.date, file: str) -> None:
    """Raise WrongDayError unless every quarter-hour of the zone's market day has a price.

    frame: rows of the price table. The error tells which days the rows do hold.
    """
    slots = market_day_slots(day, zone)
    covered = _quarters(frame[(frame["zone"] == zone) & frame["price_eur_per_kwh"].notna()])
    missing = slots.difference(covered)
    if len(missing) == 0:
        return
    held = _days(covered, zone)
    raise WrongDayError(
        f"does not hold the market day {day} of {zone}: {len(missing)} of {len(slots)} quarter-hours are "
        f"missing, the first at {missing[0]:%Y-%m-%d %H:%M} UTC; it holds {held or 'nothing of that zone'}",
        file=file,
    )


def _quarters(rows: pd.DataFrame) -> pd.DatetimeIndex:
    count = rows["resolution_minutes"].to_numpy(dtype="int64") // 15
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    starts = pd.DatetimeIndex(rows["interval_start_utc"]).repeat(count)
    return pd.DatetimeIndex(starts + step * _QUARTER)


def _days(quarters: pd.DatetimeIndex, zone: str) -> str:
    counts = pd.Series(quarters.tz_convert(market_timezone(zone)).date).value_counts().sort_index()
    whole = {date: len(market_day_slots(date, zone)) for date in counts.index}
    stated = [
        str(date) if count == whole[date] else f"{date} ({count} of {whole[date]})"
        for date, count in counts.items()
    ]
    return ", ".join(stated if len(stated) <= 6 else [*stated[:3], "…", *stated[-2:]])
