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
from flows.publish.stored_plan import StoredPlan

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
    return {
        "timezone": plan.axis.timezone,
        "followed": plan.followed,
        "verdict": _verdict(plan, departures),
        "modes": records(plan.modes),
        "cars": records(cars),
        "departures": len(departures),
        "at_risk": records(at_risk[:_MOST_SHOWN]),
        "at_risk_in_all": len(at_risk),
        "missed": records(plan.departures[plan.departures["missing_kwh"] > 0]),
        "promises": plan.promises,
        "checks_run": len(plan.checks),
        "failed_checks": told_findings(plan.checks),
        "parts": json.loads(plan.header["input_parts_json"]),
        "price_note": prices.note,
        "power_chart": day_charts.price_and_power(plan.axis, prices.frame, prices.titles, plan.sites, money),
    }


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
    for name in ("departure", "ready"):
        times = pd.to_datetime(found[f"{name}_utc"], utc=True)
        found[name] = times.dt.tz_convert(plan.axis.timezone)
    return found


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
