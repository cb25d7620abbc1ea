"""Charts of a plan: prices, power and charge over one axis, from its first moment to its last.

The axis counts hours from the plan's beginning and is labelled with the clock on the wall: a day of 23
or 25 hours is drawn as long as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from flows.money import EURO, Money
from flows.publish.drawing import Axis, Dots, Drawn, Line, Mark, Panel, Rule, Tick, figure
from flows.publish.prices import UsedPrices
from optimize.types import MODES

_SLOT_HOURS = 0.25
_TICK_HOURS, _MAJOR_HOURS = 2, 6
_RESERVE = {"won_kw": "law", "held_kw": "v2g"}
"""What is drawn of reserve → its series, the later over the earlier."""
_LOW = 120
"""Pixels of a panel that is one of several of a car."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAxis:
    """The hours of a plan: `slots` its quarter-hours (UTC), `timezone` that of its clock."""

    slots: pd.DatetimeIndex
    timezone: str

    @property
    def hours(self) -> float:
        """Length of the plan."""
        return len(self.slots) * _SLOT_HOURS

    def since(self, times: pd.Series) -> np.ndarray:
        """Hours from the beginning of the plan to each of some times."""
        begin = self.slots[0].tz_convert(None).to_datetime64()
        return (times.to_numpy(dtype="datetime64[ns]") - begin) / np.timedelta64(1, "h")

    def x(self) -> Axis:
        """The axis, labelled every second hour of the clock and at its end."""
        local = self.slots.tz_convert(self.timezone)
        end = local[-1] + pd.Timedelta(hours=_SLOT_HOURS)
        near_end = len(local) - _MAJOR_HOURS / (2 * _SLOT_HOURS)
        ticks = [
            Tick(at * _SLOT_HOURS, f"{clock:%H:%M}", minor=clock.hour % _MAJOR_HOURS > 0 or at >= near_end)
            for at, clock in enumerate(local)
            if clock.hour % _TICK_HOURS == 0 and clock.minute == 0
        ]
        last = f"{end:%H:%M}" if end.hour or end.minute else "24:00"
        before = [tick for tick in ticks if tick.at < self.hours - 1.0]  # else it would lie under the last
        return Axis(0.0, self.hours, [*before, Tick(self.hours, last)])


def price_and_power(
    axis: DayAxis,
    prices: pd.DataFrame,
    titles: Mapping[str, str],
    sites: pd.DataFrame,
    reserve: pd.DataFrame,
    money: Money = EURO,
) -> Markup:
    """Prices by series (see `flows.publish.prices`) over each site's power and what its limits are worth.

    sites: `flows.publish.grid_side.room_for_cars`. reserve: rows of out_plan_reserve of the mode that is
    followed. money: that worth is shown in.
    """
    x, panels = axis.x(), []
    for name, title in titles.items():
        own = prices[prices["series"] == name]
        panels.append(
            Panel(title=title, x=x, marks=[Rule("zero", 0.0), _steps(axis, own, "price_ct_per_kwh", name)])
        )
    for site, rows in sites.sort_values("interval_start_utc", kind="stable").groupby("site_id"):
        (_, alike), *_ = _by_mode(rows)
        marks: list[Mark] = [_limit(axis, alike, name) for name in ("most_kw", "least_kw")]
        marks += [_steps(axis, own, "power_kw", mode) for mode, own in _by_mode(rows)]
        panels.append(Panel(title=f"{site}: grid power of its cars, kW", x=x, marks=marks))
        if (rows["shadow_price_eur_per_kwh"].abs() > 0).any():
            worth = rows.assign(worth=100 * rows["shadow_price_eur_per_kwh"] / money.euros)
            lines = [_steps(axis, own, "worth", mode) for mode, own in _by_mode(worth.dropna(subset="worth"))]
            title = f"{site}: worth of one kWh more room (below 0: to feed back), {money.cent}/kWh"
            panels.append(Panel(title=title, x=x, marks=[Rule("zero", 0.0), *lines]))
    for (product, direction), blocks in reserve.groupby(["product", "direction"]):
        held: list[Mark] = [Rule("zero", 0.0)]
        held += [_blocks(axis, blocks, name, series) for name, series in _RESERVE.items()]
        panels.append(Panel(title=f"Reserve held: {product}, {direction}, kW", x=x, marks=held, height=_LOW))
    won = {"law": "reserve won"} if len(reserve) else {}
    return figure(panels, {**_legend(sites["mode"]), "limit": "the most that the cars may", **won})


def _limit(axis: DayAxis, rows: pd.DataFrame, name: str) -> Mark:
    """A limit from side to side, or as it changes."""
    values = rows[name].to_numpy(dtype=np.float64)
    same = bool((values == values[0]).all())
    return Rule("limit", float(values[0])) if same else _steps(axis, rows, name, "limit")


def _blocks(axis: DayAxis, rows: pd.DataFrame, y: str, series: str) -> Line:
    """What holds in each block of the plan, nothing between them."""
    ends = (axis.since(rows[f"interval_{edge}_utc"]).clip(0.0, axis.hours) for edge in ("start", "end"))
    values = rows[y].to_numpy(dtype=np.float64)
    over, gap = np.column_stack([*ends, np.full(len(rows), np.nan)]), np.full(len(rows), np.nan)
    return Line(series, over.ravel(), np.column_stack([values, values, gap]).ravel())


def price_panels(axis: DayAxis, prices: UsedPrices) -> list[Drawn]:
    """The prices of a plan as the charts of all its cars show them: one panel, none without any price."""
    if not prices.titles:
        return []
    named = [(name, prices.frame[prices.frame["series"] == name]) for name in prices.titles]
    drawn: list[Mark] = [_steps(axis, own, "price_ct_per_kwh", name) for name, own in named]
    title = f"Price at the plug, {prices.unit}"
    return [Drawn(Panel(title=title, x=axis.x(), marks=[Rule("zero", 0.0), *drawn], height=_LOW).svg())]


def price_names(prices: UsedPrices) -> dict[str, str]:
    """Their legend: series → name."""
    return {name: title.partition(",")[0].lower() for name, title in prices.titles.items()}


def battery_day(
    axis: DayAxis,
    slots: pd.DataFrame,
    capacity_kwh: float,
    *,
    prices: Sequence[Drawn],
    price_names: Mapping[str, str],
    stretches: pd.DataFrame,
    departures: pd.DataFrame,
) -> Markup:
    """A car's day by mode over one axis: prices, power at its plug, and its charge while it is plugged in.

    slots, stretches, departures: its rows of out_plan_slot in the order of time, and of out_plan_reason and
    out_plan_departure in the mode that is followed. prices: `price_panels`, named by `price_names`. Charge is
    drawn with what the car may hold and what it is to leave with.
    """
    x, by_mode = axis.x(), _by_mode(slots)
    legend = {mode: mode for mode, _ in by_mode} | dict(price_names)
    power: list[Mark] = [_steps(axis, own, "power_kw", mode) for mode, own in by_mode]
    title = "Power at the plug, kW (− fed back)"
    panels: list[Panel | Drawn] = [
        *prices,
        Panel(title=title, x=x, marks=[Rule("zero", 0.0), *power], height=_LOW),
    ]
    marks: list[Mark] = [Line(mode, *_sessions(axis, own, capacity_kwh)) for mode, own in by_mode]
    if len(stretches):
        marks += _allowed(axis, stretches, capacity_kwh)
        legend["zero"] = "the least and the most that it may hold"
    if len(departures):
        leaves = axis.since(departures["departure_utc"])
        promised = departures["target_kwh"].to_numpy(dtype=np.float64) / capacity_kwh
        here = leaves <= axis.hours
        marks.append(Dots("lives", leaves[here], promised[here]))
        legend["lives"] = "what it is to leave with"
    return figure([*panels, Panel(title="State of charge", x=x, marks=marks)], legend)


def _allowed(axis: DayAxis, stretches: pd.DataFrame, capacity_kwh: float) -> list[Mark]:
    """The least and the most that a car may hold, stretch by stretch."""
    begin, end = (axis.since(stretches[f"interval_{edge}_utc"]) for edge in ("start", "end"))
    return [
        Rule("zero", kwh / capacity_kwh, (float(first), float(last)))
        for name in ("lowest_kwh", "highest_kwh")
        for kwh, first, last in zip(stretches[name].tolist(), begin, end, strict=True)
    ]


def _legend(modes: pd.Series) -> dict[str, str]:
    """The modes that are there, in their order, as series and name."""
    there = set(modes)
    return {mode: mode for mode in MODES if mode in there}


def _by_mode(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows by mode, those that are there; of a site in the order of time."""
    modes = rows["mode"].to_numpy(dtype=object)
    return [(mode, own) for mode in MODES if len(own := rows[modes == mode])]


def _sessions(axis: DayAxis, slots: pd.DataFrame, capacity_kwh: float) -> tuple[np.ndarray, np.ndarray]:
    """Hour and charge at both ends of each quarter-hour that a car is plugged in; NaN between sessions."""
    known = (slots["energy_start_kwh"].notna() & slots["energy_end_kwh"].notna()).to_numpy()
    begin = axis.since(slots["interval_start_utc"])[known]
    new = np.flatnonzero(np.diff(begin) > 1.5 * _SLOT_HOURS) + 1
    ends = np.column_stack([begin, begin + _SLOT_HOURS]).ravel()
    energy = slots[["energy_start_kwh", "energy_end_kwh"]].to_numpy(dtype=np.float64)[known].ravel()
    return np.insert(ends, 2 * new, np.nan), np.insert(energy / capacity_kwh, 2 * new, np.nan)


def _steps(axis: DayAxis, rows: pd.DataFrame, y: str, series: str) -> Line:
    """Steps that hold from each quarter-hour's start to its end, the last one, too."""
    begin, values = axis.since(rows["interval_start_utc"]), rows[y].to_numpy(dtype=np.float64)
    return Line(series, np.append(begin, begin[-1:] + _SLOT_HOURS), np.append(values, values[-1:]), step=True)
