"""The pages of one plan: an index for the run and one page a battery."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flows.filenames import file_stem
from flows.folders import whole_folder
from flows.mapping.findings import findings
from flows.mapping.standing import standing_of
from flows.plain import records
from flows.publish import day_charts
from flows.publish.battery_page import BatteryPages
from flows.publish.html import environment_of, style_of
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
    environment = environment_of(workspace.money)
    standing = standing_of(workspace, plan.header)
    common = {
        "notice": workspace.settings.fleet.notice,
        "money": workspace.money,
        "degraded": _SOURCES[str(plan.header["plan_source"])],
        "warnings": standing.notes,
        "in_force": in_force,
        "plan": plan.header,
        "style": style_of(environment),
    }
    with whole_folder(folder) as fresh:
        run_page = environment.get_template("run.html").render(
            **common, **_run_page(plan), unforeseen=standing.unforeseen
        )
        files = [write_whole(fresh / "index.html", run_page)]
        make_folder(fresh / "batteries")
        page, pages = environment.get_template("battery.html"), BatteryPages.of_plan(plan, workspace.money)
        followed = plan.cars[plan.cars["mode"] == plan.followed]
        for battery_id, calibration_id in zip(
            followed["battery_id"].astype(str), followed["calibration_id"].astype(str), strict=True
        ):
            text = page.render(**common, **pages.of(battery_id, calibration_id))
            files.append(write_whole(fresh / "batteries" / f"{file_stem(battery_id)}.html", text))
    return [folder / file.relative_to(fresh) for file in files]


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
        "price_note": prices.note,
        "power_chart": day_charts.price_and_power(plan.axis, prices.frame, prices.titles, plan.sites),
    }
