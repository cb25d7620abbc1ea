"""ComEd hourly pricing (US): its service's answers, US cents per kWh without the fees of delivery.

Layouts as OpenEMS' ComEdApi reads them: `?type=5minutefeed` and `currenthouraverage`,
[{"millisUTC":"1434686700000","price":"2.0"}], newest first, each from its stamp on; and the day-ahead feed
`?type=daynexttoday`, [[Date.UTC(2025,10,2,13,0,0), 2.2], …], whose "UTC" is the clock of Chicago and whose
months count from 0. Five minutes become the means of quarter-hours.
"""

import datetime as dt
import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from warehouse.errors import EmptyFileError, UndecodableFileError
from warehouse.sources.numbers import numbers
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import own_zone
from warehouse.sources.tariffs.money import Money, money
from warehouse.sources.tariffs.payload import json_of, records
from warehouse.sources.tariffs.published.clock import Wall
from warehouse.sources.tariffs.published.lasting import NO_LENGTH, lasting, quarters
from warehouse.sources.tariffs.published.rows import Series, parsed, placed, resolved
from warehouse.sources.tariffs.published.wide import texts_under

PROVIDER = "Commonwealth Edison, hourly pricing program"
LICENCE = "terms of hourlypricing.comed.com"
OPTIONS = frozenset({"zone", "rate"})
_ZONE = "COMED"
_CLOCK = ZoneInfo("America/Chicago")
_DAY_AHEAD = re.compile(rb"\s*\[\s*(?:\[\s*Date\.UTC\(|\]\s*$)")
_ENTRY = re.compile(
    r"Date\.UTC\(\s*(\d{4}),\s*(\d{1,2}),\s*(\d{1,2}),\s*(\d{1,2})(?:,\s*\d+)*\s*\)\s*,\s*([^\]]*)\]"
)


def parse_comed(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: rate, zone (COMED unless given). Raises SourceError."""
    zone, unit = own_zone(options, file.name, _ZONE), money("USD", 100.0, options, file.name)
    series = _day_ahead(file, zone, unit) if _DAY_AHEAD.match(file.data) else _feed(file, zone, unit)
    return parsed([series], file.name)


def _feed(file: RawFile, zone: str, unit: Money) -> Series:
    items = records(json_of(file), file.name, "prices")
    if not items:
        raise EmptyFileError("holds no price", file=file.name)
    texts = texts_under(items, "millisUTC")
    values, notes = numbers(texts_under(items, "price"), file.name, "price")
    stamps = [_moment(text) for text in texts]
    found = [
        "is no time in milliseconds" if stamp is None else NO_LENGTH if length is None else (stamp, length)
        for stamp, length in zip(stamps, lasting(stamps, _CLOCK), strict=True)
    ]
    when = resolved(range(1, len(items) + 1), texts, found, file=file.name, column="millisUTC")
    return quarters(zone, "price", when, [float(values.iloc[row - 1]) for row in when.rows], unit, notes)


def _day_ahead(file: RawFile, zone: str, unit: Money) -> Series:
    try:
        found = _ENTRY.findall(file.data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UndecodableFileError(f"is not text: {error}", file=file.name) from error
    if not found:
        raise EmptyFileError("holds no price: the day is not published yet", file=file.name)
    texts = ["-".join(cells[:4]) for cells in found]
    values, notes = numbers([cells[4] for cells in found], file.name, "price")
    begun = [_wall(*(int(cell) for cell in cells[:4])) for cells in found]
    rows = range(1, len(found) + 1)
    when = placed(rows, texts, begun, [None] * len(found), _CLOCK, file=file.name, column="hour", minutes=60)
    prices = values.iloc[[row - 1 for row in when.rows]]
    return Series(zone=zone, column="price", placed=when, prices=prices, unit=unit, notes=notes)


def _wall(year: int, month: int, day: int, hour: int) -> Wall | None:
    try:
        return Wall(time=dt.datetime(year, month + 1, day, hour))
    except ValueError:
        return None


def _moment(text: str) -> dt.datetime | None:
    milliseconds = int(text) if text.isdigit() and len(text) < 15 else 0
    if milliseconds % 300_000 or not 946684800_000 <= milliseconds < 4102444800_000:
        return None
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
