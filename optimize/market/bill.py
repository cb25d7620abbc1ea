"""A meter's bill of a month: every line in Decimal, exact and to the cent.

A line's amount is rounded once, half away from zero, as invoices are; VAT is a line of its own on the sum of
the rounded lines that bear it; the total is the sum of rounded lines. What is earned stands below zero.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import pandas as pd

from optimize.errors import BillError
from optimize.market.book import BOUGHT, EnergyPrice, TariffBook
from optimize.market.refund import NOTHING, Counted, refund_base
from optimize.market.schedule import ALWAYS, Window

CENT = Decimal("0.01")
_QUARTER = pd.Timedelta(minutes=15)
_PER_HOUR = 4
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """part: one of `book.PARTS`, or "vat". quantity: in unit; None for a lump sum. eur: to the cent."""

    part: str
    name: str
    quantity: Decimal | None
    unit: str
    exact_eur: Decimal
    eur: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The lines of a bill in their order, without the total."""

    book: str
    digest: str
    lines: tuple[BillLine, ...]

    @property
    def total_eur(self) -> Decimal:
        """What is to be paid, to the cent."""
        return sum((line.eur for line in self.lines), NOTHING)

    @property
    def exact_eur(self) -> Decimal:
        """The same without any rounding."""
        return sum((line.exact_eur for line in self.lines), NOTHING)


def to_cent(eur: Decimal) -> Decimal:
    """Rounded half away from zero; nothing is 0.00, never −0.00."""
    return eur.quantize(CENT, ROUND_HALF_UP) + NOTHING


def month_slots(book: TariffBook, month: dt.date) -> pd.DatetimeIndex:
    """The UTC quarter-hours of a local month (any day of it); TermsError where the book is not in force."""
    first = month.replace(day=1)
    following = (first + dt.timedelta(days=32)).replace(day=1)
    book.require_in_force(first, following - dt.timedelta(days=1))
    start, end = (pd.Timestamp(day, tz=book.timezone).tz_convert("UTC") for day in (first, following))
    return pd.date_range(start, end, freq=_QUARTER, inclusive="left", unit="us")


def in_decimals(values: Iterable[float]) -> list[Decimal]:
    """Floats as the shortest decimals that read back alike, as a file said them; BillError for NaN or inf."""
    found = [Decimal(repr(float(value))) for value in values]
    if not all(value.is_finite() for value in found):
        raise BillError("a quantity or price is not a finite number")
    return found


def bill(book: TariffBook, slots: pd.DatetimeIndex, counted: Counted, spot: Sequence[Decimal | None]) -> Bill:
    """The bill of a meter for all quarter-hours of a month.

    spot: €/kWh of each slot; None where not known, which raises BillError if a kWh is priced by it. Raises
    BillError for series of another length and quantities below zero.
    """
    series = (counted.drawn, counted.fed, counted.stored, counted.returned)
    if any(len(one) != len(slots) for one in (*series, spot)):
        raise BillError(f"{len(slots)} quarter-hours, and {[len(one) for one in (*series, spot)]} values")
    for one in series:
        below = next((t for t, kwh in enumerate(one) if kwh < 0), None)
        if below is not None:
            raise BillError(f"quarter-hour {slots[below]}: {one[below]} kWh is below 0")
    local = slots.tz_convert(book.timezone)
    fee = book.grid_fee.at(local)
    lines = [
        *_energy("energy", book.energy, local, counted.drawn, spot, Decimal(1)),
        *_windows("grid_fee", "grid fee", counted.drawn, fee, Decimal(1)),
        *(
            _line("taxes", name, sum(counted.drawn, NOTHING), "kWh", price)
            for name, price in book.taxes.items()
        ),
        *_refunds(book, counted, [window.eur_per_kwh for window in fee]),
        *_demand(book, counted.drawn),
        *(_line("monthly", name, None, "", eur) for name, eur in book.monthly),
    ]
    lines += _minimum(book, lines)
    lines += _energy("feed_in", book.feed_in, local, counted.fed, spot, Decimal(-1))
    if book.premium_eur_per_kwh:
        fed = sum(counted.fed, NOTHING)
        lines.append(_line("feed_in", "feed-in premium", fed, "kWh", -book.premium_eur_per_kwh))
    lines += _vat(book, lines)
    return Bill(book=book.name, digest=book.digest, lines=tuple(lines))


def _line(part: str, name: str, quantity: Decimal | None, unit: str, price: Decimal) -> BillLine:
    exact = price if quantity is None else quantity * price
    return BillLine(part=part, name=name, quantity=quantity, unit=unit, exact_eur=exact, eur=to_cent(exact))


def _energy(
    part: str,
    price: EnergyPrice,
    local: pd.DatetimeIndex,
    kwh: Sequence[Decimal],
    spot: Sequence[Decimal | None],
    sign: Decimal,
) -> Iterator[BillLine]:
    name = "energy" if part == "energy" else "feed-in"
    if price.by_spot:
        total = sum(kwh, NOTHING)
        exact = sign * price.factor * sum(_at_spot(local, kwh, spot), NOTHING)
        yield BillLine(
            part=part, name=f"{name} at spot", quantity=total, unit="kWh", exact_eur=exact, eur=to_cent(exact)
        )
        name = f"{name} markup"
    yield from _windows(part, name, kwh, price.schedule.at(local), sign)


def _at_spot(
    local: pd.DatetimeIndex, kwh: Sequence[Decimal], spot: Sequence[Decimal | None]
) -> Iterator[Decimal]:
    unknown = [t for t, price in enumerate(spot) if price is None and kwh[t]]
    if unknown:
        slots = local.tz_convert("UTC")
        raise BillError(f"no spot price of {named(slots[unknown])}, in which energy was counted")
    return (amount * price for amount, price in zip(kwh, spot, strict=True) if price is not None)


def _windows(
    part: str, name: str, kwh: Sequence[Decimal], windows: Sequence[Window], sign: Decimal
) -> Iterator[BillLine]:
    """A line a window, in the order in which they first come; none for a price of 0."""
    sums: dict[Window, Decimal] = {}
    for amount, window in zip(kwh, windows, strict=True):
        sums[window] = sums.get(window, NOTHING) + amount
    for window, total in sums.items():
        if window.eur_per_kwh:
            label = name if window.name == ALWAYS else f"{name} {window.name}"
            yield _line(part, label, total, "kWh", sign * window.eur_per_kwh)


def _refunds(book: TariffBook, counted: Counted, fee: Sequence[Decimal]) -> Iterator[BillLine]:
    base = refund_base(book, counted, fee)
    for name, mean in base.mean_eur_per_kwh.items():
        part = "grid_fee" if name == "grid_fee" else "taxes"
        text = "grid fee" if name == "grid_fee" else name
        yield _line(part, f"refund of {text}, stored and fed back", base.quantity_kwh, "kWh", -mean)


def _demand(book: TariffBook, drawn: Sequence[Decimal]) -> Iterator[BillLine]:
    if book.demand_eur_per_kw:
        peak = max(drawn, default=NOTHING) * _PER_HOUR
        yield _line("demand", "largest quarter-hour", peak, "kW", book.demand_eur_per_kw)


def _minimum(book: TariffBook, lines: Sequence[BillLine]) -> list[BillLine]:
    """What lacks to the minimum of all that is bought, before VAT."""
    lacks = max(NOTHING, book.minimum_eur - sum((one.eur for one in lines), NOTHING))
    exact = max(NOTHING, book.minimum_eur - sum((one.exact_eur for one in lines), NOTHING))
    name = "up to the minimum"
    if not lacks:
        return []
    return [BillLine(part="minimum", name=name, quantity=None, unit="", exact_eur=exact, eur=lacks)]


def _vat(book: TariffBook, lines: Sequence[BillLine]) -> Iterator[BillLine]:
    """One line for what is bought and one for what is sold."""
    for name, parts in (("VAT", BOUGHT), ("VAT on feed-in", ("feed_in",))):
        bearing = [one for one in lines if one.part in book.vat_base and one.part in parts]
        if book.vat and bearing:
            base = sum((one.eur for one in bearing), NOTHING)
            exact = book.vat * sum((one.exact_eur for one in bearing), NOTHING)
            eur = to_cent(book.vat * base)
            yield BillLine(
                part="vat", name=f"{name} {book.vat:.2%}", quantity=base, unit="€", exact_eur=exact, eur=eur
            )


def named(slots: pd.DatetimeIndex) -> str:
    """How many quarter-hours, and the first of them by name."""
    first = ", ".join(f"{slot:%Y-%m-%d %H:%M}" for slot in slots[:_NAMED])
    more = "" if len(slots) <= _NAMED else ", …"
    return f"{len(slots)} quarter-hours ({first}{more} UTC)"
