"""The forecasts' page: what is foreseen of the next day, and how good what was foreseen has been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from flows.context import Context
from flows.mapping.forecast_scores import HIGH, LOW, MIDDLE, SAID, score_tables
from flows.mapping.horizon import QUARTER
from flows.mapping.pool import SIZES
from flows.mapping.retail import spread
from flows.money import Money
from flows.plain import records
from flows.publish.cut import Row, first_of
from flows.publish.day_charts import DayAxis
from flows.publish.drawing import Axis, Bars, Dots, Line, Mark, Panel, Rule, Tick, figure, numbers
from flows.publish.local_time import local_text
from warehouse.at_once import at_once
from warehouse.known import Known
from warehouse.zones import market_day_slots, market_timezone

MOST_WEEKS = 120
"""Lines of coverage by week, the newest first."""
_LOW_PANEL = 100
_NAMES = {
    "price": ("Price", "per kWh"),
    "pool_cars": ("Cars plugged in at least", "cars"),
    "pool_kw": ("Charging power plugged in at least", "kW"),
    "pool_kwh": ("Capacity plugged in at least", "kWh"),
    "arrival": ("Arrival", "h"),
    "departure": ("Departure", "h"),
    "need": ("Charge needed", "of the battery"),
}
"""Target → what it is, and its unit; of prices the money comes before it."""


def contents(context: Context) -> Mapping[str, Any]:
    """What forecast.html is filled with, each or None: issued, of the last day foreseen; report, the last."""
    known, zone, money = context.known, context.workspace.zone, context.workspace.money
    timezone = market_timezone(zone)
    with at_once(context.workspace.warehouse):
        return {
            "zone": zone,
            "timezone": timezone,
            "issued": _issued(known, zone, timezone, money),
            "report": _report(context, timezone),
        }


def _issued(known: Known, zone: str, timezone: str, money: Money) -> Row | None:
    """The rows that were issued last of the last market day that was foreseen."""
    last = known.newest("out_forecast", by=["zone"], where={"zone": zone}, columns=["market_date"])
    if last.empty:
        return None
    day = max(last["market_date"])
    where: dict[str, Any] = {"zone": zone, "market_date": day}
    rows = known.newest("out_forecast", by=["market_date", "target"], where=where)
    prices, pool = rows[rows["target"] == "price"], rows[rows["target"] != "price"]
    axis = DayAxis(slots=market_day_slots(day, zone), timezone=timezone)
    return {
        "day": day,
        "as_of": local_text(rows["as_of_utc"].max(), timezone),
        "price_days": int(prices["days"].min()) if len(prices) else None,
        "price_chart": _price_chart(known, zone, axis, prices, money) if len(prices) else "",
        "pool": _pool(pool, timezone),
        "pool_targets": [name for name in SIZES if name in set(pool["target"])],
    }


def _price_chart(known: Known, zone: str, axis: DayAxis, rows: pd.DataFrame, money: Money) -> Markup:
    """Low, middle and high of the price, and what has come of it, hundredths of the money a kWh."""
    wide = rows.pivot_table(index="interval_start_utc", columns="quantile", values="value")
    hours = np.append(axis.since(pd.Series(axis.slots)), axis.hours)
    published = known.read(
        "core_price", where={"zone": zone}, start=axis.slots[0] - 4 * QUARTER, end=axis.slots[-1] + QUARTER
    )
    came = spread(published, axis.slots)

    def drawn(series: str, values: np.ndarray) -> Line:
        return Line(series, hours, np.append(values, values[-1]) * 100.0 / money.euros, step=True)

    foreseen = {
        quantile: wide[quantile].reindex(axis.slots).to_numpy(dtype=np.float64)
        for quantile in (LOW, MIDDLE, HIGH)
    }
    marks: list[Mark] = [
        Rule("zero", 0.0),
        drawn("measured", foreseen[LOW]),
        drawn("measured", foreseen[HIGH]),
        drawn("twin", foreseen[MIDDLE]),
    ]
    legend = {"twin": "middle", "measured": f"{LOW:.0%} and {HIGH:.0%}"}
    if np.isfinite(came).any():
        marks.append(drawn("priced", came))
        legend["priced"] = "published"
    title = f"Price before taxes, {money.cent}/kWh"
    return figure([Panel(title=title, x=axis.x(), marks=marks)], legend)


def _pool(rows: pd.DataFrame, timezone: str) -> list[Row]:
    """A line a block: of each target the least (of 95 of 100 days) and the usual."""
    lines: dict[str, Row] = {}
    for row in records(rows.sort_values("interval_start_utc")):
        begins, ends = (local_text(row[f"interval_{end}_utc"], timezone) for end in ("start", "end"))
        line = lines.setdefault(str(begins), {"begins": begins, "ends": ends})
        line[f"{row['target']} {'least' if row['quantile'] == LOW else 'usual'}"] = row["value"]
    return list(lines.values())


def _report(context: Context, timezone: str) -> Row | None:
    """The scores of the report that judged last, and what its stage warned of."""
    zone = context.workspace.zone
    rows = context.known.newest("out_forecast_score", by=["zone"], where={"zone": zone})
    if rows.empty:
        return None
    last = rows[rows["run_id"] == rows["run_id"].max()]
    head = records(last)[0]
    where = {"run_id": head["run_id"], "stage": "forecast-report"}
    runs = records(context.workspace.warehouse.read("out_run", where=where))
    tables = score_tables(last)
    return {
        "first": head["first_date"],
        "last": head["last_date"],
        "as_of": local_text(head["as_of_utc"], timezone),
        "warning": next((run["message"] for run in runs if run["status"] != "ok"), ""),
        "scores": [
            _score(row, context.workspace.money)
            for row in sorted(tables["scores"], key=lambda row: list(_NAMES).index(row["target"]))
        ],
        "hour_chart": _by_hour(tables.get("by hour", []), context.workspace.money),
        "weeks": first_of(_weeks(tables.get("by week", [])), MOST_WEEKS),
        "plug_in": tables.get("probability of plugging in", []),
        "plug_in_chart": _reliability(tables.get("probability of plugging in", [])),
    }


def _score(row: Mapping[str, Any], money: Money) -> Row:
    """A line of scores in the unit that it is shown in; coverage next to what is said."""
    target = str(row["target"])
    name, unit = _NAMES[target]
    scale = 100.0 / money.euros if target == "price" else 1.0
    figures = {
        metric: row.get(metric)
        for metric in (
            "mae",
            "rmae",
            "kendall_tau",
            "crps",
            "coverage",
            "sharpness",
            "below",
            "above",
            "told",
            "came",
        )
    }
    for metric in ("mae", "crps", "sharpness"):
        value = figures[metric]
        figures[metric] = None if value is None else value * scale
    return {
        "target": target,
        "name": name,
        "unit": f"{money.cent} {unit}" if target == "price" else unit,
        "days": row["days"],
        "said": SAID[target],
        **figures,
    }


def _weeks(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A line a week, the newest first: what the band of each target held."""
    lines: dict[str, Row] = {}
    for row in rows:
        lines.setdefault(str(row["week"]), {"week": row["week"]})[str(row["target"])] = row["coverage"]
    return [lines[week] for week in sorted(lines, reverse=True)]


def _by_hour(rows: Sequence[Mapping[str, Any]], money: Money) -> Markup:
    """Of prices by hour of the clock: what the band held next to what is said, and the error."""
    own = sorted((row for row in rows if row["target"] == "price"), key=lambda row: str(row["hour"]))
    if not own:
        return Markup("")
    hour = np.array([float(row["hour"]) for row in own])
    coverage, error = (np.array([float(row[name]) for row in own]) for name in ("coverage", "mae"))
    said = SAID["price"]
    held: list[Mark] = [
        Rule("limit", said), Line("twin", hour, coverage), Dots("twin", hour, coverage, large=False)
    ]  # fmt: skip
    errors: list[Mark] = [Bars("measured", hour, error * 100.0 / money.euros)]
    x = Axis(-0.5, 23.5, [Tick(at, f"{at:02}:00", minor=at % 6 > 0) for at in range(0, 24, 3)])
    y = numbers(np.array([0.0, 1.0]), exact=True)
    above = Panel(
        title=f"Share of prices within the {said:.0%} band", x=x, y=y, height=_LOW_PANEL, marks=held
    )
    below = Panel(
        title=f"Mean absolute error, {money.cent}/kWh", x=x, x_title="Hour, local", height=_LOW_PANEL,
        marks=errors,
    )  # fmt: skip
    return figure([above, below], {"twin": "held", "limit": "said"})


def _reliability(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """How often cars came against the probability that they were given; on the diagonal both are the same."""
    if not rows:
        return Markup("")
    stated, came = (np.array([float(row[name]) for row in rows]) for name in ("told", "came"))
    ends = np.array([0.0, 1.0])
    x, y = numbers(ends, exact=True), numbers(ends, exact=True)
    marks: list[Mark] = [Line("zero", ends, ends), Dots("twin", stated, came)]
    panel = Panel(title="Share that came", x=x, x_title="Probability stated", y=y, marks=marks)
    return figure([panel])
