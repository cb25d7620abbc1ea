"""Charts as inline SVG, drawn by Altair and rendered without a browser or a network."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import vl_convert

MODE_COLOURS = {"uncontrolled": "#8b909a", "ordered": "#2b6cb0", "v2g": "#16875a"}
WIDTH, HEIGHT = 860, 190
_PRICE, _DATA, _MODEL, _LIMIT = "#c05621", "#8b909a", "#16875a", "#b83232"


def svg(chart: alt.Chart | alt.LayerChart | alt.VConcatChart) -> str:
    """The chart as inline SVG in the reports' style."""
    styled: Any = chart.configure_view(stroke=None).configure_axis(
        labelFont="sans-serif",
        titleFont="sans-serif",
        labelFontSize=11,
        titleFontSize=11,
        gridColor="#e6e8ec",
    )
    return str(vl_convert.vegalite_to_svg(styled.configure_legend(labelFont="sans-serif").to_dict()))


def _steps(frame: pd.DataFrame, y: str, title: str, colour: Any, **extra: Any) -> alt.Chart:
    return (
        alt.Chart(frame)
        .mark_line(interpolate="step-after", strokeWidth=1.8)
        .encode(
            x=alt.X("local:T", title=None, axis=alt.Axis(format="%H:%M", tickCount=12)),
            y=alt.Y(f"{y}:Q", title=title),
            color=colour,
            **extra,
        )
        .properties(width=WIDTH, height=HEIGHT)
    )


def _mode_colour() -> alt.Color:
    scale = alt.Scale(domain=list(MODE_COLOURS), range=list(MODE_COLOURS.values()))
    return alt.Color("mode:N", scale=scale, legend=alt.Legend(title=None, orient="top"))


def price_and_power(prices: pd.DataFrame, sites: pd.DataFrame) -> str:
    """Market price (price_ct_per_kwh) over each site's grid power by mode, both against `local`."""
    panels: list[alt.Chart | alt.LayerChart] = []
    if len(prices):
        zero = alt.Chart(pd.DataFrame({"y": [0]})).mark_rule(color="#555").encode(y="y:Q")
        panels.append(_steps(prices, "price_ct_per_kwh", "Market price, ct/kWh", alt.value(_PRICE)) + zero)
    for site, rows in sites.groupby("site_id"):
        limits = pd.DataFrame({"y": [rows["import_limit_kw"].iloc[0], -rows["export_limit_kw"].iloc[0]]})
        rule = alt.Chart(limits).mark_rule(color=_LIMIT, strokeDash=[5, 4]).encode(y="y:Q")
        panels.append(_steps(rows, "power_kw", f"{site}: grid power, kW", _mode_colour()) + rule)
    return svg(alt.vconcat(*panels))


def battery_day(slots: pd.DataFrame) -> str:
    """A car's charge by mode over the day: local, mode, soc (gaps while it is away)."""
    return svg(_steps(slots, "soc", "State of charge", _mode_colour()))


def voltage_fit(residuals: pd.DataFrame) -> str:
    """Measured and fitted pack voltage, and their difference: time_utc, voltage_v, model_voltage_v, used."""
    long = residuals.melt(
        id_vars=["time_utc"], value_vars=["voltage_v", "model_voltage_v"], var_name="series", value_name="v"
    ).replace({"series": {"voltage_v": "measured", "model_voltage_v": "twin"}})
    scale = alt.Scale(domain=["measured", "twin"], range=[_DATA, _MODEL])
    x = alt.X("time_utc:T", title=None, axis=alt.Axis(format="%d %b %H:%M", tickCount=8))
    fit = (
        alt.Chart(long)
        .mark_line(strokeWidth=1.6)
        .encode(
            x=x,
            y=alt.Y("v:Q", title="Pack voltage, V", scale=alt.Scale(zero=False)),
            color=alt.Color("series:N", scale=scale, legend=alt.Legend(title=None, orient="top")),
        )
        .properties(width=WIDTH, height=HEIGHT)
    )
    errors = residuals.assign(error_mv=(residuals["voltage_v"] - residuals["model_voltage_v"]) * 1000)
    points = (
        alt.Chart(errors)
        .mark_point(size=8, filled=True)
        .encode(
            x=x,
            y=alt.Y("error_mv:Q", title="Measured − twin, mV"),
            color=alt.condition("datum.used", alt.value(_DATA), alt.value(_LIMIT)),
        )
        .properties(width=WIDTH, height=110)
    )
    return svg(alt.vconcat(fit, points))


def life_law(points: pd.DataFrame) -> str:
    """ln(L/L0) against x, from out_life_point: simulated lives, the law and the rates."""
    l0 = float(points["life_days"].max())
    frame = pd.DataFrame({"x": points["efc_per_day"]})
    for name, column in (("law", "law_life_days"), ("rates", "rate_life_days"), ("twin", "life_days")):
        frame[name] = np.log(points[column] / l0)
    long = frame.melt(id_vars="x", value_vars=["law", "rates"], var_name="form", value_name="y")
    scale = alt.Scale(domain=["law", "rates"], range=[_PRICE, "#2b6cb0"])
    lines = (
        alt.Chart(long)
        .mark_line(strokeWidth=1.8)
        .encode(
            x=alt.X("x:Q", title="V2G a day, x = DOD·N, equivalent full cycles"),
            y=alt.Y("y:Q", title="ln(L/L0)"),
            color=alt.Color("form:N", scale=scale, legend=alt.Legend(title=None, orient="top")),
        )
        .properties(width=WIDTH, height=HEIGHT)
    )
    dots = alt.Chart(frame).mark_point(size=60, filled=True, color="#222").encode(x="x:Q", y="twin:Q")
    return svg(lines + dots)
