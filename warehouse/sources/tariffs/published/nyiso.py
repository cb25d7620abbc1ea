"""NYISO, day-ahead prices by zone: a row an hour and zone, local stamps of its beginning, US dollars per MWh.

Layout as in `YYYYMMDDdamlbmp_zone.csv`: "Time Stamp","Name","PTID","LBMP ($/MWHr)","Marginal Cost Losses
($/MWHr)","Marginal Cost Congestion ($/MWHr)", stamps as 11/01/2026 01:00. In autumn 01:00 is there twice,
and the order of the rows tells which is which. Real-time files (five minutes, ends) have the same header.
"""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.published.clock import wall
from warehouse.sources.tariffs.published.places import hours_of, zones_of
from warehouse.sources.tariffs.published.rows import parsed
from warehouse.sources.tariffs.published.wide import missing, texts_of

PROVIDER = "New York ISO"
LICENCE = "terms of nyiso.com"
OPTIONS = frozenset({"zone", "rate"})
_CLOCK = ZoneInfo("America/New_York")
_TIME, _NAME, _PRICE = "Time Stamp", "Name", "LBMP ($/MWHr)"
_FORMATS = ("%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S")


def parse_nyiso(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: rate, zone (one of the file's, or of one node). Raises SourceError."""
    table = read_table(file)
    if _PRICE not in table.columns:
        raise missing(table, f"{_PRICE}, with the price,")
    names, begun = texts_of(table, _NAME), texts_of(table, _TIME)
    zones, notes = zones_of(names, zone_named, options, file.name)
    unit = money("USD", 1000.0, options, file.name)
    stamps = [(text, wall(text, _FORMATS)) for text in begun]
    series = hours_of(table, _PRICE, zones, names, stamps, _CLOCK, column=_TIME, unit=unit)
    return parsed(series, file.name, notes)


def zone_named(name: str) -> str:
    """Return the zone of a name like "N.Y.C." or "HUD VL"."""
    return f"NYISO-{name.replace('.', '').replace(' ', '-')}"
