"""Limits that a grid operator puts on sites for a while, as files: of one's own, or events of OpenADR 3.

A file in `signals/` holds one object or a list of them. Own: {"site_id": "yard", "from": "…Z", "to": "…Z",
"import_kw": 4.2, "export_kw": 0}, one of the two powers at least. An event of OpenADR 3 (3.0 or 3.1) says
IMPORT_CAPACITY_LIMIT or EXPORT_CAPACITY_LIMIT in KW, and its targets name sites. A limit is of all that the
site draws. Of several the least holds. A file that is taken away lifts its limits.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_LIMITS = {"IMPORT_CAPACITY_LIMIT": "import_kw", "EXPORT_CAPACITY_LIMIT": "export_kw"}
_OWN = {"site_id", "from", "to", "import_kw", "export_kw"}
_MOST_KW = 1e6
_FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


class SignalError(ValueError):
    """What is no signal that can be kept; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLimit:
    """What a site may draw, or feed back, in [begin, end); inf where nothing is said."""

    site_id: str
    begin: datetime
    end: datetime
    import_kw: float = math.inf
    export_kw: float = math.inf

    def __str__(self) -> str:
        messages = [
            f"{does} {kw:g} kW" for does, kw in (("draw", self.import_kw), ("feed back", self.export_kw))
            if kw < math.inf
        ]  # fmt: skip
        until = "until it is lifted" if self.end >= _FOR_EVER else f"to {self.end:%Y-%m-%d %H:%M} UTC"
        return (
            f"site {self.site_id} may {' and '.join(messages)} from {self.begin:%Y-%m-%d %H:%M} UTC {until}"
        )


def limits_of(data: bytes) -> tuple[tuple[SiteLimit, ...], tuple[str, ...]]:
    """Read a file: its limits, and what in it is not acted on; raises SignalError where that is all of it."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SignalError("is no JSON") from error
    found: list[SiteLimit] = []
    notes: list[str] = []
    for number, one in enumerate(answer if isinstance(answer, list) else [answer], start=1):
        try:
            if not isinstance(one, dict):
                raise SignalError("is no object")
            found += _event(one, notes) if "intervals" in one or "programID" in one else [_own(one)]
        except SignalError as error:
            notes.append(f"no. {number}: {error}")
    if notes and not found:
        raise SignalError("; ".join(notes))
    return tuple(found), tuple(notes)


def _own(stated: Mapping[str, Any]) -> SiteLimit:
    if strange := sorted(stated.keys() - _OWN):
        raise SignalError(f"has {', '.join(strange)}, which is not known")
    powers = {
        name: _kw(stated[name], name) for name in ("import_kw", "export_kw") if stated.get(name) is not None
    }
    if not powers:
        raise SignalError("says neither import_kw nor export_kw")
    return _limit(
        stated.get("site_id"), _time(stated.get("from"), "from"), _time(stated.get("to"), "to"), powers
    )


def _event(stated: Mapping[str, Any], notes: list[str]) -> list[SiteLimit]:
    """The limits of an event: of each interval, for each site that its targets name."""
    sites = list(_targets(stated.get("targets")))
    if not sites:
        raise SignalError("names no site among its targets")
    units = {
        str(one.get("payloadType")): one.get("units")
        for one in _list(stated.get("payloadDescriptors"), "payloadDescriptors") if isinstance(one, dict)
    }  # fmt: skip
    found: list[SiteLimit] = []
    for begin, end, payloads in _intervals(stated):
        powers: dict[str, float] = {}
        for one in payloads:
            kind, values = str(one.get("type")), one.get("values")
            if kind not in _LIMITS:
                note = f"{kind[:40]} is not acted on, only {' and '.join(_LIMITS)}"
                notes += [note] if note not in notes else []
                continue
            if units.get(kind) != "KW":
                raise SignalError(f"{kind} is in {units.get(kind) or 'no unit that its event tells'}, not KW")
            if not isinstance(values, list) or len(values) != 1:
                raise SignalError(f"{kind} has not one value")
            powers[_LIMITS[kind]] = min(_kw(values[0], kind), powers.get(_LIMITS[kind], math.inf))
        found += [_limit(site, begin, end, powers) for site in sites if powers]
    return found


def _intervals(stated: Mapping[str, Any]) -> Iterator[tuple[datetime, datetime, list[dict[str, Any]]]]:
    """Begin, end and payloads of each interval: one after another from the event's start, or at its own."""
    general = _object(stated.get("intervalPeriod"), "intervalPeriod")
    at = _start(general, stated) if general.get("start") else None
    for one in _list(stated.get("intervals"), "intervals"):
        own = _object(one.get("intervalPeriod"), "intervalPeriod") if isinstance(one, dict) else {}
        begin = _start(own, stated) if own.get("start") else at
        if begin is None:
            raise SignalError("an interval has no start, nor has its event")
        end = _after(begin, own.get("duration") or general.get("duration"))
        payloads = one.get("payloads") if isinstance(one, dict) else None
        if not isinstance(payloads, list) or not all(isinstance(each, dict) for each in payloads):
            raise SignalError("an interval has no payloads")
        yield begin, end, payloads
        at = end


def _start(period: Mapping[str, Any], stated: Mapping[str, Any]) -> datetime:
    """When a period begins; the year 1 is at once, which is when the event was made."""
    text = str(period["start"])
    return _time(stated.get("createdDateTime") if text.startswith("0001-") else text, "start")


def _after(begin: datetime, duration: object) -> datetime:
    if duration in (None, "P9999Y"):
        return _FOR_EVER
    found = _DURATION.fullmatch(str(duration))
    parts = {name: float(text) for name, text in found.groupdict().items() if text} if found else {}
    if not parts:
        raise SignalError(f"{str(duration)[:40]!r} is no duration")
    try:
        return begin + timedelta(**parts)
    except OverflowError:
        return _FOR_EVER


def _targets(stated: object) -> Iterator[str]:
    for one in stated if isinstance(stated, list) else ():
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict) and isinstance(one.get("values"), list):
            yield from (str(value) for value in one["values"])


def _object(value: object, name: str) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise SignalError(f"{name} is no object")
    return value or {}


def _list(value: object, name: str) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise SignalError(f"{name} is no list")
    return value or []


def _limit(site: object, begin: datetime, end: datetime, powers: Mapping[str, float]) -> SiteLimit:
    if not isinstance(site, str) or not site or not site.isprintable():
        raise SignalError("names no site_id")
    if end <= begin:
        raise SignalError(f"ends at {end.isoformat()}, not after it began")
    return SiteLimit(site_id=site, begin=begin, end=end, **powers)


def _kw(value: object, name: str) -> float:
    right = isinstance(value, int | float) and not isinstance(value, bool)
    if not right or not 0.0 <= value <= _MOST_KW:  # type: ignore[operator]
        raise SignalError(f"{name} = {str(value)[:40]!r} is no power of 0 to {_MOST_KW:g} kW")
    return float(value)  # type: ignore[arg-type]


def _time(text: object, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
        if found.tzinfo is None:
            raise SignalError(f"{name} = {str(text)[:40]!r} has no offset from UTC")
        return found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        if isinstance(error, SignalError):
            raise
        raise SignalError(f"{name} = {str(text)[:40]!r} is no time") from error
