"""What the plans that were followed held of the reserve that was won, on a day."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from flows.mapping.plan_spans import owners, plans_within
from flows.plain import records
from optimize.market.bids.quantity import KW_PER_MW
from warehouse.known import Known
from warehouse.zones import market_day_slots

_HOURS = 0.25
_KEY = ["product", "direction", "interval_start_utc"]


def reserve_followed(known: Known, zone: str, day: date) -> list[dict[str, Any]]:
    """A row a block in the market day: won_kw, held_kw (the least of its slots of the day), and what holding
    it pays in these, €, None without a price. A slot whose plan knew of no award held nothing of it."""
    slots = market_day_slots(day, zone)
    plans = plans_within(known, zone, slots[0], slots[-1] + pd.Timedelta(hours=_HOURS))
    if plans.empty:
        return []
    ids = plans["plan_id"].astype(str).tolist()
    rows = known.read("out_plan_reserve", where={"plan_id": ids})
    owner = owners(plans, slots)
    found = []
    for _, own in rows.groupby(_KEY):
        first = records(own)[0]
        within = np.flatnonzero(
            (slots >= first["interval_start_utc"]) & (slots < own["interval_end_utc"].max())
        )
        by_plan = {str(row["plan_id"]): row for row in records(own)}
        held = [by_plan.get(ids[plan]) if plan >= 0 else None for plan in owner[within].tolist()]
        if not any(held):
            continue
        kw = [0.0 if row is None else float(row["held_kw"]) for row in held]
        price = next((row["price_eur_per_mw_h"] for row in reversed(held) if row), None)
        found.append(
            {
                "market_date": str(day),
                **{name: first[name] for name in _KEY},
                "won_kw": float(own["won_kw"].max()),
                "held_kw": min(kw),
                "income_eur": None if price is None else price / KW_PER_MW * sum(kw) * _HOURS,
            }
        )
    return found
