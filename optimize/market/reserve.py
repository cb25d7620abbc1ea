"""What reserve that was won pays on a day, held and called, and what of it is each car's.

Of a product and direction, in quarter-hour t, car i held u_i,t up and d_i,t down, metered kW:

    holding_i = Σ_t ¼ h · π_t · p_t · (u + d)_i,t / Σ_j (u + d)_j,t       p_t: kW that are paid
    called_i,t = E_t · u_i,t / Σ_j u_j,t     (called up; called down likewise with d)
    calls_i = Σ_t λ_t · called_i,t up − Σ_t λ_t · called_i,t down

with j all cars that held it, π €/kW/h what holding pays, E kWh called of all cars together and λ €/kWh what a
kWh up is paid, and a kWh down costs. What no car held of it is nobody's of them. A car's income rests on its
own part alone: who else is counted changes none of it. Counted in whole 1e-9 €, so that no order of rows does
either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import numpy as np

from optimize.arrays import FloatArray
from optimize.errors import BillError

_HOURS = 0.25
_DIGITS = 9
_MOST = 2.0**62


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """A product and direction as cars held it: part [n, T] of what all held of it; paid_kw and
    price_eur_per_kw_h [T], NaN where the price is not known."""

    name: str
    part: FloatArray
    paid_kw: FloatArray
    price_eur_per_kw_h: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Called:
    """A product that was called one way: part [n, T] of what all held that way, energy_kwh [T] of all cars
    together, and price_eur_per_kwh [T], NaN where it is not known."""

    product: str
    way: Literal["up", "down"]
    part: FloatArray
    energy_kwh: FloatArray
    price_eur_per_kwh: FloatArray

    @property
    def name(self) -> str:
        """The product with the way that it was called."""
        return self.product if self.product.endswith(self.way) else f"{self.product} {self.way}"

    @property
    def sign(self) -> int:
        """Whether the cars are paid for a kWh, 1, or pay for it, −1."""
        return 1 if self.way == "up" else -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReserveDay:
    """income_eur: of each car all of whose income has a price; unpriced: of the others, what has none.
    called_kwh [n, T]: down less up, what a car had to draw more."""

    income_eur: Mapping[str, Decimal]
    unpriced: Mapping[str, tuple[str, ...]]
    called_kwh: FloatArray


def reserve_day(
    cars: Sequence[str], slots: int, held: Sequence[Held], called: Sequence[Called]
) -> ReserveDay:
    """The cars' income of a day of so many quarter-hours; raises BillError for what cannot be counted."""
    income, asked = np.zeros(len(cars)), np.zeros((len(cars), slots))
    unpriced: dict[str, list[str]] = {}
    for block in held:
        kwh = block.part * block.paid_kw * _HOURS
        income += _money(cars, block.name, kwh, block.price_eur_per_kw_h, unpriced)
    for call in called:
        kwh = call.part * call.energy_kwh
        money = _money(cars, f"calls of {call.name}", kwh, call.price_eur_per_kwh, unpriced)
        income += call.sign * money
        asked -= call.sign * kwh
    if not np.isfinite(income).all() or np.abs(income).sum() * 10.0**_DIGITS > _MOST:
        raise BillError("income of reserve is no number, or too large to be counted")
    return ReserveDay(
        income_eur={
            car: Decimal(round(eur * 10**_DIGITS)).scaleb(-_DIGITS)
            for car, eur in zip(cars, income.tolist(), strict=True)
            if car not in unpriced
        },
        unpriced={car: tuple(dict.fromkeys(names)) for car, names in unpriced.items()},
        called_kwh=asked,
    )


def _money(
    cars: Sequence[str], name: str, amount: FloatArray, price: FloatArray, unpriced: dict[str, list[str]]
) -> FloatArray:
    """€ of each car, [n]; cars with an amount where there is no price are noted."""
    lacks = (amount > 0.0) & ~np.isfinite(price)
    for i in np.flatnonzero(lacks.any(axis=1)).tolist():
        unpriced.setdefault(cars[i], []).append(name)
    money: FloatArray = (amount * np.where(np.isfinite(price), price, 0.0)).sum(axis=1)
    return money
