"""What the batteries held when a day began, as the account of the days before has it, by way of charging.

Where no day before has an account, the plans tell it (`flows.mapping.past`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pandas as pd

from flows.mapping.horizon import Horizon
from flows.mapping.past import FOLLOWED, Past
from flows.plain import records
from warehouse.known import Known
from warehouse.rows import Scalar

_LOOK_BACK = 8


def lived(known: Known, horizon: Horizon, capacity_kwh: Mapping[str, float]) -> Past:
    """The past of some cars on a market day, "followed" among the modes; capacity_kwh: by battery_id."""
    battery_ids = list(capacity_kwh)
    planned = Past.of(known, horizon.zone, horizon, capacity_kwh)
    rows = accounts_before(known, horizon.zone, horizon.market_date, battery_ids)
    now, left, promised = dict(planned.now), dict(planned.left), dict(planned.promised)
    for battery, own in rows.groupby("battery_id"):
        name, last = str(battery), own["market_date"].max()
        of_day = records(own[own["market_date"] == last])
        held = {str(row["mode"]): float(row["held_kwh"]) for row in of_day}
        followed = next((row for row in of_day if row["mode"] == FOLLOWED), None)
        if followed is None:
            continue
        if not followed["at_plug"]:
            left[name] = (followed["left_utc"], held)
            promised[name] = float(followed["left_target_kwh"])
        elif last == horizon.market_date - timedelta(days=1):
            now[name] = held
    return replace(planned, now=now, left=left, promised=promised)


def accounts_before(known: Known, zone: str, day: date, battery_ids: list[str]) -> pd.DataFrame:
    """The rows of out_realised_car of the days before a day that cars came on, of each day the newest."""
    days = [day - timedelta(days=number) for number in range(1, _LOOK_BACK + 1)]
    where: dict[str, Scalar | Sequence[Scalar]] = {
        "zone": zone, "market_date": days, "battery_id": battery_ids,
    }  # fmt: skip
    rows = known.newest("out_realised_car", by=["zone", "market_date", "battery_id"], where=where)
    return rows[rows["held_kwh"].notna()]
