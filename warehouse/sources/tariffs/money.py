"""Foreign money and units → €/kWh. A rate is reported, never looked up or guessed."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from warehouse.errors import OptionError, RateError, UnitError

_UNIT = re.compile(r"\s*([A-Za-z€£]{1,4})\s*/\s*([kKmM][wW][hH])\s*")
_SYMBOLS = {"€": "EUR", "£": "GBP"}
_PER_KWH = {"kwh": 1.0, "mwh": 1000.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """A unit of price: one of it is `euros`/`divisor` €/kWh; notes say where `euros` comes from."""

    divisor: float
    euros: float = 1.0
    notes: tuple[str, ...] = ()

    def per_kwh(self, price: float) -> float:
        """Return a price in €/kWh."""
        return price * self.euros / self.divisor


def money(currency: str, divisor: float, options: Mapping[str, object], file: str) -> Money:
    """Return the unit of prices in `currency`, `divisor` of them making one a kWh (1000 for …/MWh).

    options: rate, the euros that one unit of the currency is worth. Raises OptionError where a rate is
    missing, is given for euros, or is none.
    """
    code = currency_code(currency)
    rate = options.get("rate")
    if code == "EUR":
        if rate is not None:
            raise OptionError("the prices are in EUR; a rate would change them", file=file, column="rate")
        return Money(divisor=divisor)
    if rate is None:
        raise RateError(
            f"the prices are in {code}; tell with rate (--rate) how many euros one {code} is worth",
            file=file, currency=code,
        )  # fmt: skip
    if not isinstance(rate, int | float) or not math.isfinite(rate) or not 0 < rate < 1000:
        raise OptionError(
            f"is not the euros that one {code} is worth", file=file, column="rate", value=str(rate)
        )
    return Money(divisor=divisor, euros=float(rate), notes=(f"1 {code} was taken as {rate:g} EUR",))


def currency_code(currency: str) -> str:
    """Return the code of a currency that may be written as a symbol."""
    return _SYMBOLS.get(currency, currency.upper())


def currency_of(unit: str) -> str | None:
    """Return the code of the currency in text like "EUR / MWh", None for any other."""
    found = _UNIT.fullmatch(unit)
    return None if found is None else currency_code(found[1])


def money_of_unit(unit: str, options: Mapping[str, object], file: str, column: str = "unit") -> Money:
    """Return the unit of price that text like "EUR / MWh" names; raises UnitError, OptionError."""
    found = _UNIT.fullmatch(unit)
    if found is None:
        raise UnitError(f"is {unit[:40]!r}, not a currency per kWh or MWh", file=file, column=column)
    return money(found[1], _PER_KWH[found[2].lower()], options, file)
