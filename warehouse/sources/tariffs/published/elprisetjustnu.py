"""elprisetjustnu.se (SE): day-ahead prices of a day and zone as its service answers them, per kWh.

Layout as in `/api/v1/prices/2026/10-25_SE3.json`: [{"SEK_per_kWh": 0.02218, "EUR_per_kWh": 0.002, "EXR":
11.091763, "time_start": "2022-12-31T00:00:00+01:00", "time_end": "2022-12-31T01:00:00+01:00"}, …] without
VAT. The euros are read; the zone is the one that the file is named by, or that of the option.
"""

import datetime as dt
import re
from collections.abc import Mapping

from warehouse.errors import EmptyFileError
from warehouse.sources.numbers import numbers
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import zone_of
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.payload import json_of, moment, records
from warehouse.sources.tariffs.published.clock import LENGTHS
from warehouse.sources.tariffs.published.rows import Series, parsed, resolved
from warehouse.sources.tariffs.published.wide import texts_under

PROVIDER = "elprisetjustnu.se"
LICENCE = "terms of elprisetjustnu.se (free with a link to it)"
OPTIONS = frozenset({"zone"})
_NAMED = re.compile(r"\b\d{2}-\d{2}_(SE[1-4])\b")
_PRICE = "EUR_per_kWh"


def parse_elprisetjustnu(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone, where the file's name does not tell it. Raises SourceError."""
    named = _NAMED.search(file.name)
    zone = zone_of(options, file.name, named[1] if named else None)
    items = records(json_of(file), file.name, "prices")
    if not items:
        raise EmptyFileError("holds no price", file=file.name)
    begun, ended = texts_under(items, "time_start"), texts_under(items, "time_end")
    found = [_interval(start, end) for start, end in zip(begun, ended, strict=True)]
    when = resolved(range(1, len(items) + 1), begun, found, file=file.name, column="time_start")
    values, notes = numbers(texts_under(items, _PRICE), file.name, _PRICE)
    prices = values.iloc[[row - 1 for row in when.rows]]
    unit = money("EUR", 1.0, {}, file.name)
    series = Series(zone=zone, column=_PRICE, placed=when, prices=prices, unit=unit, notes=notes)
    return parsed([series], file.name)


def _interval(begun: str, ended: str) -> tuple[dt.datetime, int] | str:
    start, end = moment(begun), moment(ended)
    if start is None or end is None:
        return "is no time with its offset from UTC"
    minutes = (end - start).total_seconds() / 60
    return (start, int(minutes)) if minutes in LENGTHS else "does not last 15, 30 or 60 minutes"
