"""The back-test's page: what each strategy would have earned on past days, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from flows.backtest.strategies import BY_NAME, FORESIGHT, STRATEGIES
from flows.backtest.summary import summary
from flows.context import Context
from flows.plain import records
from flows.publish.cut import Row, first_of
from flows.publish.drawing import Line, Panel, Rule, figure, times
from warehouse.at_once import at_once
from warehouse.known import Known

MOST_RUNS, MOST_OTHERS = 3, 20
"""Back-tests that are told whole, those of the last days first, and of the others a line each."""
_DRAWN = {"v2g": "v2g", "ordered": "ordered", "combined": "priced", FORESIGHT: "lives"}
"""Strategies whose course of gain is drawn → how."""


def contents(context: Context) -> Mapping[str, Any]:
    """What backtest.html is filled with: tests told whole, others."""
    known, zone = context.known, context.workspace.zone
    with at_once(context.workspace.warehouse):
        runs = _runs(known, zone)
        ids = [str(run["run_id"]) for run in runs[:MOST_RUNS]]
        rows = known.read("out_backtest", where={"run_id": ids, "zone": zone})
    return {
        "tests": [run | _told(rows[rows["run_id"] == run["run_id"]], context) for run in runs[:MOST_RUNS]],
        "others": first_of(runs[MOST_RUNS:], MOST_OTHERS),
    }


def _runs(known: Known, zone: str) -> list[Row]:
    """A record a back-test: run_id, first and last day, minutes between plans, its strategies."""
    rows = known.newest(
        "out_backtest",
        by=["run_id", "strategy"],
        where={"zone": zone},
        columns=["run_id", "strategy", "market_date", "first_date", "every_minutes", "as_of_utc"],
    )
    found = [
        {
            "run_id": str(run_id),
            "first": own["first_date"].iloc[0],
            "last": own["market_date"].max(),
            "every_minutes": int(own["every_minutes"].iloc[0]),
            "strategies": [one.name for one in STRATEGIES if one.name in set(own["strategy"])],
        }
        for run_id, own in rows.groupby("run_id", sort=True)
    ]
    return sorted(found, key=lambda run: (run["last"], run["first"]), reverse=True)


def _told(rows: pd.DataFrame, context: Context) -> Row:
    """The lines of `v2g backtest` of the strategies that have all days, and which have not."""
    first, last = rows["first_date"].iloc[0], rows["market_date"].max()
    days = (last - first).days + 1
    names = [one.name for one in STRATEGIES if one.name in set(rows["strategy"])]
    have = rows["strategy"].value_counts()
    whole = [name for name in names if have[name] == days] or names
    lines = summary(rows, [BY_NAME[name] for name in whole], days)
    euros = [value for line in lines for value in _ends(line) if value is not None]
    scale = _Scale.of(euros)
    return {
        "days": days,
        "lines": [
            line | {"means": BY_NAME[line["strategy"]].description, "bar": scale.bar(*_ends(line))}
            for line in lines
        ],
        "partial": [{"strategy": name, "days": int(have[name])} for name in names if name not in whole],
        "notes": first_of(_notes(rows), MOST_OTHERS),
        "sure": any(line["car_year_low_eur"] is not None for line in lines),
        "by_twin": any(line["by_twin_eur"] is not None for line in lines),
        "chart": _course(rows[rows["strategy"].isin(whole)], context),
    }


def _ends(line: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
    """€ a car and year, and both ends of its interval."""
    return line["car_year_eur"], line["car_year_low_eur"], line["car_year_high_eur"]


class _Scale:
    """Where values stand between the least and the most of a column, 0 among them, in % of its width."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._room = low, high - low

    @classmethod
    def of(cls, values: Sequence[float]) -> _Scale:
        low, high = min([0.0, *values]), max([0.0, *values])
        return cls(low, high if high > low else low + 1.0)

    def at(self, value: float) -> float:
        return round(100.0 * (value - self._low) / self._room, 2)

    def bar(self, value: float, low: float | None, high: float | None) -> Row:
        """x, width of a bar from 0, and low, high of the interval if there is one."""
        zero, end = self.at(0.0), self.at(value)
        return {
            "x": min(zero, end),
            "width": round(abs(end - zero), 2),
            "low": None if low is None else self.at(low),
            "high": None if high is None else self.at(high),
        }


def _notes(rows: pd.DataFrame) -> list[Row]:
    """Days of strategies that are not as they should be, the newest first."""
    noted = rows[rows["note"].notna() | (rows["plan_source"] != "published")]
    shown = noted.sort_values(["market_date", "strategy"], ascending=[False, True])
    return records(shown[["market_date", "strategy", "plan_source", "note"]])


def _course(rows: pd.DataFrame, context: Context) -> Markup:
    """What strategies have gained over charging on plug-in, added up day by day, in the money shown."""
    gains = rows.assign(gain=rows["eur"] - rows["uncontrolled_eur"]).pivot_table(
        index="market_date", columns="strategy", values="gain"
    )
    drawn = {name: series for name, series in _DRAWN.items() if name in gains}
    if len(gains) < 2 or not drawn:
        return Markup("")
    money = context.workspace.money
    days = pd.DatetimeIndex(pd.to_datetime(gains.index)).tz_localize("UTC")
    at = np.array([day.timestamp() for day in days])
    marks = [
        Line(series, at, gains[name].cumsum().to_numpy(dtype=np.float64) / money.euros)
        for name, series in drawn.items()
    ]
    title = f"Gained over charging on plug-in since the first day, {money.sign}"
    x = times(days[0].to_pydatetime(), days[-1].to_pydatetime())
    return figure(
        [Panel(title=title, x=x, marks=[Rule("zero", 0.0), *marks])],
        {series: name for name, series in drawn.items()},
    )
