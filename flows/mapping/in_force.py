"""Which plan of a market day is in force: the one that rests on the newest knowledge, not the newest run.

Newer is the later `as_of_utc`; at one moment the better rung; among equals the later sequence. A run that
judges as of an earlier moment adds to the history of a day, and changes nothing that is followed. Nor does a
plan that was written when its day was over, where there is one that could be followed: the account of the day
(`plan_spans.owners`) knows it as little.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pandas as pd

from flows.mapping.rungs import MODES, RUNGS
from flows.plain import known, record
from warehouse.known import Known
from warehouse.store import Warehouse
from warehouse.zones import market_day_bounds

Plan = Mapping[str, Any]
"""A row of out_plan."""
IN_FORCE_BY = ("zone", "market_date", "plan_source", "as_of_utc", "made_utc", "sequence")
"""The columns of out_plan that decide."""


def plan_in_force(known: Known | Warehouse, zone: str, day: date) -> dict[str, Any] | None:
    """The row of out_plan that holds for a zone's market day, None for none.

    known: what was known at a moment, or the warehouse: as it stands now.
    """
    return newest_plan(known.read("out_plan", where={"market_date": day, "zone": zone}))


def newest_plan(plans: pd.DataFrame) -> dict[str, Any] | None:
    """`plan_in_force` among rows of out_plan of one zone and day."""
    return None if plans.empty else record(_in_order(plans).iloc[-1])


def newest_knowledge(plans: pd.DataFrame, as_of: datetime) -> dict[str, Any] | None:
    """Of rows of out_plan of one zone and day the newest as of a moment, whenever it was written."""
    plans = plans[plans["as_of_utc"] <= pd.Timestamp(as_of)]
    return None if plans.empty else record(_by_knowledge(plans).iloc[-1])


def plans_in_force(plans: pd.DataFrame) -> pd.DataFrame:
    """Of rows of out_plan those in force, one a zone and market day; the newest knowledge comes last."""
    newest = _in_order(plans).drop_duplicates(["zone", "market_date"], keep="last")
    return newest.sort_values(["as_of_utc", "market_date"], kind="stable")


def written_late(zone: str, day: date, made: datetime) -> bool:
    """Whether the day of a plan was over when it was written: nobody can have followed it."""
    return made >= market_day_bounds(day, zone)[1]


def worse_rung(one: str, other: str) -> bool:
    """Whether a plan_source stands on a worse rung of the ladder than another."""
    return RUNGS.index(one) > RUNGS.index(other)


def followed_mode(plan: Plan) -> str:
    """The mode that the cars follow; of rows of before it was noted the last that the rung allows."""
    return str(known(plan["followed_mode"]) or MODES[plan["plan_source"]][-1])


def _in_order(plans: pd.DataFrame) -> pd.DataFrame:
    """Of each day, those that were written in time last, of these and of the others the newest knowledge."""
    made = plans["made_utc"].fillna(plans["as_of_utc"])
    days = zip(plans["zone"], plans["market_date"], made, strict=True)
    ordered = _by_knowledge(plans.assign(in_time=[not written_late(*day) for day in days]))
    return ordered.sort_values("in_time", kind="stable").drop(columns="in_time")


def _by_knowledge(plans: pd.DataFrame) -> pd.DataFrame:
    better = plans["plan_source"].map({source: -rung for rung, source in enumerate(RUNGS)})
    return plans.assign(better=better).sort_values(["as_of_utc", "better", "sequence"]).drop(columns="better")
