"""The refund of fees and taxes on kWh that were drawn, stored and fed back at the same point.

After § 118 (6) EnWG (no grid fee on energy that is drawn to be stored and is fed back later into the same
grid; § 21 EnFG applies accordingly) and BNetzA 618-25-02 (MiSpeL, decided 2026-10-01; here as restated in
public). Quantities of a month, kWh, with the numbers of the formulas:

    quarter_hours   annex 1 for charge points (A2), month by month; what storing loses is not refunded, (19)
        (9)  = Σ_t min(drawn at the point, drawn by the store)        (3) = Σ drawn at the point
        (11) = Σ_t min(fed back at the point, returned by the store)
        (13) = max((11) − (12), 0),   (12) = max(Σ returned − Σ stored, 0): charged elsewhere
        (16) = max((13) − (15), 0),   (15) = 0.85·(Σ stored − (9)): from PV and stored; (14) presumes 0.85
        Q    = min((16), (3))
    flat            annex 2: Q = min(max(0, Σ_t fed back at the point − green), (3))
        green is (P4) = 1.2·500 kWh a kWp and year with a charge point. Assumed: each month for itself, where
        the annex counts the year, and all that is fed back, where it leaves out spot prices below 0

    refund = Q·f̄, with f̄ = Σ f_t·w_t / Σ w_t the mean of the refunded fees over what was drawn,
             w_t = min(drawn at the point, by the store); drawn at the point if that is 0, or by "flat"

The annexes say what is refunded, not at which of several fees: the mean is assumed.

**What a plan believes of it.** f̄ and Q depend on the whole month. A plan adds the least fee of its slots,
f_min, to every kWh fed back. With E all that is fed back, for fees ≥ 0,

    f_min·(Q − E)  ≤  refund − f_min·E  ≤  (f_max − f_min)·Q

so that it is exact where the fee does not vary and all that is fed back counts (no PV that feeds in or is
stored, no more fed back than drawn, no green part), and never off by more than `refund_bounds` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from optimize.market.book import TariffBook

NOTHING = Decimal(0)
PRESUMED_EFFICIENCY = Decimal("0.85")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundBase:
    """quantity_kwh: Q; mean: by name of what is refunded its mean price f̄, €/kWh before VAT."""

    quantity_kwh: Decimal
    mean_eur_per_kwh: dict[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What meters counted in each quarter-hour, kWh ≥ 0.

    drawn, fed: at the point that is billed; stored, returned: of the cars behind it, at their plugs.
    """

    drawn: Sequence[Decimal]
    fed: Sequence[Decimal]
    stored: Sequence[Decimal]
    returned: Sequence[Decimal]


def fees(book: TariffBook, grid_fee: Sequence[Decimal]) -> dict[str, Sequence[Decimal]]:
    """What is refunded, by name: its price in each quarter-hour, before VAT; grid_fee: that of the book."""
    if book.refund is None:
        return {}
    return {
        name: grid_fee if name == "grid_fee" else [book.taxes[name]] * len(grid_fee)
        for name in book.refund.of
    }


def refund_base(book: TariffBook, counted: Counted, grid_fee: Sequence[Decimal]) -> RefundBase:
    """Q and f̄ of a month."""
    if book.refund is None:
        return RefundBase(quantity_kwh=NOTHING, mean_eur_per_kwh={})
    if book.refund.method == "flat":
        weights = list(counted.drawn)
        quantity = sum(counted.fed, NOTHING) - book.refund.green_kwh_per_month
    else:
        weights = [min(pair) for pair in zip(counted.drawn, counted.stored, strict=True)]
        quantity = _told_apart(counted, sum(weights, NOTHING))
        weights = weights if any(weights) else list(counted.drawn)
    total = sum(weights, NOTHING)
    mean = {
        name: sum((w * f for w, f in zip(weights, prices, strict=True)), NOTHING) / total
        if total
        else NOTHING
        for name, prices in fees(book, grid_fee).items()
    }
    drawn = sum(counted.drawn, NOTHING)
    return RefundBase(quantity_kwh=min(max(NOTHING, quantity), drawn), mean_eur_per_kwh=mean)


def _told_apart(counted: Counted, from_grid: Decimal) -> Decimal:
    """(16) of annex 1, before it is held to 0; from_grid: (9)."""
    stored, returned = sum(counted.stored, NOTHING), sum(counted.returned, NOTHING)
    fed = sum((min(pair) for pair in zip(counted.fed, counted.returned, strict=True)), NOTHING)
    fed = max(NOTHING, fed - max(NOTHING, returned - stored))
    return fed - PRESUMED_EFFICIENCY * (stored - from_grid)


def least_fee(book: TariffBook, grid_fee: Sequence[Decimal]) -> Decimal:
    """f_min with VAT: what a plan adds to each kWh fed back, €/kWh."""
    return sum(
        (min(prices) * book.with_vat(_part(name)) for name, prices in fees(book, grid_fee).items()), NOTHING
    )


def refund_bounds(book: TariffBook, counted: Counted, grid_fee: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """Between what the refund on the bill less that in a plan lies, € with VAT; fees ≥ 0."""
    all_fed, quantity = sum(counted.fed, NOTHING), refund_base(book, counted, grid_fee).quantity_kwh
    spread = sum(
        ((max(p) - min(p)) * book.with_vat(_part(name)) for name, p in fees(book, grid_fee).items()), NOTHING
    )
    return least_fee(book, grid_fee) * (quantity - all_fed), spread * quantity


def _part(name: str) -> str:
    return "grid_fee" if name == "grid_fee" else "taxes"
