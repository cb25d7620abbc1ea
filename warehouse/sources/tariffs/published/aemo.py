"""AEMO (AU), price and demand by region: a row an interval, given by its end, Australian dollars per MWh.

Layout as in `PRICE_AND_DEMAND_YYYYMM_NSW1.csv`: REGION,SETTLEMENTDATE,TOTALDEMAND,RRP,PERIODTYPE, ends as
2026/08/01 00:05:00 on the market's clock, which is Queensland's all the year (no summer time), of five
minutes, and before October 2021 of thirty. Five minutes become the means of quarter-hours.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import pairwise
from zoneinfo import ZoneInfo

from warehouse.errors import CellError
from warehouse.sources.numbers import numbers
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.published.clock import Wall, starts_of, wall
from warehouse.sources.tariffs.published.lasting import NO_LENGTH, lasting, quarters
from warehouse.sources.tariffs.published.places import zones_of
from warehouse.sources.tariffs.published.rows import parsed, resolved
from warehouse.sources.tariffs.published.wide import missing, texts_of

PROVIDER = "Australian Energy Market Operator"
LICENCE = "AEMO copyright permissions"
OPTIONS = frozenset({"zone", "rate"})
_CLOCK = ZoneInfo("Australia/Brisbane")
_REGION, _END, _PRICE = "REGION", "SETTLEMENTDATE", "RRP"
_A_DAY, _MONTHS = dt.timedelta(days=1), 12
_FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M")


def parse_aemo(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: rate, zone (one of the file's regions). Raises SourceError."""
    table = read_table(file)
    if _PRICE not in table.columns:
        raise missing(table, f"{_PRICE}, with the price,")
    regions, ends, cells = texts_of(table, _REGION), texts_of(table, _END), texts_of(table, _PRICE)
    values, stated = numbers(cells, file.name, _PRICE)
    zones, notes = zones_of(regions, str, options, file.name)
    unit = money("AUD", 1000.0, options, file.name)
    series = []
    for zone, name in zones.items():
        rows = [row for row, one in enumerate(regions, start=1) if one == name]
        own = [ends[row - 1] for row in rows]
        walls = [wall(text, _FORMATS) for text in own]
        _refuse_turned(walls, own, file.name)
        stamps = starts_of(walls, [None] * len(walls), _CLOCK)
        found = [
            stamps.faults.get(index, NO_LENGTH)
            if stamp is None or length is None
            else (stamp - dt.timedelta(minutes=length), length)
            for index, (stamp, length) in enumerate(
                zip(stamps.times, lasting(stamps.times, _CLOCK, ends=True), strict=True)
            )
        ]
        when = resolved(rows, own, found, file=file.name, column=_END)
        prices = [float(values.iloc[row - 1]) for row in when.rows]
        series.append(quarters(zone, _PRICE, when, prices, unit))
    return parsed(series, file.name, (*notes, *stated))


def _refuse_turned(walls: Sequence[Wall | None], texts: Sequence[str], file: str) -> None:
    """Refuse days that follow on only where month and day change places: a file saved again elsewhere."""
    days = sorted({one.time.date() for one in walls if one is not None})
    turned = [day.replace(month=day.day, day=day.month) for day in days if day.day <= _MONTHS]
    if len(turned) != len(days) or len(days) < 2 or not any("/" in text[:3] for text in texts):
        return
    stated, other = ({later - earlier for earlier, later in pairwise(sorted(own))} for own in (days, turned))
    if min(stated) > _A_DAY and max(other) == _A_DAY:
        raise CellError(
            f"is read as {days[0]}, and the days of the file follow on only as month/day: save it as it came",
            file=file, row=1, column=_END, value=texts[0],
        )  # fmt: skip
