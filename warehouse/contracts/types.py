"""The vocabulary of contracts: what a column and a table are.

A contract is data. DDL, conform, the checks of `data_checks`, the readers of `warehouse.sources` and the data
dictionary all derive from it; nothing about a table is written down twice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

Example = str | float | int | timedelta
"""A value as a file may have it; of a moment, how long after the hour of asking (before it: < 0)."""

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""Batteries and sites: safe in a path, a URL, a page and a shell."""
LABEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 _.:@+-]{0,127}$"
"""Foreign ids (sessions): never a formula in a spreadsheet, a tag, a quote or a path."""

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")


class Kind(StrEnum):
    """What a column's values are; every storage type derives from this."""

    TEXT = "text"
    FLOAT = "float"
    INT = "int"
    BOOL = "bool"
    TIME = "time"
    DATE = "date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its kind, unit, meaning and the values that can be right.

    minimum, maximum: inclusive bounds in `unit`; a row outside is wrong.
    allowed: the only values there are. pattern: what a text must match.
    typical: plausible range of the 95th percentile of |value| over a file; outside it the *unit* is wrong.
    example: what a template shows. default: of a column that may be empty, what holds then.
    derived: whether the reader finds it out; no file may state it.
    """

    name: str
    kind: Kind
    description: str
    unit: str = ""
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str | int, ...] | None = None
    pattern: str | None = None
    typical: tuple[float, float] | None = None
    example: Example | None = None
    default: str = ""
    derived: bool = False

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ValueError(f"column name {self.name!r} is not snake_case")
        numeric = self.kind in (Kind.FLOAT, Kind.INT)
        if not numeric and (self.minimum, self.maximum, self.typical) != (None, None, None):
            raise ValueError(f"column {self.name}: bounds on a {self.kind} column")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"column {self.name}: minimum {self.minimum} > maximum {self.maximum}")

    @property
    def after_number(self) -> str:
        """The unit as it is written after a number, " kW"; shares and counts (unit 1, or none) have none."""
        return "" if self.unit in ("", "1") else f" {self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableContract:
    """One table: its columns, what identifies a row, and what its rows mean.

    key: columns that identify a row; enforced by the database unless `daily`.
    daily: rows are stored without a primary key and replaced by (first key column, UTC day).
    sort: reading order where there is no key.
    less_than: pairs (a, b) of columns with a < b in every row.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    daily: bool = False
    less_than: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ValueError(f"table name {self.name!r} is not snake_case")
        names = self.names
        if len(set(names)) != len(names):
            raise ValueError(f"table {self.name}: a column is declared twice")
        used = {*self.key, *self.sort, *(name for pair in self.less_than for name in pair)}
        if unknown := used - set(names):
            raise ValueError(f"table {self.name}: {sorted(unknown)} are not columns")
        if not self.order:
            raise ValueError(f"table {self.name}: neither key nor sort")
        if any(self.column(name).nullable for name in self.key):
            raise ValueError(f"table {self.name}: a key column is nullable")

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in table order."""
        return tuple(column.name for column in self.columns)

    @property
    def order(self) -> tuple[str, ...]:
        """The columns that rows are read in order of."""
        return self.key or self.sort

    @property
    def time_column(self) -> str | None:
        """What `start`/`end` filter on: the first time column of the reading order, else of the table."""
        times = [column.name for column in self.columns if column.kind is Kind.TIME]
        ordered = [name for name in self.order if name in times]
        return next(iter(ordered + times), None)

    def column(self, name: str) -> Column:
        """Return the column `name`; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name!r}")


def text(
    name: str,
    description: str,
    *,
    nullable: bool = False,
    pattern: str | None = None,
    example: str | None = None,
    default: str = "",
) -> Column:
    """Build a text column."""
    return Column(
        name=name, kind=Kind.TEXT, description=description, nullable=nullable, pattern=pattern,
        example=example, default=default,
    )  # fmt: skip


def identifier(name: str, description: str, example: str | None = None) -> Column:
    """Build a battery's or site's id column."""
    return text(name, description, pattern=ID_PATTERN, example=example)


def choice(
    name: str,
    description: str,
    allowed: tuple[str, ...],
    *,
    nullable: bool = False,
    example: str | None = None,
    default: str = "",
) -> Column:
    """Build a text column with a fixed list of values."""
    return Column(
        name=name, kind=Kind.TEXT, description=description, allowed=allowed, nullable=nullable,
        example=example, default=default,
    )  # fmt: skip


def number(
    name: str,
    unit: str,
    description: str,
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    typical: tuple[float, float] | None = None,
    nullable: bool = False,
    example: float | None = None,
    default: str = "",
) -> Column:
    """Build a float column; bounds and typical range in `unit`."""
    return Column(
        name=name, kind=Kind.FLOAT, description=description, unit=unit, nullable=nullable,
        minimum=minimum, maximum=maximum, typical=typical, example=example, default=default,
    )  # fmt: skip


def integer(
    name: str,
    description: str,
    minimum: int | None = None,
    maximum: int | None = None,
    *,
    nullable: bool = False,
    example: int | None = None,
    default: str = "",
) -> Column:
    """Build a whole-number column."""
    return Column(
        name=name, kind=Kind.INT, description=description, minimum=minimum, maximum=maximum,
        nullable=nullable, example=example, default=default,
    )  # fmt: skip


def moment(
    name: str,
    description: str,
    *,
    nullable: bool = False,
    example: timedelta | None = None,
    default: str = "",
) -> Column:
    """Build a UTC timestamp column."""
    return Column(
        name=name, kind=Kind.TIME, description=description, unit="UTC", nullable=nullable,
        example=example, default=default,
    )  # fmt: skip


def flag(name: str, description: str, *, nullable: bool = False) -> Column:
    """Build a true/false column."""
    return Column(name=name, kind=Kind.BOOL, description=description, nullable=nullable)
