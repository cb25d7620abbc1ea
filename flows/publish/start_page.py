"""The front door: what needs attention, the newest plan, a calendar of days, and all batteries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from flows.context import Context
from flows.dispatch.gateway import STATE_FOLDER
from flows.dispatch.gateway.status_file import read_status
from flows.filenames import file_stem
from flows.mapping.attention import attention
from flows.mapping.in_force import IN_FORCE_BY, followed_mode, plans_in_force
from flows.mapping.readiness import capacity_kwh, readiness
from flows.plain import records
from flows.publish.local_time import local_text
from flows.status import status_of
from flows.workspace import Workspace
from warehouse.known import Known
from warehouse.zones import market_timezone

WEEKS = 9
"""How many weeks of days the calendar goes back from the newest."""
_OF_SLOT = ("battery_id", "interval_start_utc", "energy_start_kwh", "energy_end_kwh")
_PLAN = ("market_date", "plan_id", "followed_mode", "batteries", "note")


def start_page(context: Context) -> Mapping[str, Any]:
    """What the front door tells as of a context's moment."""
    workspace, known = context.workspace, context.known
    status = status_of(workspace, context.as_of)
    days = _days(known, workspace.zone)
    newest = days[-1] if days else None
    departures = _departures(known, newest, context.as_of) if newest else []
    timezone = ZoneInfo(market_timezone(workspace.zone))
    as_of = context.as_of.astimezone(timezone)
    here = {path.parent.name for path in workspace.reports.glob("*/index.html")}
    for day in days:
        day["page"] = f"{day['market_date']}/index.html" if str(day["market_date"]) in here else ""
    return {
        "zone": workspace.zone,
        "as_of": as_of,
        "notices": attention(
            status,
            departures,
            as_of,
            newest["page"] if newest else "",
            read_status(workspace.root / STATE_FOLDER),
        ),
        "newest": newest,
        "departures": departures,
        "weeks": _weeks(days),
        "days": days[::-1],
        "timezone": str(timezone),
        "batteries": _batteries(workspace, status["calibrations"], newest, departures),
        "promises": status["promised and realised"],
    }


def _days(known: Known, zone: str) -> list[dict[str, Any]]:
    """The plan in force of each of the last days that have one, with what was realised."""
    of_zone = {"zone": zone}
    last = known.read("out_plan", where=of_zone, columns=["market_date"])["market_date"].max()
    if pd.isna(last):
        return []
    since = (last - timedelta(weeks=WEEKS), last)
    plans = plans_in_force(
        known.read(
            "out_plan", where=of_zone, within={"market_date": since},
            columns=list(dict.fromkeys([*_PLAN, *IN_FORCE_BY])),
        )
    )  # fmt: skip
    accounts = known.newest("out_realised", by=["zone", "market_date"], where=of_zone)
    realised = {row["market_date"]: row for row in records(accounts)}
    found = []
    for row in records(plans.sort_values("market_date")):
        own = realised.get(row["market_date"])
        gains = {
            "promised_eur": own and own["followed_promised_eur"] - own["uncontrolled_promised_eur"],
            "realised_eur": own and own["followed_eur"] - own["uncontrolled_eur"],
            "missed": own and own["followed_missed"],
            "departures": own and own["followed_departures"],
        }
        found.append({**row, "followed": followed_mode(row), **gains})
    return found


def _departures(known: Known, day: Mapping[str, Any], now: Any) -> list[dict[str, Any]]:
    """Readiness of the cars of a plan that have not left yet."""
    mine = {"plan_id": day["plan_id"], "mode": day["followed"]}
    cars = known.read("out_plan_car", where=mine, columns=["battery_id", "calibration_id"])
    twins = known.read(
        "out_calibration", where={"calibration_id": sorted(set(cars["calibration_id"].dropna()))},
        columns=["calibration_id", "usable_energy_kwh"],
    ).set_index("calibration_id")["usable_energy_kwh"]  # fmt: skip
    batteries = known.read("core_battery", columns=["battery_id", "nominal_energy_kwh"])
    found = readiness(
        known.read("out_plan_departure", where=mine),
        known.read("out_plan_slot", where=mine, columns=_OF_SLOT),
        capacity_kwh(cars, twins, batteries),
    )
    return records(found[pd.to_datetime(found["departure_utc"], utc=True) > pd.Timestamp(now)])


def _weeks(days: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any] | None]]:
    """The calendar: weeks from Monday on, the newest first; None before the first day and after the last."""
    if not days:
        return []
    by = {day["market_date"]: day for day in days}
    first, last = min(by), max(by)
    monday, weeks = last - timedelta(days=last.weekday()), []
    while monday + timedelta(days=6) >= first:
        week = [monday + timedelta(days=number) for number in range(7)]
        weeks.append([_cell(by.get(day), day) if first <= day <= last else None for day in week])
        monday -= timedelta(weeks=1)
    return weeks


def _cell(plan: Mapping[str, Any] | None, day: date) -> Mapping[str, Any]:
    if plan is None:
        return {"day": day, "page": "", "state": "none", "says": "no plan"}
    whole = plan["plan_source"] == "published" and not plan["note"]
    says = "planned" if whole else str(plan["note"] or plan["plan_source"])
    return {"day": day, "page": plan["page"], "state": "whole" if whole else "degraded", "says": says}


def _batteries(
    workspace: Workspace,
    calibrations: Sequence[Mapping[str, Any]],
    newest: Mapping[str, Any] | None,
    departures: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Every car with a calibration: how well it is known, and its page of the newest plan."""
    leaving = {row["battery_id"]: row for row in reversed(departures)}
    timezone, rows = market_timezone(workspace.zone), []
    for row in calibrations:
        page = f"{newest['market_date']}/batteries/{file_stem(row['battery_id'])}.html" if newest else ""
        there = bool(page) and (workspace.reports / page).is_file()
        next_one = leaving.get(row["battery_id"])
        rows.append(
            {
                **row,
                "page": page if there else "",
                "readiness": next_one["readiness"] if next_one else "",
                "calibrated": local_text(row["as_of_utc"], timezone),
            }
        )
    return rows
