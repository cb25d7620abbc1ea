"""Charts of a plan: prices, power and charge over one axis, from its first moment to its last.

The axis counts hours from the plan's beginning and is labelled with the clock on the wall: a day of 23
or 25 hours is drawn as long as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from flows.publish.charts import HEIGHT, WIDTH, svg

MODE_COLOURS = {"uncontrolled": "#8b909a", "ordered": "#2b6cb0", "v2g": "#16875a"}
_PRICE_COLOURS = {"market": "#c05621", "bought": "#c05621", "sold": "#2b6cb0"}
_LIMIT, _ZERO = "#b83232", "#555"
_SLOT_HOURS = 0.25
_TICK_HOURS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAxis:
    """The hours of a plan: `slots` its quarter-hours (UTC), `timezone` that of its clock."""

    slots: pd.DatetimeIndex
    timezone: str

    @property
    def hours(self) -> float:
        """Length of the plan."""
        return len(self.slots) * _SLOT_HOURS

    def since(self, times: pd.Series) -> pd.Series:
        """Hours from the beginning of the plan to each of some times."""
        return (times - self.slots[0]).dt.total_seconds() / 3600

    def x(self) -> alt.X:
        """The axis, labelled every second hour of the clock and at its end."""
        local = self.slots.tz_convert(self.timezone)
        end = local[-1] + pd.Timedelta(hours=_SLOT_HOURS)
        labels = {
            at * _SLOT_HOURS: f"{clock:%H:%M}"
            for at, clock in enumerate(local)
            if clock.hour % _TICK_HOURS == 0 and clock.minute == 0
        } | {self.hours: f"{end:%H:%M}" if end.hour or end.minute else "24:00"}
        named = json.dumps({f"{hour:g}": label for hour, label in labels.items()})
        return alt.X(
            "hour:Q",
            title=None,
            scale=alt.Scale(domain=[0, self.hours], nice=False),
            axis=alt.Axis(values=list(labels), labelExpr=f"{named}[datum.value]", labelBound=False),
        )


def price_and_power(
    axis: DayAxis, prices: pd.DataFrame, titles: Mapping[str, str], sites: pd.DataFrame
) -> str:
    """Prices by series (see `flows.publish.prices`) over each site's grid power by mode."""
    panels: list[alt.Chart | alt.LayerChart] = []
    zero = alt.Chart(pd.DataFrame({"y": [0]})).mark_rule(color=_ZERO).encode(y="y:Q")
    for name, title in titles.items():
        own = prices[prices["series"] == name]
        colour = alt.value(_PRICE_COLOURS[name])
        panels.append(_steps(axis, own, "price_ct_per_kwh", title, colour, ["series"]) + zero)
    for site, rows in sites.groupby("site_id"):
        limits = pd.DataFrame({"y": [rows["import_limit_kw"].iloc[0], -rows["export_limit_kw"].iloc[0]]})
        rule = alt.Chart(limits).mark_rule(color=_LIMIT, strokeDash=[5, 4]).encode(y="y:Q")
        colour = _mode_colour(rows["mode"])
        panels.append(_steps(axis, rows, "power_kw", f"{site}: grid power, kW", colour, ["mode"]) + rule)
    return svg(alt.vconcat(*panels))


def battery_day(axis: DayAxis, slots: pd.DataFrame, capacity_kwh: float) -> str:
    """A car's charge over the day by mode, while it is plugged in; `slots`: its rows of out_plan_slot."""
    rows = _stays(axis, slots, capacity_kwh)
    chart = (
        alt.Chart(rows)
        .mark_line(strokeWidth=1.8)
        .encode(
            x=axis.x(),
            y=alt.Y("soc:Q", title="State of charge"),
            color=_mode_colour(slots["mode"]),
            detail="stay:N",
        )
        .properties(width=WIDTH, height=HEIGHT)
    )
    return svg(chart)


def _stays(axis: DayAxis, slots: pd.DataFrame, capacity_kwh: float) -> pd.DataFrame:
    """Charge at both ends of each quarter-hour that a car is plugged in, stays numbered."""
    known = slots[slots["energy_start_kwh"].notna() & slots["energy_end_kwh"].notna()]
    frames = []
    for mode, own in known.sort_values("interval_start_utc").groupby("mode"):
        begin = axis.since(own["interval_start_utc"]).to_numpy()
        stay = np.cumsum(np.diff(begin, prepend=-np.inf) > 1.5 * _SLOT_HOURS)
        for hour, energy in ((begin, "energy_start_kwh"), (begin + _SLOT_HOURS, "energy_end_kwh")):
            soc = own[energy].to_numpy(dtype=np.float64) / capacity_kwh
            frames.append(pd.DataFrame({"mode": mode, "stay": stay, "hour": hour, "soc": soc}))
    if not frames:
        return pd.DataFrame(columns=["mode", "stay", "hour", "soc"])
    return pd.concat(frames).drop_duplicates().sort_values(["mode", "hour"], kind="stable")


def _steps(
    axis: DayAxis, frame: pd.DataFrame, y: str, title: str, colour: Any, by: Sequence[str]
) -> alt.Chart:
    """Steps that hold from each quarter-hour's start to its end, the last one, too."""
    rows = frame.assign(hour=axis.since(frame["interval_start_utc"]))[[*by, "hour", y]]
    last = rows.loc[rows.groupby(list(by))["hour"].transform("max") == rows["hour"]]
    rows = pd.concat([rows, last.assign(hour=last["hour"] + _SLOT_HOURS)])
    return (
        alt.Chart(rows)
        .mark_line(interpolate="step-after", strokeWidth=1.8)
        .encode(x=axis.x(), y=alt.Y(f"{y}:Q", title=title), color=colour)
        .properties(width=WIDTH, height=HEIGHT)
    )


def _mode_colour(modes: pd.Series) -> alt.Color:
    """A colour for each mode that is there."""
    shown = {mode: colour for mode, colour in MODE_COLOURS.items() if mode in set(modes)}
    scale = alt.Scale(domain=list(shown), range=list(shown.values()))
    return alt.Color("mode:N", scale=scale, legend=alt.Legend(title=None, orient="top"))
