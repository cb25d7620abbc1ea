"""The reserve bids of a day: block by block, product by product, each next to those that were made before.

A block's quantity is what the pool can be counted on for, as far as it is not sold; the day as it is known
has to hold it as well, without a departure lacking more than it would; its price is what that costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from optimize.market.bids.price import Block, Cost, DayWithout, cost_of, without
from optimize.market.bids.products import Reserve
from optimize.market.bids.quantity import KW_PER_MW, Pool, Quantity, in_steps, quantity
from optimize.types import DayProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A block of a product, and what is known of the pool in it; times are UTC."""

    product: Reserve
    begin: pd.Timestamp
    end: pd.Timestamp
    pool: Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """What is bid for a block: mw, 0 for nothing; reason: why nothing, or less; cost: where mw > 0."""

    wanted: Wanted
    mw: float
    reason: str
    cost: Cost | None = None


@dataclass(slots=True, kw_only=True)
class Desk:
    """A day as it is known at a gate, and what is bid of it already.

    problem: of `pooled`, and site_id; bids: those made at earlier gates, which the day holds as far as it
    spans their blocks. Raises the errors of `plan_day`.
    """

    problem: DayProblem
    site_id: str
    time_limit_seconds: float
    bids: list[Bid] = field(default_factory=list)
    _day: DayWithout | None = None

    def __post_init__(self) -> None:
        blocks = [(self._block(bid.wanted), bid.mw * KW_PER_MW) for bid in self.bids if bid.mw > 0.0]
        held = [block.asked(self.problem, kw) for block, kw in blocks if block is not None]
        self.problem = replace(self.problem, reserves=tuple(held))

    def bid(self, wanted: Wanted) -> Bid:
        """Bid for a block, and hold it from then on."""
        share, of = self._sold(wanted)
        asked = quantity(wanted.product, replace(wanted.pool, sold=share, sold_as=", ".join(of)))
        found = Bid(wanted=wanted, mw=0.0, reason=asked.reason)
        block = self._block(wanted)
        if asked.mw and block is None:
            found = replace(found, reason="the day as it is known does not reach into the block")
        elif asked.mw and block is not None:
            found = self._priced(wanted, block, asked)
        self.bids.append(found)
        return found

    def _priced(self, wanted: Wanted, block: Block, asked: Quantity) -> Bid:
        if self._day is None:
            self._day = without(self.problem, time_limit_seconds=self.time_limit_seconds)
        mw, why = asked.mw, asked.reason
        while mw >= wanted.product.min_mw:
            cost, beside, held = cost_of(
                self.problem, self._day, block, mw * KW_PER_MW, time_limit_seconds=self.time_limit_seconds
            )
            if cost.unmet_kwh > 0.0:
                why = f"to hold {mw:g} MW would leave departures {cost.unmet_kwh:.3g} kWh short"
                mw -= wanted.product.step_mw
                continue
            if cost.held_kw >= mw * KW_PER_MW:
                self.problem, self._day = beside, held
                return Bid(wanted=wanted, mw=mw, reason=why, cost=cost)
            why = f"the day as it is known holds {cost.held_kw:.4g} kW next to what it has to do"
            mw = min(in_steps(cost.held_kw / KW_PER_MW, wanted.product.step_mw), mw - wanted.product.step_mw)
        least = f"the least bid is {wanted.product.min_mw * KW_PER_MW:.4g} kW"
        return Bid(wanted=wanted, mw=0.0, reason=f"{why}; {least}")

    def _block(self, wanted: Wanted) -> Block | None:
        """The block on the day's slots, as far as it lies in them."""
        first, end = (int(self.problem.slots.searchsorted(at)) for at in (wanted.begin, wanted.end))
        if first >= end:
            return None
        return Block(product=wanted.product, site_id=self.site_id, first_slot=first, end_slot=end)

    def _sold(self, wanted: Wanted) -> tuple[float, Sequence[str]]:
        """The share of what the pool can give in a block, one way, that is bid already, and as what."""
        shares = [sold(self.bids, wanted, up=up) for up in _ways(wanted.product)]
        share = max(shares, default=0.0)
        names = dict.fromkeys(bid.wanted.product.name for bid in self.bids if _meets(bid, wanted) and bid.mw)
        return share, list(names) if share else []


def sold(bids: Iterable[Bid], wanted: Wanted, *, up: bool) -> float:
    """The share (0–1) of what the pool can give one way that is bid already, where a block is fullest."""
    each = [bid for bid in bids if bid.mw and _meets(bid, wanted) and up in _ways(bid.wanted.product)]
    begins = {max(bid.wanted.begin, wanted.begin) for bid in each}
    return max(
        (sum(_share(bid) for bid in each if bid.wanted.begin <= at < bid.wanted.end) for at in begins),
        default=0.0,
    )


def _share(bid: Bid) -> float:
    return bid.mw * KW_PER_MW / (bid.wanted.pool.guaranteed_kw or 1.0)


def _meets(bid: Bid, wanted: Wanted) -> bool:
    """Whether they overlap and a way is called by both."""
    both = set(_ways(bid.wanted.product)) & set(_ways(wanted.product))
    return bool(both) and bid.wanted.begin < wanted.end and wanted.begin < bid.wanted.end


def _ways(product: Reserve) -> list[bool]:
    return [up for up, asked in ((True, product.up), (False, product.down)) if asked]
