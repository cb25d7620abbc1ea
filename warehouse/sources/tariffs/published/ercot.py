"""ERCOT, settlement point prices of the day-ahead market: a row an hour and point, US dollars per MWh.

Layout as in `cdr.00012331…DAMSPNP4190.csv`: DeliveryDate,HourEnding,SettlementPoint,SettlementPointPrice,
DSTFlag; also "Delivery Date", "Hour Ending" and "Repeated Hour Flag" of the yearly files. Hours are given by
their end, 01:00 to 24:00; in spring 03:00 is left out, in autumn 02:00 is there twice, and the flag is Y in
its second pass (as gridstatus reads it; on other days it is N, in summer too). Hubs (HB_…) and load zones
(LZ_…) have their zone; the price of one other point may stand for a zone.
"""

import datetime as dt
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from warehouse.errors import ColumnError
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, read_table
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.published.clock import Wall, wall
from warehouse.sources.tariffs.published.places import hours_of, zones_of
from warehouse.sources.tariffs.published.rows import parsed
from warehouse.sources.tariffs.published.wide import missing, texts_of

PROVIDER = "Electric Reliability Council of Texas"
LICENCE = "terms of ercot.com"
OPTIONS = frozenset({"zone", "rate"})
_CLOCK = ZoneInfo("America/Chicago")
_FORMATS = ("%m/%d/%Y", "%Y-%m-%d")
_SECOND = {"Y": True, "TRUE": True, "N": False, "FALSE": False}


def parse_ercot(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: rate, zone (one in the file, or of one point). Raises SourceError."""
    table = read_table(file)
    if _column(table, "DeliveryInterval") is not None:
        raise ColumnError(
            "makes these prices of the real-time market; day-ahead ones have none",
            file=file.name, column="DeliveryInterval",
        )  # fmt: skip
    day, hour, point, price = (
        _needed(table, name)
        for name in ("DeliveryDate", "HourEnding", "SettlementPoint", "SettlementPointPrice")
    )
    points, days, hours = (texts_of(table, name) for name in (point, day, hour))
    flag = _column(table, "DSTFlag") or _column(table, "RepeatedHourFlag")
    flags = [""] * table.rows if flag is None else texts_of(table, flag)
    zones, notes = zones_of(points, lambda name: f"ERCOT-{name}", options, file.name)
    unit = money("USD", 1000.0, options, file.name)
    stamps = [
        (f"{date} {ending}", _begun(date, ending, mark))
        for date, ending, mark in zip(days, hours, flags, strict=True)
    ]
    series = hours_of(table, price, zones, points, stamps, _CLOCK, column=hour, unit=unit)
    return parsed(series, file.name, notes)


def _begun(day: str, ending: str, flag: str) -> Wall | None:
    found = wall(day, _FORMATS)
    number = ending.removesuffix("*").removesuffix(":00")
    if found is None or not number.isdigit() or not 1 <= int(number) <= 24:
        return None
    return Wall(
        time=found.time + dt.timedelta(hours=int(number) - 1),
        second=True if ending.endswith("*") else _SECOND.get(flag.upper()),
    )


def _column(table: RawTable, name: str) -> str | None:
    """Return a column however its words are parted."""
    return next((one for one in table.columns if one.replace(" ", "").casefold() == name.casefold()), None)


def _needed(table: RawTable, name: str) -> str:
    found = _column(table, name)
    if found is None:
        raise missing(table, name)
    return found
