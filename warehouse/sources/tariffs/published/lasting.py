"""How long prices hold that are given by one stamp each, and prices of five minutes → of quarter-hours."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from zoneinfo import ZoneInfo

import pandas as pd

from warehouse.sources.tariffs.money import Money
from warehouse.sources.tariffs.published.clock import LENGTHS
from warehouse.sources.tariffs.published.rows import Placed, Series

FIVE = 5
_QUARTER = dt.timedelta(minutes=15)
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
NO_LENGTH = "has no neighbour that tells how long it holds"


def lasting(
    stamps: Sequence[dt.datetime | None], timezone: ZoneInfo, *, ends: bool = False
) -> list[int | None]:
    """Return how long each price holds, in minutes (5, 15, 30 or 60), None where nothing tells.

    All of a day by the clock of `timezone` hold as long, the shortest step between two of them: what is
    missing lengthens none. A day of one price is like the nearest. ends: whether the stamps are ends.
    """
    days: dict[dt.date, set[dt.datetime]] = defaultdict(set)
    own: list[dt.date | None] = []
    for stamp in stamps:
        day = None if stamp is None else (stamp - _inside(ends)).astimezone(timezone).date()
        own.append(day)
        if stamp is not None and day is not None:
            days[day].add(stamp)
    lengths = {day: _shortest(sorted(stated)) for day, stated in days.items()}
    known = [day for day, length in lengths.items() if length is not None]
    for day in [day for day, length in lengths.items() if length is None and known]:
        lengths[day] = lengths[min(known, key=lambda other: (abs(other - day), other))]
    return [None if day is None else lengths[day] for day in own]


def quarters(
    zone: str, column: str, when: Placed, prices: Sequence[float], unit: Money, notes: Sequence[str] = ()
) -> Series:
    """Return a series whose five minutes became the means of whole quarter-hours; the others stay."""
    rows, starts, minutes, kept = list[int](), list[dt.datetime](), list[int](), list[float]()
    fives: dict[dt.datetime, dict[dt.datetime, tuple[int, float]]] = defaultdict(dict)
    for row, start, length, price in zip(when.rows, when.starts, when.minutes, prices, strict=True):
        if length == FIVE:
            fives[start - (start - _EPOCH) % _QUARTER][start] = row, price
        else:
            rows.append(row)
            starts.append(start)
            minutes.append(length)
            kept.append(price)
    whole = {start: list(own.values()) for start, own in fives.items() if len(own) == 3}
    for start, own in whole.items():
        rows.append(own[0][0])
        starts.append(start)
        minutes.append(15)
        kept.append(sum(price for _, price in own) / 3)
    stated = list(notes)
    if fives:
        stated.append(f"{len(whole)} quarter-hours are the mean of their three five minutes")
    if part := len(fives) - len(whole):
        stated.append(f"{part} quarter-hours were left out of which not all five minutes are there")
    return Series(
        zone=zone, column=column, unit=unit, notes=tuple(stated), prices=pd.Series(kept, dtype="float64"),
        placed=Placed(rows=rows, starts=starts, minutes=minutes, notes=when.notes),
    )  # fmt: skip


def _inside(ends: bool) -> dt.timedelta:
    return dt.timedelta(minutes=1) if ends else dt.timedelta()


def _shortest(stamps: Sequence[dt.datetime]) -> int | None:
    steps = [(later - earlier).total_seconds() / 60 for earlier, later in pairwise(stamps)]
    found = min(steps, default=0)
    return int(found) if found in (FIVE, *LENGTHS) else None
