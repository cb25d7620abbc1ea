"""What the last good plan says of cars and quarter-hours: of these, else of those of a day before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

from flows.mapping.horizon import QUARTER
from flows.mapping.past import followed_rows
from flows.mapping.plan_spans import plans_within
from flows.mapping.withdrawn import unfounded_plans
from optimize.follow import Schedule
from optimize.types import DayProblem
from warehouse.known import Known
from warehouse.rows import Scalar

GOOD = ("published", "substituted")
"""The rungs that a schedule is taken from: it was reckoned, and is no repeated one."""
_DAYS = 7


def last_schedule(known: Known, zone: str, problem: DayProblem) -> Schedule:
    """Battery-side powers of each car and slot, by the newest plan that was followed in that quarter-hour.

    A plan on prices that were withdrawn since is none. Where there is no plan, by that of the same time (UTC)
    one day before, or two, seven at most. A car is reported of where it was plugged in then.
    """
    slots = problem.slots
    start, end = slots[0] - timedelta(days=_DAYS), slots[-1] + QUARTER
    cars = [car.battery_id for car in problem.cars]
    shape = (len(cars), len(slots))
    charge, discharge, scheduled = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    plans = plans_within(known, zone, start, end)
    plans = plans[plans["plan_source"].isin(GOOD)]
    unfounded = unfounded_plans(known, [str(one) for one in plans["plan_id"]])
    plans = plans[~plans["plan_id"].isin(list(unfounded))]
    if not plans.empty:
        where: dict[str, Scalar | Sequence[Scalar]] = {
            "plan_id": plans["plan_id"].tolist(), "battery_id": cars, "plugged": True,
        }  # fmt: skip
        rows = followed_rows(known.read("out_plan_slot", where=where, start=start, end=end), plans)
        by_slot = rows.set_index(["battery_id", "interval_start_utc"])[["charge_kw", "discharge_kw"]]
        for back in range(_DAYS + 1):
            at = pd.MultiIndex.from_product([cars, slots - timedelta(days=back)])
            own = by_slot.reindex(at)
            there = own["charge_kw"].notna().to_numpy().reshape(shape) & ~scheduled
            charge[there] = own["charge_kw"].to_numpy().reshape(shape)[there]
            discharge[there] = own["discharge_kw"].to_numpy().reshape(shape)[there]
            scheduled |= there
    return Schedule(charge_kw=charge, discharge_kw=discharge, scheduled=scheduled)
