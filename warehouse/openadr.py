"""Events of OpenADR 3 (3.0, 3.1): when their intervals are, what they hold, in which unit.

By the Alliance's Definition and User Guide 3.1 (7.1 to 7.4): an interval begins at its own start, else where
the one before it ends; the year 1 says so too, and of a first interval "at once", which is when its event
was made. Own periods come before the event's. Several values of a PRICE, EXPORT_PRICE or GHG share their
interval alike. An event's own duration cuts its intervals. Priority 0 is the highest. Nothing is guessed.
"""

import datetime as dt
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FOR_EVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
PACKED = frozenset({"PRICE", "EXPORT_PRICE", "GHG"})
"""Types of which several values share an interval."""
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_NO_TIME = (None, "P0S", "PT0S", "P0D", "PT0M", "PT0H")


class EventError(ValueError):
    """What is no event that can be meant; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventInterval:
    """[begin, end), UTC, with the payloads of it; randomized: by how much its start may be moved, or None."""

    begin: dt.datetime
    end: dt.datetime
    payloads: tuple[Mapping[str, Any], ...]
    randomized: str | None = None


def intervals(event: Mapping[str, Any]) -> list[EventInterval]:
    """Return the intervals of an event, in its order; raises EventError."""
    found = list(_intervals(event))
    if (lasts := event.get("duration")) is None or not found:
        return found
    end, last = after(found[0].begin, lasts), max(one.end for one in found)
    if end > last:
        raise EventError(f"duration {str(lasts)[:40]!r}: intervals that repeat are not read")
    cut = [one for one in found if one.begin < end]
    return [
        EventInterval(
            begin=one.begin, end=min(one.end, end), payloads=one.payloads, randomized=one.randomized
        )
        for one in cut
    ]


def _intervals(event: Mapping[str, Any]) -> Iterator[EventInterval]:
    general = _period(event)
    at = _start(general, event, None)
    randomized = _randomized(general)
    stated = event.get("intervals")
    for one in stated if isinstance(stated, list) else ():
        own = _period(one) if isinstance(one, dict) else {}
        begin = _start(own, event, at) or at
        if begin is None:
            raise EventError("an interval has no start, nor has its event")
        end = after(begin, own.get("duration") or general.get("duration"))
        payloads = one.get("payloads") if isinstance(one, dict) else None
        if not isinstance(payloads, list) or not all(isinstance(each, dict) for each in payloads):
            raise EventError("an interval has no payloads")
        randomized = _randomized(own) or randomized
        yield EventInterval(begin=begin, end=end, payloads=tuple(payloads), randomized=randomized)
        at = end


def _period(stated: Mapping[str, Any]) -> Mapping[str, Any]:
    period = stated.get("intervalPeriod") or {}
    if not isinstance(period, dict):
        raise EventError(f"intervalPeriod = {str(period)[:40]!r} is no object")
    return period


def _start(period: Mapping[str, Any], event: Mapping[str, Any], at: dt.datetime | None) -> dt.datetime | None:
    """When a period begins, None where it does not say; at: where the one before it ended, or its event
    began."""
    if not period.get("start"):
        return None
    text = str(period["start"])
    if not text.startswith("0001-"):
        return moment(text, "start")
    return moment(event.get("createdDateTime"), "createdDateTime") if at is None else at


def _randomized(period: Mapping[str, Any]) -> str | None:
    stated = period.get("randomizeStart")
    return None if stated in _NO_TIME else str(stated)[:40]


def after(begin: dt.datetime, duration: object) -> dt.datetime:
    """Return when a duration of ISO 8601 that begins so is over; raises EventError.

    None and P9999Y have no end. Months and years are of no one length and are refused.
    """
    if duration in (None, "P9999Y"):
        return FOR_EVER
    found = _DURATION.fullmatch(str(duration))
    parts = {name: float(text) for name, text in found.groupdict().items() if text} if found else {}
    if not parts:
        raise EventError(f"{str(duration)[:40]!r} is no duration in weeks, days, hours, minutes, seconds")
    try:
        return begin + dt.timedelta(**parts)
    except OverflowError:
        return FOR_EVER


def moment(text: object, name: str) -> dt.datetime:
    """Return a UTC time from ISO 8601 text with its offset; raises EventError."""
    try:
        found = dt.datetime.fromisoformat(str(text))
        if found.tzinfo is not None:
            return found.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise EventError(f"{name} = {str(text)[:40]!r} is no time") from error
    raise EventError(f"{name} = {str(text)[:40]!r} has no offset from UTC")


def targets(event: Mapping[str, Any]) -> tuple[str, ...]:
    """Return whom an event is for: the texts of 3.1, the values of 3.0."""
    found: list[str] = []
    stated = event.get("targets")
    for one in stated if isinstance(stated, list) else ():
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, dict) and isinstance(one.get("values"), list):
            found += (str(value) for value in one["values"])
    return tuple(found)


def priority(event: Mapping[str, Any]) -> float:
    """Return an event's priority, 0 the highest, inf where it has none; raises EventError."""
    stated = event.get("priority")
    if stated is None:
        return math.inf
    if isinstance(stated, bool) or not isinstance(stated, int) or stated < 0:
        raise EventError(f"priority = {str(stated)[:40]!r} is no whole number of 0 or more")
    return float(stated)


def descriptor(
    event: Mapping[str, Any], kind: str, program: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """Return what is said of a type's unit and currency by an event, else by its program, else nothing."""
    for owner in (event, program or {}):
        stated = owner.get("payloadDescriptors")
        for one in stated if isinstance(stated, list) else ():
            if isinstance(one, dict) and one.get("payloadType") == kind:
                return one
    return {}


def parts(one: EventInterval, count: int) -> Sequence[tuple[dt.datetime, dt.datetime]]:
    """Return the parts of an interval that so many values share alike."""
    step = (one.end - one.begin) / count
    return [(one.begin + number * step, one.begin + (number + 1) * step) for number in range(count)]
