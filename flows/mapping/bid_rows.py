"""Rows of what was bid: written once, unless they are what was last written of their product; as shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd

from flows.context import Context
from flows.mapping.hashing import hash_frame
from flows.plain import records
from flows.version import code_version
from optimize.market.bids.products import Product
from warehouse.store import Guard, Read
from warehouse.zones import market_timezone


def written_bids(
    context: Context, day: date, rows: Mapping[str, pd.DataFrame], curves: Mapping[str, pd.DataFrame]
) -> bool:
    """Add what is bid of each product where it is not what was last bid of it; whether anything was added.

    rows, curves: of out_bid and out_bid_curve, by product. A row rests on what was known when the gate
    closed, or is now. Which was the last is asked within the transaction that adds.
    """
    added = [
        _added(context, day, table, product, frame)
        for table, own in {"out_bid": rows, "out_bid_curve": curves}.items()
        for product, frame in own.items()
        if len(frame)
    ]
    return any(added)


def bid_since(context: Context, day: date, products: Sequence[Product]) -> set[str]:
    """The products of which something is bid on record that rests on later knowledge than this call's."""
    where: dict[str, Any] = {"zone": context.workspace.zone, "market_date": day}
    # Whatever came later is what is looked for.
    newest = pd.concat(
        [
            context.workspace.warehouse.read(table, where=where, columns=["product", "as_of_utc"])
            for table in ("out_bid", "out_bid_curve")
        ]
    ).groupby("product")["as_of_utc"].max()  # fmt: skip
    mine = {one.name: _moment(context, one.gate_utc(day)) for one in products}
    return {str(name) for name, moment in newest.items() if name in mine and moment > mine[name]}


def _moment(context: Context, gate: datetime) -> pd.Timestamp:
    """What a bid rests on: what was known when its gate closed, or is known now."""
    return min(pd.Timestamp(context.as_of), pd.Timestamp(gate))


def _added(context: Context, day: date, table: str, product: str, frame: pd.DataFrame) -> bool:
    digest = hash_frame(frame.assign(market_date=str(day)))
    where: dict[str, Any] = {"zone": context.workspace.zone, "market_date": day, "product": product}
    moment = _moment(context, frame["gate_utc"].min())
    lineage: dict[str, Any] = {
        "run_id": context.run_id,
        "as_of_utc": moment,
        "input_hash": digest,
        "code_version": code_version(),
    }
    return context.workspace.warehouse.write(
        {table: frame.assign(**lineage)}, guard=_another(table, where, moment, digest)
    )


def _another(table: str, where: dict[str, Any], moment: pd.Timestamp, digest: str) -> Guard:
    """Whether what was last bid by a moment is something else."""

    def holds(read: Read) -> bool:
        rows = read(table, where)
        return digest not in set(last_bid(rows[rows["as_of_utc"] <= moment])["input_hash"])

    return holds


def last_bid(rows: pd.DataFrame) -> pd.DataFrame:
    """Of rows of one product those that were bid last: of the latest knowledge, by the latest run."""
    newest = pd.DataFrame(rows[rows["as_of_utc"] == rows["as_of_utc"].max()])
    return pd.DataFrame(newest[newest["run_id"] == newest["run_id"].max()])


def bids_in_words(day: date, rows: Mapping[str, pd.DataFrame], curves: pd.DataFrame, *, written: bool) -> str:
    """How much is bid, and whether it is what was bid before."""
    if not len(rows) and not len(curves):
        return f"{day}: nothing is bid"
    parts = []
    if len(rows):
        there = sum(int((own["quantity_mw"] > 0.0).sum()) for own in rows.values())
        parts.append(f"bids for {there} of {sum(map(len, rows.values()))} blocks of reserve")
    if len(curves):
        parts.append(f"energy in {int((curves['quantity_mw'] != 0.0).sum())} of {len(curves)} pairs")
    same = "" if written else ", as they were"
    return f"{day}: {', '.join(parts)}{same}"


def gates_over(products: Sequence[Product], day: date, now: datetime) -> list[str]:
    """A note of products whose gate has closed: what is bid of them can no longer be handed in."""
    over = [
        f"{one.name} {one.gate_utc(day):%Y-%m-%d %H:%M} UTC" for one in products if one.gate_utc(day) <= now
    ]
    return [f"the gate has closed: {', '.join(over)}"] if over else []


def bids_shown(rows: pd.DataFrame, curves: pd.DataFrame, zone: str) -> dict[str, list[dict[str, Any]]]:
    """A line a block, and a line a quarter-hour: prices with what is drawn net at each, kW."""
    shown: dict[str, list[dict[str, Any]]] = {}
    if len(rows):
        shown["reserve"] = [
            {
                "product": row["product"],
                "from": f"{row['interval_start_utc'].tz_convert(market_timezone(zone)):%Y-%m-%d %H:%M}",
                **{name: row[name] for name in _LINE},
            }
            for row in records(rows)
        ]
    if len(curves):
        lines: dict[datetime, dict[str, Any]] = {}
        for row in records(curves):
            local = row["interval_start_utc"].tz_convert(market_timezone(zone))
            line = lines.setdefault(local, {"from": f"{local:%Y-%m-%d %H:%M}", "pairs": ""})
            pair = f"{row['price_eur_per_mwh']:.1f}: {row['net_kw']:.1f}"
            line["pairs"] = f"{line['pairs']}, {pair}".removeprefix(", ")
        shown["kW drawn net by €/MWh"] = list(lines.values())
    return shown


_LINE = (
    "quantity_mw", "price_eur_per_mw_h", "energy_eur_per_mwh", "guaranteed_kw", "usual_kw", "days", "reason",
)  # fmt: skip
