"""The pages of one plan: an index for the run and one page a battery, plus the schedule as a file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from flows.filenames import file_stem
from flows.folders import whole_folder
from flows.mapping.findings import findings
from flows.mapping.horizon import quarter_hours
from flows.mapping.in_force import followed_mode
from flows.mapping.promises import kept_promises
from flows.mapping.standing import standing_of
from flows.plain import records
from flows.publish import charts, day_charts
from flows.publish.day_charts import DayAxis
from flows.publish.prices import UsedPrices, used_prices
from flows.publish.twin_section import twin_section, wear_days, wear_maps
from flows.workspace import Workspace
from twin.chemistry import chemistry
from twin.types import Calibration
from warehouse.files import make_folder, write_whole
from warehouse.known import Known
from warehouse.zones import market_day_slots, market_timezone

_SOURCES = {
    "published": "",
    "substituted": "Degraded plan: no published prices, or not of the whole day. Where there are none, those "
    "of last week's same weekday or of days like it were used and nothing is fed back to the grid.",
    "charge_only": "Degraded plan: no prices at all. Cars are charged on plug-in; money is counted "
    "as if energy were free.",
}
_QUALITIES = {
    "calibrated": "fitted to telemetry and check-ups",
    "energy": "capacity by energy against SoC, for the car tells no voltage, and check-ups",
    "checkups": "fitted to check-ups alone",
    "prior": "no usable data: the chemistry's prior",
    "disputed": "the fit to telemetry belies itself: check-ups alone, or the prior where there are none",
    "stale": "sensors refused: the last good calibration is kept",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Everything the warehouse holds of one plan."""

    header: Mapping[str, Any]
    axis: DayAxis
    modes: pd.DataFrame
    cars: pd.DataFrame
    slots: pd.DataFrame
    sites: pd.DataFrame
    departures: pd.DataFrame
    calibrations: pd.DataFrame
    life_points: pd.DataFrame
    residuals: pd.DataFrame
    prices: UsedPrices
    promises: Sequence[Mapping[str, Any]]
    checks: pd.DataFrame
    checkups: pd.DataFrame
    batteries: pd.DataFrame
    wear_days: pd.DataFrame
    wear_maps: pd.DataFrame

    @property
    def followed(self) -> str:
        """The mode that is the plan to follow."""
        return followed_mode(self.header)


def publish_run(workspace: Workspace, plan_id: str, *, in_force: bool = True) -> list[Path]:
    """Write the pages of a plan under reports/DATE/ and its schedule under exports/; the index comes first.

    index.html and batteries/, one page a car under the name that `file_stem` gives it. The folder appears
    whole, in place of the pages of an earlier plan for the same date, or not at all; so does the schedule.
    Those of a plan that is not in force replace none: they lie under reports/plans/ID/, its schedule has its
    id.
    """
    plan = _read(workspace, plan_id)
    day = str(plan.header["market_date"])
    folder = workspace.reports / (day if in_force else f"plans/{plan_id}")
    environment = Environment(
        loader=PackageLoader("flows.publish"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"number": _number, "years": _years, "file_stem": file_stem}
    money = workspace.money
    environment.filters["money"] = lambda euros, digits=2: _number(money.of(euros), digits)
    standing = standing_of(workspace, plan.header)
    common = {
        "notice": workspace.settings.fleet.notice,
        "money": money,
        "degraded": _SOURCES[str(plan.header["plan_source"])],
        "warnings": standing.notes,
        "in_force": in_force,
        "plan": plan.header,
    }
    followed = plan.cars[plan.cars["mode"] == plan.followed]
    with whole_folder(folder) as fresh:
        run_page = environment.get_template("run.html").render(
            **common, **_run_page(plan), unforeseen=standing.unforeseen
        )
        files = [write_whole(fresh / "index.html", run_page)]
        make_folder(fresh / "batteries")
        page = environment.get_template("battery.html")
        for _, car in followed.iterrows():
            battery_id = str(car["battery_id"])
            text = page.render(**common, **_battery_page(plan, battery_id, str(car["calibration_id"])))
            files.append(write_whole(fresh / "batteries" / f"{file_stem(battery_id)}.html", text))
    files = [folder / file.relative_to(fresh) for file in files]
    columns = ["interval_start_utc", "battery_id", "plugged", "charge_kw", "discharge_kw", "power_kw"]
    schedule = plan.slots[plan.slots["mode"] == plan.followed]
    export = schedule[["plan_id", "mode", *columns, "energy_end_kwh", "plan_source"]].to_csv(index=False)
    apart = "" if in_force else f"_{plan_id}"
    schedule_file = workspace.exports / f"schedule_{day}_{plan.header['zone']}{apart}.csv"
    files.append(write_whole(schedule_file, export))
    return files


def _read(workspace: Workspace, plan_id: str) -> _Plan:
    mine = {"plan_id": plan_id}
    (header,) = records(workspace.warehouse.read("out_plan", where=mine))
    # What has come since, or was planned, changes nothing on the page of a plan.
    known = Known(workspace.warehouse, header["as_of_utc"])
    spanned = quarter_hours(header["first_slot_utc"], header["end_utc"]) if header["first_slot_utc"] else None
    axis = DayAxis(  # plans of before it was noted spanned their market day
        slots=market_day_slots(header["market_date"], header["zone"]) if spanned is None else spanned,
        timezone=str(market_timezone(header["zone"])),
    )
    modes = _in_order(known.read("out_plan_mode", where=mine))
    cars = _in_order(known.read("out_plan_car", where=mine))
    ids = {"calibration_id": sorted(set(cars["calibration_id"]))}
    mine_too = {"battery_id": sorted(set(cars["battery_id"]))}
    calibrations = known.read("out_calibration", where=ids)
    return _Plan(
        header=header,
        axis=axis,
        modes=modes,
        cars=cars,
        slots=known.read("out_plan_slot", where=mine),
        sites=known.read("out_plan_site_slot", where=mine),
        departures=known.read("out_plan_departure", where=mine),
        calibrations=calibrations.set_index("calibration_id"),
        wear_maps=wear_maps(known, calibrations),
        life_points=known.read("out_life_point", where=ids).sort_values("efc_per_day"),
        residuals=known.read("out_twin_residual", where=ids),
        prices=used_prices(known, header, workspace.money),
        promises=kept_promises(known, header["zone"]),
        checks=known.read("out_check", where={"run_id": header["run_id"]}),
        checkups=known.read("core_checkup", where=mine_too, end=header["as_of_utc"]),
        batteries=known.read("core_battery", where=mine_too),
        wear_days=wear_days(known, header, sorted(set(cars["battery_id"])), followed_mode(header)),
    )


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    order = {mode: i for i, mode in enumerate(day_charts.MODE_COLOURS)}
    return frame.sort_values("mode", key=lambda names: names.map(order), kind="stable")


def _run_page(plan: _Plan) -> dict[str, Any]:
    prices = plan.prices
    missed = plan.departures[plan.departures["missing_kwh"] > 0]
    known = plan.calibrations
    cars = plan.cars[plan.cars["mode"] == plan.followed].copy()
    for name in ("quality", "dispute", "soh", "l0_days", "alpha_day_per_efc"):
        cars[name] = cars["calibration_id"].map(known[name])
    cars["alpha_low"] = cars["calibration_id"].map(known["alpha_low_day_per_efc"])
    cars["alpha_high"] = cars["calibration_id"].map(known["alpha_high_day_per_efc"])
    return {
        "timezone": plan.axis.timezone,
        "followed": plan.followed,
        "modes": records(plan.modes),
        "cars": records(cars.sort_values("battery_id")),
        "missed": records(missed),
        "promises": plan.promises,
        "checks_run": len(plan.checks),
        "failed_checks": records(findings(plan.checks)),
        "parts": json.loads(plan.header["input_parts_json"]),
        "prices_told": prices.told,
        "power_chart": day_charts.price_and_power(plan.axis, prices.frame, prices.titles, plan.sites),
    }


def _battery_page(plan: _Plan, battery_id: str, calibration_id: str) -> dict[str, Any]:
    own = plan.slots[plan.slots["battery_id"] == battery_id]
    points = plan.life_points[plan.life_points["calibration_id"] == calibration_id]
    residuals = plan.residuals[plan.residuals["calibration_id"] == calibration_id]
    known = calibration_id in plan.calibrations.index
    record = records(plan.calibrations.loc[[calibration_id]])[0] if known else None
    battery = plan.batteries[plan.batteries["battery_id"] == battery_id]
    held = None if record is None else Calibration.from_record(record | {"calibration_id": calibration_id})
    nominal = float(battery["nominal_energy_kwh"].iloc[0]) if len(battery) else math.nan
    capacity = float(record["usable_energy_kwh"]) if record else nominal
    return {
        "battery_id": battery_id,
        "calibration_id": calibration_id,
        "calibration": record,
        "cell": chemistry(record["chemistry"]) if record else None,
        "quality": _QUALITIES[record["quality"]] if record else "not calibrated: charged, never discharged",
        "duty": held.record.duty if held else None,
        "cars": records(plan.cars[plan.cars["battery_id"] == battery_id]),
        "points": records(points),
        "day_chart": day_charts.battery_day(plan.axis, own, capacity) if capacity > 0 else "",
        "fit_chart": charts.voltage_fit(residuals) if len(residuals) else "",
        "law_chart": charts.life_law(points) if len(points) else "",
        **twin_section(
            held,
            battery,
            plan.checkups[plan.checkups["battery_id"] == battery_id],
            plan.wear_days[plan.wear_days["battery_id"] == battery_id],
            plan.wear_maps[plan.wear_maps["calibration_id"] == calibration_id],
            as_of_utc=pd.Timestamp(plan.header["as_of_utc"]),
        ),
    }


def _number(value: Any, digits: int = 2) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{float(value):,.{digits}f}"


def _years(days: float | None) -> str:
    return _number(None if days is None else days / 365.25, 1)
