"""Elering (EE), download of day-ahead prices: Unix seconds, a column a country, €/MWh with decimal commas.

Layout as its dashboard exports it: "Ajatempel (UTC)";"Kuupäev (Eesti aeg)";"NPS Läti";"NPS Leedu";
"NPS Soome";"NPS Eesti", or in English "Timestamp (UTC)";"Date (Estonian time)";"NPS Latvia";… The local
time next to the seconds is not needed. How long prices hold is given by the next one: hours, since October
2025 quarter-hours.
"""

import datetime as dt
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from warehouse.sources.dialect import Dialect
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.published.lasting import NO_LENGTH, lasting
from warehouse.sources.tariffs.published.rows import chosen, parsed, resolved
from warehouse.sources.tariffs.published.wide import missing, series_of, texts_of

PROVIDER = "Elering AS"
LICENCE = "terms of dashboard.elering.ee"
OPTIONS = frozenset({"zone"})
_CLOCK = ZoneInfo("Europe/Berlin")
"""The market's: its days are of one length each, also for those who live an hour further east."""
_TIMES = ("Ajatempel (UTC)", "Timestamp (UTC)")
_ZONES = {
    "nps läti": "LV", "nps latvia": "LV", "nps leedu": "LT", "nps lithuania": "LT", "nps soome": "FI",
    "nps finland": "FI", "nps eesti": "EE", "nps estonia": "EE",
}  # fmt: skip


def parse_elering(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone, one of the file's. Raises SourceError."""
    table = read_table(file, dialect=Dialect(delimiter=";" if b";" in file.data.split(b"\n", 1)[0] else ","))
    time = next((name for name in _TIMES if name in table.columns), None)
    columns = {zone: name for name in table.columns if (zone := _ZONES.get(name.casefold()))}
    if time is None or not columns:
        raise missing(table, f"{_TIMES[0]}, or a column of prices, as 'NPS Eesti',")
    texts = texts_of(table, time)
    stamps = [_moment(text) for text in texts]
    found = [
        "is no Unix time on full minutes"
        if stamp is None
        else NO_LENGTH
        if length is None
        else (stamp, length)
        for stamp, length in zip(stamps, lasting(stamps, _CLOCK), strict=True)
    ]
    when = resolved(range(1, table.rows + 1), texts, found, file=file.name, column=time)
    zones = chosen(tuple(columns), options, file.name)
    unit = money("EUR", 1000.0, {}, file.name)
    return parsed([series_of(table, columns[zone], zone, when, unit) for zone in zones], file.name)


def _moment(text: str) -> dt.datetime | None:
    """Return the time of Unix seconds within this century."""
    seconds = int(text) if text.isdigit() and len(text) < 12 else 0
    if seconds % 300 or not 946684800 <= seconds < 4102444800:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
