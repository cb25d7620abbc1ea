"""How good what was foreseen of past days was: scores, coverage over time and by hour, whether it drifts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from flows.context import Context
from flows.errors import NoForecastError
from flows.mapping.forecast_scores import HIGH, LOW, MIDDLE, SAID, score_tables
from flows.mapping.foreseen import ForecastSession, banded_prices, forecast_sessions
from flows.mapping.hashing import hash_frame
from flows.mapping.pool import BLOCK_HOURS, SIZES, PoolPast
from flows.stages.forecast import forecast
from flows.stages.record import StageResult, recorded
from flows.version import code_version
from optimize.arrays import FloatArray
from optimize.forecast.day_kind import number_of
from optimize.forecast.score import Banded, drift
from warehouse.zones import market_day_bounds, market_timezone

GATE = time(11, 30)
"""Market-local time of the day before at which what nobody issued in time is foreseen."""
_QUANTILES = (LOW, MIDDLE, HIGH)
_OF_SESSIONS = ("arrival", "departure", "need")
_FIFTHS = 5
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Score:
    target: str
    part: str
    metric: str
    value: float
    days: int


@recorded("forecast-report")
def forecast_report(context: Context, first: date, last: date, progress: Progress) -> StageResult:
    """Score what was foreseen of market days that are over; a day that nobody foresaw in time is foreseen now
    by what was known at GATE of the day before, and one that cannot be costs no other.

    Rows are added to out_forecast_score. Degraded, exit code 3, where coverage drifts. Raises NoForecastError
    where a day is not over or nothing was foreseen.
    """
    zone = context.workspace.zone
    if market_day_bounds(last, zone)[1] > context.as_of:
        raise NoForecastError(f"{last} is not over as of {context.as_of:%Y-%m-%d %H:%M} UTC")
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    gates = [datetime.combine(d - timedelta(days=1), GATE, ZoneInfo(market_timezone(zone))) for d in days]
    issued, lacking = _issued(context, days, gates, progress)
    priced, prices = banded_prices(context.known, zone, issued[issued["target"] == "price"], _QUANTILES)
    found, drifts = list[_Score](), list[str]()
    if priced:
        found += _of_prices(prices, priced)
        drifts += _drift("price", prices.held().mean(axis=1), above=True)
    for target in SIZES:
        own, held = _of_pool(context, target, issued[(issued["target"] == target)], days)
        found += own
        drifts += _drift(target, held) if own and target == "pool_cars" else []
    holidays = context.workspace.settings.plan.holidays
    sessions = list(forecast_sessions(context.known, zone, days, gates, holidays))
    for figure in _OF_SESSIONS:
        own, held = _of_sessions(figure, sessions, days)
        found += own
        drifts += _drift(figure, held)
    found += _of_plug_in(sessions)
    if not found:
        raise NoForecastError(f"nothing was foreseen of {first} to {last}: {'; '.join(lacking[:1])}")
    _write(context, first, last, found)
    notes = [f"{len(lacking)} days were not foreseen, the first: {lacking[0]}"] if lacking else []
    return StageResult(
        stage="forecast-report",
        status="degraded" if drifts else "ok",
        message="; ".join([f"{first} to {last}: {len(found)} figures", *drifts, *notes]),
        exit_code=3 if drifts else 0,
        tables=score_tables(_frame(found)),
        details={"drifts": drifts, "days_not_foreseen": len(lacking)},
    )


def _issued(
    context: Context, days: Sequence[date], gates: Sequence[datetime], progress: Progress
) -> tuple[pd.DataFrame, list[str]]:
    """The rows that were last issued of each day before it began, and why others have none."""
    zone, found, lacking = context.workspace.zone, list[pd.DataFrame](), list[str]()
    for number, (day, gate) in enumerate(zip(days, gates, strict=True), start=1):
        known = context.known.at(market_day_bounds(day, zone)[0])
        where: dict[str, Any] = {"zone": zone, "market_date": day}
        rows = known.newest("out_forecast", by=["market_date", "target"], where=where)
        if rows.empty:
            try:
                forecast(Context.of(context.workspace, gate), day)
            except NoForecastError as error:
                lacking.append(str(error))
            rows = known.newest("out_forecast", by=["market_date", "target"], where=where)
        found.append(rows)
        progress(number, len(days))
    return pd.concat(found, ignore_index=True), lacking


def _of_prices(prices: Banded, days: Sequence[date]) -> Iterator[_Score]:
    count = len(prices.came)
    for metric, value in prices.scores().items():
        yield _Score("price", "all", metric, value, count)
    by_hour = prices.held().reshape(count, 24, 4).mean(axis=(0, 2))
    error = np.abs(prices.middle - prices.came).reshape(count, 24, 4).mean(axis=(0, 2))
    for hour in range(24):
        yield _Score("price", f"hour {hour:02}", "coverage", float(by_hour[hour]), count)
        yield _Score("price", f"hour {hour:02}", "mae", float(error[hour]), count)
    yield from _by_week("price", prices.held().mean(axis=1), days)


def _of_pool(
    context: Context, target: str, issued: pd.DataFrame, days: Sequence[date]
) -> tuple[list[_Score], FloatArray]:
    """Of the low quantile of a pool's minimum, over all blocks and by block; whether it held, by day."""
    past = PoolPast.of(context.known, context.workspace.zone, days[0], days[-1])
    at = {int(number): row for row, number in enumerate(past.days)}
    low = issued[issued["quantile"] == LOW].sort_values("interval_start_utc")
    stated, came, of = list[FloatArray](), list[FloatArray](), list[date]()
    for day in sorted(set(low["market_date"])):
        if (row := at.get(number_of(day))) is not None:
            stated.append(low.loc[low["market_date"] == day, "value"].to_numpy(dtype=np.float64))
            came.append(past.minima[target][row])
            of.append(day)
    if not stated:
        return [], np.zeros(0)
    foreseen, real = np.array(stated), np.array(came)
    held = np.asarray(real >= foreseen - 1e-9, dtype=np.float64)
    found = list(_by_week(target, held.mean(axis=1), of))
    for part, within in [
        ("all", slice(None)), *((f"hour {BLOCK_HOURS * b:02}", slice(b, b + 1)) for b in range(held.shape[1]))
    ]:  # fmt: skip
        for metric, values in (("coverage", held), ("told", foreseen), ("came", real)):
            found.append(_Score(target, part, metric, float(values[:, within].mean()), len(of)))
    return found, held.mean(axis=1)


def _of_sessions(
    figure: str, sessions: Sequence[ForecastSession], days: Sequence[date]
) -> tuple[list[_Score], FloatArray]:
    """Of one figure of the sessions that came; how often its 10 to 90 % held, by day."""
    rows = [(one.day, *one.figures[figure]) for one in sessions if one.came]
    if not rows:
        return [], np.zeros(0)
    table = pd.DataFrame(rows, columns=["day", "crps", "low", "high", "came"])
    table = table.assign(
        below=(table["came"] <= table["high"]).astype(float),
        above=(table["came"] >= table["low"]).astype(float),
    )
    table = table.assign(coverage=table["below"] * table["above"], sharpness=table["high"] - table["low"])
    daily = table.groupby("day")["coverage"].mean().reindex(list(days))
    metrics = ("crps", "coverage", "below", "above", "sharpness")
    found = [_Score(figure, "all", name, float(table[name].mean()), len(table)) for name in metrics]
    observed = daily.dropna()
    return [*found, *_by_week(figure, observed.to_numpy(), list(observed.index))], daily.to_numpy(
        dtype=np.float64
    )


def _of_plug_in(sessions: Sequence[ForecastSession]) -> Iterator[_Score]:
    """How often cars came that were given a probability, by fifths of it."""
    stated, came = (
        np.array([getattr(one, name) for one in sessions], dtype=float) for name in ("probability", "came")
    )
    fifth = np.minimum((stated * _FIFTHS).astype(int), _FIFTHS - 1)
    for number in np.unique(fifth):
        part = f"told {number / _FIFTHS:.1f}-{(number + 1) / _FIFTHS:.1f}"
        for metric, values in (("told", stated), ("came", came)):
            own = values[fifth == number]
            yield _Score("plug_in", part, metric, float(own.mean()), len(own))


def _by_week(target: str, daily: FloatArray, days: Sequence[date]) -> Iterator[_Score]:
    mondays = np.array([day - timedelta(days=day.weekday()) for day in days])
    for monday in sorted(set(mondays.tolist())):
        own = daily[mondays == monday]
        yield _Score(target, f"week {monday}", "coverage", float(own.mean()), len(own))


def _drift(target: str, daily: FloatArray, *, above: bool = False) -> list[str]:
    """above: too much held is a drift as well; what comes in whole cars is often held more than is said."""
    nominal = SAID[target]
    off = drift(daily, nominal)
    if off is None or (off > nominal and not above):
        return []
    return [f"coverage of {target} drifts: {off:.0%} of late where {nominal:.0%} is said"]


def _write(context: Context, first: date, last: date, found: Sequence[_Score]) -> None:
    rows = _frame(found)
    lineage: dict[str, Any] = {
        "first_date": first,
        "last_date": last,
        "zone": context.workspace.zone,
        "run_id": context.run_id,
        "as_of_utc": pd.Timestamp(context.as_of),
        "input_hash": hash_frame(rows),
        "code_version": code_version(),
    }
    context.workspace.warehouse.write({"out_forecast_score": rows.assign(**lineage)})


def _frame(found: Sequence[_Score]) -> pd.DataFrame:
    return pd.DataFrame([{name: getattr(one, name) for name in _Score.__slots__} for one in found])
