"""Elexon (GB), market index prices: half hours by settlement date and period, pounds per MWh.

Layout as its Insights service answers and lets be downloaded, JSON ({"metadata": …, "data": [{"startTime":
"2026-07-06T00:00:00Z", "dataProvider": "APXMIDP", "settlementDate": "2026-07-06", "settlementPeriod": 1,
"price": 61.5, "volume": 120.0}, …]}, or the list alone) or CSV (Dataset,StartTime,DataProvider,
SettlementDate,SettlementPeriod,Price,Volume). Periods count from midnight in London: 46, 48 or 50 a day. Of
the two providers APX is read; where nothing was traded (N2EX, since years) 0 stands for no price.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import pandas as pd

from warehouse.errors import ColumnError, EmptyFileError
from warehouse.sources.numbers import numbers
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table
from warehouse.sources.tariffs.answer import own_zone
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.payload import json_of, moment, object_of, records
from warehouse.sources.tariffs.published.rows import Series, parsed, resolved
from warehouse.sources.tariffs.published.wide import texts_of, texts_under

PROVIDER = "Elexon, Insights"
LICENCE = "BMRS data licence terms"
OPTIONS = frozenset({"zone", "rate"})
_CLOCK = ZoneInfo("Europe/London")
_HALF_HOUR = dt.timedelta(minutes=30)
_KEYS = ("settlementDate", "settlementPeriod", "price", "volume", "dataProvider", "startTime")
_PROVIDERS = ("APXMIDP", "N2EXMIDP", "")


def parse_elexon(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: rate, zone (GB unless given). Raises SourceError."""
    columns = _columns(file)
    count = len(columns["price"])
    providers = [name.upper() for name in columns["dataProvider"]]
    provider = next((name for name in _PROVIDERS if name in providers), None)
    rows = [row for row in range(1, count + 1) if providers[row - 1] == provider]
    if not rows:
        raise EmptyFileError("holds no market index price", file=file.name)
    days, periods = columns["settlementDate"], columns["settlementPeriod"]
    texts = [f"{days[row - 1]} {periods[row - 1]}" for row in rows]
    found = [_interval(days[row - 1], periods[row - 1], columns["startTime"][row - 1]) for row in rows]
    when = resolved(rows, texts, found, file=file.name, column="settlementPeriod")
    values, stated = numbers(columns["price"], file.name, "price")
    volumes = pd.to_numeric(pd.Series(columns["volume"], dtype="str"), errors="coerce")
    untraded = (values == 0.0) & (volumes == 0.0)
    own = [row - 1 for row in when.rows]
    notes = [f"{count - len(rows)} rows of other providers than {provider} were left out"]
    if untraded.iloc[own].any():
        notes.append(
            f"{int(untraded.iloc[own].sum())} intervals are missing: nothing was traded, 0 is no price"
        )
    series = Series(
        zone=own_zone(options, file.name, "GB"), column="price", placed=when, notes=stated,
        prices=values.mask(untraded).iloc[own], unit=money("GBP", 1000.0, options, file.name),
    )  # fmt: skip
    return parsed([series], file.name, notes if count > len(rows) else notes[1:])


def _columns(file: RawFile) -> dict[str, list[str]]:
    """Return the cells of each key, empty text where there is none."""
    if file.data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        value = json_of(file)
        items = (
            records(value, file.name, "data") if isinstance(value, list) else object_of(file).items("data")
        )
        if items and "price" not in items[0].value:
            raise _not_meant(file, list(items[0].value))
        return {key: texts_under(items, key) for key in _KEYS}
    table = read_table(file)
    there = {name.replace(" ", "").casefold(): name for name in table.columns}
    if not {"settlementdate", "settlementperiod", "price"} <= set(there):
        raise _not_meant(file, list(table.columns))
    return {
        key: texts_of(table, there[key.casefold()]) if key.casefold() in there else [""] * table.rows
        for key in _KEYS
    }


def _not_meant(file: RawFile, there: Sequence[str]) -> ColumnError:
    return ColumnError(
        f"is missing: market index prices are read; the file has {', '.join(there)}"[:300],
        file=file.name, column="price",
    )  # fmt: skip


def _interval(day: str, period: str, begun: str) -> tuple[dt.datetime, int] | str:
    try:
        date, number = dt.date.fromisoformat(day[:10]), int(period)
    except ValueError:
        return "is no settlement date and period"
    first, after = (
        dt.datetime.combine(date + dt.timedelta(days=more), dt.time(), _CLOCK).astimezone(dt.UTC)
        for more in (0, 1)
    )
    start = first + (number - 1) * _HALF_HOUR
    if not first <= start < after:
        return f"is no period of a day of {(after - first) // _HALF_HOUR}"
    stated = moment(begun)
    if stated is not None and stated != start:
        return "is a period that begins at another time than its startTime"
    return start, 30
