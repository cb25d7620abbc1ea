"""A tariff as data: all that an electricity bill of one meter says, read from TOML.

    format = 1
    name = "Household, dynamic"
    currency = "EUR"                    # every price below
    timezone = "Europe/Berlin"          # of windows, seasons and months
    from = 2026-01-01                   # first day in force; `until` (last day) if it is known

    [energy]                            # what the supplier takes for a kWh drawn
    kind = "spot"                       # factor·spot + markup; or "windows": a schedule (`schedule.py`)
    factor = 1.0                        # 1 if absent; 1.05 for losses
    markup_eur_per_kwh = 0.018          # 0 if absent

    [grid_fee]                          # a schedule; none if absent
    price_eur_per_kwh = 0.0831

    [taxes]                             # each by its name, €/kWh drawn
    electricity_tax = 0.0205

    [feed_in]                           # nothing is paid for a kWh fed back if absent
    kind = "spot"                       # factor·spot + markup, or "windows"
    premium_eur_per_kwh = 0.0           # on each kWh besides

    [refund]                            # of what was paid on kWh that were stored and fed back
    method = "quarter_hours"            # or "flat"; see `refund.py`
    of = ["grid_fee", "electricity_tax"]
    green_kwh_per_month = 0             # "flat" alone: what counts as the PV's, 50 kWh a kWp

    [demand]
    price_eur_per_kw = 8.2              # on the month's largest quarter-hour drawn

    [[monthly]]                         # what does not depend on any kWh; below 0 for a credit
    name = "supplier's base fee"
    eur = 4.90

    [minimum]
    eur = 15.0                          # of all that is bought, before VAT

    [vat]
    rate = 0.19
    base = ["energy", "grid_fee", "taxes", "monthly", "demand", "minimum"]  # all of these if absent

A refund bears the VAT of what it refunds. "feed_in" in the base is for an owner who charges VAT.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from optimize.errors import TermsError
from optimize.market.schedule import Schedule, constant, read_schedule
from optimize.market.table import Table

FORMAT = 1
PARTS = ("energy", "grid_fee", "taxes", "monthly", "demand", "minimum", "feed_in")
BOUGHT = PARTS[:-1]
RefundMethod = Literal["quarter_hours", "flat"]
_ROOT_KEYS = ("format", "name", "currency", "timezone", "from", "until", *PARTS, "refund", "vat")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyPrice:
    """factor·spot + what a schedule says, €/kWh; factor 0 where the spot price has no part in it."""

    factor: Decimal
    schedule: Schedule

    @property
    def by_spot(self) -> bool:
        """Whether a spot price is needed."""
        return self.factor != 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """How fees and taxes on energy stored and fed back at the same point come back.

    of: "grid_fee" and names of taxes. green_kwh_per_month: of what is fed back, the part that never counts.
    """

    method: RefundMethod
    of: tuple[str, ...]
    green_kwh_per_month: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffBook:
    """A tariff of one meter; money in € before VAT, as on a price sheet. digest: SHA-256 of the text."""

    file: str
    digest: str
    name: str
    timezone: str
    first_day: dt.date
    last_day: dt.date | None
    energy: EnergyPrice
    grid_fee: Schedule
    taxes: Mapping[str, Decimal]
    feed_in: EnergyPrice
    premium_eur_per_kwh: Decimal
    refund: Refund | None
    demand_eur_per_kw: Decimal
    monthly: tuple[tuple[str, Decimal], ...]
    minimum_eur: Decimal
    vat: Decimal
    vat_base: frozenset[str]

    @property
    def by_spot(self) -> bool:
        """Whether either way depends on a spot price."""
        return self.energy.by_spot or self.feed_in.by_spot

    def with_vat(self, part: str) -> Decimal:
        """1 + VAT where a part (one of PARTS) bears it, else 1."""
        return 1 + self.vat if part in self.vat_base else Decimal(1)

    def require_in_force(self, first: dt.date, last: dt.date) -> None:
        """Raise TermsError for local days before or after the book."""
        for day in (first, last):
            if day < self.first_day or (self.last_day is not None and day > self.last_day):
                until = "" if self.last_day is None else f" until {self.last_day}"
                raise TermsError(self.file, "from", self.first_day, f"{day}: in force from then{until}")


def read_book(text: str, file: str) -> TariffBook:
    """The book of a TOML text; raises TermsError with file, key and value for whatever cannot be meant."""
    root = Table.of_text(text, file)
    root.asked.update(_ROOT_KEYS)
    root.refuse_rest()
    if root.number("format") != FORMAT:
        raise root.error("format", f"must be {FORMAT}")
    if root.text("currency") != "EUR":
        raise root.error("currency", "must be EUR: state every price in euros")
    taxes = _taxes(root)
    vat, base = _vat(root)
    energy = root.table("energy")
    if energy is None:
        raise root.error("energy", "is needed")
    first, last = root.in_force()
    feed_in, premium = _feed_in(root)
    grid_fee = _grid_fee(root)
    return TariffBook(
        file=file,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        name=root.text("name"),
        timezone=_timezone(root),
        first_day=first,
        last_day=last,
        energy=_energy(energy),
        grid_fee=grid_fee,
        taxes=taxes,
        feed_in=feed_in,
        premium_eur_per_kwh=premium,
        refund=_refund(root, taxes, grid_fee),
        demand_eur_per_kw=_alone(root.table("demand"), "price_eur_per_kw"),
        monthly=_monthly(root),
        minimum_eur=_alone(root.table("minimum"), "eur"),
        vat=vat,
        vat_base=base,
    )


def _timezone(root: Table) -> str:
    name = root.text("timezone")
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise root.error("timezone", "must be a time zone, as Europe/Berlin") from error
    return name


def _energy(table: Table) -> EnergyPrice:
    """What `kind` says; the caller asks for the keys that are its own first."""
    if table.one_of("kind", ("spot", "windows")) == "windows":
        price = EnergyPrice(factor=Decimal(0), schedule=read_schedule(table))
    else:
        markup = table.price("markup_eur_per_kwh", "0")
        factor = table.number("factor", "1", least="0.01", most="10")
        price = EnergyPrice(factor=factor, schedule=constant(markup))
    table.refuse_rest()
    return price


def _feed_in(root: Table) -> tuple[EnergyPrice, Decimal]:
    """The price of a kWh fed back and the premium on it."""
    table = root.table("feed_in")
    if table is None:
        return EnergyPrice(factor=Decimal(0), schedule=constant(Decimal(0))), Decimal(0)
    premium = table.price("premium_eur_per_kwh", "0")
    return _energy(table), premium


def _grid_fee(root: Table) -> Schedule:
    table = root.table("grid_fee")
    if table is None:
        return constant(Decimal(0))
    fee = read_schedule(table)
    table.refuse_rest()
    return fee


def _taxes(root: Table) -> dict[str, Decimal]:
    table = root.table("taxes")
    found = {} if table is None else dict(table.named_prices())
    if table is not None and "grid_fee" in found:
        raise table.error("grid_fee", "is no tax: it has a table of its own")
    return found


def _refund(root: Table, taxes: Mapping[str, Decimal], grid_fee: Schedule) -> Refund | None:
    table = root.table("refund")
    if table is None:
        return None
    method = table.one_of("method", ("quarter_hours", "flat"))
    of = table.some_of("of", ("grid_fee", *taxes), ())
    if not of:
        raise table.error("of", f"must name at least one of {', '.join(('grid_fee', *taxes))}")
    prices = [taxes[name] for name in of if name != "grid_fee"]
    prices += grid_fee.prices if "grid_fee" in of else []
    if min(prices) < 0:
        raise table.error("of", f"one of them is {min(prices)} €/kWh: nothing to refund")
    green = Decimal(0)
    if method == "flat":
        green = table.number("green_kwh_per_month", least="0", most="1000000")
    table.refuse_rest()
    return Refund(method="flat" if method == "flat" else "quarter_hours", of=of, green_kwh_per_month=green)


def _monthly(root: Table) -> tuple[tuple[str, Decimal], ...]:
    found: dict[str, Decimal] = {}
    for one in root.tables("monthly"):
        name = one.text("name")
        if name in found:
            raise one.error("name", "is there twice")
        found[name] = one.number("eur", least="-1000000", most="1000000")
        one.refuse_rest()
    return tuple(found.items())


def _alone(table: Table | None, key: str) -> Decimal:
    if table is None:
        return Decimal(0)
    value = table.number(key, least="0", most="1000000")
    table.refuse_rest()
    return value


def _vat(root: Table) -> tuple[Decimal, frozenset[str]]:
    table = root.table("vat")
    if table is None:
        return Decimal(0), frozenset()
    rate, base = table.share("rate"), table.some_of("base", PARTS, BOUGHT)
    table.refuse_rest()
    return rate, frozenset(base)
