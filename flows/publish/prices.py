"""The prices that a plan was made with, read again by the function that the plan read them with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flows.stages.hashing import hash_frame
from flows.stages.prices import DayPrices, day_prices
from warehouse.known import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedPrices:
    """Prices to draw: `told` says which they are, in a sentence or none.

    frame: one row a quarter-hour and series: interval_start_utc, series (one of those named in `titles`),
    price_ct_per_kwh; empty where the plan knew no price. titles: series → what it is, in the order drawn.
    """

    frame: pd.DataFrame
    titles: Mapping[str, str]
    told: str


def used_prices(known: Known, header: Mapping[str, Any]) -> UsedPrices:
    """The prices of a plan as they were ``known`` at its moment; ``header``: its row of out_plan.

    A plan of earlier versions may have known what came in by the end of its run: its hash of its prices says.
    """
    parts, source = json.loads(header["input_parts_json"]), header["plan_source"]
    found = None
    for prices in _candidates(known, header):
        if parts.get("prices") == prices.digest and parts.get("tariffs") == hash_frame(prices.retail.rows):
            return _drawn(prices, prices.note)
        found = prices if found is None and prices.source == source else found
    if found is None:
        return UsedPrices(frame=_rows(None, {}), titles={}, told="Its prices are no longer in the warehouse.")
    note = "These prices are not all those that the plan was made with: some have come in since."
    return _drawn(found, f"{found.note}. {note}" if found.note else note)


def _candidates(known: Known, header: Mapping[str, Any]) -> Iterator[DayPrices]:
    """The day's prices as of the plan's moment, and as they were when it was written."""
    asked = header["zone"], header["market_date"]
    yield day_prices(known, *asked)
    ended = known.warehouse.read(
        "out_run", where={"run_id": header["run_id"], "stage": "plan"}, columns=["finished_utc"]
    )["finished_utc"]
    for moment in ended:
        yield day_prices(known.at(moment), *asked)


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
