"""Read what is on record in a workspace at a moment, as far as it decides what is due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from flows.context import Context
from flows.dispatch.bell import asked_by_gateway, files_of_gateway
from flows.due import Clock, Situation
from flows.mapping.horizon import QUARTER
from flows.mapping.in_force import IN_FORCE_BY, Plan, plans_in_force
from flows.mapping.open_sessions import open_sessions
from flows.mapping.plan_spans import plans_within
from flows.mapping.retail import retail_rows, spread
from flows.plain import records
from flows.stages.fetch_day import lacking
from warehouse.at_once import at_once
from warehouse.known import Known
from warehouse.zones import market_day_bounds, market_day_slots

_BACK = timedelta(days=40)
"""How far back it is looked: what was not done for so long was never done."""
_BUSY = 75
_AHEAD = timedelta(days=3)


def situation_of(context: Context) -> Situation:
    """What is on record as of the context's moment; raises the errors of opening a warehouse."""
    with at_once(context.workspace.warehouse):
        return _situation(context)


def _situation(context: Context) -> Situation:
    now, known, zone = context.as_of, context.known, context.workspace.zone
    runs = context.workspace.warehouse.read(
        "out_run",
        within={"started_utc": (now - _BACK, now)},
        columns=["stage", "started_utc", "status", "exit_code", "market_date"],
    )
    runs = runs[runs["exit_code"] != _BUSY]
    began = {
        str(stage): when.to_pydatetime() for stage, when in runs.groupby("stage")["started_utc"].max().items()
    }
    tried = runs[(runs["stage"] == "plan") & runs["market_date"].notna()].sort_values("started_utc")
    last = records(tried.drop_duplicates("market_date", keep="last"))
    today = Clock(zone=zone, now=now).today
    days = (today, today + timedelta(days=1))
    next_slot = pd.Timestamp(now).ceil(QUARTER)
    covering = plans_within(known, zone, next_slot, next_slot + QUARTER)
    since = min(began.values(), default=now) - timedelta(days=1)
    plans = known.read(
        "out_plan", where={"zone": zone}, columns=list(IN_FORCE_BY),
        within={"market_date": (min(since.date(), today), None)},
    )  # fmt: skip
    in_force = {row["market_date"]: row for row in records(plans_in_force(plans))}
    return Situation(
        began=began,
        no_plan={row["market_date"]: row["started_utc"] for row in last if row["status"] == "failed"},
        lacking=frozenset(day for day in days if lacking(context, day)),
        priced={day: when for day in days if (when := _priced(context, day)) is not None},
        plans={day: (row["plan_source"], row["as_of_utc"]) for day, row in in_force.items() if day in days},
        covering=None if covering.empty else covering["as_of_utc"].max().to_pydatetime(),
        happened=_happened(context, covering),
        planned=frozenset(day for day in in_force if day >= since.date()),
        fleet=not known.read("core_battery", columns=["battery_id"]).empty,
        asked=asked_by_gateway(context.workspace, now),
        waiting=bool(files_of_gateway(context.workspace)),
        unpublished=_unpublished(runs, {day: row for day, row in in_force.items() if day in days}),
    )


def _unpublished(runs: pd.DataFrame, plans: Mapping[date, Plan]) -> dict[date, datetime]:
    """Of the plans in force those that no publisher has come to the end of: day → when one last began."""
    tried = runs[runs["stage"] == "publish"]
    last, done = (
        own.groupby("market_date")["started_utc"].max() for own in (tried, tried[tried["status"] != "failed"])
    )
    never = pd.Timestamp(0, tz=UTC)
    return {
        day: last.get(day, never).to_pydatetime()
        for day, plan in plans.items()
        if done.get(day, never) < (plan["made_utc"] or plan["as_of_utc"])
    }


def _priced(context: Context, day: date) -> datetime | None:
    """When the last price of a market day came that has all, by the market or a tariff; None for others.

    What a book says without the market is known from the day before on.
    """
    zone, slots = context.workspace.zone, market_day_slots(day, context.workspace.zone)
    book = context.workspace.book
    if book is not None and not book.by_spot:
        return market_day_bounds(day - timedelta(days=1), zone)[0]
    for table in ("core_price", "core_tariff") if book is None else ("core_price",):
        rows = context.known.read(
            table, where={"zone": zone}, start=slots[0] - timedelta(hours=1), end=slots[-1] + QUARTER
        )
        own = rows if table == "core_price" else retail_rows(rows, "import")
        if np.isfinite(spread(own, slots)).all():
            came: datetime = own["received_utc"].max().to_pydatetime()
            return came
    return None


def _happened(context: Context, covering: pd.DataFrame) -> dict[str, datetime]:
    """When a car last came and left, one last came that the plan does not hold, and a price that may still
    matter was last received.

    What is reported of late happens when it is reported. covering: the plans of the next quarter-hour.
    """
    now, known = context.as_of, context.known
    sessions = known.sessions(now - timedelta(days=1), now + QUARTER)
    fleet = known.read("core_battery", columns=["battery_id"])["battery_id"]
    lasting = open_sessions(known, pd.Timestamp(now), list(fleet))
    columns = ["battery_id", "arrival_utc", "departure_utc", "received_utc"]
    came = pd.concat([sessions[columns], lasting[columns]]) if len(lasting) else sessions[columns]
    came = came[came["arrival_utc"] <= now]
    came = came.assign(when=came[["arrival_utc", "received_utc"]].max(axis=1))
    left = sessions[sessions["departure_utc"] <= now]
    prices = known.read(
        "core_price",
        where={"zone": context.workspace.zone},
        start=now - timedelta(hours=1),
        end=now + _AHEAD,
        columns=["received_utc"],
    )  # fmt: skip
    moments = {
        "arrival": came["when"],
        "unplanned": _unplanned(known, covering, came, now)["when"],
        "departure": left[["departure_utc", "received_utc"]].max(axis=1),
        "price": prices["received_utc"],
    }
    last = {name: times[times <= now].max() for name, times in moments.items()}
    return {name: when.to_pydatetime() for name, when in last.items() if pd.notna(when)}


def _unplanned(known: Known, covering: pd.DataFrame, came: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Of the sessions that have begun those that go on, and that the plan in force does not hold."""
    slot = pd.Timestamp(now).ceil(QUARTER)
    there = came[came["departure_utc"].isna() | (came["departure_utc"] > slot + QUARTER)]
    if there.empty or covering.empty:
        return there
    plan = covering.iloc[-1]
    planned = known.read(
        "out_plan_slot",
        where={"plan_id": plan["plan_id"], "mode": plan["followed_mode"], "plugged": True},
        start=slot,
        end=slot + QUARTER,
        columns=["battery_id"],
    )
    return there[~there["battery_id"].isin(planned["battery_id"])]
