"""Charts as inline SVG, drawn by Altair and rendered without a browser or a network."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import vl_convert

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
    return str(
        vl_convert.vegalite_to_svg(styled.configure_legend(labelFont="sans-serif").to_dict(validate=False))
    )


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
