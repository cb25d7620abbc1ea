"""Tokens, and places where they are shown, as keys of settings: the same in capitals, by OCPP and OCPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")


def in_capitals(*tables: Mapping[str, Value]) -> list[dict[str, Value]]:
    """Return tables with their keys in capitals; raises ValueError for one that stands twice in them."""
    seen = set[str]()
    found: list[dict[str, Value]] = []
    for table in tables:
        found.append({key.upper(): value for key, value in table.items()})
        for key in map(str.upper, table):
            if key in seen:
                raise ValueError(f"{key!r} stands twice: whose it is cannot be told")
            seen.add(key)
    return found
