"""Which plan of a market day is in force: the one that rests on the newest knowledge, not the newest run.

Newer is the later `as_of_utc`; at one moment the better rung; among equals the later sequence. A run that
judges as of an earlier moment adds to the history of a day, and changes nothing that is followed.
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

Plan = Mapping[str, Any]
"""A row of out_plan."""


def plan_in_force(known: Known | Warehouse, zone: str, day: date) -> dict[str, Any] | None:
    """The row of out_plan that holds for a zone's market day, None for none.

    known: what was known at a moment, or the warehouse: as it stands now.
    """
    return newest_plan(known.newest("out_plan", by=["zone"], where={"market_date": day, "zone": zone}))


def newest_plan(plans: pd.DataFrame, as_of: datetime | None = None) -> dict[str, Any] | None:
    """`plan_in_force` among rows of out_plan of one zone and day."""
    plans = _known_by(plans, as_of)
    return None if plans.empty else record(_in_order(plans).iloc[-1])


def plans_in_force(plans: pd.DataFrame, as_of: datetime | None = None) -> pd.DataFrame:
    """Of rows of out_plan those in force, one a zone and market day; the newest knowledge comes last."""
    ordered = _in_order(_known_by(plans, as_of))
    newest = ordered.drop_duplicates(["zone", "market_date"], keep="last")
    return newest.sort_values(["as_of_utc", "market_date"], kind="stable")


def worse_rung(one: str, other: str) -> bool:
    """Whether a plan_source stands on a worse rung of the ladder than another."""
    return RUNGS.index(one) > RUNGS.index(other)


def followed_mode(plan: Plan) -> str:
    """The mode that the cars follow; of rows of before it was noted the last that the rung allows."""
    return str(known(plan["followed_mode"]) or MODES[plan["plan_source"]][-1])


def _known_by(plans: pd.DataFrame, as_of: datetime | None) -> pd.DataFrame:
    return plans if as_of is None else plans[plans["as_of_utc"] <= pd.Timestamp(as_of)]


def _in_order(plans: pd.DataFrame) -> pd.DataFrame:
    """From the oldest knowledge to the newest."""
    better = plans["plan_source"].map({source: -rung for rung, source in enumerate(RUNGS)})
    return plans.assign(better=better).sort_values(["as_of_utc", "better", "sequence"]).drop(columns="better")
