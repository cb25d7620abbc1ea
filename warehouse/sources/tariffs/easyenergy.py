"""easyEnergy (NL): the market price without VAT, in local wall time without offset.

Where the clock goes back, the second pass of an hour is told from the first by its place in the answer.
"""

import datetime as dt
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from warehouse.errors import ProviderError
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import Interval, prices_of, zone_of
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.payload import Record, object_of
from warehouse.sources.tariffs.provider import Ask, Provider, Request, code_of

_URL = "https://price-graph.acc-mijn.easyenergy.com/api/prices"
_MINUTES = {"hour": 60, "quarter": 15}
_AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def parse(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone (NL if not given). Raises SourceError."""
    intervals: list[Interval] = []
    seen: set[dt.datetime] = set()
    for row, item in enumerate(object_of(file).items("prices"), start=1):
        if (unit := item.text("unit")) != "kWh":
            raise ProviderError(f"holds prices per {unit[:20]}, not per kWh of electricity", file=file.name)
        start = _utc(item, seen)
        seen.add(start)
        granularity = item.text("granularity")
        if granularity not in _MINUTES:
            raise item.error("granularity", "is neither hour nor quarter")
        intervals.append(Interval(row, start, _MINUTES[granularity], item.number("price")))
    return prices_of(
        intervals,
        file=file.name,
        zone=zone_of({"zone": "NL", **options}, file.name),
        unit=money("EUR", 1.0, options, file.name),
        column="price",
        notes=("prices are those without VAT, energy tax and surcharges",),
    )


def _utc(item: Record, seen: set[dt.datetime]) -> dt.datetime:
    """Return the start of an item in UTC: of a repeated hour, the second pass if the first is there."""
    try:
        wall = dt.datetime.fromisoformat(item.text("from"))
    except ValueError:
        raise item.error("from", "is not a local time like 2026-04-19T00:00:00") from None
    if wall.tzinfo is not None or not 2000 <= wall.year <= 2100:
        raise item.error("from", "is not a local time, without offset, of the years 2000 to 2100")
    start = wall.replace(tzinfo=_AMSTERDAM).astimezone(dt.UTC)
    if start.astimezone(_AMSTERDAM).replace(tzinfo=None) != wall:
        raise item.error("from", "is a time that the local clock skipped")
    second = wall.replace(tzinfo=_AMSTERDAM, fold=1).astimezone(dt.UTC)
    return second if start in seen else start


def request(ask: Ask) -> Request:
    """Return the request for a market day of NL, in quarter-hours."""
    code_of({"NL": "NL"}, ask, PROVIDER.name)
    params = {
        "start": str(ask.day),
        "end": str(ask.day + dt.timedelta(days=1)),
        "type": "electricity",
        "granularity": "quarter",
    }
    return Request(url=_URL, params=params)


PROVIDER = Provider(
    name="easyenergy",
    provider="easyEnergy",
    licence="terms of easyEnergy",
    attribution="easyEnergy",
    options=frozenset({"zone"}),
    parse=parse,
    request=request,
    zoned=False,
)
