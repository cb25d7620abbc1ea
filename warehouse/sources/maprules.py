"""What a mapping says of a table and of each of its columns, as `mapped` follows it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import pandas as pd

from warehouse.sources.dialect import PLAIN, Dialect

Over = Literal["min", "max", "mean"]
_LATER = {"later": True}
"""Marks what mappings could not always say: unsaid, it does not change by what a source is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRule:
    """The column that tells which way a current flows, and its words for charging and discharging."""

    header: str
    charge: tuple[str, ...]
    discharge: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterRule:
    """Columns that count up what was charged, and what was discharged; longest_s: a stretch that still tells
    a mean flow."""

    charged: str
    discharged: str | None
    longest_s: float

    @property
    def headers(self) -> tuple[str, ...]:
        """The columns of the file."""
        return (self.charged,) if self.discharged is None else (self.charged, self.discharged)


@dataclass(frozen=True, slots=True, kw_only=True)
class LongRule:
    """A file of one row a signal: the columns that hold the signal's name and its value."""

    signal: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonRule:
    """A JSON file: the path to its records (`warehouse.sources.jsontable`), and whether each line is one."""

    records: str
    lines: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ColumnRule:
    """How one column comes about: value·factor + offset of the file's column, or a constant.

    header: one of the file's columns. joined: several, their texts put together with a space. over: header is
    a pattern, # for a number, and this is taken of the columns that it finds. apart: the columns of charge
    and of discharge. power: header is a power, divided by the row's voltage. sign: what tells the current's
    way. counter: what counts up what flows. nulls: words and numbers that stand for nothing. since: what
    times count from. carry_minutes: how old a value may be that stands for a missing one.
    """

    header: str | None = None
    constant: str | None = None
    factor: float = 1.0
    offset: float = 0.0
    time_format: str | None = None
    unix_seconds: float | None = None
    words: Mapping[str, str] | None = None
    joined: tuple[str, ...] = field(default=(), metadata=_LATER)
    over: Over | None = field(default=None, metadata=_LATER)
    apart: tuple[str, str] | None = field(default=None, metadata=_LATER)
    power: bool = field(default=False, metadata=_LATER)
    sign: SignRule | None = field(default=None, metadata=_LATER)
    nulls: tuple[str, ...] = field(default=(), metadata=_LATER)
    since: pd.Timestamp | None = field(default=None, metadata=_LATER)
    carry_minutes: float | None = field(default=None, metadata=_LATER)
    counter: CounterRule | None = field(default=None, metadata=_LATER)

    @property
    def headers(self) -> tuple[str, ...]:
        """The file's columns that it names, a pattern apart."""
        named = () if self.header is None or self.over else (self.header,)
        text = () if self.sign is None else (self.sign.header,)
        counted = () if self.counter is None else self.counter.headers
        return (*named, *self.joined, *(self.apart or ()), *text, *counted)

    def finds(self, header: str) -> bool:
        """Whether a column of the file is one of those that a pattern means."""
        before, _, after = str(self.header).partition("#")
        pattern = rf"{re.escape(before)}\d+{re.escape(after)}"
        return self.over is not None and re.fullmatch(pattern, header) is not None

    def __repr__(self) -> str:
        return _shown(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TableMap:
    """A foreign table's dialect, rows and columns.

    nulls: words that stand for nothing in every column. thousands: the mark between them. where: column → the
    words that its rows have; the others are passed over.
    """

    columns: Mapping[str, ColumnRule]
    timezone: str | None = None
    delimiter: str = ","
    decimal: str = "."
    dialect: Dialect = field(default=PLAIN, metadata=_LATER)
    nulls: tuple[str, ...] = field(default=(), metadata=_LATER)
    thousands: str | None = field(default=None, metadata=_LATER)
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict, metadata=_LATER)
    long: LongRule | None = field(default=None, metadata=_LATER)
    json: JsonRule | None = field(default=None, metadata=_LATER)

    def __repr__(self) -> str:
        return _shown(self)


def _shown(rule: Any) -> str:
    said = []
    for one in fields(rule):
        value = getattr(rule, one.name)
        if not one.metadata.get("later") or (value != one.default and value != {}):
            said.append(f"{one.name}={value!r}")
    return f"{type(rule).__name__}({', '.join(said)})"
