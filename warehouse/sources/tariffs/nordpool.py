"""Nord Pool data portal, day-ahead prices of one delivery area."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from warehouse.errors import OptionError, ProviderError
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import Interval, minutes_between, prices_of, zone_of
from warehouse.sources.tariffs.each import each
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.payload import Record, object_of
from warehouse.sources.tariffs.provider import Ask, Provider, Request, code_of
from warehouse.sources.tariffs.published import nordpool as published

_URL = "https://dataportal-api.nordpoolgroup.com/api/DayAheadPrices"
_ALIKE = "AT BE BG DK1 DK2 EE FI FR LT LV NL NO1 NO2 NO3 NO4 NO5 PL SE1 SE2 SE3 SE4"
_AREAS: Mapping[str, str] = MappingProxyType({**{zone: zone for zone in _ALIKE.split()}, "DE-LU": "GER"})
_ZONES: Mapping[str, str] = MappingProxyType({area: zone for zone, area in _AREAS.items()})


def parse(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone (which area, if there are several), rate. Raises SourceError."""
    if published.is_export(file):
        return published.parse_export(file, options)
    answer = object_of(file)
    if (market := answer.text("market")) != "DayAhead":
        raise ProviderError(f"holds the market {market[:40]!r}, not DayAhead", file=file.name)
    area = _area(answer, options)
    intervals, left_out = each(answer.items("multiAreaEntries"), partial(_interval, area))
    return prices_of(
        intervals,
        file=file.name,
        zone=zone_of(options, file.name, stated=_ZONES[area]),
        unit=money(answer.text("currency"), 1000.0, options, file.name),
        column=f"entryPerArea.{area}",
        notes=(*_states(answer, area), *left_out),
    )


def _interval(area: str, item: Record) -> Interval:
    start, end = item.moment("deliveryStart"), item.moment("deliveryEnd")
    minutes = minutes_between(start, end, item.file, item.number_of_item, "deliveryEnd")
    price = item.inner("entryPerArea").number_or_none(area)
    return Interval(item.number_of_item, start, minutes, price)


def _area(answer: Record, options: Mapping[str, object]) -> str:
    areas = [area for area in answer.values("deliveryAreas") if isinstance(area, str)]
    wanted = options.get("zone")
    known = [area for area in areas if area in _ZONES]
    if wanted is not None:
        known = [area for area in known if _ZONES[area] == wanted]
    if len(known) == 1:
        return known[0]
    listed = ", ".join(areas)[:200] or "nothing"
    if wanted is not None:
        raise OptionError(f"is not in the answer, which holds {listed}", file=answer.file, column="zone",
                          value=str(wanted))  # fmt: skip
    raise OptionError(f"is needed to choose among {listed}", file=answer.file, column="zone")


def _states(answer: Record, area: str) -> list[str]:
    """Tell of prices that are not final."""
    if "areaStates" not in answer.value:
        return []
    notes = []
    for item in answer.items("areaStates"):
        state, areas = item.text("state"), item.values("areas")
        if area in areas and state != "Final":
            notes.append(f"the prices are {state[:40]}, not Final")
    return notes


def request(ask: Ask) -> Request:
    """Return the request for a market day, in euros."""
    area = code_of(_AREAS, ask, PROVIDER.name)
    params = {"date": str(ask.day), "market": "DayAhead", "deliveryArea": area, "currency": "EUR"}
    return Request(url=_URL, params=params)


PROVIDER = Provider(
    name="nordpool",
    provider="Nord Pool",
    licence="terms of the Nord Pool data portal (no redistribution)",
    attribution="Nord Pool",
    parse=parse,
    request=request,
    zoned=False,
)
