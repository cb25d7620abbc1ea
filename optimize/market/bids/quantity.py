"""How much of what a pool can be counted on for is bid, in whole steps, or why nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from optimize.errors import ProblemError
from optimize.market.bids.products import Reserve

KW_PER_MW = 1000.0
_DUST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """mw: what is bid, 0 for nothing; reason: why not, or why less than is there; or empty."""

    mw: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What is known of a pool in a block. guaranteed_kw: what it can give of a product with the product's
    quantile, None where too few days are known; usual_kw: as often as not; cars: in the pool; sold: share
    (0–1) of what it can give that is bid already, and as what."""

    guaranteed_kw: float | None
    usual_kw: float | None
    cars: int
    sold: float = 0.0
    sold_as: str = ""

    def __post_init__(self) -> None:
        if self.sold < 0.0:
            raise ProblemError("pool", "sold", self.sold, "must be >= 0")


def quantity(product: Reserve, pool: Pool) -> Quantity:
    """What is bid of a product for a block."""
    if pool.cars > 1 and not product.pooling:
        return Quantity(mw=0.0, reason=f"{product.name} takes no pool, and there are {pool.cars} cars")
    if pool.guaranteed_kw is None:
        return Quantity(mw=0.0, reason="too few days of sessions like it are known to count on anything")
    left = pool.guaranteed_kw * max(0.0, 1.0 - pool.sold) / KW_PER_MW
    mw = in_steps(left, product.step_mw)
    if mw + _DUST >= product.min_mw:
        return Quantity(mw=mw, reason=_sold(pool))
    sure = f"with {product.quantile:.0%} the pool can give {pool.guaranteed_kw:.4g} kW in all of the block"
    usual = "" if pool.usual_kw is None else f", as often as not {pool.usual_kw:.4g} kW"
    least = f"the least bid is {product.min_mw * KW_PER_MW:.4g} kW"
    return Quantity(mw=0.0, reason="; ".join(filter(None, [f"{sure}{usual}", _sold(pool), least])))


def in_steps(mw: float, step_mw: float) -> float:
    """The most of whole steps that is not more."""
    return round(floor(mw / step_mw + _DUST) * step_mw, 9)


def _sold(pool: Pool) -> str:
    return f"{pool.sold:.0%} of it is offered already, as {pool.sold_as}" if pool.sold else ""


def to_steps(mw: float, min_mw: float, step_mw: float) -> float:
    """Energy to the nearest of whole steps, 0 where that is less than the minimum; − to sell."""
    nearest = round(round(mw / step_mw) * step_mw, 9)
    return nearest if abs(nearest) >= min_mw - _DUST else 0.0
