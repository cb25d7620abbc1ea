"""The one place that reads the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def now() -> datetime:
    """This moment, UTC."""
    return datetime.now(UTC)


def tomorrow(as_of: datetime, zone: str) -> date:
    """The market day after that of `as_of`, in the zone's local time."""
    from warehouse.zones import market_timezone

    return as_of.astimezone(ZoneInfo(market_timezone(zone))).date() + timedelta(days=1)
