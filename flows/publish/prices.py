"""The prices that a plan was made with, read again by the function that the plan read them with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import pandas as pd

from flows.stages.hashing import hash_frame
from flows.stages.prices import DayPrices, day_prices
from warehouse.store import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedPrices:
    """Prices to draw: `told` says which they are, in a sentence or none.

    frame: one row a quarter-hour and series: interval_start_utc, series (one of those named in `titles`),
    price_ct_per_kwh; empty where the plan knew no price. titles: series → what it is, in the order drawn.
    """

    frame: pd.DataFrame
    titles: Mapping[str, str]
    told: str


@dataclass(frozen=True, slots=True)
class _AsKnown:
    """A warehouse as it was believed at a moment, as far as prices are read."""

    warehouse: Warehouse
    known_by: datetime

    def read(self, table: str, **asked: Any) -> pd.DataFrame:
        return self.warehouse.read(table, known_by=self.known_by, **asked)


def used_prices(warehouse: Warehouse, header: Mapping[str, Any]) -> UsedPrices:
    """The prices of a plan, ``header``: its row of out_plan.

    What came in since is left out, if the plan's hash of its prices says that it knew others.
    """
    parts, source = json.loads(header["input_parts_json"]), header["plan_source"]
    found = None
    for prices in _known(warehouse, header):
        if parts.get("prices") == prices.digest and parts.get("tariffs") == hash_frame(prices.retail.rows):
            return _drawn(prices, prices.note)
        found = prices if found is None and prices.source == source else found
    if found is None:
        return UsedPrices(frame=_rows(None, {}), titles={}, told="Its prices are no longer in the warehouse.")
    note = "These prices are not all those that the plan was made with: some have come in since."
    return _drawn(found, f"{found.note}. {note}" if found.note else note)


def _known(warehouse: Warehouse, header: Mapping[str, Any]) -> Iterator[DayPrices]:
    """The day's prices as they are, as they were when the plan was written, and as of the plan's moment."""
    ended = warehouse.read(
        "out_run", where={"run_id": header["run_id"], "stage": "plan"}, columns=["finished_utc"]
    )["finished_utc"]
    asked = header["zone"], header["market_date"]
    yield day_prices(warehouse, *asked)
    for moment in (*ended, header["as_of_utc"]):
        yield day_prices(cast("Warehouse", _AsKnown(warehouse, moment)), *asked)


def _drawn(prices: DayPrices, note: str) -> UsedPrices:
    market = prices.price_eur_per_kwh
    stand_in = prices.source == "substituted"
    named = {
        "market": ("Market price, last week's, ct/kWh" if stand_in else "Market price, ct/kWh", market),
        "bought": ("Bought at the plug, ct/kWh", prices.retail.import_eur_per_kwh),
        "sold": ("Sold at the plug, ct/kWh", prices.retail.export_eur_per_kwh),
    }
    series = {name: price for name, (_, price) in named.items() if price is not None}
    told = f"{note}." if note and not note.endswith(".") else note
    return UsedPrices(
        frame=_rows(prices.slots, series),
        titles={name: title for name, (title, _) in named.items() if name in series},
        told=told if series else f"No price was known, so none is drawn. {told}".strip(),
    )


def _rows(slots: pd.DatetimeIndex | None, series: Mapping[str, Any]) -> pd.DataFrame:
    columns = ["interval_start_utc", "series", "price_ct_per_kwh"]
    frames = [
        pd.DataFrame({"interval_start_utc": slots, "series": name, "price_ct_per_kwh": 100 * price})
        for name, price in series.items()
    ]
    return pd.concat(frames) if frames else pd.DataFrame(columns=columns)
