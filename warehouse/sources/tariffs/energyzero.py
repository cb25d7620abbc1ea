"""EnergyZero (NL): the market price without VAT and surcharges, of its REST and of its GraphQL service."""

from collections.abc import Mapping

from warehouse.errors import ProviderError
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import Interval, minutes_between, prices_of, zone_of
from warehouse.sources.tariffs.each import each
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.payload import Record, object_of
from warehouse.sources.tariffs.provider import Ask, Provider, Request, code_of

_URL = "https://public.api.energyzero.nl/public/v1/prices"


def parse(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone (NL if not given). Raises SourceError."""
    answer = object_of(file)
    if "base" in answer.value:
        (intervals, left_out), column = each(answer.items("base"), _rest), "base.price.value"
    elif "data" in answer.value or "errors" in answer.value:
        (intervals, left_out), column = each(_graphql(answer), _of_graphql), "energyPriceExcl"
    else:
        raise ProviderError(
            f"is an error, not prices: {str(answer.value.get('message'))[:200]}", file=file.name
        )
    return prices_of(
        intervals,
        file=file.name,
        zone=zone_of({"zone": "NL", **options}, file.name),
        unit=money("EUR", 1.0, options, file.name),
        column=column,
        notes=("prices are those without VAT, energy tax and surcharges", *left_out),
    )


def _rest(item: Record) -> Interval:
    start, end = item.moment("start"), item.moment("end")
    minutes = minutes_between(start, end, item.file, item.number_of_item, "end")
    return Interval(item.number_of_item, start, minutes, item.inner("price").number("value"))


def _of_graphql(item: Record) -> Interval:
    if (kind := item.text("type")) != "Electricity":
        raise ProviderError(f"holds prices of {kind[:40]}, not of electricity", file=item.file)
    start, end = item.moment("from"), item.moment("till")
    minutes = minutes_between(start, end, item.file, item.number_of_item, "till")
    return Interval(item.number_of_item, start, minutes, item.number("energyPriceExcl"))


def _graphql(answer: Record) -> list[Record]:
    if answer.value.get("errors"):
        text = "; ".join(item.text("message") for item in answer.items("errors"))
        raise ProviderError(f"is an error, not prices: {text[:200]}", file=answer.file)
    if not answer.get("data"):
        raise ProviderError("holds no prices", file=answer.file)
    return answer.inner("data").inner("energyMarketPrices").items("prices")


def request(ask: Ask) -> Request:
    """Return the request for a market day of NL, in quarter-hours."""
    code_of({"NL": "NL"}, ask, PROVIDER.name)
    params = {
        "energyType": "ENERGY_TYPE_ELECTRICITY",
        "date": f"{ask.day:%d-%m-%Y}",
        "interval": "INTERVAL_QUARTER",
    }
    return Request(url=_URL, params=params)


PROVIDER = Provider(
    name="energyzero",
    provider="EnergyZero",
    licence="terms of EnergyZero",
    attribution="EnergyZero",
    options=frozenset({"zone"}),
    parse=parse,
    request=request,
    zoned=False,
)
