"""aWATTar (DE, AT): the hourly day-ahead price without taxes and fees, times in Unix milliseconds."""

from collections.abc import Mapping

from warehouse.errors import UnitError
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import Interval, minutes_between, prices_of, zone_of
from warehouse.sources.tariffs.each import each
from warehouse.sources.tariffs.money import money_of_unit
from warehouse.sources.tariffs.payload import Record, object_of, unix_moment
from warehouse.sources.tariffs.provider import Ask, Provider, Request, code_of

_HOSTS = {"DE-LU": "api.awattar.de", "AT": "api.awattar.at"}


def parse(_dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return prices in €/kWh; options: zone, rate. Raises SourceError."""
    stated, notes = each(object_of(file).items("data"), _interval)
    units = {unit for _, unit in stated}
    if len(units) > 1:
        raise UnitError(
            f"is {' and '.join(sorted(units))} in one answer"[:200], file=file.name, column="unit"
        )
    return prices_of(
        [interval for interval, _ in stated],
        file=file.name,
        zone=zone_of(options, file.name),
        unit=money_of_unit(units.pop() if units else "EUR/MWh", options, file.name),
        column="marketprice",
        notes=notes,
    )


def _interval(item: Record) -> tuple[Interval, str]:
    start, end = (
        unix_moment(item.number(key) / 1000, item.file, item.number_of_item, key)
        for key in ("start_timestamp", "end_timestamp")
    )
    minutes = minutes_between(start, end, item.file, item.number_of_item, "end_timestamp")
    return Interval(item.number_of_item, start, minutes, item.number("marketprice")), item.text("unit")


def request(ask: Ask) -> Request:
    """Return the request for a market day of DE-LU or AT."""
    host = code_of(_HOSTS, ask, PROVIDER.name)
    bounds = {
        name: f"{bound.timestamp() * 1000:.0f}" for name, bound in (("start", ask.start), ("end", ask.end))
    }
    return Request(url=f"https://{host}/v1/marketdata", params=bounds)


PROVIDER = Provider(
    name="awattar",
    provider="aWATTar",
    licence="terms of the aWATTar API (fair use)",
    attribution="aWATTar",
    parse=parse,
    request=request,
)
