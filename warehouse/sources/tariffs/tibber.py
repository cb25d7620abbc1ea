"""Tibber: the spot price without tax (`energy`) of a subscription, today and, from 13:00, tomorrow.

The answer does not name the bidding zone. Layout from Tibber's GraphQL reference (Price, PriceInfo).
"""

import datetime as dt
from collections.abc import Mapping

from warehouse.errors import ProviderError, UnitError
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import lengthen, prices_of, zone_of
from warehouse.sources.tariffs.each import each
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.payload import Record, object_of
from warehouse.sources.tariffs.provider import Ask, Provider, Request

_URL = "https://api.tibber.com/v1-beta/gql"
_PRICE = "{ total energy tax startsAt currency }"
_QUERY = (
    "{ viewer { homes { currentSubscription { priceInfo(resolution: QUARTER_HOURLY) "
    f"{{ today {_PRICE} tomorrow {_PRICE} }} }} }} }} }}"
)


def parse(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone, rate. Raises SourceError."""
    answer = object_of(file)
    if answer.value.get("errors"):
        said = "; ".join(item.text("message") for item in answer.items("errors"))
        raise ProviderError(f"is an error, not prices: {said[:200]}", file=file.name)
    homes = [
        items for home in answer.inner("data").inner("viewer").items("homes") if (items := _prices(home))
    ]
    if not homes:
        raise ProviderError("holds no home with prices", file=file.name)
    (stated, left_out), *others = (each(home, _stated) for home in homes)
    if any(other != stated for other, _ in others):
        raise ProviderError(
            f"holds {len(homes)} homes whose prices differ; which one counts is not reported", file=file.name
        )
    currencies = sorted({currency for _, _, _, currency in stated})
    if len(currencies) > 1:
        raise UnitError(f"is {' and '.join(currencies)} in one answer", file=file.name, column="currency")
    rows, starts, prices, _ = zip(*stated, strict=True)
    return prices_of(
        lengthen(starts, file.name, "startsAt", prices, rows),
        file=file.name,
        zone=zone_of(options, file.name),
        unit=money(currencies[0], 1.0, options, file.name),
        column="energy",
        notes=("prices are those without tax", *left_out),
    )


def _stated(item: Record) -> tuple[int, dt.datetime, float, str]:
    return item.number_of_item, item.moment("startsAt"), item.number("energy"), item.text("currency")


def _prices(home: Record) -> list[Record]:
    """Return a home's prices of both days in one list, numbered on; none without a subscription."""
    if home.get("currentSubscription") is None:
        return []
    info = home.inner("currentSubscription").inner("priceInfo")
    both = [item for day in ("today", "tomorrow") for item in info.items(day)]
    return [Record(file=item.file, value=item.value, row=row) for row, item in enumerate(both, start=1)]


def request(ask: Ask) -> Request:
    """Return the request for today's and tomorrow's prices; it needs a token."""
    token = str(ask.token)
    return Request(
        url=_URL, headers={"Authorization": f"Bearer {token}"}, json={"query": _QUERY}, secrets=(token,)
    )


PROVIDER = Provider(
    name="tibber",
    provider="Tibber",
    licence="terms of the Tibber API",
    attribution="Tibber",
    parse=parse,
    request=request,
    needs_token=True,
)
