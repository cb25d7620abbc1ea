"""ENTSO-E Transparency Platform, day-ahead prices (document type A44).

A curve of type A03 leaves points out that repeat the one before. A zone may have several auctions (DE-LU: 1
is the coupled day-ahead auction, 2 another exchange's at 10:15); `classificationSequence…position` numbers
them and 1 is taken. Older documents do not number them: there the resolution tells, since the coupled auction
cleared hours until 30 September 2025 and quarter-hours from then on.

Not through entsoe-py (MIT; requests, beautifulsoup4): it fills A03 curves and tells sequences apart, but
parses leniently, lets points outside their period and overlapping series pass, and keeps no bytes to replay.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

from warehouse.errors import CellError, ColumnError, ProviderError, UndecodableFileError, UnitError
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import Interval, prices_of, zone_of
from warehouse.sources.tariffs.eic import EIC, ZONE_OF_EIC
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.payload import moment, xml_of
from warehouse.sources.tariffs.provider import XML_TYPES, Ask, Provider, Request, code_of
from warehouse.sources.tariffs.published import entsoe as published
from warehouse.sources.tariffs.published import entsoe_library as library
from warehouse.zones import market_timezone

_URL = "https://web-api.tp.entsoe.eu/api"
_RESOLUTIONS = {"PT15M": 15, "PT30M": 30, "PT60M": 60, "PT1H": 60}
_POSITION = "classificationSequence_AttributeInstanceComponent.position"
_DAILY = "A01"
_QUARTER = dt.timedelta(minutes=15)
_QUARTER_HOURLY_FROM = dt.date(2025, 10, 1)
"""First delivery day of the coupled auction's quarter-hours (SDAC, 15-minute market time unit)."""
_LONGEST_PERIOD = 366 * 96


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """One TimeSeries, its curve written out."""

    number: str
    sequence: int | None
    currency: str
    intervals: tuple[Interval, ...]


def parse(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone (checked against the document), rate. Raises SourceError."""
    if published.is_export(file):
        return published.parse_export(file, options)
    if library.is_file(file):
        return library.parse_file(file, options)
    root = xml_of(file)
    _refuse_other(root, file.name)
    rows = {id(point): row for row, point in enumerate(_all(root, "Point"), start=1)}
    zones: set[str] = set()
    series: list[_Series] = []
    for element in _all(root, "TimeSeries"):
        if _optional(element, "contract_MarketAgreement.type") in (None, _DAILY):
            zones.add(_zone(element, file.name))
            series.append(_read(element, rows, file.name))
    if not series:
        raise ProviderError("holds no day-ahead series", file=file.name)
    if len(zones) > 1:
        raise ProviderError(f"holds several zones: {', '.join(sorted(zones))}", file=file.name)
    zone = zone_of(options, file.name, stated=zones.pop())
    chosen, notes = _day_ahead(series, file.name)
    currencies = sorted({one.currency for one in chosen})
    if len(currencies) > 1:
        raise UnitError(
            f"is {' and '.join(currencies)} in one document", file=file.name, column="currency_Unit.name"
        )
    every = [interval for one in chosen for interval in one.intervals]
    kept = _native(every, ZoneInfo(market_timezone(zone)))
    if len(kept) < len(every):
        notes.append(f"{len(every) - len(kept)} intervals were left out that another resolution covers too")
    unit = money(currencies[0], 1000.0, options, file.name)
    return prices_of(kept, file=file.name, zone=zone, unit=unit, column="price.amount", notes=notes)


def request(ask: Ask) -> Request:
    """Return the request for a market day; it needs a security token."""
    code = code_of(EIC, ask, PROVIDER.name)
    token = str(ask.token)
    params = {
        "documentType": "A44",
        "in_Domain": code,
        "out_Domain": code,
        "periodStart": f"{ask.start:%Y%m%d%H%M}",
        "periodEnd": f"{ask.end:%Y%m%d%H%M}",
        "securityToken": token,
    }
    return Request(url=_URL, params=params, secrets=(token,))


PROVIDER = Provider(
    name="entsoe",
    provider="ENTSO-E Transparency Platform",
    licence="terms of the ENTSO-E Transparency Platform",
    attribution="Source: ENTSO-E Transparency Platform, transparency.entsoe.eu",
    parse=parse,
    request=request,
    media_types=XML_TYPES,
    suffix="xml",
    zoned=False,
    needs_token=True,
)


def _refuse_other(root: Element, file: str) -> None:
    kind = _local(root)
    if kind == "Acknowledgement_MarketDocument":
        reasons = [
            f"{_optional(one, 'code') or ''} {_optional(one, 'text') or ''}" for one in _all(root, "Reason")
        ]
        stated = re.sub(r"\s+", " ", "; ".join(reasons)).strip()
        raise ProviderError(f"is an acknowledgement, not prices: {stated or 'no reason reported'}", file=file)
    if kind != "Publication_MarketDocument":
        raise UndecodableFileError(f"is a {kind[:60]}, not a Publication_MarketDocument", file=file)
    document = _text(root, "type", file)
    if document != "A44":
        raise ProviderError(f"is a document of type {document[:10]}, not A44 (day-ahead prices)", file=file)


def _zone(series: Element, file: str) -> str:
    into, out_of = _text(series, "in_Domain.mRID", file), _text(series, "out_Domain.mRID", file)
    if into != out_of:
        raise ProviderError(f"holds prices from {out_of} into {into}, not those of one zone", file=file)
    if into not in ZONE_OF_EIC:
        raise CellError(
            "is not the EIC code of a known bidding zone", file=file, column="in_Domain.mRID", value=into
        )
    return ZONE_OF_EIC[into]


def _read(series: Element, rows: Mapping[int, int], file: str) -> _Series:
    number, unit = _text(series, "mRID", file), _text(series, "price_Measure_Unit.name", file)
    if unit != "MWH":
        raise UnitError(f"is {unit[:20]!r}, not MWH", file=file, column="price_Measure_Unit.name")
    sequence = _optional(series, _POSITION)
    carried = _optional(series, "curveType") == "A03"
    intervals = [
        interval
        for period in series
        if _local(period) == "Period"
        for interval in _curve(period, rows, file, carried=carried)
    ]
    return _Series(
        number=number,
        sequence=None if sequence is None else _whole(sequence, file, _POSITION),
        currency=_text(series, "currency_Unit.name", file),
        intervals=tuple(intervals),
    )


def _curve(period: Element, rows: Mapping[int, int], file: str, *, carried: bool) -> Iterator[Interval]:
    """Write out a period's intervals; those left out of an A03 curve have the price of the one before."""
    start, minutes, count = _span(period, file)
    prices: dict[int, tuple[int, float]] = {}
    for point in _all(period, "Point"):
        row = rows[id(point)]
        position = _whole(_text(point, "position", file, row), file, "position", row)
        if not 1 <= position <= count:
            raise CellError(
                f"lies outside its period of {count} intervals from {start:%Y-%m-%d %H:%M} UTC",
                file=file, row=row, column="position", value=str(position),
            )  # fmt: skip
        if position in prices:
            raise CellError("is there twice", file=file, row=row, column="position", value=str(position))
        prices[position] = row, _amount(_text(point, "price.amount", file, row), file, row)
    if carried and 1 not in prices:
        raise ColumnError(
            f"1 is missing in the period from {start:%Y-%m-%d %H:%M} UTC", file=file, column="position"
        )
    last: tuple[int, float] | None = None
    for position in range(1, count + 1):
        last = prices.get(position, last if carried else None)
        if last is not None:
            yield Interval(last[0], start + (position - 1) * dt.timedelta(minutes=minutes), minutes, last[1])


def _span(period: Element, file: str) -> tuple[dt.datetime, int, int]:
    """Return a period's start, resolution in minutes and number of intervals."""
    interval = next(_all(period, "timeInterval"), period)
    bounds = []
    for name in ("start", "end"):
        text = _text(interval, name, file)
        bound = moment(text)
        if bound is None:
            raise CellError("is not a time like 2025-10-01T22:00Z", file=file, column=name, value=text)
        bounds.append(bound)
    resolution = _text(period, "resolution", file)
    if resolution not in _RESOLUTIONS:
        raise CellError(
            f"is none of {', '.join(_RESOLUTIONS)}", file=file, column="resolution", value=resolution
        )
    minutes = _RESOLUTIONS[resolution]
    count = (bounds[1] - bounds[0]) / dt.timedelta(minutes=minutes)
    if count % 1 or not 1 <= count <= _LONGEST_PERIOD:
        raise CellError(
            f"{resolution} does not divide the period", file=file, column="end", value=str(bounds[1])
        )
    return bounds[0], minutes, int(count)


def _day_ahead(series: Sequence[_Series], file: str) -> tuple[list[_Series], list[str]]:
    """Return the series of the day-ahead auction, and what is reported of those left out."""
    chosen = [one for one in series if one.sequence in (None, 1)]
    if not chosen:
        stated = sorted({str(one.sequence) for one in series})
        raise ProviderError(
            f"holds sequence {', '.join(stated)} alone; 1 is the day-ahead auction", file=file
        )
    return chosen, [
        f"series {one.number} ({len(one.intervals)} intervals) was left out: sequence {one.sequence} "
        "is another auction"
        for one in series
        if one not in chosen
    ]


def _native(intervals: Sequence[Interval], timezone: ZoneInfo) -> list[Interval]:
    """Leave out what overlaps an interval of the resolution in which the coupled auction clears that day."""
    covered = {
        item.start + step * _QUARTER
        for item in intervals
        if item.minutes == _cleared(item, timezone)
        for step in range(item.minutes // 15)
    }
    return [
        item
        for item in intervals
        if item.minutes == _cleared(item, timezone)
        or not any(item.start + step * _QUARTER in covered for step in range(item.minutes // 15))
    ]


def _cleared(item: Interval, timezone: ZoneInfo) -> int:
    return 15 if item.start.astimezone(timezone).date() >= _QUARTER_HOURLY_FROM else 60


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _all(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element.iter() if _local(child) == name)


def _optional(element: Element, name: str) -> str | None:
    found = next((child for child in element if _local(child) == name), None)
    return None if found is None else (found.text or "").strip()


def _text(element: Element, name: str, file: str, row: int | None = None) -> str:
    found = _optional(element, name)
    if not found:
        raise ColumnError(f"is missing in {_local(element)[:60]}", file=file, row=row, column=name)
    return found


def _whole(text: str, file: str, column: str, row: int | None = None) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise CellError("is not a whole number", file=file, row=row, column=column, value=text)
    return int(text)


def _amount(text: str, file: str, row: int) -> float:
    if not re.fullmatch(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?", text):
        raise CellError("is not a number", file=file, row=row, column="price.amount", value=text)
    return float(text)
