"""Octopus Energy (GB): half-hourly unit rates of Agile and of Agile Outgoing, newest first, p/kWh.

Both tariffs answer in one layout; what is bought and what is sold are distinguished by the name of the
source.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from warehouse.errors import CellError, OptionError, ProviderError
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import Interval, minutes_between, prices_of, zone_of
from warehouse.sources.tariffs.each import each
from warehouse.sources.tariffs.money import money
from warehouse.sources.tariffs.payload import Record, object_of
from warehouse.sources.tariffs.provider import Ask, Provider, Request, iso

_URL = "https://api.octopus.energy/v1/products/{product}/electricity-tariffs/{tariff}/standard-unit-rates/"
_TARIFF = re.compile(r"E-[12]R-([A-Z0-9-]{3,40})-[A-P]")


def _parse(direction: str, dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return rates in €/kWh, without VAT as prices, with it as retail tariff.

    options: zone (GB if not given), rate. Raises SourceError.
    """
    column = "value_exc_vat" if dataset == "prices" else "value_inc_vat"
    answer = object_of(file)
    if "results" not in answer.value and "detail" in answer.value:
        raise ProviderError(f"is an error, not rates: {str(answer.value['detail'])[:200]}", file=file.name)
    notes = [f"rates are those {'without' if dataset == 'prices' else 'with'} VAT"]
    if answer.value.get("next") is not None:
        notes.append("the answer goes on in a further page, which is not in this file")
    intervals, left_out = each(answer.items("results"), partial(_interval, column))
    parsed = prices_of(
        intervals,
        file=file.name,
        zone=zone_of({"zone": "GB", **options}, file.name),
        unit=money("GBP", 100.0, options, file.name),
        column=column,
        notes=(*notes, *left_out),
    )
    if dataset == "prices":
        return parsed
    return replace(parsed, frame=parsed.frame.assign(direction=direction, demand_charge_eur_per_kw=None))


def _interval(column: str, item: Record) -> Interval:
    if item.get("valid_to") is None:
        raise CellError(
            "has no end: this is not a half-hourly rate", file=item.file, row=item.row, column="valid_to"
        )
    start, end = item.moment("valid_from"), item.moment("valid_to")
    minutes = minutes_between(start, end, item.file, item.number_of_item, "valid_to")
    return Interval(item.number_of_item, start, minutes, item.number(column))


def request(ask: Ask) -> Request:
    """Return the request for a market day; it needs the tariff's code, as in E-1R-AGILE-24-10-01-C."""
    found = _TARIFF.fullmatch(ask.tariff or "")
    if ask.zone != "GB":
        raise OptionError(
            "has no prices in octopus; there is GB", file="octopus", column="zone", value=ask.zone
        )
    if found is None:
        raise OptionError(
            "is not a tariff code like E-1R-AGILE-24-10-01-C",
            file="octopus",
            column="tariff",
            value=str(ask.tariff),
        )
    return Request(
        url=_URL.format(product=found[1], tariff=found[0]),
        params={"period_from": iso(ask.start), "period_to": iso(ask.end), "page_size": "1500"},
    )


IMPORT = Provider(
    name="octopus",
    provider="Octopus Energy",
    licence="terms of the Octopus Energy API",
    attribution="Octopus Energy",
    parse=partial(_parse, "import"),
    request=request,
    zoned=False,
    datasets=("prices", "tariffs"),
    direction="import",
    needs_tariff=True,
)
EXPORT = replace(IMPORT, name="octopus_export", parse=partial(_parse, "export"), direction="export")
