"""How long stages took, over time, and which did not end well; by the clock, not as known at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from flows.plain import records
from flows.publish.cut import Row, first_of
from flows.publish.drawing import Dots, Line, Mark, Panel, figure, times
from flows.workspace import Workspace

MOST_RUNS, MOST_FAULTS = 4000, 30
"""Stages that are looked at, those that ended last, and of these how many that did not end well are shown."""
_DRAWN, _LOW = 6, 90
"""How many stages are drawn, those that took most in all, and how high."""


def runs_section(workspace: Workspace, timezone: str) -> Mapping[str, Any]:
    """runs, runs_since: how many stages are looked at, and the day of the first; stages: a line each;
    duration_chart; faults: those that did not end well, alike ones once with their number, the newest first.
    """
    runs = workspace.warehouse.read("out_run", last=("finished_utc", MOST_RUNS))
    runs = runs.sort_values("finished_utc", kind="stable")
    local = runs["finished_utc"].dt.tz_convert(timezone)
    took = (runs["finished_utc"] - runs["started_utc"]).dt.total_seconds()
    runs = runs.assign(
        took=took, day=local.dt.strftime("%Y-%m-%d"), ended=local.dt.strftime("%Y-%m-%d %H:%M")
    )
    faults = runs.loc[runs["status"] != "ok", ["ended", "stage", "market_date", "status", "message"]]
    alike = faults.groupby(["stage", "status", "message"], sort=False)
    last = faults.assign(times=alike["ended"].transform("size")).drop_duplicates(
        ["stage", "status", "message"], keep="last"
    )
    return {
        "runs": len(runs),
        "runs_since": runs["day"].iloc[0] if len(runs) else None,
        "stages": [_stage(str(stage), own) for stage, own in runs.groupby("stage", sort=True)],
        "duration_chart": _chart(runs) if len(runs) else "",
        "faults": first_of(records(last.iloc[::-1]), MOST_FAULTS),
    }


def _stage(stage: str, rows: pd.DataFrame) -> Row:
    took, last = rows["took"], rows.iloc[-1]
    return {
        "stage": stage,
        "runs": len(rows),
        "not_ok": int((rows["status"] != "ok").sum()),
        "median_s": float(took.median()),
        "p95_s": float(took.quantile(0.95)),
        "longest_s": float(took.max()),
        "last_s": float(last["took"]),
        "ended": str(last["ended"]),
    }


def _chart(runs: pd.DataFrame) -> Markup:
    """A panel a stage: the median and the longest of each day, seconds."""
    most = runs.groupby("stage")["took"].sum().nlargest(_DRAWN).index
    days = pd.to_datetime(runs["day"]).dt.tz_localize("UTC")
    x = times(days.min().to_pydatetime(), days.max().to_pydatetime())
    panels = []
    for stage in most:
        own = runs[runs["stage"] == stage]
        daily = own.groupby("day")["took"].agg(["median", "max"])
        at = np.array([pd.Timestamp(day, tz="UTC").timestamp() for day in daily.index])
        median, longest = (daily[name].to_numpy(dtype=np.float64) for name in ("median", "max"))
        marks: list[Mark] = [
            Line("twin", at, median), Dots("twin", at, median, large=False),
            Dots("measured", at, longest, large=False),
        ]  # fmt: skip
        panels.append(Panel(title=f"{stage}, s", x=x, marks=marks, height=_LOW))
    return figure(panels, {"twin": "median of the day", "measured": "longest of the day"})
