"""The schedule of a plan as a file for whoever has to follow it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from flows.publish.csv_text import csv_text
from flows.publish.stored_plan import StoredPlan
from flows.workspace import Workspace
from warehouse.files import write_whole

_COLUMNS = (
    "plan_id", "mode", "interval_start_utc", "interval_start_local", "site_id", "battery_id", "plugged",
    "charge_kw", "discharge_kw", "power_kw", "energy_end_kwh", "held_by", "plan_source",
)  # fmt: skip


def write_schedule(workspace: Workspace, plan: StoredPlan, *, in_force: bool) -> Path:
    """Write exports/schedule_DATE_ZONE.csv, with the plan's id in its name where the plan is not in force.

    A row a car and quarter-hour of the mode that is followed: its start in UTC and on the clock of the zone
    with its offset, the car's site, powers in kW (metered: power_kw, + = import), and what holds the power.
    """
    rows = plan.slots[plan.slots["mode"] == plan.followed]
    sites = plan.batteries.set_index("battery_id")["site_id"]
    starts = pd.DatetimeIndex(rows["interval_start_utc"].unique())  # each car has the same
    local = [clock.isoformat(timespec="minutes") for clock in starts.tz_convert(plan.axis.timezone)]
    frame = rows.assign(
        interval_start_local=rows["interval_start_utc"].map(dict(zip(starts, local, strict=True))),
        site_id=rows["battery_id"].map(sites),
    )
    apart = "" if in_force else f"_{plan.header['plan_id']}"
    name = f"schedule_{plan.header['market_date']}_{plan.header['zone']}{apart}.csv"
    return write_whole(workspace.exports / name, csv_text(frame[list(_COLUMNS)]))
