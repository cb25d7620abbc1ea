"""What is not known of an investment, as ranges, and what is supposed of each where nothing is given.

`defaults.toml` holds the suppositions: with figures and their source, or without, then they have to be given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, log
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from scipy.special import ndtri

from optimize.arrays import FloatArray
from optimize.errors import ProblemError
from optimize.market.table import Table

Shape = Literal["uniform", "lognormal"]
SHAPES: tuple[Shape, ...] = ("uniform", "lognormal")
FILE = Path(__file__).with_name("defaults.toml")
_TAIL = float(ndtri(0.95))
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "charger_eur": (0.0, 1e6),
    "grid_eur": (0.0, 1e6),
    "gamma": (0.1, 10.0),
    "upkeep": (0.0, 1.0),
    "rate": (0.0, 0.5),
    "life_years": (1.0, 50.0),
}
NAMES = tuple(_BOUNDS)
"""What an investment rests on besides income, in the order in which it is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A figure that is not known: uniform between low and high, or lognormal with these as its 5 and 95 %
    quantiles; low = high is a figure that is known. Raises ProblemError for what is no range."""

    low: float
    high: float
    shape: Shape = "uniform"

    def __post_init__(self) -> None:
        if not (isfinite(self.low) and isfinite(self.high) and self.low <= self.high):
            raise ProblemError(
                "range", "low to high", f"{self.low} to {self.high}", "must be finite, in order"
            )
        if self.shape == "lognormal" and self.low <= 0.0 < self.high:
            raise ProblemError("range", "low", self.low, "must be above 0 in a lognormal range")

    def quantile(self, share: FloatArray) -> FloatArray:
        """The figures that this share of the range lies below; share in (0, 1)."""
        if self.low == self.high:
            return np.full_like(share, self.low)
        if self.shape == "uniform":
            return self.low + (self.high - self.low) * share
        middle = (log(self.low) + log(self.high)) / 2.0
        spread = (log(self.high) - log(self.low)) / (2.0 * _TAIL)
        figures: FloatArray = np.exp(middle + spread * ndtri(share))
        return figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposition:
    """What defaults.toml says of a figure. default: None where it has to be given; then no source either."""

    name: str
    means: str
    unit: str
    shape: Shape
    default: Range | None
    source: str | None
    year: int | None
    currency: str | None

    def given(self, low: float, high: float) -> Range:
        """The range that somebody announced; raises ProblemError for one that cannot be meant."""
        least, most = _BOUNDS[self.name]
        if not least <= low <= high <= most:
            text = f"{low:g} to {high:g}"
            raise ProblemError(self.name, "range", text, f"must lie between {least:g} and {most:g}, in order")
        return Range(low=low, high=high, shape=self.shape)


def suppositions(text: str | None = None) -> dict[str, Supposition]:
    """What is supposed of each of NAMES; text: of a file as defaults.toml, which it is otherwise.

    Raises TermsError where a figure has no source, year or currency, and for what cannot be meant.
    """
    root = Table.of_text(FILE.read_text(encoding="utf-8") if text is None else text, FILE.name)
    found: dict[str, Supposition] = {}
    for name in NAMES:
        table = root.table(name)
        if table is None:
            raise root.error(name, "is needed")
        found[name] = _supposition(name, table)
    root.refuse_rest()
    return found


def _supposition(name: str, table: Table) -> Supposition:
    shape = cast("Shape", table.one_of("shape", SHAPES))
    stated: dict[str, Any] = dict.fromkeys(("default", "source", "year", "currency"))
    if "low" in table or "high" in table:
        least, most = (str(bound) for bound in _BOUNDS[name])
        low, high = (float(table.number(key, least=least, most=most)) for key in ("low", "high"))
        if low > high:
            raise table.error("low", "must not be above `high`")
        stated = {
            "default": Range(low=low, high=high, shape=shape),
            "source": table.text("source"),
            "year": int(table.number("year", least="1900", most="2100")),
            "currency": table.text("currency"),
        }
    supposed = Supposition(
        name=name, means=table.text("means"), unit=table.text("unit"), shape=shape, **stated
    )
    table.refuse_rest()
    return supposed
