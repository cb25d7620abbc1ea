"""Which tables are read and written meanwhile: noted where rows go in and come out."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tables:
    """Names of tables."""

    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)


_noting: ContextVar[Tables | None] = ContextVar("tables", default=None)


@contextmanager
def noting() -> Iterator[Tables]:
    """Note the tables that are used within the block (in threads that run in a copy of its context, too).

    One around another notes them as well.
    """
    tables, around = Tables(), _noting.get()
    token = _noting.set(tables)
    try:
        yield tables
    finally:
        _noting.reset(token)
        if around is not None:
            around.read.update(tables.read)
            around.written.update(tables.written)


def was_read(table: str) -> None:
    """Note that rows of a table were read."""
    if (tables := _noting.get()) is not None:
        tables.read.add(table)


def was_written(table: str) -> None:
    """Note that rows of a table were written."""
    if (tables := _noting.get()) is not None:
        tables.written.add(table)
