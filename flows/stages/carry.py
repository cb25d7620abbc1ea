"""What cars that are plugged in over midnight have in store when the day begins.

Yesterday's plan in force says it, for the mode that the cars follow. Where there is none, they are taken to
have charged since arrival as an unplanned car does: at full power, up to what was promised for departure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pandas as pd

from flows.stages.in_force import followed_mode, plan_in_force
from warehouse.known import Known

_SLOT = pd.Timedelta(minutes=15)


def carried_soc(
    known: Known,
    zone: str,
    day: date,
    day_start: pd.Timestamp,
    sessions: pd.DataFrame,
    batteries: pd.DataFrame,
    capacity_kwh: Mapping[str, float],
) -> dict[str, float]:
    """SoC (0–1) at ``day_start`` by session_id, for the sessions that arrived before it.

    ``capacity_kwh``: usable energy by battery_id, today's, > 0.
    """
    running = sessions[sessions["arrival_utc"] < day_start]
    planned = _planned_kwh(known, zone, day - timedelta(days=1), day_start)
    limit_kw = batteries.set_index("battery_id")["charge_limit_kw"]
    carried = {}
    for _, row in running.iterrows():
        battery = row["battery_id"]
        if battery in planned:
            soc = planned[battery] / capacity_kwh[battery]
        else:
            hours = (day_start - row["arrival_utc"]).total_seconds() / 3600
            charged = row["arrival_soc"] + hours * float(limit_kw[battery]) / capacity_kwh[battery]
            soc = min(charged, max(row["arrival_soc"], row["departure_soc"]))
        carried[str(row["session_id"])] = float(np.clip(soc, 0.0, 1.0))
    return carried


def _planned_kwh(known: Known, zone: str, before: date, end: pd.Timestamp) -> dict[str, float]:
    """Energy at ``end`` by battery_id in the plan in force of the day before; empty where there is none."""
    newest = plan_in_force(known, zone, before)
    if newest is None:
        return {}
    last = known.read(
        "out_plan_slot",
        where={"plan_id": newest["plan_id"], "mode": followed_mode(newest), "plugged": True},
        start=end - _SLOT,
        end=end,
    )
    return dict(zip(last["battery_id"].astype(str), last["energy_end_kwh"].astype(float), strict=True))
