"""Sähkötin (FI): hourly spot prices in c/kWh, as CSV or JSON, with or without VAT.

The file does not say whether VAT is in it, so an option must. VAT on electricity in Finland: 24 %, but 10 %
from December 2022 to April 2023, and 25.5 % from September 2024.
"""

import datetime as dt
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import pandas as pd

from warehouse.errors import ColumnError, OptionError
from warehouse.sources.cells import Cells
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import read_table
from warehouse.sources.single import spared
from warehouse.sources.tariffs.answer import Interval, lengthen, prices_of, zone_of
from warehouse.sources.tariffs.each import each
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.payload import object_of
from warehouse.sources.tariffs.provider import CSV_TYPES, JSON_TYPES, Ask, Provider, Request, code_of, iso

_URL = "https://sahkotin.fi/prices.csv"
_HELSINKI = ZoneInfo("Europe/Helsinki")
_VAT = (
    (dt.date(2024, 9, 1), 0.255),
    (dt.date(2023, 5, 1), 0.24),
    (dt.date(2022, 12, 1), 0.10),
    (dt.date(2013, 1, 1), 0.24),
)
"""First day in force → rate, the newest first."""


def parse(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return hourly prices without VAT in €/kWh.

    options: vat ("included" or "excluded"), zone (FI if not given). Raises SourceError.
    """
    vat = options.get("vat")
    if vat not in ("included", "excluded"):
        raise OptionError(
            "must be given: included or excluded; the file does not say",
            file=file.name, column="vat", value=None if vat is None else str(vat),
        )  # fmt: skip
    is_json = file.data.lstrip()[:1] == b"{"
    (intervals, left_out), column = (_json(file), "value") if is_json else (_csv(file), "price")
    rates = sorted({_vat(item) for item in intervals}) if vat == "included" else []
    unit = money("EUR", 100.0, options, file.name)
    return prices_of(
        intervals,
        file=file.name,
        zone=zone_of({"zone": "FI", **options}, file.name),
        unit=unit,
        column=column,
        notes=([f"VAT of {' and '.join(f'{rate:g}' for rate in rates)} was taken out"] if rates else [])
        + [*left_out],
        to_eur_per_kwh=lambda item, price: unit.per_kwh(price) / (1.0 + _vat(item) if rates else 1.0),
    )


def _vat(item: Interval) -> float:
    day = item.start.astimezone(_HELSINKI).date()
    return next((rate for first, rate in _VAT if day >= first), _VAT[-1][1])


def _csv(file: RawFile) -> tuple[list[Interval], tuple[str, ...]]:
    table = read_table(file)
    for column in ("hour", "price"):
        if column not in table.columns:
            raise ColumnError("is missing", file=file.name, column=column)
    starts, untimed = spared(Cells.of(table, "hour"), Cells.times)
    prices, unpriced = spared(Cells.of(table, "price"), Cells.floats)
    intervals = [
        Interval(row, start.to_pydatetime(), 60, None if price != price else price)
        for row, (start, price) in enumerate(zip(starts, prices, strict=True), start=1)
        if start is not pd.NaT
    ]
    return intervals, (*untimed, *unpriced)


def _json(file: RawFile) -> tuple[list[Interval], tuple[str, ...]]:
    items = object_of(file).items("prices")
    if not items:
        return [], ()
    stated, left_out = each(
        items, lambda item: (item.number_of_item, item.moment("date"), item.number_or_none("value"))
    )
    rows, starts, values = zip(*stated, strict=True)
    return lengthen(starts, file.name, "date", values, rows), left_out


def request(ask: Ask) -> Request:
    """Return the request for a market day of FI, without VAT, in c/kWh."""
    code_of({"FI": "FI"}, ask, PROVIDER.name)
    return Request(url=_URL, params={"fix": "true", "start": iso(ask.start), "end": iso(ask.end)})


PROVIDER = Provider(
    name="sahkotin",
    provider="sahkotin.fi (Nord Pool)",
    licence="terms of sahkotin.fi",
    attribution="sahkotin.fi",
    options=frozenset({"zone", "vat"}),
    parse=parse,
    request=request,
    media_types=(*CSV_TYPES, *JSON_TYPES),
    suffix="csv",
    zoned=False,
)
