"""Items of an answer, one by one: one that cannot be read costs its own interval and is reported."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from warehouse.errors import CellError, ColumnError
from warehouse.sources.tariffs.payload import Record

T = TypeVar("T")
_SHOWN = 3


def each(items: Sequence[Record], read: Callable[[Record], T]) -> tuple[list[T], tuple[str, ...]]:
    """Return what `read` makes of each item, without those that it refuses, and notes on these.

    Raises the CellError or ColumnError of the first where more than half are refused: that is another layout.
    """
    found: list[T] = []
    faults: list[CellError | ColumnError] = []
    for item in items:
        try:
            found.append(read(item))
        except (CellError, ColumnError) as error:
            faults.append(error)
    if 2 * len(faults) > len(items):
        raise faults[0]
    notes = []
    for column, why in dict.fromkeys((fault.column, fault.problem) for fault in faults):
        own = [fault for fault in faults if (fault.column, fault.problem) == (column, why)]
        shown = ", ".join(_place(fault) for fault in own[:_SHOWN])
        more = f" and {len(own) - _SHOWN} more" if len(own) > _SHOWN else ""
        notes.append(f"column {column!r}: {len(own)} items were left out: {shown}{more} {why}")
    return found, tuple(notes)


def _place(fault: CellError | ColumnError) -> str:
    return f"{fault.row} ({fault.value[:60]})" if fault.value else f"{fault.row}"
