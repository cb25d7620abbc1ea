"""The pages of one plan: an index for the run and one page a battery."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from flows.filenames import file_stem
from flows.folders import whole_folder
from flows.mapping.findings import findings
from flows.mapping.standing import standing_of
from flows.money import Money
from flows.plain import records
from flows.publish import day_charts
from flows.publish.battery_page import BatteryPages
from flows.publish.stored_plan import StoredPlan
from flows.workspace import Workspace
from warehouse.files import make_folder, write_whole

_SOURCES = {
    "published": "",
    "substituted": "Degraded plan: no published prices, or not of the whole day. Where there are none, those "
    "of days before were used, and nothing is fed back to the grid there, unless `feed_in_on_forecast` lets "
    "cars be discharged.",
    "last_plan": "Degraded plan: nothing could be reckoned for this day. The cars do what the last good plan "
    "had them do, as far as their charge and today's limits let them; others charge on plug-in.",
    "charge_only": "Degraded plan: no prices at all. Cars are charged on plug-in; money is counted "
    "as if energy were free.",
}


def write_pages(workspace: Workspace, plan: StoredPlan, *, in_force: bool) -> list[Path]:
    """Write the pages of a plan under reports/DATE/; the index comes first.

    index.html and batteries/, one page a car under the name that `file_stem` gives it. The folder appears
    whole, in place of the pages of an earlier plan for the same date, or not at all. Those of a plan that is
    not in force replace none: they lie under reports/plans/ID/.
    """
    folder = workspace.reports / (
        str(plan.header["market_date"]) if in_force else f"plans/{plan.header['plan_id']}"
    )
    environment = _environment(workspace.money)
    standing = standing_of(workspace, plan.header)
    common = {
        "notice": workspace.settings.fleet.notice,
        "money": workspace.money,
        "degraded": _SOURCES[str(plan.header["plan_source"])],
        "warnings": standing.notes,
        "in_force": in_force,
        "plan": plan.header,
        "style": _style(environment),
    }
    with whole_folder(folder) as fresh:
        run_page = environment.get_template("run.html").render(
            **common, **_run_page(plan), unforeseen=standing.unforeseen
        )
        files = [write_whole(fresh / "index.html", run_page)]
        make_folder(fresh / "batteries")
        page, pages = environment.get_template("battery.html"), BatteryPages.of_plan(plan)
        followed = plan.cars[plan.cars["mode"] == plan.followed]
        for battery_id, calibration_id in zip(
            followed["battery_id"].astype(str), followed["calibration_id"].astype(str), strict=True
        ):
            text = page.render(**common, **pages.of(battery_id, calibration_id))
            files.append(write_whole(fresh / "batteries" / f"{file_stem(battery_id)}.html", text))
    return [folder / file.relative_to(fresh) for file in files]


def _environment(money: Money) -> Environment:
    environment = Environment(
        loader=PackageLoader("flows.publish"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "number": _number,
        "money": lambda euros, digits=2: _number(money.of(euros), digits),
        "years": _years,
        "file_stem": file_stem,
    }
    return environment


def _style(environment: Environment) -> Mapping[str, str]:
    """The style of all pages, and its hash, by which alone a page lets it in."""
    css = environment.get_template("style.css").render()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return {"css": css, "hash": f"sha256-{digest}"}


def _run_page(plan: StoredPlan) -> dict[str, Any]:
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


def _number(value: Any, digits: int = 2) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{float(value):,.{digits}f}"


def _years(days: float | None) -> str:
    return _number(None if days is None else days / 365.25, 1)
