"""Public holidays by country, or a part of it, and the country that a zone's clock belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources

from flows.errors import SettingsError
from optimize.forecast.day_kind import number_of
from warehouse.zones import market_timezone

AUTO, NONE = "auto", "none"


def holidays_for(zone: str, stated: str, years: Iterable[int]) -> frozenset[int]:
    """Of a bidding zone, by the setting: "auto", "none" or a country; numbers of days since 1970-01-01.

    None where nobody has written down those of a country that was found by its clock. Raises SettingsError
    for a country that is reported and unknown.
    """
    if stated == NONE:
        return frozenset()
    if stated != AUTO:
        return holidays_of(stated, years)
    country = country_of(market_timezone(zone))
    try:
        return frozenset() if country is None else holidays_of(country, years)
    except SettingsError:
        return frozenset()


def holidays_of(country: str, years: Iterable[int]) -> frozenset[int]:
    """Of a country (ISO 3166: DE) or a part of it (DE-BY). Raises SettingsError for an unknown one."""
    import holidays

    name, _, part = country.partition("-")
    try:
        found = holidays.country_holidays(name, subdiv=part or None, years=years)
    except NotImplementedError as error:
        raise SettingsError(f"holidays = {country!r} in [plan]: no calendar of it is known") from error
    return frozenset(number_of(day) for day in found)


@cache
def country_of(timezone: str) -> str | None:
    """The country (ISO 3166) of an IANA time zone, by the time zone database; None for one of no country."""
    table = resources.files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return next((row[0] for row in rows if row[2] == timezone), None)
