"""Bid for a market day: reserve block by block, energy by price, each as of the moment its gate closes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from flows.context import Context
from flows.errors import NoPlanError, UsageError
from flows.mapping.bidding import PoolHistory, wanted_blocks
from flows.mapping.hashing import hash_frame
from flows.mapping.inputs import PlanInputs
from flows.mapping.left_out import in_words
from flows.mapping.price_forecast import clock_quarters, price_forecast
from flows.mapping.question import day_problem
from flows.mapping.read_inputs import read_inputs
from flows.plain import records
from flows.publish.bids import write_bids
from flows.stages.forecast import HIGH, LOW, issued_prices
from flows.stages.record import StageResult, recorded
from flows.version import code_version
from optimize.market.bids.curve import energy_curves
from optimize.market.bids.pooled import pooled
from optimize.market.bids.products import Energy, Product, Products, Reserve
from optimize.market.bids.quantity import KW_PER_MW, to_steps
from optimize.market.bids.reserve import Bid, Desk
from warehouse.zones import market_day_slots, market_timezone

_QUARTER = pd.Timedelta(minutes=15)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """known: products that there are; names: of those to bid for, all of the zone if none; points: prices of
    each quarter-hour's curve, odd."""

    known: Products
    names: Sequence[str] = ()
    points: int = 3


@dataclass(slots=True, kw_only=True)
class _Made:
    """What is made so far: bids, curves by product, why a market has none, and what was left out."""

    bids: list[Bid] = field(default_factory=list)
    rows: list[pd.DataFrame] = field(default_factory=list)
    curves: list[pd.DataFrame] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)


@recorded("bid")
def bid(context: Context, day: date, asked_for: Asked, progress: Progress) -> StageResult:
    """Bid for a day with what was known when each gate closed, or is known now if it has not.

    Products of an earlier gate come first; what they take is not sold again. Written to out_bid and
    out_bid_curve unless it is what was last written; files are those of the bids that there are. Degraded,
    exit code 3, where cars are left out, or a market has no bid since something is not known. Raises
    UsageError for a product that the zone does not have, and the errors of the solver.
    """
    asked, points = _asked(asked_for, context.workspace.zone), asked_for.points
    made = _Made()
    for gate, several in groupby(asked, key=lambda one: one.gate_utc(day)):
        _at_gate(replace(context, as_of=min(context.as_of, gate)), day, list(several), points, made, progress)
    rows = pd.concat(made.rows, ignore_index=True) if made.rows else pd.DataFrame()
    curves = pd.concat(made.curves, ignore_index=True) if made.curves else pd.DataFrame()
    written = _written(context, day, {"out_bid": rows, "out_bid_curve": curves})
    files, unpriced = write_bids(context.workspace, day, asked, rows, curves)
    lacking = [*made.lacking, *unpriced]
    if made.left_out:
        lacking.append(f"left out: {', '.join(sorted(made.left_out))}")
    return StageResult(
        stage="bid",
        status="degraded" if lacking else "ok",
        message="; ".join([_message(day, made.bids, curves, written=written), *lacking]),
        exit_code=3 if lacking else 0,
        tables=_shown(rows, curves, context.workspace.zone),
        files=tuple(str(file) for file in files),
        details={"market_date": day, "written": written},
    )


def _asked(asked_for: Asked, zone: str) -> list[Product]:
    """The products asked for, in the order of their gates; raises UsageError for one that is not there."""
    known, names = asked_for.known, asked_for.names
    every = {name: one for name, one in {**known.reserve, **known.energy}.items() if zone in one.zones}
    if not every:
        raise UsageError(f"no product is known of zone {zone}", hint="optimize/market/bids/products.toml")
    for name in names:
        if name not in every:
            raise UsageError(f"--product {name}: zone {zone} has {', '.join(every)}")
    found = [one for name, one in every.items() if not names or name in names]
    return sorted(found, key=lambda one: (-one.gate_days, one.gate))


def _at_gate(
    context: Context, day: date, several: Sequence[Product], points: int, made: _Made, progress: Progress
) -> None:
    """What is bid at a gate, added to what was bid before."""
    try:
        inputs = read_inputs(context, day)
    except NoPlanError as error:
        made.lacking.append(f"{', '.join(one.name for one in several)}: {error}")
        return
    if inputs.left_out:
        made.left_out.add(in_words(inputs.left_out))
    settings = inputs.settings.model_copy(
        update={"plan": inputs.settings.plan.model_copy(update={"feed_in_on_forecast": True})}
    )
    problem, site_id = pooled(day_problem(replace(inputs, settings=settings), as_announced=True))
    desk = Desk(
        problem=problem,
        site_id=site_id,
        time_limit_seconds=settings.plan.solver_time_limit_s,
        bids=list(made.bids),
    )
    history = PoolHistory.of(context, day)
    for product in several:
        if isinstance(product, Reserve):
            blocks, days = wanted_blocks(product, day, history)
            own = []
            for number, block in enumerate(blocks, start=1):
                own.append(desk.bid(block))
                progress(product.name, number, len(blocks))
            made.rows.append(_rows(product, own, days, day, inputs))
        elif isinstance(product, Energy):
            found = _curve(context, product, desk, inputs, points, progress)
            if isinstance(found, str):
                made.lacking.append(f"{product.name}: {found}")
            else:
                made.curves.append(found.assign(gate_utc=product.gate_utc(day)))
    made.bids = desk.bids


def _rows(product: Reserve, bids: Sequence[Bid], days: int, day: date, inputs: PlanInputs) -> pd.DataFrame:
    each = [
        {
            "market_date": day,
            "zone": inputs.zone,
            "product": product.name,
            "gate_utc": product.gate_utc(day),
            "interval_start_utc": one.wanted.begin,
            "interval_end_utc": one.wanted.end,
            "direction": product.direction,
            "quantity_mw": one.mw,
            "price_eur_per_mw_h": None if one.cost is None else _cent_up(one.cost.price_eur_per_mw_h),
            "energy_eur_per_mwh": None if one.cost is None else one.cost.energy_eur_per_mwh,
            "guaranteed_kw": one.wanted.pool.guaranteed_kw,
            "usual_kw": one.wanted.pool.usual_kw,
            "quantile": product.quantile,
            "days": days,
            "reason": one.reason or None,
            "price_source": inputs.prices.source,
        }
        for one in bids
    ]
    return pd.DataFrame(each)


def _cent_up(euros: float) -> float:
    return float(np.ceil(euros * 100.0 - 1e-6) / 100.0)


def _curve(
    context: Context, product: Energy, desk: Desk, inputs: PlanInputs, points: int, progress: Progress
) -> pd.DataFrame | str:
    """Rows of out_bid_curve, or why there are none."""
    day, zone, prices = inputs.market_date, inputs.zone, inputs.prices
    slots = market_day_slots(day, zone)
    at = prices.slots.get_indexer(slots)
    if prices.market is None or (at < 0).any():
        return "no curve: there is no market price to plan the day with"
    band = price_forecast(context.known, zone, day, issued_prices(context, day), HIGH - LOW)
    if isinstance(band, str):
        return f"no curve: {band}"
    half = np.zeros(len(prices.slots))
    half[at] = band.half_width[clock_quarters(slots, zone)]
    market = [prices.market + share * half for share in np.linspace(-1.0, 1.0, points)]
    plugs = [replace(prices, market=one).at_the_plug(inputs.tariff) for one in market]
    buy, sell = (np.array([plug[way] for plug in plugs]) for way in (0, 1))
    found = energy_curves(
        desk.problem, at.tolist(), buy, sell, points // 2,
        lambda done, total: progress(product.name, done, total),
        time_limit_seconds=desk.time_limit_seconds,
    )  # fmt: skip
    rows = pd.DataFrame(
        {
            "interval_start_utc": np.tile(slots, points),
            "price_eur_per_mwh": np.concatenate([one[at] for one in market]) * KW_PER_MW,
            "net_kw": found.net_kw.reshape(-1),
        }
    ).sort_values(["interval_start_utc", "price_eur_per_mwh"], ignore_index=True)
    return rows.assign(
        market_date=day,
        zone=zone,
        product=product.name,
        interval_end_utc=rows["interval_start_utc"] + _QUARTER,
        days=band.days,
        quantity_mw=[to_steps(kw / KW_PER_MW, product.min_mw, product.step_mw) for kw in rows["net_kw"]],
        price_source=prices.source,
    )


def _written(context: Context, day: date, tables: dict[str, pd.DataFrame]) -> bool:
    """Add what is bid where it is not what was last bid."""
    tables = {name: rows for name, rows in tables.items() if len(rows)}
    if not tables:
        return False
    digest = hash_frame(pd.concat([rows.assign(market_date=str(day)) for rows in tables.values()]))
    where: dict[str, Any] = {"zone": context.workspace.zone, "market_date": day}
    last = context.known.newest(
        "out_bid", by=["market_date"], where=where, columns=["market_date", "input_hash"]
    )
    if digest in set(last["input_hash"]):
        return False
    lineage: dict[str, Any] = {
        "run_id": context.run_id,
        "as_of_utc": pd.Timestamp(context.as_of),
        "input_hash": digest,
        "code_version": code_version(),
    }
    context.workspace.warehouse.write({name: rows.assign(**lineage) for name, rows in tables.items()})
    return True


def _message(day: date, bids: Sequence[Bid], curves: pd.DataFrame, *, written: bool) -> str:
    there = sum(one.mw > 0.0 for one in bids)
    energy = (
        f", energy in {int((curves['quantity_mw'] != 0.0).sum())} of {len(curves)} pairs"
        if len(curves)
        else ""
    )
    same = "" if written else ", as they were"
    return f"{day}: bids for {there} of {len(bids)} blocks of reserve{energy}{same}"


def _shown(rows: pd.DataFrame, curves: pd.DataFrame, zone: str) -> dict[str, list[dict[str, Any]]]:
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
