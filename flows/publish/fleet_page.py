"""What stands on the first page of a plan: what happens, whether it is all right, what it gains."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from flows.mapping.readiness import capacity_kwh, readiness
from flows.mapping.told_checks import told_findings
from flows.money import Money
from flows.plain import records
from flows.publish import day_charts
from flows.publish.local_time import local_text
from flows.publish.stored_plan import StoredPlan

_LEAST_EUR = 0.005
_BEYOND = pd.Timedelta(days=1)
"""How far behind a plan's last quarter-hour a departure that it tells of may lie."""
_MOST_SHOWN = 100
"""Of departures that are at risk so many are shown each by itself; the table of cars has all."""
_OF_TWIN = ("quality", "dispute", "soh", "l0_days", "alpha_day_per_efc")
_ORDER = ("leaves short", "disputed", "sensors refused", "not calibrated", "no margin", "not plugged in", "")
_LIMITS = {"alpha_low": "alpha_low_day_per_efc", "alpha_high": "alpha_high_day_per_efc"}


def fleet_page(plan: StoredPlan, money: Money) -> Mapping[str, Any]:
    """The figures, tables and charts of a plan's first page."""
    prices = plan.prices
    departures = _departures(plan)
    cars = _cars(plan, departures)
    at_risk = departures[departures["readiness"] != "ready"]
    missed = plan.departures[plan.departures["missing_kwh"] > 0]
    reserve = plan.grid.reserve[plan.grid.reserve["mode"] == plan.followed]
    modes = [{**mode, "besides_eur": _besides(mode)} for mode in records(plan.modes)]
    return {
        "timezone": plan.axis.timezone,
        "followed": plan.followed,
        "verdict": _verdict(plan, departures),
        "made": local_text(plan.header["as_of_utc"], plan.axis.timezone),
        "clock": _clock(plan.axis),
        "modes": modes,
        "besides": any(abs(mode["besides_eur"]) >= _LEAST_EUR for mode in modes),
        "cars": records(cars),
        "departures": len(departures),
        "at_risk": records(at_risk[:_MOST_SHOWN]),
        "at_risk_in_all": len(at_risk),
        "missed": records(_by_the_clock(missed, plan, "departure")),
        "promises": plan.promises,
        "checks_run": len(plan.checks),
        "failed_checks": [
            {**row, "as_of": local_text(row["as_of_utc"], plan.axis.timezone)}
            for row in told_findings(plan.checks)
        ],
        "parts": json.loads(plan.header["input_parts_json"]),
        "price_note": prices.note,
        "power_chart": day_charts.price_and_power(
            plan.axis, prices.frame, prices.titles, plan.sites, reserve, money
        ),
        "grid": plan.grid.shown(plan.followed, plan.axis.timezone),
    }


def _besides(mode: Mapping[str, Any]) -> float:
    """What net benefit counts besides the terms that are told by themselves: emissions and reserve, €."""
    minus = ("energy_cost_eur", "wear_price_eur", "rest_price_eur", "peak_charge_eur")
    told = mode["stored_value_eur"] - sum(mode[name] or 0.0 for name in minus)
    return float(mode["net_benefit_eur"] - told)


def _clock(axis: day_charts.DayAxis) -> str:
    """How moments of a plan are written: in the order of time as texts, too, around New Year as well."""
    local = axis.slots.tz_convert(axis.timezone)
    return "%m-%d %H:%M" if local[0].year == (local[-1] + _BEYOND).year else "%Y-%m-%d %H:%M"


def _by_the_clock(rows: pd.DataFrame, plan: StoredPlan, *names: str) -> pd.DataFrame:
    """Rows with their moments `…_utc` by the local clock, under the name without it."""
    moments = {name: pd.to_datetime(rows[f"{name}_utc"], utc=True) for name in names}
    return rows.assign(**{name: at.dt.tz_convert(plan.axis.timezone) for name, at in moments.items()})


def _verdict(plan: StoredPlan, departures: pd.DataFrame) -> Mapping[str, Any]:
    """The plan in a line: energy, what it gains over plain charging after wear, departures by readiness."""
    by_mode = {row["mode"]: row for row in records(plan.modes)}
    followed, plain = by_mode.get(plan.followed), by_mode.get("uncontrolled")
    gain = followed["net_benefit_eur"] - plain["net_benefit_eur"] if followed and plain else None
    found = departures["readiness"].value_counts()
    return {
        "import_kwh": followed["import_kwh"] if followed else None,
        "export_kwh": followed["export_kwh"] if followed else None,
        "gain_eur": gain if plan.followed != "uncontrolled" else None,
        "wear_eur": followed["wear_price_eur"] if followed else None,
        "departures": len(departures),
        **{name: int(found.get(name, 0)) for name in ("short", "tight", "ready")},
    }


def _departures(plan: StoredPlan) -> pd.DataFrame:
    """Readiness by departure of the mode that is followed, clocks local."""
    departures, slots = (rows[rows["mode"] == plan.followed] for rows in (plan.departures, plan.slots))
    cars = plan.cars[plan.cars["mode"] == plan.followed]
    usable = plan.calibrations["usable_energy_kwh"]
    found = readiness(departures, slots, capacity_kwh(cars, usable, plan.batteries))
    return _by_the_clock(found, plan, "departure", "ready")


def _cars(plan: StoredPlan, departures: pd.DataFrame) -> pd.DataFrame:
    """A row a car of the mode that is followed, those with a problem first."""
    cars = plan.cars[plan.cars["mode"] == plan.followed].copy()
    for name in _OF_TWIN:
        cars[name] = cars["calibration_id"].map(plan.calibrations[name])
    for name, column in _LIMITS.items():
        cars[name] = cars["calibration_id"].map(plan.calibrations[column])
    rank = departures["readiness"].map({"short": 0, "tight": 1, "ready": 2})
    worst = departures.assign(rank=rank).sort_values(["rank", "departure_utc"])
    worst = worst.drop_duplicates("battery_id").set_index("battery_id")
    for name in ("departure", "margin_h"):
        cars[name] = cars["battery_id"].map(worst[name])
    state = worst["readiness"]
    slots = plan.slots[(plan.slots["mode"] == plan.followed) & plan.slots["plugged"].astype(bool)]
    plugged = set(slots["battery_id"].astype(str))
    cars["state"] = [
        state.get(car, "plugged in" if car in plugged else "away") for car in cars["battery_id"].astype(str)
    ]
    cars["problem"] = [_problem(row) for row in records(cars)]
    cars["rank"] = [_ORDER.index(row["problem"]) for row in records(cars)]
    return cars.sort_values(["rank", "battery_id"])


def _problem(row: Mapping[str, Any]) -> str:
    """The worst that is known of a car, in a word or two; "" for nothing."""
    if row["state"] == "short":
        return "leaves short"
    quality = {"disputed": "disputed", "stale": "sensors refused", None: "not calibrated"}
    state = {"tight": "no margin", "away": "not plugged in"}
    return quality.get(row["quality"]) or state.get(row["state"], "")
