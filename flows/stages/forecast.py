"""Foresee a market day by what is known: its prices, and the least that the cars together have plugged in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from flows.context import Context
from flows.errors import NoForecastError
from flows.mapping.forecast_scores import HIGH, LOW, MIDDLE
from flows.mapping.hashing import hash_frame
from flows.mapping.like_days import HISTORY
from flows.mapping.pool import block_edges, pool_forecast
from flows.mapping.price_forecast import MODEL, PriceForecast, clock_quarters, of_clock, price_forecast
from flows.plain import records
from flows.stages.record import StageResult, recorded
from flows.version import code_version
from optimize.arrays import FloatArray
from warehouse.zones import market_day_slots, market_timezone

POOL_MODEL = "like days"
_QUARTER = pd.Timedelta(minutes=15)


@recorded("forecast")
def forecast(context: Context, day: date) -> StageResult:
    """Foresee a market day that has not begun; what cannot be foreseen is named and costs nothing else.

    Rows are added to out_forecast and never written over; the same as those last issued are not written
    again. Degraded, exit code 3, where something is lacking. Raises NoForecastError where nothing can be
    foreseen or the day has begun.
    """
    zone = context.workspace.zone
    if pd.Timestamp(context.as_of) >= market_day_slots(day, zone)[0]:
        raise NoForecastError(f"{day} has begun as of {context.as_of:%Y-%m-%d %H:%M} UTC")
    found, lacking = list[pd.DataFrame](), list[str]()
    prices = price_forecast(context.known, zone, day, issued_prices(context, day), HIGH - LOW)
    if isinstance(prices, str):
        lacking.append(prices)
    else:
        found.append(_price_rows(prices, day, zone))
    pool = list(_pool_rows(context, day))
    found += pool
    if not pool:
        lacking.append("no pool: too few days of sessions, or no car")
    if not found:
        raise NoForecastError(f"no forecast of {day}: {'; '.join(lacking)}")
    rows = pd.concat(found, ignore_index=True).assign(market_date=day, zone=zone)
    written = _written(context, day, rows)
    message = f"{day}: {len(rows)} values{'' if written else ', as they were'}"
    return StageResult(
        stage="forecast",
        status="degraded" if lacking else "ok",
        message="; ".join([message, *lacking]),
        exit_code=3 if lacking else 0,
        tables=_shown(rows, zone),
        details={"market_date": day, "written": written},
    )


def issued_prices(context: Context, day: date) -> dict[date, FloatArray]:
    """The middle of the prices of past days as forecast on their eve, by local date and quarter-hour [96]."""
    zone = context.workspace.zone
    rows = context.known.newest(
        "out_forecast",
        by=["market_date"],
        where={"zone": zone, "target": "price", "quantile": MIDDLE, "model": MODEL},
    )
    rows = rows[(rows["market_date"] < day) & (rows["market_date"] >= day - HISTORY)]
    eve = [made.date() + timedelta(days=1) for made in rows["as_of_utc"].dt.tz_convert(market_timezone(zone))]
    rows = rows[rows["market_date"] <= eve]
    found: dict[date, FloatArray] = {}
    for of_day in sorted(set(rows["market_date"])):
        own = rows[rows["market_date"] == of_day]
        slots = pd.DatetimeIndex(own["interval_start_utc"])
        found[of_day] = of_clock(slots, own["value"].to_numpy(dtype=np.float64), zone)
    return found


def _price_rows(found: PriceForecast, day: date, zone: str) -> pd.DataFrame:
    """By the local clock: an hour that comes twice is as it was, a hidden one is left out."""
    slots = market_day_slots(day, zone)
    at = clock_quarters(slots, zone)
    each = [
        (LOW, found.expected - found.half_width), (MIDDLE, found.expected),
        (HIGH, found.expected + found.half_width),
    ]  # fmt: skip
    return pd.concat(
        pd.DataFrame(
            {
                "target": "price", "interval_start_utc": slots, "interval_end_utc": slots + _QUARTER,
                "quantile": quantile, "value": values[at], "model": MODEL, "days": found.days,
            }
        )
        for quantile, values in each
    )  # fmt: skip


def _pool_rows(context: Context, day: date) -> Iterator[pd.DataFrame]:
    zone, holidays = context.workspace.zone, context.workspace.settings.plan.holidays
    edges = block_edges(zone, day, 1)
    for target, found in pool_forecast(context.known, zone, day, holidays, 1.0 - LOW).items():
        for quantile, values in ((LOW, found.least), (MIDDLE, found.median)):
            yield pd.DataFrame(
                {
                    "target": target, "interval_start_utc": edges[:-1], "interval_end_utc": edges[1:],
                    "quantile": quantile, "value": values, "model": POOL_MODEL, "days": found.days,
                }
            )  # fmt: skip


def _written(context: Context, day: date, rows: pd.DataFrame) -> bool:
    """Add the rows where they differ from those last issued."""
    digest = hash_frame(rows.assign(market_date=str(day)))
    where: dict[str, Any] = {"zone": context.workspace.zone, "market_date": day}
    last = context.known.newest(
        "out_forecast", by=["market_date"], where=where, columns=["market_date", "input_hash"]
    )
    if digest in set(last["input_hash"]):
        return False
    frame = rows.assign(
        run_id=context.run_id,
        as_of_utc=pd.Timestamp(context.as_of),
        input_hash=digest,
        code_version=code_version(),
    )
    context.workspace.warehouse.write({"out_forecast": frame})
    return True


def _shown(rows: pd.DataFrame, zone: str) -> dict[str, list[dict[str, Any]]]:
    """Table → a line an interval, by its local time: prices in €/kWh, of the pool the least and the usual."""
    named = {
        "prices": ("price", {LOW: "low_eur_per_kwh", MIDDLE: "price_eur_per_kwh", HIGH: "high_eur_per_kwh"}),
        "pool": ("pool_", {LOW: "least", MIDDLE: "usual"}),
    }
    shown: dict[str, list[dict[str, Any]]] = {}
    for table, (of, names) in named.items():
        lines: dict[pd.Timestamp, dict[str, Any]] = {}
        for row in records(rows[rows["target"].str.startswith(of)]):
            local = row["interval_start_utc"].tz_convert(market_timezone(zone))
            line = lines.setdefault(local, {"from": f"{local:%Y-%m-%d %H:%M}"})
            unit = row["target"].removeprefix(of)
            line[names[row["quantile"]] + (f"_{unit}" if table == "pool" else "")] = row["value"]
        if lines:
            shown[table] = list(lines.values())
    return shown
