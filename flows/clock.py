"""The one place that reads the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def now() -> datetime:
    """This moment, UTC."""
    return datetime.now(UTC)


def tomorrow(as_of: datetime, zone: str) -> date:
    """The market day after that of `as_of`, in the zone's local time."""
    from warehouse.zones import market_timezone

    return as_of.astimezone(ZoneInfo(market_timezone(zone))).date() + timedelta(days=1)


def running_from(start: datetime | None, speed: float) -> Callable[[], datetime]:
    """Return a clock that stands at `start` (now unless given) and runs `speed` times as fast as this one."""
    if start is None and speed == 1.0:
        return now
    begin, since = start or now(), time.monotonic()
    return lambda: begin + timedelta(seconds=(time.monotonic() - since) * speed)
