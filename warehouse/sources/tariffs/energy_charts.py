"""Energy-Charts (Fraunhofer ISE): starts in Unix seconds and prices side by side, null where not yet known.

The licence differs from zone to zone and is in the answer.
"""

import datetime as dt
from collections.abc import Mapping

from warehouse.errors import CellError, ColumnError, ProviderError
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import lengthen, prices_of, zone_of
from warehouse.sources.tariffs.each import each
from warehouse.sources.tariffs.money import money_of_unit
from warehouse.sources.tariffs.payload import Record, object_of, unix_moment
from warehouse.sources.tariffs.provider import Ask, Provider, Request, code_of
from warehouse.sources.tariffs.published import energy_charts as published

_URL = "https://api.energy-charts.info/price"
_ALIKE = (
    "AT BE BG CH CZ DE-LU DE-AT-LU DK1 DK2 EE ES FI FR GR HR HU LT LV ME NL "
    "NO1 NO2 NO3 NO4 NO5 PL PT RO RS SE1 SE2 SE3 SE4 SI SK"
)
_ZONES: Mapping[str, str] = {
    **{zone: zone for zone in _ALIKE.split()},
    "IT-NORTH": "IT-North",
    "IT-SICILY": "IT-Sicily",
    "IT-SARDINIA": "IT-Sardinia",
    "IT-CALABRIA": "IT-Calabria",
    "IT-SUD": "IT-South",
    "IT-CNOR": "IT-Centre-North",
    "IT-CSUD": "IT-Centre-South",
}


def parse(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone, rate. Raises SourceError."""
    if published.is_export(file):
        return published.parse_export(file, options)
    answer = object_of(file)
    if "price" not in answer.value and "detail" in answer.value:
        raise ProviderError(f"is an error, not prices: {str(answer.value['detail'])[:200]}", file=file.name)
    seconds, prices = answer.values("unix_seconds"), answer.values("price")
    if len(seconds) != len(prices):
        raise ColumnError(
            f"has {len(prices)} values next to {len(seconds)} of unix_seconds", file=file.name, column="price"
        )
    cells = [
        Record(file=file.name, row=row, value={"unix_seconds": second, "price": price})
        for row, (second, price) in enumerate(zip(seconds, prices, strict=True), start=1)
    ]
    if not cells:
        raise ProviderError("holds no prices", file=file.name)
    stated, left_out = each(cells, _stated)
    rows, starts, values = zip(*stated, strict=True)
    intervals = lengthen(starts, file.name, "unix_seconds", values, rows)
    licence = answer.value.get("license_info")
    if licence is not None and not isinstance(licence, str):
        raise CellError("is not text", file=file.name, column="license_info")
    return prices_of(
        intervals,
        file=file.name,
        zone=zone_of(options, file.name),
        unit=money_of_unit(answer.text("unit"), options, file.name),
        column="price",
        notes=left_out,
        licence=licence,
    )


def _stated(cell: Record) -> tuple[int, dt.datetime, float | None]:
    number = cell.number_of_item
    start = unix_moment(cell.number("unix_seconds"), cell.file, number, "unix_seconds")
    return number, start, cell.number_or_none("price")


def request(ask: Ask) -> Request:
    """Return the request for a market day."""
    zone = code_of(_ZONES, ask, PROVIDER.name)
    return Request(url=_URL, params={"bzn": zone, "start": str(ask.day), "end": str(ask.day)})


PROVIDER = Provider(
    name="energy_charts",
    provider="Energy-Charts, Fraunhofer ISE",
    attribution="Energy-Charts.info",
    parse=parse,
    request=request,
)
