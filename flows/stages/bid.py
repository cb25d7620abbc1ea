"""Bid for a market day: reserve block by block, energy by price, each as of the moment its gate closes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby

import numpy as np
import pandas as pd

from flows.context import Context
from flows.errors import NoPlanError, UsageError
from flows.mapping.bid_rows import bid_since, bids_in_words, bids_shown, gates_over, written_bids
from flows.mapping.bidding import PoolHistory, held_of_none, taken_before, wanted_blocks
from flows.mapping.forecast_scores import HIGH, LOW
from flows.mapping.inputs import PlanInputs
from flows.mapping.left_out import in_words
from flows.mapping.plannable import IMPOSSIBLE
from flows.mapping.plannable import in_words as error_in_words
from flows.mapping.price_forecast import clock_quarters, price_forecast
from flows.mapping.question import day_problem
from flows.mapping.read_inputs import read_inputs
from flows.publish.bids import write_bids
from flows.stages.forecast import issued_prices
from flows.stages.made import uncalibrated
from flows.stages.record import StageResult, recorded
from optimize.errors import TimeLimitError
from optimize.market.bids.curve import energy_curves
from optimize.market.bids.pooled import pooled
from optimize.market.bids.products import Energy, Product, Products, Reserve
from optimize.market.bids.quantity import KW_PER_MW, to_steps
from optimize.market.bids.reserve import Bid, Desk
from warehouse.zones import market_day_slots

_QUARTER = pd.Timedelta(minutes=15)
Progress = Callable[[str, int, int], None]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """known: products that there are; names: of those to bid for, all of the zone if none; points: prices of
    each quarter-hour's curve, odd."""

    known: Products
    names: Sequence[str] = ()
    points: int = 3


@dataclass(slots=True, kw_only=True)
class _Made:
    """What is made so far: bids, rows by product, why a market has none, and what else is to be said."""

    bids: list[Bid] = field(default_factory=list)
    rows: dict[str, pd.DataFrame] = field(default_factory=dict)
    curves: dict[str, pd.DataFrame] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)


@recorded("bid")
def bid(context: Context, day: date, asked_for: Asked, progress: Progress) -> StageResult:
    """Bid for a day with what was known when each gate closed, or is known now if it has not.

    Products of an earlier gate come first; what they take is not sold again: what was won of them where that
    is known (dataset `awards`), else what was bid, in this call or before. Each product stands alone: one
    that cannot be solved is named, its blocks say so, and the others are bid. Written to out_bid and
    out_bid_curve unless it is what was last written of the product; files are those of the bids that there
    are, and stay where a bid on record rests on later knowledge. Degraded, exit code 3, where cars are left
    out or only charge for want of a calibration, or a market has no bid since something is not known or
    solved. Raises UsageError for a product that the zone does not have.
    """
    asked, points = _asked(asked_for, context.workspace.zone), asked_for.points
    made = _Made()
    for gate, several in groupby(asked, key=lambda one: one.gate_utc(day)):
        at = replace(context, as_of=min(context.as_of, gate))
        _at_gate(
            _Gate(context=at, day=day, points=points, progress=progress), list(several), asked_for.known, made
        )
    written = written_bids(context, day, made.rows, made.curves)
    rows, curves = (
        pd.concat(own.values(), ignore_index=True) if own else pd.DataFrame()
        for own in (made.rows, made.curves)
    )
    later = bid_since(context, day, asked)
    files, unpriced = write_bids(
        context.workspace, day, [one for one in asked if one.name not in later], rows, curves
    )
    lacking = list(dict.fromkeys([*made.lacking, *unpriced]))
    said = [bids_in_words(day, made.rows, curves, written=written), *gates_over(asked, day, context.as_of)]
    if later:
        said.append(f"bid since, with what was known later, and their files stay: {', '.join(sorted(later))}")
    return StageResult(
        stage="bid",
        status="degraded" if lacking else "ok",
        message="; ".join([*said, *lacking]),
        exit_code=3 if lacking else 0,
        tables=bids_shown(rows, curves, context.workspace.zone),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gate:
    """context: as of when the gate closes, or now."""

    context: Context
    day: date
    points: int
    progress: Progress


def _at_gate(at: _Gate, several: Sequence[Product], known: Products, made: _Made) -> None:
    """What is bid at a gate, added to what was bid before; what keeps a product from it costs no other."""
    context, day = at.context, at.day
    try:
        inputs = read_inputs(context, day)
        settings = inputs.settings.model_copy(
            update={"plan": inputs.settings.plan.model_copy(update={"feed_in_on_forecast": True})}
        )
        # A bid names its price: it is called on where that comes, whatever a forecast is worth.
        prices = replace(inputs.prices, doubt_eur_per_kwh=0.0)
        inputs = replace(inputs, settings=settings, prices=prices)
        problem, site_id = pooled(day_problem(inputs, as_announced=True))
        history = PoolHistory.of(context, day)
        held = taken_before(context.known, history, [*known.reserve.values()], several, made.bids)
        desk = Desk(
            problem=problem,
            site_id=site_id,
            time_limit_seconds=settings.plan.solver_time_limit_s,
            bids=list(held),
        )
    except (NoPlanError, *IMPOSSIBLE) as error:
        made.lacking += [f"{one.name}: {_in_words(error)}" for one in several]
        return
    if inputs.left_out:
        made.lacking.append(f"left out: {in_words(inputs.left_out)}")
    made.lacking += [*uncalibrated(inputs), *held_of_none(context.known, history, known)]
    for product in several:
        if isinstance(product, Reserve):
            _reserve(at, product, desk, history, inputs, made)
        elif isinstance(product, Energy):
            found = _curve(at, product, desk, inputs)
            if isinstance(found, str):
                made.lacking.append(f"{product.name}: {found}")
            else:
                made.curves[product.name] = found.assign(gate_utc=product.gate_utc(day))
    made.bids = desk.bids


def _reserve(
    at: _Gate, product: Reserve, desk: Desk, history: PoolHistory, inputs: PlanInputs, made: _Made
) -> None:
    """The bids of a product, block by block; a block that cannot be solved is a row that says so.

    After a block that took all the time that a search has, the product's others are not tried.
    """
    try:
        blocks, days = wanted_blocks(product, at.day, history)
    except IMPOSSIBLE as error:
        made.lacking.append(f"{product.name}: {_in_words(error)}")
        return
    own: list[Bid] = []
    given_up = ""
    for number, block in enumerate(blocks, start=1):
        why = given_up
        if not why:
            try:
                own.append(desk.bid(block))
            except Exception as error:
                _log.warning("%s of %s is not bid", product.name, block.begin, exc_info=True)
                why = f"could not be solved: {_in_words(error)}"
                given_up = why if isinstance(error, TimeLimitError) else ""
        if why:
            own.append(Bid(wanted=block, mw=0.0, reason=why))
        at.progress(product.name, number, len(blocks))
    failed = [one for one in own if one.reason.startswith("could not be solved")]
    if failed:
        made.lacking.append(f"{product.name}: {len(failed)} of {len(own)} blocks: {failed[0].reason}")
    made.rows[product.name] = _rows(product, own, days, at.day, inputs)


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, NoPlanError) else error_in_words(error)


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


def _curve(at: _Gate, product: Energy, desk: Desk, inputs: PlanInputs) -> pd.DataFrame | str:
    """Rows of out_bid_curve, or why there are none."""
    day, zone, prices, points = inputs.market_date, inputs.zone, inputs.prices, at.points
    slots = market_day_slots(day, zone)
    of_day = prices.slots.get_indexer(slots)
    if prices.market is None or (of_day < 0).any():
        return "no curve: there is no market price to plan the day with"
    band = price_forecast(at.context.known, zone, day, issued_prices(at.context, day), HIGH - LOW)
    if isinstance(band, str):
        return f"no curve: {band}"
    half = np.zeros(len(prices.slots))
    half[of_day] = band.half_width[clock_quarters(slots, zone)]
    market = [prices.market + share * half for share in np.linspace(-1.0, 1.0, points)]
    plugs = [replace(prices, market=one).at_the_plug(inputs.tariff) for one in market]
    buy, sell = (np.array([plug[way] for plug in plugs]) for way in (0, 1))
    try:
        found = energy_curves(
            desk.problem, of_day.tolist(), buy, sell, points // 2,
            lambda done, total: at.progress(product.name, done, total),
            time_limit_seconds=desk.time_limit_seconds,
        )  # fmt: skip
    except Exception as error:
        _log.warning("%s has no curve", product.name, exc_info=True)
        return f"no curve: could not be solved: {_in_words(error)}"
    rows = pd.DataFrame(
        {
            "interval_start_utc": np.tile(slots, points),
            "price_eur_per_mwh": np.concatenate([one[of_day] for one in market]) * KW_PER_MW,
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
