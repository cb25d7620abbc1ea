"""When the served flows run: local time of the market, right on both clock changes.

Cron in a zone with clock changes is right only outside the hours in which the clock moves; the settings
refuse those (01–03), so each schedule here fires once on every day of the year, at the same time on the wall.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flows.settings import Settings
from warehouse.zones import market_timezone


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCron:
    """A cron line read in a time zone."""

    cron: str
    timezone: str


def schedules(settings: Settings) -> Mapping[str, LocalCron]:
    """Flow name → when it is served: ingest, calibrate, daily; in the local time of the fleet's zone."""
    timezone = market_timezone(settings.fleet.zone)
    times = {
        "ingest": settings.schedule.ingest,
        "calibrate": settings.schedule.calibrate,
        "daily": settings.schedule.plan,
    }
    return {name: LocalCron(cron=_every_day(time), timezone=timezone) for name, time in times.items()}


def _every_day(time: str) -> str:
    hour, minute = time.split(":")
    return f"{int(minute)} {int(hour)} * * *"
