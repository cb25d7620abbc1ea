"""SMARD's own download of market prices: semicolons, local times of Germany, a column a zone, €/MWh.

German ("Datum von", 26.06.2024 00:00, 1.234,56) or English ("Start date", Jun 26, 2024 12:00 AM, 1,234.56);
"-" where there is no price. Zones are named by the columns; means over neighbours are no zone.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from zoneinfo import ZoneInfo

from warehouse.errors import ColumnError, UnitError
from warehouse.sources.dialect import Dialect
from warehouse.sources.numbers import Decimal
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.tariffs.money import money_of_unit
from warehouse.sources.tariffs.published.clock import wall
from warehouse.sources.tariffs.published.rows import chosen, parsed, placed
from warehouse.sources.tariffs.published.wide import missing, series_of, texts_of

_BERLIN = ZoneInfo("Europe/Berlin")
_DIALECTS: Mapping[str, tuple[str, Decimal, tuple[str, ...]]] = MappingProxyType(
    {
        "Datum von": ("Datum bis", ",", ("%d.%m.%Y %H:%M",)),
        "Start date": ("End date", ".", ("%b %d, %Y %I:%M %p", "%d.%m.%Y %H:%M")),
    }
)
"""Header of the starts → that of the ends, the mark before decimals, how times are written."""
_PRICE = re.compile(r"(?P<name>[^\[]+?)\s*\[(?P<unit>[^\]]+)\].*")
_ZONES: Mapping[str, str] = MappingProxyType(
    {
        "deutschland/luxemburg": "DE-LU", "germany/luxembourg": "DE-LU",
        "deutschland/österreich/luxemburg": "DE-AT-LU", "germany/austria/luxembourg": "DE-AT-LU",
        "belgien": "BE", "belgium": "BE", "dänemark 1": "DK1", "denmark 1": "DK1",
        "dänemark 2": "DK2", "denmark 2": "DK2", "frankreich": "FR", "france": "FR",
        "niederlande": "NL", "netherlands": "NL", "norwegen 2": "NO2", "norway 2": "NO2",
        "österreich": "AT", "austria": "AT", "polen": "PL", "poland": "PL",
        "schweden 4": "SE4", "sweden 4": "SE4", "schweiz": "CH", "switzerland": "CH",
        "tschechien": "CZ", "czech republic": "CZ", "czechia": "CZ",
        "italien (nord)": "IT-NORTH", "northern italy": "IT-NORTH", "italy (north)": "IT-NORTH",
        "slowenien": "SI", "slovenia": "SI", "ungarn": "HU", "hungary": "HU",
        "slowakei": "SK", "slovakia": "SK", "rumänien": "RO", "romania": "RO",
        "kroatien": "HR", "croatia": "HR",
    }
)  # fmt: skip


def is_export(file: RawFile) -> bool:
    """Whether a file is SMARD's own download, by its first header."""
    first = file.data[:64].decode("utf-8-sig", errors="replace").lstrip('"')
    return any(first.startswith(f"{start}{after}") for start in _DIALECTS for after in (";", '"'))


def parse_export(file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone, one of the file's. Raises SourceError."""
    table = read_table(file, dialect=Dialect(delimiter=";"))
    start = next(name for name in _DIALECTS if name in table.columns)
    end, decimal, formats = _DIALECTS[start]
    columns = _columns(table)
    begun, ended = texts_of(table, start), texts_of(table, end)
    when = placed(
        range(1, table.rows + 1), begun, [wall(text, formats) for text in begun],
        [wall(text, formats) for text in ended], _BERLIN, file=file.name, column=start,
    )  # fmt: skip
    zones = chosen(tuple(columns), options, file.name)
    series = [
        series_of(table, header, zone, when, money_of_unit(unit, options, file.name, header), decimal)
        for zone, (header, unit) in columns.items()
        if zone in zones
    ]
    left = [header for header in table.columns if header not in (start, end, *(columns[z][0] for z in zones))]
    return parsed(series, file.name, [f"column {header!r} was left out" for header in left])


def _columns(table: RawTable) -> dict[str, tuple[str, str]]:
    """Return the file's zones, each with its column and unit."""
    found: dict[str, tuple[str, str]] = {}
    for header in table.columns:
        match = _PRICE.fullmatch(header)
        if match is None or (zone := _ZONES.get(match["name"].strip().casefold())) is None:
            continue
        if "mwh]" in header.casefold() and "/" not in match["unit"]:
            raise UnitError(
                f"is in {match['unit']}, which is energy and no price", file=table.file, column=header
            )
        if zone in found:
            raise ColumnError(f"is of {zone}, as {found[zone][0]!r} is", file=table.file, column=header)
        found[zone] = header, match["unit"]
    if not found:
        raise missing(table, "a column of prices, as 'Deutschland/Luxemburg [€/MWh] …',")
    return found
