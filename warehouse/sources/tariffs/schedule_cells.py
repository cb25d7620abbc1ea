"""Values of a tariff file that TOML and JSON write alike: days, weekdays, dates, prices."""

import calendar
import datetime as dt
import itertools
import re
from collections.abc import Sequence

from warehouse.errors import CellError, ColumnError, nearest
from warehouse.sources.tariffs.payload import Record
from warehouse.sources.tariffs.schedule import DAYS, LEAP_YEAR

_GROUPS = {"all": DAYS, "weekdays": DAYS[:5], "weekends": DAYS[5:]}


def refuse_unknown(item: Record, known: frozenset[str]) -> None:
    """Raise ColumnError for a key that means nothing."""
    for key in item.value:
        if key not in known:
            raise ColumnError(
                f"is not a key{nearest(key, known)}", file=item.file, row=item.row, column=f"{item.path}{key}"
            )


def refuse_disorder(item: Record, starts: Sequence[int], column: str) -> None:
    """Raise CellError unless periods begin at midnight and follow each other."""
    if not starts or starts[0] != 0 or any(later <= earlier for earlier, later in itertools.pairwise(starts)):
        raise CellError(
            "do not begin at 00:00 and go on from there in order", file=item.file, row=item.row, column=column
        )


def price(item: Record, key: str, *, needed: bool = False, lowest: float = -1000.0) -> float:
    """Return a price, 0 where none is needed and none is there."""
    value = item.number(key) if needed or key in item.value else 0.0
    if not lowest <= value <= 1000:
        raise item.error(key, f"is not a price from {lowest:g} to 1000")
    return value


def share(item: Record, key: str) -> float:
    """Return a share from 0 to 1, 0 where none is there."""
    value = item.number(key) if key in item.value else 0.0
    if not 0 <= value <= 1:
        raise item.error(key, "is not a share from 0 to 1, as 0.19")
    return value


def date(item: Record, key: str) -> dt.date:
    """Return a date, of TOML or written as 2026-1-31."""
    value = item.get(key)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    found = re.fullmatch(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})", value) if isinstance(value, str) else None
    try:
        return dt.date(*map(int, found.groups() if found else ()))
    except (ValueError, TypeError):
        raise item.error(key, "is not a date like 2026-01-31") from None


def day_of_year(item: Record, key: str) -> tuple[int, int]:
    """Return month and day of text like 09-30."""
    found = re.fullmatch(r"([0-9]{1,2})-([0-9]{1,2})", item.text(key))
    month, day = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(LEAP_YEAR, month)[1]:
        raise item.error(key, "is not a day of the year like 09-30 (month-day)")
    return month, day


def weekdays(item: Record, key: str) -> frozenset[int]:
    """Return weekdays, Monday 0, of a group's name or a list of names."""
    value = item.get(key)
    names: object = _GROUPS.get(value.lower(), value) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names or not all(name in DAYS for name in names):
        raise item.error(key, f"is neither {', '.join(_GROUPS)} nor a list of {', '.join(DAYS)}")
    return frozenset(DAYS.index(name) for name in names)
