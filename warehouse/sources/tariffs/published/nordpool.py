"""Nord Pool's download of day-ahead prices: an interval a row, a column an area, per MWh.

Layouts as of its data portal's `AuctionPrice_2026_DayAhead_SE3_EUR_None.csv` and the wide tables before, with
semicolons: "Delivery Start (CET)", "Delivery End (CET)", then "SE3 Price (EUR)" or "SE3 (EUR)"; its xlsx has
the areas in the first row and "Price (EUR)" in the second. CET is the market's clock, with summer time.
"""

import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from warehouse.errors import ColumnError, OptionError
from warehouse.sources.cells import Cells
from warehouse.sources.dialect import Dialect
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.tariffs.money import Money, money
from warehouse.sources.tariffs.published.clock import ZONES_NAMED, wall
from warehouse.sources.tariffs.published.rows import chosen, parsed, placed
from warehouse.sources.tariffs.published.wide import missing, series_of, texts_of
from warehouse.zones import ZONES

_CLOCK = re.compile(r"Delivery (?P<end>Start|End) \((?P<clock>[^)]+)\)")
_AREA = re.compile(r"(?P<area>[A-Z]{2,3}-?[A-Z0-9]*)(?: Price)? \((?P<money>[A-Z]{3})(?:/MWh)?\)")
_BELOW = re.compile(r"Price \((?P<money>[A-Z]{3})(?:/MWh)?\)")
_FORMATS = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M:%S")
_OTHERWISE = {"GER": "DE-LU", "TEL": "RO", "UK": "GB"}


def is_export(file: RawFile) -> bool:
    """Whether a file is Nord Pool's download, by its first header."""
    return file.is_xlsx or file.data[:64].decode("utf-8-sig", errors="replace").lstrip('"').startswith(
        "Delivery Start"
    )


def parse_export(file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone (one of the file's, else all), rate. Raises SourceError."""
    header = file.data.split(b"\n", 1)[0]
    table = read_table(file, dialect=Dialect(delimiter=";" if b";" in header else ","))
    start, end, clock = _ends(table)
    areas, units_below = _areas(table)
    if units_below:
        table = table.taken(np.arange(1, table.rows))
    begun, ended = (_stamps(table, name) for name in (start, end))
    when = placed(
        range(1, table.rows + 1), begun, [wall(text, _FORMATS) for text in begun],
        [wall(text, _FORMATS) for text in ended], ZoneInfo(clock), file=file.name, column=start,
    )  # fmt: skip
    wanted = {zone: areas[zone] for zone in chosen(tuple(areas), options, file.name)}
    units, notes = _units(wanted, options, file.name)
    series = [series_of(table, wanted[zone][0], zone, when, unit) for zone, unit in units.items()]
    used = {start, end, *(one.column for one in series)}
    notes += [f"column {name!r} was left out" for name in table.columns if name not in used]
    return parsed(series, file.name, notes)


def _units(
    wanted: Mapping[str, tuple[str, str]], options: Mapping[str, object], file: str
) -> tuple[dict[str, Money], list[str]]:
    """Return the unit of each zone (its column and currency), and notes on those that need a rate.

    Next to zones in euros the rate is that of the others, which are left out without one. Raises OptionError.
    """
    others = sorted({currency for _, currency in wanted.values()} - {"EUR"})
    mixed = bool(others) and any(currency == "EUR" for _, currency in wanted.values())
    if len(others) > 1:
        raise OptionError(
            f"is needed: the zones are in {', '.join(others)}, and one rate cannot be of both",
            file=file, column="zone",
        )  # fmt: skip
    plain = {name: value for name, value in options.items() if name != "rate"}
    units = {
        zone: money(currency, 1000.0, plain if mixed and currency == "EUR" else options, file)
        for zone, (_, currency) in wanted.items()
        if not mixed or currency == "EUR" or options.get("rate") is not None
    }
    left = [zone for zone in wanted if zone not in units]
    return units, [f"zone {zone} is in {others[0]}: with --rate it is read too" for zone in left]


def _ends(table: RawTable) -> tuple[str, str, str]:
    found = {
        match["end"]: (name, match["clock"]) for name in table.columns if (match := _CLOCK.fullmatch(name))
    }
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


def _stamps(table: RawTable, column: str) -> list[str]:
    """Return times as text, which cells of a sheet may hold as times."""
    cells = Cells.found(table, column)
    if pa.types.is_timestamp(cells.data.type):
        return ["" if one is None else one.strftime(_FORMATS[0]) for one in cells.data.to_pylist()]
    return texts_of(table, column)


def _areas(table: RawTable) -> tuple[dict[str, tuple[str, str]], bool]:
    """Return the zones of the file with column and currency, and whether the first row holds the units.

    Where a zone is there in several currencies, euros.
    """
    found: dict[str, tuple[str, str]] = {}
    below = False
    for name in table.columns:
        if (match := _AREA.fullmatch(name)) is not None:
            area, currency = match["area"], match["money"]
        elif _zone(name) in ZONES and (unit := _BELOW.fullmatch(texts_of(table, name)[0])) is not None:
            area, currency, below = name, unit["money"], True
        else:
            continue
        if _zone(area) in ZONES and (_zone(area) not in found or currency == "EUR"):
            found[_zone(area)] = name, currency
    if not found:
        raise missing(table, "a column of a known area, as 'SE3 (EUR)',")
    return found, below


def _zone(area: str) -> str:
    return _OTHERWISE.get(area, area)
