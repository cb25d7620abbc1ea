"""Bids as files to hand in: one CSV a product, in its market's own time, quantity and currency."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd

from flows.money import EURO, Money
from flows.publish.csv_text import csv_text
from flows.workspace import Workspace
from optimize.market.bids.products import Product, Reserve
from warehouse.files import write_whole

_LOCAL = "%Y-%m-%dT%H:%M%z"


def write_bids(
    workspace: Workspace, day: date, products: Sequence[Product], rows: pd.DataFrame, curves: pd.DataFrame
) -> tuple[list[Path], list[str]]:
    """Write exports/bid_DATE_ZONE_PRODUCT.csv of each product that is bid; the files, and why one is missing.

    rows, curves: of out_bid and out_bid_curve. A file of an earlier run whose product is not bid any more is
    removed. What is priced in a currency whose rate the workspace does not state has no file.
    """
    files, lacking = [], []
    for product in products:
        place = workspace.exports / f"bid_{day}_{workspace.zone}_{product.name.replace(' ', '_')}.csv"
        own = rows if isinstance(product, Reserve) else curves
        own = own[own["product"] == product.name] if len(own) else own
        money = _money(workspace, product.currency)
        bid = len(own) and bool((own["quantity_mw"] != 0.0).any())
        if bid and money is None:
            lacking.append(
                f"{product.name}: no file, it is priced in {product.currency}: [workspace] currency and euros"
            )
        if not bid or money is None:
            place.unlink(missing_ok=True)
            continue
        stated = (
            _reserve(own, product, money) if isinstance(product, Reserve) else _energy(own, product, money)
        )
        files.append(write_whole(place, csv_text(stated)))
    return files, lacking


def _money(workspace: Workspace, currency: str) -> Money | None:
    own = workspace.money
    return EURO if currency == EURO.code else own if own.code == currency else None


def _times(rows: pd.DataFrame, product: Product) -> pd.DataFrame:
    local = {
        name: rows[f"interval_{stated}_utc"].dt.tz_convert(product.clock).dt.strftime(_LOCAL)
        for name, stated in (("begins", "start"), ("ends", "end"))
    }
    return pd.DataFrame({"product": product.name, **local})


def _reserve(rows: pd.DataFrame, product: Reserve, money: Money) -> pd.DataFrame:
    rows = rows[rows["quantity_mw"] > 0.0].reset_index(drop=True)
    stated = _times(rows, product).assign(
        direction=product.direction,
        quantity_mw=rows["quantity_mw"],
        price_per_mw_h=(rows["price_eur_per_mw_h"] / money.euros).round(2),
        energy_price_per_mwh=(rows["energy_eur_per_mwh"].astype("float64") / money.euros).round(2),
    )
    return stated.assign(currency=money.code)


def _energy(rows: pd.DataFrame, product: Product, money: Money) -> pd.DataFrame:
    rows = rows.reset_index(drop=True)
    stated = _times(rows, product).assign(
        price_per_mwh=(rows["price_eur_per_mwh"] / money.euros).round(2), quantity_mw=rows["quantity_mw"]
    )
    return stated.assign(currency=money.code)
