"""Local times of an export → UTC.

The hour that comes twice is distinguished by a mark (02A and 02B, CEST and CET), by where the file steps
back, or by an interval that ends before it begins. Where nothing tells, those rows are set aside, never
guessed.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np

from warehouse.sources.twice import Times, put_back, runs_backwards

LENGTHS = (15, 30, 60)
"""Minutes that an interval may last."""
_SUMMER, _WINTER = ("CEST", "EEST", "WEST", "BST"), ("CET", "EET", "WET", "GMT")
_HOURS = {"CEST": 2, "EEST": 3, "WEST": 1, "BST": 1, "CET": 1, "EET": 2, "WET": 0, "GMT": 0}
_MARK = re.compile(rf"\s*\(?\b({'|'.join((*_SUMMER, *_WINTER))})\b\)?\s*$")
_PASS = re.compile(r"(?<=\d)\s?([AaBb])(?=[:. ]\d\d)")

ZONES_NAMED: Mapping[str, str] = MappingProxyType(
    {
        "UTC": "UTC", "GMT": "UTC",
        "CET": "Europe/Paris", "CET/CEST": "Europe/Paris", "CEST": "Europe/Paris",
        "EET": "Europe/Helsinki", "EET/EEST": "Europe/Helsinki",
        "WET": "Europe/Lisbon", "WET/WEST": "Europe/Lisbon",
        "GMT/BST": "Europe/London", "UK": "Europe/London",
    }
)  # fmt: skip
"""How headers name a clock → the clock; CET is the market's, with its summer time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """A time on a local clock; second: whether it is of the second pass of an hour that comes twice.

    hours: by its mark, as CEST, from UTC; None without one.
    """

    time: dt.datetime
    second: bool | None = None
    hours: int | None = None


@lru_cache(maxsize=2**17)
def wall(text: str, formats: tuple[str, ...]) -> Wall | None:
    """Return the local time of a cell, None where it is none; formats: as `strptime` reads them."""
    second: bool | None = None
    hours: int | None = None
    if found := _MARK.search(text):
        hours = _HOURS[found[1]]
        second, text = found[1] in _WINTER, text[: found.start()]
    if found := _PASS.search(text):
        second, text = found[1] in "Bb", text[: found.start()] + text[found.end() :]
    for one in formats:
        try:
            time = dt.datetime.strptime(text.strip(), one)
        except ValueError:
            continue
        return Wall(time=time, second=second, hours=hours) if 2000 <= time.year < 2100 else None
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """Of each row its start in UTC, or None and in `faults` why there is none."""

    times: list[dt.datetime | None]
    faults: dict[int, str]


def starts_of(walls: Sequence[Wall | None], ends: Sequence[Wall | None], timezone: ZoneInfo) -> Starts:
    """Return the starts of one series, in the order of its rows; ends: where given, else None each."""
    times: list[dt.datetime | None] = [None] * len(walls)
    faults: dict[int, str] = {}
    doubtful: list[int] = []
    for index, one in enumerate(walls):
        if one is None:
            faults[index] = "is not a local time"
            continue
        first, second = (one.time.replace(tzinfo=timezone, fold=fold) for fold in (0, 1))
        before, after = first.utcoffset(), second.utcoffset()
        if before is None or after is None or (one.hours is not None and not _marked(one, before, after)):
            faults[index] = f"is marked with another clock than {timezone.key} shows then"
        elif before == after:
            times[index] = first.astimezone(dt.UTC)
        elif before < after:
            faults[index] = f"is a time that {timezone.key} skips on that day"
        else:
            doubtful.append(index)
    backwards = runs_backwards(_times(walls))
    for run in _runs(doubtful, walls):
        passes = _passes(run, walls, ends, backwards=backwards)
        for index in run:
            one = walls[index]
            fold = passes.get(index)
            if one is None or fold is None:
                faults[index] = f"is a time that {timezone.key} has twice, and nothing tells which it is"
            else:
                times[index] = one.time.replace(tzinfo=timezone, fold=fold).astimezone(dt.UTC)
    return Starts(times=times, faults=faults)


def _marked(one: Wall, *offsets: dt.timedelta) -> bool:
    """Whether the mark of a time is one of what its clock may be from UTC then."""
    return any(offset == dt.timedelta(hours=one.hours or 0) for offset in offsets)


def minutes_of(start: dt.datetime, begun: Wall, end: Wall | None, timezone: ZoneInfo) -> int | None:
    """Return how long an interval lasts by the local time of its end, None where that is no length known."""
    if end is None:
        return None
    for minutes in LENGTHS:
        later = (start + dt.timedelta(minutes=minutes)).astimezone(timezone)
        if later.replace(tzinfo=None) == end.time:
            return minutes
    # Some write the end as the clock would show it without the change.
    plain = (end.time - begun.time).total_seconds() / 60
    return int(plain) if plain in LENGTHS else None


def _runs(doubtful: Sequence[int], walls: Sequence[Wall | None]) -> list[list[int]]:
    """Return rows of an hour that comes twice, one list a day and stretch of rows."""
    runs: list[list[int]] = []
    for index in doubtful:
        last = runs[-1][-1] if runs else None
        if last is not None and index == last + 1 and _day(walls[index]) == _day(walls[last]):
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def _day(one: Wall | None) -> dt.date | None:
    return None if one is None else one.time.date()


def _passes(
    run: Sequence[int], walls: Sequence[Wall | None], ends: Sequence[Wall | None], *, backwards: bool
) -> dict[int, int]:
    """Return which pass of the hour each row is of, 0 or 1; rows of which nothing tells are left out."""
    stated = {index: one.second for index in run if (one := walls[index]) is not None}
    if all(second is not None for second in stated.values()):
        return {index: int(bool(second)) for index, second in stated.items()}
    if set(stated.values()) == {None, False}:  # the second pass alone is marked, as 02a:15
        return {index: int(second is not None) for index, second in stated.items()}
    ordered = list(reversed(run)) if backwards else list(run)
    times = _times([walls[index] for index in ordered])
    change = put_back(times)
    if change is None and bool((np.diff(times) > np.timedelta64(0)).all()):
        change = _by_ends(ordered, walls, ends)  # of one pass alone
    if change is None:
        return {}
    return {index: int(place >= change) for place, index in enumerate(ordered)}


def _by_ends(ordered: Sequence[int], walls: Sequence[Wall | None], ends: Sequence[Wall | None]) -> int | None:
    """Return the place after the one interval that ends no later than it begins, which the change does."""
    found = [
        place
        for place, index in enumerate(ordered, start=1)
        if (begun := walls[index]) is not None and (end := ends[index]) is not None and end.time <= begun.time
    ]
    return found[0] if len(found) == 1 else None


def _times(walls: Sequence[Wall | None]) -> Times:
    return np.array([None if one is None else one.time for one in walls], dtype="datetime64[us]")
