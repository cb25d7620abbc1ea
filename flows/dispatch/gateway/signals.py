"""What a grid operator orders of sites for a while, as files: of one's own, or events of OpenADR 3.

A file in `signals/` holds one object or a list of them. Own: {"site_id": "yard", "from": "…Z", "to": "…Z",
"import_kw": 4.2, "export_kw": 0}, one of the two powers at least. An event of OpenADR 3 (3.0 or 3.1) says
IMPORT_CAPACITY_LIMIT, EXPORT_CAPACITY_LIMIT or DISPATCH_SETPOINT (what is to be drawn, 0 or more) in KW, and
its targets name sites. All of it is of all that the site draws. Of several the least holds; a start that may
be moved (randomizeStart) is kept as it is. A file that is taken away lifts what it ordered.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from warehouse.openadr import FOR_EVER, EventError, descriptor, intervals, moment, targets

_POWERS = {
    "IMPORT_CAPACITY_LIMIT": "import_kw", "EXPORT_CAPACITY_LIMIT": "export_kw",
    "DISPATCH_SETPOINT": "setpoint_kw",
}  # fmt: skip
_ELSEWHERE = {"PRICE": "prices", "EXPORT_PRICE": "tariffs", "GHG": "co2"}
_OWN = {"site_id", "from", "to", "import_kw", "export_kw"}
_MOST_KW = 1e6


class SignalError(EventError):
    """What is no signal that can be kept; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLimit:
    """What a site may draw, or feed back, in [begin, end); inf where nothing is said.

    setpoint_kw: what it is to draw then, as near as its cars can; it may neither draw more nor feed back.
    """

    site_id: str
    begin: datetime
    end: datetime
    import_kw: float = math.inf
    export_kw: float = math.inf
    setpoint_kw: float | None = None

    @property
    def bounds_kw(self) -> tuple[float, float]:
        """The most that it may draw and feed back."""
        if self.setpoint_kw is None:
            return self.import_kw, self.export_kw
        return min(self.import_kw, self.setpoint_kw), 0.0

    def __str__(self) -> str:
        messages = [
            f"may {does} {kw:g} kW" for does, kw in (("draw", self.import_kw), ("feed back", self.export_kw))
            if kw < math.inf
        ]  # fmt: skip
        if self.setpoint_kw is not None:
            messages.append(f"is to draw {self.setpoint_kw:g} kW")
        stated = " and ".join(messages).replace(" and may", " and")
        until = "until it is lifted" if self.end >= FOR_EVER else f"to {self.end:%Y-%m-%d %H:%M} UTC"
        return f"site {self.site_id} {stated} from {self.begin:%Y-%m-%d %H:%M} UTC {until}"


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
        except EventError as error:
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
        stated.get("site_id"), moment(stated.get("from"), "from"), moment(stated.get("to"), "to"), powers
    )


def _event(stated: Mapping[str, Any], notes: list[str]) -> list[SiteLimit]:
    """What an event orders: of each interval, for each site that its targets name."""
    sites = targets(stated)
    if not sites:
        raise SignalError("names no site among its targets")
    spans = intervals(stated)
    if not any(one.payloads for one in spans):
        raise SignalError("orders nothing: no interval of it lasts and has a payload")
    found: list[SiteLimit] = []
    for one in spans:
        powers: dict[str, float] = {}
        for payload in one.payloads:
            kind, values = str(payload.get("type")), payload.get("values")
            if kind not in _POWERS:
                note = _left(kind)
                notes += [note] if note not in notes else []
                continue
            units = descriptor(stated, kind).get("units")
            if units != "KW":
                raise SignalError(f"{kind} is in {units or 'no unit that its event tells'}, not KW")
            if not isinstance(values, list) or len(values) != 1:
                raise SignalError(f"{kind} has not one value")
            powers[_POWERS[kind]] = min(_kw(values[0], kind), powers.get(_POWERS[kind], math.inf))
        found += [_limit(site, one.begin, one.end, powers) for site in sites if powers]
    return found


def _left(kind: str) -> str:
    if kind in _ELSEWHERE:
        dataset = _ELSEWHERE[kind]
        return f"{kind} is not acted on, `v2g ingest {dataset} FILE --source openadr` takes it"
    return f"{kind[:40]} is not acted on, only {', '.join(_POWERS)}"


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
