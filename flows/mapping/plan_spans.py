"""Which plans tell of a span of time: headers of out_plan, with the moments that each begins and ends at."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from flows.mapping.horizon import DAYS_AHEAD, LONGEST_TAIL
from warehouse.known import Known
from warehouse.zones import market_day_bounds

_COLUMNS = (
    "plan_id",
    "market_date",
    "as_of_utc",
    "first_slot_utc",
    "end_utc",
    "made_utc",
    "plan_source",
    "followed_mode",
    "sequence",
)


def plans_within(known: Known, zone: str, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """The plans whose quarter-hours touch [start, end), from the oldest knowledge to the newest."""
    # No plan ends later after its market day than prices are looked for and its tail is long.
    first_day = (start - DAYS_AHEAD - LONGEST_TAIL).date() - timedelta(days=1)
    plans = known.read(
        "out_plan", where={"zone": zone}, within={"market_date": (first_day, None)}, columns=list(_COLUMNS)
    )
    plans = _spanned(plans, zone)
    plans = plans[(plans["first_slot_utc"] < end) & (plans["end_utc"] > start)]
    return plans.sort_values(["as_of_utc", "first_slot_utc", "sequence"])


def owners(plans: pd.DataFrame, slots: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """The number of the plan (a row of `plans_within`) that was followed in each slot; −1 for none.

    From its first slot, and from the moment of its knowledge, until one of newer knowledge begins: what that
    one does not tell of is not followed any more. A plan that was written after a slot had begun, as by a
    replay of the past, was followed in it only where there was no other.
    """
    begins = plans[["first_slot_utc", "as_of_utc"]].max(axis=1)
    made = plans["made_utc"].fillna(plans["as_of_utc"])
    owner, in_time = np.full((2, len(slots)), -1, dtype=np.int64)
    for number, (begin, end, written) in enumerate(zip(begins, plans["end_utc"], made, strict=True)):
        within = np.asarray((slots >= begin) & (slots < end))
        owner[within] = number
        in_time[within & np.asarray(slots >= written)] = number
    return np.where(in_time < 0, owner, in_time)


def _spanned(plans: pd.DataFrame, zone: str) -> pd.DataFrame:
    """Plans with their first and last moment; those of before it was noted spanned their market day."""
    bounds = [market_day_bounds(day, zone) for day in plans["market_date"]]
    days = pd.DataFrame(bounds, columns=["first_slot_utc", "end_utc"], index=plans.index)
    return plans.fillna({name: pd.to_datetime(days[name], utc=True) for name in days})
