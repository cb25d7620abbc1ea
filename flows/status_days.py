"""How each market day stands: what is wanted of it, by when, and when it came; what is next; room left.

Freshness is of a day: that an old one is filled makes no other one look better.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from flows.due import TIMED, Clock, upcoming
from flows.mapping.in_force import IN_FORCE_BY, plans_in_force
from flows.mapping.retail import retail_rows, spread
from flows.mapping.withdrawn import unfounded_plans
from flows.plain import records
from flows.under_way import begun_runs
from flows.workspace import Workspace
from warehouse.known import Known
from warehouse.zones import market_day_bounds, market_day_slots

_DAYS_BACK = 3
_HOUR = timedelta(hours=1)
Row = dict[str, Any]


def day_rows(workspace: Workspace, now: datetime, back: int = _DAYS_BACK) -> list[Row]:
    """A row a market day, from `back` days ago to tomorrow, and thing that is wanted of it.

    state: ok, late (it is there and came after its time), missing (it is not and should be), awaited, or of a
    plan outdated: it rests on rows that were withdrawn since.
    """
    known, clock = Known(workspace.warehouse, now), Clock(zone=workspace.zone, now=now)
    days = [clock.today + timedelta(days=number) for number in range(-back, 2)]
    start, end = (
        market_day_bounds(days[0], workspace.zone)[0],
        market_day_bounds(days[-1], workspace.zone)[1],
    )
    came = {name: _prices(known, workspace.zone, name, days, start, end) for name in ("prices", "tariffs")}
    plans, accounts = _plans(known, workspace.zone, days), _accounts(known, workspace.zone, days)
    schedule, rows = workspace.settings.schedule, list[Row]()
    for day in days:
        before, after = day - timedelta(days=1), day + timedelta(days=1)
        alert = clock.at(before, schedule.alert)
        stated, by = came["prices"].get(day) or came["tariffs"].get(day) or (None, "")
        rows.append(_row(day, "prices", stated, alert, now, by))
        made, rung, founded = plans.get(day) or (None, "", True)
        row = _row(day, "plan", made, market_day_bounds(day, workspace.zone)[0], now, rung)
        rows.append(row if founded else row | {"state": "outdated"})
        if day < clock.today and made is not None:
            done = accounts.get(day)
            rows.append(_row(day, "account", done, clock.at(after, schedule.realise) + _HOUR, now, ""))
    return rows


def _row(day: date, source: str, came: datetime | None, deadline: datetime, now: datetime, by: str) -> Row:
    if came is None:
        state = "awaited" if now <= deadline else "missing"
    else:
        state = "ok" if came <= deadline else "late"
    return {
        "market_date": str(day), "source": source, "state": state, "came_utc": _text(came),
        "deadline_utc": _text(deadline), "by": by,
    }  # fmt: skip


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _prices(
    known: Known, zone: str, name: str, days: list[date], start: datetime, end: datetime
) -> Mapping[date, tuple[datetime, str]]:
    """When the last price came of each day that has all, and by whom."""
    table = "core_price" if name == "prices" else "core_tariff"
    rows = known.read(table, where={"zone": zone}, start=start - _HOUR, end=end)
    rows = rows if name == "prices" else retail_rows(rows, "import")
    found: dict[date, tuple[datetime, str]] = {}
    for day in days:
        slots = market_day_slots(day, zone)
        own = rows[
            (rows["interval_start_utc"] > slots[0] - _HOUR) & (rows["interval_start_utc"] <= slots[-1])
        ]
        if len(own) and np.isfinite(spread(own, slots)).all():
            last = own.sort_values("received_utc").iloc[-1]
            found[day] = last["received_utc"].to_pydatetime(), str(last["source_id"])
    ids = sorted({source for _, source in found.values()})
    known_rows = known.warehouse.read(
        "raw_source", where={"source_id": ids}, columns=["source_id", "provider"]
    )
    names = dict(
        zip(known_rows["source_id"].astype(str), known_rows["provider"].fillna("").astype(str), strict=True)
    )
    return {day: (came, names.get(source, "")) for day, (came, source) in found.items()}


def _plans(known: Known, zone: str, days: list[date]) -> Mapping[date, tuple[datetime, str, bool]]:
    """When each day got its first plan on the rung in force, that rung, and whether it counts.

    The plan in force counts unless a row that it used was withdrawn since.
    """
    plans = known.read(
        "out_plan", where={"zone": zone}, within={"market_date": (days[0], days[-1])},
        columns=["plan_id", *IN_FORCE_BY],
    )  # fmt: skip
    found, in_force = {}, plans_in_force(plans)
    unfounded = unfounded_plans(known, [str(one) for one in in_force["plan_id"]], datasets=None)
    for row in records(in_force):
        same = plans[
            (plans["market_date"] == row["market_date"]) & (plans["plan_source"] == row["plan_source"])
        ]
        first = same["as_of_utc"].min().to_pydatetime()
        found[row["market_date"]] = first, str(row["plan_source"]), row["plan_id"] not in unfounded
    return found


def _accounts(known: Known, zone: str, days: list[date]) -> Mapping[date, datetime]:
    """When each day was first accounted for."""
    rows = known.read(
        "out_realised", where={"zone": zone}, within={"market_date": (days[0], days[-1])},
        columns=["market_date", "as_of_utc"],
    )  # fmt: skip
    first = rows.groupby("market_date")["as_of_utc"].min()
    return {day: when.to_pydatetime() for day, when in first.items() if isinstance(day, date)}


def next_rows(workspace: Workspace, now: datetime) -> list[Row]:
    """What `v2g serve` does next and when."""
    coming = upcoming(workspace.settings.schedule, workspace.zone, now)
    local = {name: getattr(workspace.settings.schedule, name) for name in TIMED}
    rows = [
        {"what": name, "next_utc": _text(when), "local": local.get(name)} for name, when in coming.items()
    ]
    return sorted(rows, key=lambda row: str(row["next_utc"]))


def under_way_rows(workspace: Workspace) -> list[Row]:
    """The runs that have begun and not ended; killed: its process is gone, and no run has told of it yet."""
    return [
        {
            "run_id": one.run_id, "since_utc": _text(one.since), "stages": ", ".join(one.stages),
            "market_date": one.day and str(one.day),
            "state": "killed" if one.process is None else f"process {one.process}",
        }
        for one in begun_runs(workspace)
    ]  # fmt: skip


def spooled_rows(workspace: Workspace) -> list[Row]:
    """Plans that the warehouse has not taken in: made while it was in use; refused: the file is damaged."""
    files = sorted(workspace.spool.glob("*.spool*"))
    return [
        {"plan_id": one.name.partition(".")[0].rpartition("-")[2], "made_utc": one.name.partition("-")[0],
         "state": "refused" if one.suffix == ".refused" else "waits"}
        for one in files
    ]  # fmt: skip


def disk_rows(workspace: Workspace) -> list[Row]:
    """What the workspace takes and what is left, MB."""
    usage, file = shutil.disk_usage(workspace.root), workspace.warehouse.path
    kept = list(workspace.backups.glob("*.duckdb")) if workspace.backups.is_dir() else []
    return [
        {
            "warehouse_mb": _mb(file.stat().st_size), "backups": len(kept),
            "backups_mb": _mb(sum(one.stat().st_size for one in kept)), "free_mb": _mb(usage.free),
        }
    ]  # fmt: skip


def calibration_rows(workspace: Workspace, newest: pd.DataFrame, now: datetime) -> list[Row]:
    """How many cars are calibrated, how well; newest: the newest row of out_calibration of each battery.

    stale: not looked at for two days. failed: of the last run, if it did not end well, why.
    """
    known = Known(workspace.warehouse, now)
    cars = set(known.read("core_battery", columns=["battery_id"])["battery_id"].astype(str))
    own = newest[newest["battery_id"].astype(str).isin(cars)]
    runs = workspace.warehouse.read(
        "out_run",
        where={"stage": "calibrate"},
        within={"finished_utc": (None, now)},
        last=("finished_utc", 1),
    )
    last = records(runs)[0] if len(runs) else None
    return [
        {
            "cars": len(cars),
            "calibrated": len(own),
            "by_quality": ", ".join(f"{n} {name}" for name, n in own["quality"].value_counts().items()),
            "never": len(cars) - len(own),
            "last_run_utc": _text(last["finished_utc"]) if last else None,
            "stale": last is None or now - last["finished_utc"] > timedelta(days=2),
            "failed": last["message"] if last and last["exit_code"] else "",
        }
    ]


def _mb(size: int) -> float:
    return round(size / 1e6, 1)
