"""What the plans that were followed promised and what came of it, added up over days."""

from __future__ import annotations

from typing import Any

import pandas as pd

from warehouse.known import Known
from warehouse.store import Warehouse

_RECENT = 7


def promises_met(known: Known | Warehouse, zone: str) -> list[dict[str, Any]]:
    """What was gained over uncontrolled and over ordered charging, in the last days and in all.

    A row a span and comparison: days, promised and realised benefit in € net of wear, what is in store more
    (kWh) than the other way of charging would have left, departures missed and those it would have missed.
    """
    days = known.newest("out_realised", by=["zone", "market_date"], where={"zone": zone})
    days = days.drop_duplicates("market_date", keep="last").sort_values("market_date")
    spans = [("last", days.tail(_RECENT)), ("all", days)] if len(days) > _RECENT else [("all", days)]
    return [
        {"span": f"{name} {len(span)} days", "over": over, **_gained(span, over)}
        for name, span in spans
        for over in ("uncontrolled", "ordered")
        if len(span)
    ]


def _gained(days: pd.DataFrame, over: str) -> dict[str, Any]:
    def more(suffix: str) -> float:
        return float((days[f"followed_{suffix}"] - days[f"{over}_{suffix}"]).sum())

    return {
        "promised_eur": more("promised_eur"),
        "realised_eur": more("eur"),
        "more_in_store_kwh": more("stored_kwh"),
        "departures": int(days["followed_departures"].sum()),
        "missed": int(days["followed_missed"].sum()),
        "missed_there": int(days[f"{over}_missed"].sum()),
    }
