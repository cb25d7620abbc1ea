"""Charts of a battery's twin: posterior pairs, capacity to come, price of wear against the twin's answer."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from flows.publish.charts import HEIGHT, WIDTH, svg

_LABELS = {
    "sei_factor": "ln SEI",
    "lam_factor": "ln LAM",
    "capacity_scale": "capacity when new",
    "resistance_when_new": "ln resistance",
}
_TWIN, _PRICE, _QUIET = "#16875a", "#c05621", "#8b909a"
_PANEL = 150


def posterior_pairs(draws: pd.DataFrame) -> str:
    """Draws of the posterior, one a row, every pair of the unknowns that check-ups and voltage speak of."""
    names = [name for name in _LABELS if name in draws]
    rows = []
    for j, y in enumerate(names[1:], start=1):
        panels = [_pair(draws, x, y) for x in names[:j]]
        rows.append(alt.hconcat(*panels))
    return svg(alt.vconcat(*rows))


def _pair(draws: pd.DataFrame, x: str, y: str) -> alt.Chart:
    scale = alt.Scale(zero=False, nice=False)
    return (
        alt.Chart(draws[[x, y]].round(4))
        .mark_circle(size=10, color=_TWIN, opacity=0.5, aria=False)
        .encode(
            x=alt.X(f"{x}:Q", title=_LABELS[x], scale=scale, axis=alt.Axis(tickCount=4)),
            y=alt.Y(f"{y}:Q", title=_LABELS[y], scale=scale, axis=alt.Axis(tickCount=4)),
        )
        .properties(width=_PANEL, height=_PANEL)
    )


def capacity_forecast(
    band: pd.DataFrame, checkups: pd.DataFrame, end_of_life_soh: float, life: tuple[float, float, float]
) -> str:
    """Capacity over nominal against years from now: check-ups so far, and when it falls to each level (90 %).

    ``band``: soh, days, days_low, days_high of `twin.horizon.life_band`; ``checkups``: day (before today,
    ≤ 0), soh; ``life``: days of L0 and of both ends of its interval, marked where the end of life is met.
    """
    years = ["days", "days_low", "days_high"]
    frame = band.assign(**{name: band[name] / 365.25 for name in years})
    title, level = "Years from today", alt.Scale(zero=False)
    y = alt.Y("soh:Q", title="Capacity over nominal", scale=level)
    wide = alt.Chart(frame).mark_area(orient="horizontal", color=_TWIN, opacity=0.18)
    area = wide.encode(x=alt.X("days_low:Q", title=title), x2="days_high:Q", y=y)
    best = alt.Chart(frame.dropna()).mark_line(color=_TWIN, strokeWidth=1.8)
    line = best.encode(x="days:Q", y="soh:Q", order=alt.Order("soh:Q", sort="descending"))
    end = pd.DataFrame([[end_of_life_soh, *(days / 365.25 for days in life)]], columns=["soh", *years])
    rule = alt.Chart(end).mark_rule(color="#b83232", strokeDash=[5, 4]).encode(y="soh:Q")
    reach = (
        alt.Chart(end)
        .mark_rule(color=_TWIN, strokeWidth=3)
        .encode(x="days_low:Q", x2="days_high:Q", y="soh:Q")
    )
    at = alt.Chart(end).mark_point(size=60, filled=True, color=_TWIN).encode(x="days:Q", y="soh:Q")
    layers: list[Any] = [area, line, rule, reach, at]
    if len(checkups):
        seen = checkups.assign(years=checkups["day"] / 365.25)
        layers.append(
            alt.Chart(seen).mark_point(size=40, filled=True, color="#222").encode(x="years:Q", y="soh:Q")
        )
    return svg(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT))


def wear_map(habits: pd.DataFrame) -> str:
    """What kinds of days cost, in €, against the ordinary day (the first row of ``habits``, out_wear_map)."""
    ordinary = habits.iloc[0]
    frame = pd.DataFrame(
        {
            "day": [_habit(row, ordinary) for _, row in habits.iterrows()],
            "eur": habits["wear_eur_per_day"].round(4),
            "v2g": ["with V2G" if amount > 0 else "driven only" for amount in habits["v2g_efc_per_day"]],
        }
    )
    colour = alt.Color(
        "v2g:N",
        scale=alt.Scale(domain=["driven only", "with V2G"], range=[_QUIET, _TWIN]),
        legend=alt.Legend(title=None, orient="top"),
    )
    y = alt.Y("day:N", sort=None, title=None, axis=alt.Axis(labelLimit=330))
    bars = (
        alt.Chart(frame)
        .mark_bar(height=11)
        .encode(x=alt.X("eur:Q", title="Wear of such a day, €"), y=y, color=colour)
        .properties(width=WIDTH - 330, height=18 * len(frame))
    )
    line = pd.DataFrame({"eur": [ordinary["wear_eur_per_day"]]})
    return svg(bars + alt.Chart(line).mark_rule(color="#222", strokeDash=[4, 3]).encode(x="eur:Q"))


def _habit(row: pd.Series, ordinary: pd.Series) -> str:
    """In what a day differs from the ordinary one, in words."""
    words = []
    if row["v2g_efc_per_day"] > 0:
        words.append(f"V2G {row['v2g_efc_per_day']:.2f} cycles, {row['depth']:.2f} deep")
        words.append(f"at {row['c_rate']:.2f} C")
    if abs(row["rest_soc"] - ordinary["rest_soc"]) > 1e-6:
        words.append(f"resting at {row['rest_soc']:.2f}")
    if abs(row["temperature_degc"] - ordinary["temperature_degc"]) > 1e-6:
        words.append(f"{row['temperature_degc']:.0f} °C")
    told = ", ".join(words)
    return told or (f"ordinary: resting at {ordinary['rest_soc']:.2f}, {ordinary['temperature_degc']:.0f} °C")


def wear_loop(days: pd.DataFrame) -> str:
    """A car's wear by day, in €: what the plan priced (with a standard day's wear) and the twin's answer.

    ``days``: market_date, priced_eur, wear_twin_eur, wear_error_eur.
    """
    long = days.melt(
        id_vars="market_date", value_vars=["priced_eur", "wear_twin_eur"], var_name="by", value_name="eur"
    ).replace({"by": {"priced_eur": "price", "wear_twin_eur": "twin"}})
    x = alt.X("market_date:T", title=None, axis=alt.Axis(format="%d %b", tickCount=min(len(days), 10)))
    colour = alt.Color(
        "by:N",
        scale=alt.Scale(domain=["price", "twin"], range=[_PRICE, _TWIN]),
        legend=alt.Legend(title=None, orient="top"),
    )
    wear = (
        alt.Chart(long)
        .mark_line(point=True, strokeWidth=1.6)
        .encode(x=x, y=alt.Y("eur:Q", title="Wear of the day, €"), color=colour)
        .properties(width=WIDTH, height=HEIGHT)
    )
    errors = (
        alt.Chart(days)
        .mark_bar(size=8, color=_QUIET)
        .encode(x=x, y=alt.Y("wear_error_eur:Q", title="Twin − price, €"))
        .properties(width=WIDTH, height=80)
    )
    return svg(alt.vconcat(wear, errors))
