"""The layout of the tables as data, its fingerprint, and what tells two layouts apart.

The layout is what a file has to agree on with the code that opens it: tables, columns, their types and
whether they may be null, keys, reading order. Bounds, units and descriptions are not: they are checked on
rows. The file keeps the layout that it was written with, so that a difference can be named.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypedDict

from warehouse.contracts import CONTRACTS, TableContract
from warehouse.contracts.render import sql_type


class Table(TypedDict):
    """One table: column → SQL type, with NOT NULL where that is so; key, reading order, storage."""

    columns: dict[str, str]
    key: list[str]
    sort: list[str]
    daily: bool


Layout = Mapping[str, Table]
_REQUIRED = " NOT NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the file has otherwise than the code; `grows` when adding to the file without loss mends it."""

    text: str
    grows: bool


def layout_of(contracts: Iterable[TableContract]) -> Layout:
    """Return the layout of some tables."""
    return {
        contract.name: Table(
            columns={
                column.name: sql_type(column) + ("" if column.nullable else _REQUIRED) for column in contract
            },
            key=list(contract.key),
            sort=list(contract.sort),
            daily=contract.daily,
        )
        for contract in contracts
    }


def current_layout() -> Layout:
    """Return the layout of the contracts."""
    return layout_of(CONTRACTS.values())


def as_text(layout: Layout) -> str:
    """Return a layout as JSON, the same for the same layout whatever the order of tables and columns."""
    return json.dumps(layout, sort_keys=True)


def fingerprint(layout: Layout) -> str:
    """Return 16 hex digits that differ when layouts do."""
    return hashlib.sha256(as_text(layout).encode()).hexdigest()[:16]


_stated: list[tuple[list[TableContract], str]] = []


def current_fingerprint() -> str:
    """Return the fingerprint of `current_layout`: worked out once, since every use of a file asks for it."""
    contracts = list(CONTRACTS.values())
    for known, found in _stated:
        if len(known) == len(contracts) and all(a is b for a, b in zip(known, contracts, strict=True)):
            return found
    found = fingerprint(current_layout())
    _stated[:] = [(contracts, found)]
    return found


def differences(file: Layout, code: Layout) -> list[Difference]:
    """Return what a file of one layout has otherwise than code of another, by table."""
    found = []
    for name in sorted({*file, *code}):
        if name not in file:
            found.append(Difference(text=f"{name} is missing", grows=True))
        elif name not in code:
            found.append(Difference(text=f"{name} is unknown here", grows=False))
        else:
            found += _in_table(name, file[name], code[name])
    return found


def in_words(found: Iterable[Difference], most: int = 8) -> str:
    """Return differences as one line, the first few and how many more there are."""
    texts = [one.text for one in found]
    more = f", and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _in_table(name: str, file: Table, code: Table) -> list[Difference]:
    found = []
    for column in sorted({*file["columns"], *code["columns"]}):
        has, wants = file["columns"].get(column), code["columns"].get(column)
        where = f"{name}.{column}"
        if has == wants:
            continue
        if has is None:
            grows = not str(wants).endswith(_REQUIRED)
            found.append(
                Difference(
                    text=f"{where} is missing" + ("" if grows else " and may not be null"), grows=grows
                )
            )
        elif wants is None:
            found.append(Difference(text=f"{where} is unknown here", grows=False))
        else:
            loosened = has == wants + _REQUIRED
            found.append(Difference(text=f"{where} is {has} in the file and {wants} here", grows=loosened))
    for part in ("key", "daily", "sort"):
        if file[part] != code[part]:
            has, wants = _words(file[part]), _words(code[part])
            found.append(
                Difference(
                    text=f"{name} has the {part} {has} in the file and {wants} here",
                    grows=part == "sort",  # of reading alone; nothing in the file depends on it
                )
            )
    return found


def _words(value: object) -> str:
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)
