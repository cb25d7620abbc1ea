"""What was foreseen of days that are over, next to what came: prices, the pool's minima, the sessions of
cars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from flows.mapping.calendar import holidays_for
from flows.mapping.expected import HISTORY, local_sessions
from flows.mapping.forecast_scores import SESSION_HIGH, SESSION_LOW
from flows.mapping.horizon import QUARTER
from flows.mapping.like_days import HISTORY as LIKE_HISTORY
from flows.mapping.like_days import LikeDays
from flows.mapping.price_forecast import of_clock
from flows.mapping.retail import spread
from optimize.arrays import FloatArray
from optimize.forecast.day_kind import number_of
from optimize.forecast.plug_in import DAY_BEGINS, PlugInHistory
from optimize.forecast.score import Banded
from warehouse.known import Known
from warehouse.zones import market_day_bounds, market_day_slots, market_timezone


def banded_prices(
    known: Known, zone: str, issued: pd.DataFrame, quantiles: tuple[float, float, float]
) -> tuple[list[date], Banded]:
    """Days that are whole, their prices foreseen (rows of out_forecast) and come, by the clock [days, 96]."""
    days, of_day = list[date](), list[list[FloatArray]]()
    for day in sorted(set(issued["market_date"])):
        slots = market_day_slots(day, zone)
        start = slots[0] - LIKE_HISTORY
        rows = known.read("core_price", where={"zone": zone}, start=start, end=slots[-1] + QUARTER)
        came = spread(rows, slots)
        own = issued[issued["market_date"] == day].set_index(["quantile", "interval_start_utc"])["value"]
        stated = [own[one].reindex(slots).to_numpy(dtype=np.float64) for one in quantiles]
        if not all(np.isfinite(one).all() for one in (*stated, came)):
            continue
        past = pd.date_range(start, slots[0], freq=QUARTER, inclusive="left")
        naive = LikeDays.of(pd.Series(spread(rows, past), index=past), zone).mean(slots)
        days.append(day)
        of_day.append([of_clock(slots, one, zone) for one in (*stated, came, naive)])
    tables = np.array(of_day).reshape(-1, 5, 96)
    low, middle, high, came, naive = (tables[:, part] for part in range(5))
    return days, Banded(quantiles=quantiles, low=low, middle=middle, high=high, came=came, naive=naive)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSession:
    """A car's day as it was foreseen: figure → score (CRPS), 10 and 90 % quantile, and what came.

    Hours of the clock for arrival and departure, points of charge (0–1) for the need; empty where it did not
    come. probability: that it would.
    """

    day: date
    probability: float
    came: bool
    figures: dict[str, tuple[float, float, float, float]]


def forecast_sessions(
    known: Known, zone: str, days: list[date], gates: list[datetime], given_holidays: str
) -> Iterator[ForecastSession]:
    """Of cars with a past, on days that are over, each by what was known at its gate."""
    timezone = market_timezone(zone)
    start, end = market_day_bounds(days[0], zone)[0], market_day_bounds(days[-1] + timedelta(days=1), zone)[1]
    holidays = holidays_for(zone, given_holidays, range((start - HISTORY).year, end.year + 2))
    sessions = local_sessions(known.read("core_session", start=start, end=end), timezone)
    if sessions.empty:
        return
    real = PlugInHistory.of(sessions, holidays)
    names = {code: name for name, rows in real.rows.items() for code in set(real.car[rows].tolist())}
    came = {
        (names[int(car)], int(day)): (*real.hours[row], real.need[row])
        for row, (car, day) in enumerate(zip(real.car, real.day, strict=True))
    }
    for day, gate in zip(days, gates, strict=True):
        now = pd.Timestamp(gate)
        past = local_sessions(_past(known.at(gate), now), timezone)
        if past.empty:
            continue
        history = PlugInHistory.of(past, holidays)
        of_day = history.on(day, over=(now.tz_convert(timezone) - DAY_BEGINS).date())
        for car in history.rows:
            expected = of_day.expect(car)
            if expected is None:
                continue
            values = came.get((car, number_of(day)))
            figures = {
                name: (
                    one.crps(float(value)),
                    one.quantile(SESSION_LOW),
                    one.quantile(SESSION_HIGH),
                    float(value),
                )
                for name, one, value in zip(
                    ("arrival", "departure", "need"),
                    (expected.arrival, expected.departure, expected.need),
                    values or (),
                    strict=False,
                )
            }
            yield ForecastSession(
                day=day, probability=expected.probability, came=values is not None, figures=figures
            )


def _past(known: Known, now: pd.Timestamp) -> pd.DataFrame:
    return known.read("core_session", start=now - HISTORY, end=now)
