"""The pages of one plan: an index for the run and one page a battery, plus the schedule as a file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from flows.publish import charts
from flows.publish.twin_section import twin_section, wear_days, wear_maps
from flows.stages.findings import findings
from flows.workspace import Workspace
from twin.chemistry import chemistry
from twin.types import Calibration
from warehouse.zones import market_timezone

_SOURCES = {
    "published": "",
    "substituted": "Degraded plan: no published prices. Last week's prices of the same weekday were used and "
    "nothing is fed back to the grid.",
    "charge_only": "Degraded plan: no prices at all. Cars are charged on plug-in; money is counted "
    "as if energy were free.",
}
_QUALITIES = {
    "calibrated": "fitted to telemetry and check-ups",
    "checkups": "fitted to check-ups alone",
    "prior": "no usable data: the chemistry's prior",
    "disputed": "the fit to telemetry belies itself: check-ups alone, or the prior where there are none",
    "stale": "sensors refused: the last good calibration is kept",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Everything the warehouse holds of one plan."""

    header: Mapping[str, Any]
    timezone: str
    modes: pd.DataFrame
    cars: pd.DataFrame
    slots: pd.DataFrame
    sites: pd.DataFrame
    departures: pd.DataFrame
    calibrations: pd.DataFrame
    life_points: pd.DataFrame
    residuals: pd.DataFrame
    prices: pd.DataFrame
    checks: pd.DataFrame
    checkups: pd.DataFrame
    batteries: pd.DataFrame
    wear_days: pd.DataFrame
    wear_maps: pd.DataFrame
    end_of_life_soh: float

    @property
    def followed(self) -> str:
        """The mode that is the plan to follow."""
        return str(self.modes["mode"].iloc[-1])


def publish_run(workspace: Workspace, plan_id: str) -> list[Path]:
    """Write the pages of a plan under reports/DATE/ and its schedule under exports/; the index comes first.

    A file appears whole or not at all. Pages of an earlier plan for the same date are replaced.
    """
    plan = _read(workspace, plan_id)
    day = str(plan.header["market_date"])
    folder = workspace.reports / day
    folder.mkdir(parents=True, exist_ok=True)
    environment = Environment(
        loader=PackageLoader("flows.publish"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"number": _number, "years": _years}
    common = {
        "notice": workspace.settings.fleet.notice,
        "degraded": _SOURCES[str(plan.header["plan_source"])],
        "plan": plan.header,
    }
    files = [
        _write(
            folder / "index.html",
            environment.get_template("run.html").render(**common, **_run_page(plan)),
        )
    ]
    page = environment.get_template("battery.html")
    for _, car in plan.cars[plan.cars["mode"] == plan.followed].iterrows():
        battery_id = str(car["battery_id"])
        text = page.render(**common, **_battery_page(plan, battery_id, str(car["calibration_id"])))
        files.append(_write(folder / f"{battery_id}.html", text))
    columns = ["interval_start_utc", "battery_id", "plugged", "charge_kw", "discharge_kw", "power_kw"]
    schedule = plan.slots[plan.slots["mode"] == plan.followed]
    export = schedule[["plan_id", "mode", *columns, "energy_end_kwh", "plan_source"]].to_csv(index=False)
    files.append(_write(workspace.exports / f"schedule_{day}_{plan.header['zone']}.csv", export))
    return files


def _read(workspace: Workspace, plan_id: str) -> _Plan:
    warehouse = workspace.warehouse
    mine = {"plan_id": plan_id}
    (header,) = _records(warehouse.read("out_plan", where=mine))
    timezone = str(market_timezone(header["zone"]))
    modes = _in_order(warehouse.read("out_plan_mode", where=mine))
    cars = _in_order(warehouse.read("out_plan_car", where=mine))
    ids = {"calibration_id": sorted(set(cars["calibration_id"]))}
    mine_too = {"battery_id": sorted(set(cars["battery_id"]))}
    slots = _local(warehouse.read("out_plan_slot", where=mine), timezone)
    prices = warehouse.read(
        "core_price",
        where={"zone": header["zone"]},
        start=slots["interval_start_utc"].min(),
        end=slots["interval_start_utc"].max() + pd.Timedelta(minutes=15),
    )
    calibrations = warehouse.read("out_calibration", where=ids)
    return _Plan(
        header=header,
        timezone=timezone,
        modes=modes,
        cars=cars,
        slots=slots,
        sites=_local(warehouse.read("out_plan_site_slot", where=mine), timezone),
        departures=warehouse.read("out_plan_departure", where=mine),
        calibrations=calibrations.set_index("calibration_id"),
        wear_maps=wear_maps(warehouse, calibrations),
        life_points=warehouse.read("out_life_point", where=ids).sort_values("efc_per_day"),
        residuals=warehouse.read("out_twin_residual", where=ids),
        prices=_local(prices, timezone),
        checks=warehouse.read("out_check", where={"run_id": header["run_id"]}),
        checkups=warehouse.read("core_checkup", where=mine_too, end=header["as_of_utc"]),
        batteries=warehouse.read("core_battery", where=mine_too),
        wear_days=wear_days(warehouse, header, sorted(set(cars["battery_id"])), str(modes["mode"].iloc[-1])),
        end_of_life_soh=workspace.settings.calibrate.end_of_life_soh,
    )


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    order = {mode: i for i, mode in enumerate(charts.MODE_COLOURS)}
    return frame.sort_values("mode", key=lambda names: names.map(order), kind="stable")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for a template: what is missing is None."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def _local(frame: pd.DataFrame, timezone: str) -> pd.DataFrame:
    # Naive wall time: a chart is read against the clock on the wall.
    return frame.assign(local=frame["interval_start_utc"].dt.tz_convert(timezone).dt.tz_localize(None))


def _run_page(plan: _Plan) -> dict[str, Any]:
    prices = plan.prices.assign(price_ct_per_kwh=plan.prices["price_eur_per_kwh"] * 100)
    missed = plan.departures[plan.departures["missing_kwh"] > 1e-6]
    known = plan.calibrations
    cars = plan.cars[plan.cars["mode"] == plan.followed].copy()
    for name in ("quality", "dispute", "soh", "l0_days", "alpha_day_per_efc"):
        cars[name] = cars["calibration_id"].map(known[name])
    cars["alpha_low"] = cars["calibration_id"].map(known["alpha_low_day_per_efc"])
    cars["alpha_high"] = cars["calibration_id"].map(known["alpha_high_day_per_efc"])
    return {
        "timezone": plan.timezone,
        "followed": plan.followed,
        "modes": _records(plan.modes),
        "cars": _records(cars.sort_values("battery_id")),
        "missed": _records(missed),
        "checks_run": len(plan.checks),
        "failed_checks": _records(findings(plan.checks)),
        "parts": json.loads(plan.header["input_parts_json"]),
        "power_chart": charts.price_and_power(prices, plan.sites),
    }


def _battery_page(plan: _Plan, battery_id: str, calibration_id: str) -> dict[str, Any]:
    own = plan.slots[plan.slots["battery_id"] == battery_id]
    points = plan.life_points[plan.life_points["calibration_id"] == calibration_id]
    residuals = plan.residuals[plan.residuals["calibration_id"] == calibration_id]
    known = calibration_id in plan.calibrations.index
    record = _records(plan.calibrations.loc[[calibration_id]])[0] if known else None
    capacity = record["usable_energy_kwh"] if record else math.nan
    return {
        "battery_id": battery_id,
        "calibration_id": calibration_id,
        "calibration": record,
        "cell": chemistry(record["chemistry"]) if record else None,
        "quality": _QUALITIES[record["quality"]] if record else "not calibrated: charged, never discharged",
        "duty": json.loads(record["parameters_json"])["duty"] if record else None,
        "cars": _records(plan.cars[plan.cars["battery_id"] == battery_id]),
        "points": _records(points),
        "day_chart": charts.battery_day(own.assign(soc=own["energy_start_kwh"] / capacity)) if known else "",
        "fit_chart": charts.voltage_fit(residuals) if len(residuals) else "",
        "law_chart": charts.life_law(points) if len(points) else "",
        **twin_section(
            None if record is None else Calibration.from_record(record | {"calibration_id": calibration_id}),
            plan.batteries[plan.batteries["battery_id"] == battery_id],
            plan.checkups[plan.checkups["battery_id"] == battery_id],
            plan.wear_days[plan.wear_days["battery_id"] == battery_id],
            plan.wear_maps[plan.wear_maps["calibration_id"] == calibration_id],
            as_of_utc=pd.Timestamp(plan.header["as_of_utc"]),
            end_of_life_soh=plan.end_of_life_soh,
        ),
    }


def _number(value: Any, digits: int = 2) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{float(value):,.{digits}f}"


def _years(days: float | None) -> str:
    return _number(None if days is None else days / 365.25, 1)


def _write(path: Path, text: str) -> Path:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    return partial.replace(path)
