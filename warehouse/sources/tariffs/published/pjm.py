"""PJM, hourly day-ahead prices of its Data Miner: a row an hour and node, UTC and local, US dollars per MWh.

Layout as in `da_hrl_lmps.csv`: datetime_beginning_utc, datetime_beginning_ept, pnode_id, pnode_name, voltage,
equipment, type, zone, system_energy_price_da, total_lmp_da, congestion_price_da, marginal_loss_price_da,
row_is_current, version_nbr; stamps as 1/15/2026 5:00:00 AM or in ISO 8601. The zones and hubs of PJM have
their zone, the price of one other node may stand for a zone; of a price that was mended the current one.
"""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.published.clock import wall
from warehouse.sources.tariffs.published.places import hours_of, zones_of
from warehouse.sources.tariffs.published.rows import parsed
from warehouse.sources.tariffs.published.wide import missing, texts_of

PROVIDER = "PJM Interconnection"
LICENCE = "terms of dataminer2.pjm.com"
OPTIONS = frozenset({"zone", "rate"})
_CLOCKS = {
    "datetime_beginning_utc": ZoneInfo("UTC"),
    "datetime_beginning_ept": ZoneInfo("America/New_York"),
}
_FORMATS = (
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
)
_NAME, _PRICE, _KIND, _CURRENT = "pnode_name", "total_lmp_da", "type", "row_is_current"
_KINDS = ("", "ZONE", "HUB")


def parse_pjm(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: rate, zone (one of the file's, or of one node). Raises SourceError."""
    table = read_table(file)
    if _PRICE not in table.columns:
        raise missing(table, f"{_PRICE}, with the day-ahead price,")
    time = next((name for name in _CLOCKS if name in table.columns), None)
    if time is None:
        raise missing(table, "datetime_beginning_utc")
    begun, names, kinds = texts_of(table, time), texts_of(table, _NAME), _texts(table, _KIND)
    current = [text.upper() not in ("FALSE", "0") for text in _texts(table, _CURRENT)]
    places = [
        name if kind.upper() in _KINDS else f"{name} ({kind})"
        for name, kind in zip(names, kinds, strict=True)
    ]
    zones, notes = zones_of(places, lambda name: f"PJM-{name.replace(' ', '-')}", options, file.name)
    if not all(current):
        notes = (*notes, f"{current.count(False)} rows that were replaced since were left out")
    unit = money("USD", 1000.0, options, file.name)
    utc = _CLOCKS[time].key == "UTC"
    stamps = [(text, wall(text.removesuffix("Z") if utc else text, _FORMATS)) for text in begun]
    own = [name if now else None for name, now in zip(places, current, strict=True)]
    series = hours_of(table, _PRICE, zones, own, stamps, _CLOCKS[time], column=time, unit=unit)
    return parsed(series, file.name, notes)


def _texts(table: RawTable, column: str) -> list[str]:
    return texts_of(table, column) if column in table.columns else [""] * table.rows
