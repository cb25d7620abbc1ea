"""Charts of a battery's twin: its fit to telemetry, life against V2G, capacity to come, what wear costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from flows.money import EURO, Money
from flows.publish.drawing import Axis, Band, Bars, Dots, Line, Mark, Panel, Rule, figure, numbers, times

_LABELS = {
    "sei_factor": "ln SEI",
    "lam_factor": "ln LAM",
    "capacity_scale": "capacity when new",
    "resistance_when_new": "ln resistance",
}
_YEAR_DAYS = 365.25
_LOW, _PAIR = 100, 150
"""Heights of a panel of differences and of one pair, pixels."""


def voltage_fit(residuals: pd.DataFrame) -> Markup:
    """Measured and fitted pack voltage, and their difference over time and over charge.

    ``residuals``: time_utc, voltage_v, model_voltage_v, used and soc, NaN where the car told none.
    """
    rows = residuals.sort_values("time_utc")
    x, at = _times(rows["time_utc"])
    measured, model = rows["voltage_v"].to_numpy(), rows["model_voltage_v"].to_numpy()
    error_mv, used = (measured - model) * 1000, rows["used"].to_numpy(dtype=bool)
    fit = [Line("measured", at, measured), Line("twin", at, model)]
    soc = rows["soc"].to_numpy(dtype=np.float64)

    def errors(title: str, over: Axis, where: np.ndarray, x_title: str = "") -> Panel:
        marks: list[Mark] = [
            Rule("zero", 0.0),
            Dots("measured", where[used], error_mv[used], large=False),
            Dots("limit", where[~used], error_mv[~used]),
        ]
        return Panel(title=title, x=over, marks=marks, height=_LOW, x_title=x_title)

    over, beside = soc, "State of charge, as the car told it"
    if not np.isfinite(soc).any():
        over, beside = model, "Fitted pack voltage, V: the car tells no state of charge"
    panels = [
        Panel(title="Pack voltage, V", x=x, marks=fit),
        errors("Measured − twin, mV", x, at),
        errors("Measured − twin, mV", numbers(over, most=8, exact=True), over, beside),
    ]
    aside = {} if used.all() else {"limit": "set aside"}
    return figure(panels, {"measured": "measured", "twin": "twin", **aside})


def life_law(points: pd.DataFrame) -> Markup:
    """ln(L/L0) against x, from out_life_point: simulated lives, the law and the rates."""
    rows, l0 = points.sort_values("efc_per_day"), float(points["life_days"].max())
    efc = rows["efc_per_day"].to_numpy(dtype=np.float64)

    def log(column: str) -> np.ndarray:
        return np.asarray(np.log(rows[column].to_numpy(dtype=np.float64) / l0))

    marks: list[Mark] = [
        Line("law", efc, log("law_life_days")),
        Line("rates", efc, log("rate_life_days")),
        Dots("lives", efc, log("life_days")),
    ]
    x = numbers(efc, zero=True, most=8, exact=True)
    title = "V2G a day, x = DOD·N, equivalent full cycles"
    names = {"law": "law", "rates": "rates", "lives": "simulated"}
    return figure([Panel(title="ln(L/L0)", x=x, x_title=title, marks=marks)], names)


def posterior_pairs(draws: pd.DataFrame) -> Markup:
    """Draws of the posterior, one a row, every pair of the unknowns that check-ups and voltage speak of."""
    names = [name for name in _LABELS if name in draws]
    axes = {name: numbers(draws[name].to_numpy(), most=3, exact=True) for name in names}
    pairs = [(x, y) for j, y in enumerate(names) for x in names[:j]]
    drawn = Markup("").join(
        figure(
            [
                Panel(
                    title=_LABELS[y], x=axes[x], x_title=_LABELS[x], y=axes[y], height=_PAIR,
                    marks=[Dots("twin", draws[x].to_numpy(), draws[y].to_numpy(), large=False)],
                )
            ]
        )
        for x, y in pairs
    )  # fmt: skip
    return Markup('<div class="pairs">{}</div>').format(drawn)


def capacity_forecast(
    band: pd.DataFrame, checkups: pd.DataFrame, end_of_life_soh: float, life: tuple[float, float, float]
) -> Markup:
    """Capacity over nominal against years from now: check-ups so far, and when it falls to each level (90 %).

    ``band``: soh, days, days_low, days_high of `twin.horizon.life_band`; ``checkups``: day (before today,
    ≤ 0), soh; ``life``: days of L0 and of both ends of its interval, marked where the end of life is met.
    """
    rows = band.sort_values("soh", ascending=False)
    level = rows["soh"].to_numpy(dtype=np.float64)
    best, low, high = (
        rows[name].to_numpy(dtype=np.float64) / _YEAR_DAYS for name in ("days", "days_low", "days_high")
    )
    observed = checkups["day"].to_numpy(dtype=np.float64) / _YEAR_DAYS
    l0, least, most = (days / _YEAR_DAYS for days in life)
    marks: list[Mark] = [
        Band("twin", low, high, level),
        Line("twin", best, level),
        Rule("limit", end_of_life_soh),
        Rule("twin", end_of_life_soh, between=(least, most)),
        Dots("twin", np.array([l0]), np.array([end_of_life_soh])),
        Dots("lives", observed, checkups["soh"].to_numpy(dtype=np.float64)),
    ]
    x = numbers(low, high, observed, np.array([l0, most]), zero=True, most=8, exact=True)
    return figure([Panel(title="Capacity over nominal", x=x, x_title="Years from today", marks=marks)])


def habits(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """What kinds of days cost, next to the ordinary day (the first row of ``rows``, out_wear_map).

    day: in what it differs; eur: its wear; share: of the largest; v2g: whether it feeds back.
    """
    ordinary, most = rows.iloc[0], float(rows["wear_eur_per_day"].max())
    return [
        {
            "day": _habit(row, ordinary),
            "eur": float(row["wear_eur_per_day"]),
            "share": max(0.0, float(row["wear_eur_per_day"])) / most if most > 0 else 0.0,
            "v2g": bool(row["v2g_efc_per_day"] > 0),
        }
        for _, row in rows.iterrows()
    ]


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
    text = ", ".join(words)
    return text or (f"ordinary: resting at {ordinary['rest_soc']:.2f}, {ordinary['temperature_degc']:.0f} °C")


def wear_loop(days: pd.DataFrame, money: Money = EURO) -> Markup:
    """A car's wear by day: what the plan priced (with a standard day's wear) and the twin's answer.

    ``days``: market_date, priced_eur, wear_twin_eur, wear_error_eur. ``money``: that it is shown in.
    """
    rows = days.sort_values("market_date")
    x, at = _times(pd.to_datetime(rows["market_date"]).dt.tz_localize("UTC"))
    fields = {"priced": "priced_eur", "twin": "wear_twin_eur"}
    marks: list[Mark] = []
    for series, column in fields.items():
        worn = rows[column].to_numpy(dtype=np.float64) / money.euros
        marks += [Line(series, at, worn), Dots(series, at, worn, large=False)]
    errors = Bars("measured", at, rows["wear_error_eur"].to_numpy(dtype=np.float64) / money.euros)
    return figure(
        [
            Panel(title=f"Wear of the day, {money.sign}", x=x, marks=marks),
            Panel(title=f"Twin − price, {money.sign}", x=x, marks=[Rule("zero", 0.0), errors], height=_LOW),
        ],
        {"priced": "price", "twin": "twin"},
    )


def calibrations_so_far(rows: pd.DataFrame) -> Markup:
    """State, life and α of one battery by calibration, with both ends of their 90 % intervals.

    ``rows``: as_of_utc, soh, and days, low and high of l0 and alpha, as of out_calibration.
    """
    x, at = _times(rows["as_of_utc"])

    def panel(title: str, best: str, ends: tuple[str, ...], scale: float) -> Panel:
        values = {name: rows[name].to_numpy(dtype=np.float64) / scale for name in (best, *ends)}
        marks: list[Mark] = [Line("measured", at, values[name]) for name in ends]
        marks += [Line("twin", at, values[best]), Dots("twin", at, values[best], large=False)]
        return Panel(title=title, x=x, marks=marks, height=_LOW)

    alpha = ("alpha_low_day_per_efc", "alpha_high_day_per_efc")
    return figure(
        [
            panel("State of health", "soh", (), 1.0),
            panel("L0, years", "l0_days", ("l0_low_days", "l0_high_days"), _YEAR_DAYS),
            panel("α, day/cycle", "alpha_day_per_efc", alpha, 1.0),
        ],
        {"twin": "calibrated", "measured": "90 % interval"},
    )


def _times(moments: pd.Series) -> tuple[Axis, np.ndarray]:
    """An axis over some moments, and where on it they lie."""
    seconds = (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy(dtype=np.float64)
    return times(moments.min().to_pydatetime(), moments.max().to_pydatetime()), seconds
