"""Time-of-use tariffs written out for market days: what a kWh costs and earns in each interval.

A file is TOML as `toml_tariff` documents it, or a schedule of acnportal. As prices (dataset `prices`) the
energy component alone; as retail prices (`tariffs`) what is paid and earned at the plug, fees, taxes, VAT and
the discharge premium included, with the demand charge.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import pandas as pd

from warehouse.errors import OptionError
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.acnportal import read_acnportal
from warehouse.sources.tariffs.answer import zone_of
from warehouse.sources.tariffs.money import Money, money
from warehouse.sources.tariffs.schedule import Period, Season, Tariff, require_each_day_once, require_in_force
from warehouse.sources.tariffs.toml_tariff import read_toml
from warehouse.zones import market_day_slots, market_timezone

OPTIONS = frozenset({"zone", "rate", "days"})


def parse(dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return rows of `prices` or `tariffs`; options: days (market dates), zone, rate. Raises SourceError."""
    tariff = read_tariff(file)
    zone, days = zone_of(options, file.name), _days(options, file.name)
    require_in_force(tariff, days, file.name)
    unit = money(tariff.currency, 1.0, options, file.name)
    timezone = ZoneInfo(market_timezone(zone))
    starts = [
        start.to_pydatetime()
        for day in days
        for start in market_day_slots(day, zone, tariff.resolution_minutes)
    ]
    found = [(start, *tariff.at(start, timezone)) for start in starts]
    rows = (
        [_row(start, period.number, unit.per_kwh(period.energy_per_kwh)) for start, _, period in found]
        if dataset == "prices"
        else [row for start, season, period in found for row in _retail(tariff, unit, start, season, period)]
    )
    frame = pd.DataFrame(rows).assign(zone=zone, resolution_minutes=tariff.resolution_minutes)
    frame["interval_start_utc"] = pd.Series(frame["interval_start_utc"], dtype="datetime64[us, UTC]")
    return Parsed(
        frame=frame,
        spelling={"price_eur_per_kwh": ("energy_per_kwh", 1.0 / unit.euros)},
        notes=(
            *unit.notes,
            f"local times of the tariff were taken as those of {zone}",
            *_left_out(dataset, tariff),
        ),
    )


def read_tariff(file: RawFile) -> Tariff:
    """Return the tariff of a file; raises SourceError, also where a day has no season or two."""
    tariff = read_acnportal(file) if file.data.lstrip()[:1] == b"{" else read_toml(file)
    require_each_day_once(tariff.seasons, file.name)
    return tariff


def _retail(
    tariff: Tariff, unit: Money, start: dt.datetime, season: Season, period: Period
) -> list[dict[str, object]]:
    bought = _row(start, period.number, unit.per_kwh(tariff.import_per_kwh(period)))
    demand = season.demand_charge_per_kw * unit.euros
    rows = [bought | {"direction": "import", "demand_charge_eur_per_kw": demand}]
    if (sold := tariff.export_per_kwh(period)) is not None:
        more = {"direction": "export", "demand_charge_eur_per_kw": None}
        rows.append(_row(start, period.number, unit.per_kwh(sold)) | more)
    return rows


def _row(start: dt.datetime, number: int, price: float) -> dict[str, object]:
    return {"interval_start_utc": start, "price_eur_per_kwh": price, "source_row": number}


def _left_out(dataset: str, tariff: Tariff) -> list[str]:
    """Tell what the rows of a dataset cannot hold."""
    if dataset != "prices":
        return []
    fees = [
        name
        for name, there in (
            ("taxes", tariff.taxes_per_kwh),
            ("VAT", tariff.vat),
            ("the discharge premium", tariff.discharge_premium_per_kwh),
            ("grid fees", any(p.grid_fee_per_kwh for s in tariff.seasons for p in s.periods)),
            ("the demand charge", any(s.demand_charge_per_kw for s in tariff.seasons)),
        )
        if there
    ]
    return [f"left out, since a market price holds none of them: {', '.join(fees)}"] if fees else []


def _days(options: Mapping[str, object], file: str) -> list[dt.date]:
    days = options.get("days")
    if not isinstance(days, Sequence) or isinstance(days, str) or not days:
        raise OptionError(
            "must be given: the market days to write the tariff out for", file=file, column="date"
        )
    return sorted(set(days))
