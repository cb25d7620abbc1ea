"""The money that answers and pages show: euros, or those of the workspace at its one stated rate.

Tables hold euros, and columns named …_eur… never hold anything else: what is shown in another currency is
named by it, so that no figure is without its money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """code: of ISO 4217. euros: what one of it is worth."""

    code: str
    euros: float

    @property
    def sign(self) -> str:
        """What stands next to a figure: € or the code."""
        return "€" if self.code == "EUR" else self.code

    @property
    def cent(self) -> str:
        """What stands next to a hundredth of it: ct, or the code with a c before it."""
        return "ct" if self.code == "EUR" else f"0.01 {self.code}"

    def of(self, euros: float | None) -> float | None:
        """Euros in this money."""
        return None if euros is None else euros / self.euros

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A record whose euros are reported in this money, under names that say so."""
        return {self._name(key): self._stated(key, value) for key, value in row.items()}

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Records, each as `row`."""
        return [*map(dict, rows)] if self.code == "EUR" else [self.row(row) for row in rows]

    def _name(self, key: str) -> str:
        return key if self.code == "EUR" else "_".join(self._parts(key))

    def _parts(self, key: str) -> list[str]:
        return [self.code.lower() if part == "eur" else part for part in key.split("_")]

    def _stated(self, key: str, value: Any) -> Any:
        is_money = self.code != "EUR" and "eur" in key.split("_")
        return value / self.euros if is_money and isinstance(value, int | float) else value


EURO = Money(code="EUR", euros=1.0)
