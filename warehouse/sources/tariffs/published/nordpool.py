"""Nord Pool's download of day-ahead prices: an interval a row, a column an area, as "SE3 (EUR)", per MWh."""

import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from warehouse.errors import ColumnError
from warehouse.sources.dialect import Dialect
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.published.clock import ZONES_NAMED, wall
from warehouse.sources.tariffs.published.rows import chosen, parsed, placed
from warehouse.sources.tariffs.published.wide import missing, series_of, texts_of
from warehouse.zones import ZONES

_CLOCK = re.compile(r"Delivery (?P<end>Start|End) \((?P<clock>[^)]+)\)")
_AREA = re.compile(r"(?P<area>[A-Z]{2,3}-?[A-Z0-9]*) \((?P<money>[A-Z]{3})(?:/MWh)?\)")
_FORMATS = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M:%S")
_OTHERWISE = {"GER": "DE-LU", "TEL": "RO"}


def is_export(file: RawFile) -> bool:
    """Whether a file is Nord Pool's download, by its first header."""
    return file.data[:64].decode("utf-8-sig", errors="replace").lstrip('"').startswith("Delivery Start")


def parse_export(file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone (one of the file's, else all), rate. Raises SourceError."""
    header = file.data.split(b"\n", 1)[0]
    table = read_table(file, dialect=Dialect(delimiter=";" if b";" in header else ","))
    start, end, clock = _ends(table)
    begun, ended = texts_of(table, start), texts_of(table, end)
    when = placed(
        range(1, table.rows + 1), begun, [wall(text, _FORMATS) for text in begun],
        [wall(text, _FORMATS) for text in ended], ZoneInfo(clock), file=file.name, column=start,
    )  # fmt: skip
    areas = _areas(table)
    zones = chosen(tuple(areas), options, file.name)
    series = [
        series_of(table, name, zone, when, money(currency, 1000.0, options, file.name))
        for zone, (name, currency) in areas.items()
        if zone in zones
    ]
    used = {start, end, *(one.column for one in series)}
    return parsed(
        series, file.name, [f"column {name!r} was left out" for name in table.columns if name not in used]
    )


def _ends(table: RawTable) -> tuple[str, str, str]:
    found = {told["end"]: (name, told["clock"]) for name in table.columns if (told := _CLOCK.fullmatch(name))}
    for end in ("Start", "End"):
        if end not in found:
            raise ColumnError(f"Delivery {end} (…) is missing", file=table.file)
    (start, clock), (end_name, other) = found["Start"], found["End"]
    if clock != other or clock not in ZONES_NAMED:
        raise ColumnError(
            f"is of an unknown clock, or not of that of {end_name!r}; known are {', '.join(ZONES_NAMED)}",
            file=table.file, column=start,
        )  # fmt: skip
    return start, end_name, ZONES_NAMED[clock]


def _areas(table: RawTable) -> dict[str, tuple[str, str]]:
    """Return the zones of the file with column and currency; where one is there in several, euros."""
    found: dict[str, tuple[str, str]] = {}
    for name in table.columns:
        if (told := _AREA.fullmatch(name)) is None:
            continue
        zone = _OTHERWISE.get(told["area"], told["area"])
        if zone in ZONES and (zone not in found or told["money"] == "EUR"):
            found[zone] = name, told["money"]
    if not found:
        raise missing(table, "a column of a known area, as 'SE3 (EUR)',")
    return found
