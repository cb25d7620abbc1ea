"""Products that a pool may bid for: `products.toml`, checked key by key."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from optimize.market.table import Table
from optimize.sites import DIRECTIONS, Direction

Pricing = Literal["pay_as_cleared", "pay_as_bid"]
FILE = Path(__file__).with_name("products.toml")
_PRICING = ("pay_as_cleared", "pay_as_bid")
_FIGURES = (
    "gate", "min_mw", "step_mw", "reservoir_minutes", "power_per_bid", "quantile", "called_share", "energy",
    "pricing", "pooling",
)  # fmt: skip
"""What may be named as supposed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What every product says. zones: bidding zones of it; clock: IANA name of its local time; currency: that
    it is priced in; min_mw, step_mw: least quantity and what it is reported in; supposed: figures without
    source.
    """

    name: str
    zones: tuple[str, ...]
    clock: str
    currency: str
    gate_days: int
    gate: dt.time
    min_mw: float
    step_mw: float
    source: str
    year: int
    supposed: tuple[str, ...]

    def gate_utc(self, day: dt.date) -> dt.datetime:
        """When bids for a market day have to be in, UTC."""
        closes = dt.datetime.combine(day - dt.timedelta(days=self.gate_days), self.gate, ZoneInfo(self.clock))
        return closes.astimezone(dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy(Product):
    """A market of energy by slot, day-ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve(Product):
    """A product of reserve: blocks of block_hours from first_hour on (23: of the evening before).

    power_per_bid ≥ 1: kW of cars that a kW bid takes, the part beyond 1 refilling the pool; quantile: with
    what share the pool has to have it; called_share: expected to be called one way, of what is held;
    energy_paid: whether what is called is paid for; pooling: whether cars may bid together.
    """

    direction: Direction
    first_hour: int
    block_hours: int
    pricing: Pricing
    pooling: bool
    reservoir_minutes: float
    power_per_bid: float
    quantile: float
    called_share: float
    energy_paid: bool

    @property
    def up(self) -> bool:
        """Whether less is drawn, or more fed back, when it is called."""
        return self.direction != "down"

    @property
    def down(self) -> bool:
        """Whether more is drawn when it is called."""
        return self.direction != "up"

    @property
    def reservoir_hours(self) -> float:
        """How long all that is bid can be called one way."""
        return self.reservoir_minutes / 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """All products of a file, by name, in the order of their gates."""

    reserve: Mapping[str, Reserve]
    energy: Mapping[str, Energy]


def products(text: str | None = None, file: str = FILE.name) -> Products:
    """The products of a file like products.toml, which it is if no text is given.

    Raises TermsError for what is missing, unknown, named twice or cannot be meant.
    """
    root = Table.of_text(FILE.read_text(encoding="utf-8") if text is None else text, file)
    reserve = [_reserve(table) for table in root.tables("reserve")]
    energy = [_energy(table) for table in root.tables("energy")]
    root.refuse_rest()
    names = [one.name for one in (*reserve, *energy)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise root.error("name", f"{twice!r} is given twice")
    return Products(
        reserve={one.name: one for one in sorted(reserve, key=_gate)},
        energy={one.name: one for one in sorted(energy, key=_gate)},
    )


def _gate(product: Product) -> tuple[int, dt.time]:
    return -product.gate_days, product.gate


def _reserve(table: Table) -> Reserve:
    stated = _stated(table)
    hours = int(table.number("block_hours", least="1", most="24"))
    if 24 % hours:
        raise table.error("block_hours", "must divide a day")
    found = Reserve(
        **stated,
        direction=cast("Direction", table.one_of("direction", DIRECTIONS)),
        first_hour=int(table.number("first_hour", least="0", most="23")),
        block_hours=hours,
        pricing=cast("Pricing", table.one_of("pricing", _PRICING)),
        pooling=table.flag("pooling", default=False),
        reservoir_minutes=float(table.number("reservoir_minutes", least="1", most="240")),
        power_per_bid=float(table.number("power_per_bid", least="1", most="5")),
        quantile=float(table.number("quantile", least="0.5", most="0.999")),
        called_share=float(table.share("called_share")),
        energy_paid=table.one_of("energy", ("paid", "unpaid")) == "paid",
    )
    table.refuse_rest()
    return found


def _energy(table: Table) -> Energy:
    found = Energy(**_stated(table))
    table.refuse_rest()
    return found


def _stated(table: Table) -> dict[str, Any]:
    clock, gate = table.text("clock"), table.text("gate")
    try:
        ZoneInfo(clock)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise table.error("clock", "must be an IANA name like Europe/Berlin") from error
    try:
        closes = dt.time.fromisoformat(gate)
    except ValueError as error:
        raise table.error("gate", "must be a time like 08:00") from error
    least, step = (table.number(name, least="0.001", most="1000") for name in ("min_mw", "step_mw"))
    if least % step:
        raise table.error("min_mw", f"must be a multiple of step_mw ({step})")
    return {
        "name": table.text("name"),
        "zones": table.texts("zones"),
        "clock": clock,
        "currency": table.text("currency"),
        "gate_days": int(table.number("gate_days", least="0", most="14")),
        "gate": closes,
        "min_mw": float(least),
        "step_mw": float(step),
        "source": table.text("source"),
        "year": int(table.number("year", least="1990", most="2100")),
        "supposed": table.some_of("supposed", _FIGURES, default=()),
    }
