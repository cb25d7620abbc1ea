"""Bidding zones, their local time, and the slots of a market day.

A market day runs from midnight to midnight of the zone's local time: 92, 96 or 100 quarter-hours.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from warehouse.errors import UnknownDayError, UnknownZoneError, nearest

if TYPE_CHECKING:
    import pandas as pd

_PJM_ZONES = (
    "AECO AEP APS ATSI BGE COMED DAY DEOK DOM DPL DUQ EKPC JCPL METED OVEC PECO PENELEC PEPCO PPL PSEG RECO"
)
_PJM_HUBS = "AEP-DAYTON CHICAGO DOMINION EASTERN N-ILLINOIS NEW-JERSEY OHIO WEST-INT WESTERN"
_NYISO = "CAPITL CENTRL DUNWOD GENESE HUD-VL LONGIL MHK-VL MILLWD NYC NORTH WEST"
_ERCOT = (
    "HB_BUSAVG HB_HOUSTON HB_HUBAVG HB_NORTH HB_PAN HB_SOUTH HB_WEST LZ_AEN LZ_CPS LZ_HOUSTON LZ_LCRA "
    "LZ_NORTH LZ_RAYBN LZ_SOUTH LZ_WEST"
)


def _named(before: str, names: str, after: str = "") -> str:
    return " ".join(f"{before}{name}{after}" for name in names.split())


_BY_TIMEZONE = {
    "America/Chicago": f"COMED {_named('ERCOT-', _ERCOT)}",
    "America/Los_Angeles": "CAISO-NP15 CAISO-SP15 CAISO-ZP26",
    "America/New_York": " ".join(
        (_named("NYISO-", _NYISO), _named("PJM-", _PJM_ZONES), _named("PJM-", _PJM_HUBS, "-HUB"))
    ),
    "Australia/Adelaide": "SA1",
    "Australia/Brisbane": "QLD1",
    "Australia/Hobart": "TAS1",
    "Australia/Melbourne": "VIC1",
    "Australia/Sydney": "NSW1",
    "Europe/Amsterdam": "NL",
    "Europe/Athens": "GR",
    "Europe/Belgrade": "RS",
    "Europe/Berlin": "DE-LU DE-AT-LU",
    "Europe/Bratislava": "SK",
    "Europe/Brussels": "BE",
    "Europe/Bucharest": "RO",
    "Europe/Budapest": "HU",
    "Europe/Chisinau": "MD",
    "Europe/Copenhagen": "DK1 DK2",
    "Europe/Dublin": "IE-SEM",
    "Europe/Helsinki": "FI",
    "Europe/Kyiv": "UA",
    "Europe/Lisbon": "PT",
    "Europe/Ljubljana": "SI",
    "Europe/London": "GB",
    "Europe/Madrid": "ES",
    "Europe/Oslo": "NO1 NO2 NO3 NO4 NO5",
    "Europe/Paris": "FR",
    "Europe/Podgorica": "ME",
    "Europe/Prague": "CZ",
    "Europe/Riga": "LV",
    "Europe/Rome": "IT-NORTH IT-CNOR IT-CSUD IT-SUD IT-CALABRIA IT-SICILY IT-SARDINIA",
    "Europe/Sarajevo": "BA",
    "Europe/Skopje": "MK",
    "Europe/Sofia": "BG",
    "Europe/Stockholm": "SE1 SE2 SE3 SE4",
    "Europe/Tallinn": "EE",
    "Europe/Tirane": "AL",
    "Europe/Vienna": "AT",
    "Europe/Vilnius": "LT",
    "Europe/Warsaw": "PL",
    "Europe/Zagreb": "HR",
    "Europe/Zurich": "CH",
}

BUILT_IN: Mapping[str, str] = MappingProxyType(
    dict(sorted((zone, timezone) for timezone, zones in _BY_TIMEZONE.items() for zone in zones.split()))
)
"""Bidding zone that everybody has → IANA time zone of its local day."""
_KNOWN = dict(BUILT_IN)
ZONES: Mapping[str, str] = MappingProxyType(_KNOWN)
"""Bidding zone → IANA time zone of its local day; those that a workspace defines among them."""
ZONE_NAME = re.compile(r"[A-Z0-9][A-Z0-9-]{0,31}")
"""What a zone may be called that a workspace defines."""

FIRST_DAY, LAST_DAY = dt.date(2000, 1, 1), dt.date(2099, 12, 31)
"""Market days that can be meant: beyond them clocks are guessed, and calendars end."""

_PUBLISHED = {
    "": dt.time(12, 57), "CAISO-": dt.time(13, 0), "COMED": dt.time(16, 30), "ERCOT-": dt.time(13, 30),
    "NYISO-": dt.time(11, 0), "PJM-": dt.time(13, 30),
}  # fmt: skip
"""How zones begin → local time of the day before delivery at which day-ahead prices are out."""
_AS_DELIVERED = ("NSW1", "QLD1", "SA1", "TAS1", "VIC1")
"""Zones without a day-ahead market: a price is out when its interval is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnZone:
    """A zone that a workspace defines: its IANA time zone, and the local time of the day before at which its
    prices are out (None: as they are delivered).
    """

    timezone: str
    published: dt.time | None


_OWN: dict[str, OwnZone] = {}


def define_zones(zones: Mapping[str, OwnZone]) -> None:
    """Make zones known in this process, in place of those of the same names that were defined before.

    Raises ValueError for one of BUILT_IN.
    """
    if taken := sorted(set(zones) & set(BUILT_IN)):
        raise ValueError(f"zone {taken[0]} is known already")
    _OWN.update(zones)
    _KNOWN.update({name: own.timezone for name, own in zones.items()})


def market_timezone(zone: str) -> str:
    """Return the IANA time zone of a bidding zone; UnknownZoneError names the nearest one."""
    try:
        return ZONES[zone]
    except KeyError:
        raise UnknownZoneError(f"unknown bidding zone {zone!r}{nearest(zone, ZONES)}") from None


def market_day_bounds(date: dt.date, zone: str) -> tuple[dt.datetime, dt.datetime]:
    """Return the half-open market day [start, end) of a zone, UTC; UnknownDayError for one out of range."""
    if not FIRST_DAY <= date <= LAST_DAY:
        raise UnknownDayError(f"{date} is no market day: not within {FIRST_DAY} to {LAST_DAY}")
    timezone = ZoneInfo(market_timezone(zone))
    midnight = dt.time(0, tzinfo=timezone)
    start = dt.datetime.combine(date, midnight).astimezone(dt.UTC)
    end = dt.datetime.combine(date + dt.timedelta(days=1), midnight).astimezone(dt.UTC)
    return start, end


def publication(date: dt.date, zone: str) -> dt.datetime:
    """Return when the prices of a market day are out, UTC; of a zone without such a market when it begins.

    Raises UnknownZoneError.
    """
    timezone = ZoneInfo(market_timezone(zone))
    if published := published_at(zone):
        return dt.datetime.combine(date - dt.timedelta(days=1), published, timezone).astimezone(dt.UTC)
    return dt.datetime.combine(date, dt.time(), timezone).astimezone(dt.UTC)


def published_at(zone: str) -> dt.time | None:
    """Return the local time of the day before at which prices are out, None: as they are delivered."""
    if zone in _OWN:
        return _OWN[zone].published
    if zone in _AS_DELIVERED:
        return None
    return _PUBLISHED[max((start for start in _PUBLISHED if zone.startswith(start)), key=len)]


def market_day_slots(date: dt.date, zone: str, minutes: int = 15) -> "pd.DatetimeIndex":
    """Return the starts of a market day's slots, UTC: 92, 96 or 100 of 15 minutes.

    minutes must divide an hour. Raises UnknownZoneError, ValueError.
    """
    if minutes < 1 or 60 % minutes:
        raise ValueError(f"slots of {minutes} minutes do not divide an hour")
    import pandas as pd

    start, end = market_day_bounds(date, zone)
    return pd.date_range(start, end, freq=pd.Timedelta(minutes=minutes), inclusive="left", unit="us")
