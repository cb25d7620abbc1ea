"""easyEnergy (NL): the market price without VAT, in local wall time without offset.

Where the clock goes back, the second pass of an hour is reported from the first by its place in the answer.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from warehouse.errors import ProviderError
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import Interval, prices_of, zone_of
from warehouse.sources.tariffs.each import each
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.payload import Record, object_of
from warehouse.sources.tariffs.provider import Ask, Provider, Request, code_of

_URL = "https://price-graph.acc-mijn.easyenergy.com/api/prices"
_MINUTES = {"hour": 60, "quarter": 15}
_AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def parse(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone (NL if not given). Raises SourceError."""
    stated, left_out = each(object_of(file).items("prices"), _stated)
    intervals, doubtful = _placed(stated, complete=not left_out)
    return prices_of(
        intervals,
        file=file.name,
        zone=zone_of({"zone": "NL", **options}, file.name),
        unit=money("EUR", 1.0, options, file.name),
        column="price",
        notes=("prices are those without VAT, energy tax and surcharges", *left_out, *doubtful),
    )


def _stated(item: Record) -> tuple[int, dt.datetime, int, float]:
    """Return an item's number, local time, minutes and price."""
    if (unit := item.text("unit")) != "kWh":
        raise ProviderError(f"holds prices per {unit[:20]}, not per kWh of electricity", file=item.file)
    granularity = item.text("granularity")
    if granularity not in _MINUTES:
        raise item.error("granularity", "is neither hour nor quarter")
    return item.number_of_item, _wall(item), _MINUTES[granularity], item.number("price")


def _placed(
    stated: Sequence[tuple[int, dt.datetime, int, float]], *, complete: bool
) -> tuple[list[Interval], tuple[str, ...]]:
    """Return intervals in UTC: of a time reported twice in a repeated hour the second is the second pass.

    complete: whether all items could be read, else one announced once in that hour may be of either pass.
    """
    times = Counter(wall for _, wall, _, _ in stated)
    seen: set[dt.datetime] = set()
    intervals: list[Interval] = []
    doubtful: list[int] = []
    for number, wall, minutes, price in stated:
        first, second = (wall.replace(tzinfo=_AMSTERDAM, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
        if first != second and times[wall] == 1 and not complete:
            doubtful.append(number)
            continue
        intervals.append(Interval(number, second if wall in seen else first, minutes, price))
        seen.add(wall)
    if not doubtful:
        return intervals, ()
    shown = ", ".join(map(str, doubtful))
    return intervals, (
        f"items {shown} were left out: which pass of the repeated hour they are is not reported",
    )


def _wall(item: Record) -> dt.datetime:
    """Return the local time of an item."""
    try:
        wall = dt.datetime.fromisoformat(item.text("from"))
    except ValueError:
        raise item.error("from", "is not a local time like 2026-04-19T00:00:00") from None
    if wall.tzinfo is not None or not 2000 <= wall.year <= 2100:
        raise item.error("from", "is not a local time, without offset, of the years 2000 to 2100")
    start = wall.replace(tzinfo=_AMSTERDAM).astimezone(dt.UTC)
    if start.astimezone(_AMSTERDAM).replace(tzinfo=None) != wall:
        raise item.error("from", "is a time that the local clock skipped")
    return wall


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
