"""The prices that a plan was made with, as they were kept with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flows.money import EURO, Money
from warehouse.known import Known

_TITLES = {"bought": "Bought at the plug", "sold": "Sold at the plug"}
_COLUMNS = {"bought": "import_eur_per_kwh", "sold": "export_eur_per_kwh"}
_NOTES = {
    "substituted": "Where the market day has no published price, those of days before stand in.",
    "forecast": "Where else there is none, and after the last published price, the plan goes by the mean of "
    "the last days like it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedPrices:
    """Prices to draw: `note` says which they are, in a sentence or none.

    frame: one row a quarter-hour and series: interval_start_utc, series (one of those named in `titles`),
    price_ct_per_kwh (hundredths of the money shown); empty where the plan knew no price. titles: series →
    what it is, in the order drawn. unit: of the prices.
    """

    frame: pd.DataFrame
    titles: Mapping[str, str]
    note: str
    unit: str


def used_prices(known: Known, header: Mapping[str, Any], money: Money = EURO) -> UsedPrices:
    """The prices of a plan in some money; ``header``: its row of out_plan."""
    rows = known.read("out_plan_price", where={"plan_id": header["plan_id"]})
    columns, unit = ["interval_start_utc", "series", "price_ct_per_kwh"], f"{money.cent}/kWh"
    if rows.empty:
        missing = "This plan was made before plans stored their prices, so none is drawn."
        return UsedPrices(frame=pd.DataFrame(columns=columns), titles={}, note=missing, unit=unit)
    if header["plan_source"] == "charge_only" or not rows[list(_COLUMNS.values())].any(axis=None):
        missing = "No price was known, so none is drawn."
        return UsedPrices(frame=pd.DataFrame(columns=columns), titles={}, note=missing, unit=unit)
    frames = [
        rows[["interval_start_utc"]].assign(
            series=name, price_ct_per_kwh=100 * rows[_COLUMNS[name]] / money.euros
        )
        for name in _TITLES
    ]
    sources = set(rows["price_source"])
    return UsedPrices(
        frame=pd.concat(frames)[columns],
        titles={name: f"{title}, {unit}" for name, title in _TITLES.items()},
        note=" ".join(note for source, note in _NOTES.items() if source in sources),
        unit=unit,
    )
