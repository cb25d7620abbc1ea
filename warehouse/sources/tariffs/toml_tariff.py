"""The TOML of a time-of-use tariff:

    name = "Depot tariff"
    currency = "EUR"                 # of every price here; another one needs a rate
    from = 2026-01-01                # first day in force; `until` (last day) if it is known
    vat = 0.19                       # on everything bought, not on what is sold; 0 if absent
    taxes_per_kwh = 0.0205           # on each kWh bought, before VAT
    discharge_premium_per_kwh = 0.02 # on each kWh fed back, besides `feed_in_per_kwh`

    [[season]]                       # as many as it takes
    name = "All year"
    from = "01-01"                   # both days belong to it; it may go over New Year
    to = "12-31"
    days = "all"                     # all, weekdays, weekends, or a list: ["mon", "sat"]
    demand_charge_per_kw = 15.51     # on the month's highest import; 0 if absent
    [[season.period]]                # in order of time; the first begins at 00:00
    start = "00:00"                  # local time, on a quarter-hour
    energy_per_kwh = 0.0562
    grid_fee_per_kwh = 0.031         # 0 if absent
    feed_in_per_kwh = 0.05           # in every period or in none: then nothing can be sold
    [[season.period]]
    start = "16:00"
    energy_per_kwh = 0.2667
    feed_in_per_kwh = 0.09

Every day must fall into exactly one season. A kWh bought costs (energy + grid fee + taxes)·(1 + VAT), one
sold earns feed-in + premium.
"""

import itertools
import re
import tomllib
from collections.abc import Iterator

from warehouse.errors import OversizedFileError, UndecodableFileError
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.payload import Record
from warehouse.sources.tariffs.schedule import Period, Season, Tariff
from warehouse.sources.tariffs.schedule_cells import (
    date,
    day_of_year,
    price,
    refuse_disorder,
    refuse_unknown,
    share,
    weekdays,
)

_MOST_BYTES = 2**20
_TARIFF_KEYS = frozenset(
    {"name", "currency", "from", "until", "vat", "taxes_per_kwh", "discharge_premium_per_kwh", "season"}
)
_SEASON_KEYS = frozenset({"name", "from", "to", "days", "demand_charge_per_kw", "period"})
_PERIOD_KEYS = frozenset({"start", "energy_per_kwh", "grid_fee_per_kwh", "feed_in_per_kwh"})


def read_toml(file: RawFile) -> Tariff:
    """Return the tariff of a TOML file; raises SourceError."""
    if len(file.data) > _MOST_BYTES:
        raise OversizedFileError(f"is larger than {_MOST_BYTES:,} bytes", file=file.name)
    try:
        value = tomllib.loads(file.data.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UndecodableFileError(f"is not TOML: {error}", file=file.name) from error
    root = Record(file=file.name, value=value)
    refuse_unknown(root, _TARIFF_KEYS)
    numbers = itertools.count(1)
    return Tariff(
        name=root.text("name"),
        currency=root.text("currency"),
        first_day=date(root, "from"),
        last_day=date(root, "until") if "until" in value else None,
        vat=share(root, "vat"),
        taxes_per_kwh=price(root, "taxes_per_kwh"),
        discharge_premium_per_kwh=price(root, "discharge_premium_per_kwh"),
        seasons=tuple(_season(item, numbers) for item in root.items("season")),
    )


def _season(item: Record, numbers: Iterator[int]) -> Season:
    refuse_unknown(item, _SEASON_KEYS)
    periods = tuple(_period(inner, item, next(numbers)) for inner in item.items("period"))
    refuse_disorder(item, [period.start_minute for period in periods], "period")
    if len({period.feed_in_per_kwh is None for period in periods}) > 1:
        raise item.error("name", "has periods with feed_in_per_kwh and others without")
    return Season(
        name=item.text("name"),
        first=day_of_year(item, "from"),
        last=day_of_year(item, "to"),
        weekdays=weekdays(item, "days"),
        periods=periods,
        demand_charge_per_kw=price(item, "demand_charge_per_kw", lowest=0.0),
    )


def _period(inner: Record, season: Record, number: int) -> Period:
    item = Record(file=inner.file, value=inner.value, row=season.row, path=f"period {inner.row} ")
    refuse_unknown(item, _PERIOD_KEYS)
    clock = re.fullmatch(r"([01][0-9]|2[0-3]):(00|15|30|45)", item.text("start"))
    if clock is None:
        raise item.error("start", "is not a local time on a quarter-hour, as 16:30")
    return Period(
        number=number,
        start_minute=60 * int(clock[1]) + int(clock[2]),
        energy_per_kwh=price(item, "energy_per_kwh", needed=True),
        grid_fee_per_kwh=price(item, "grid_fee_per_kwh"),
        feed_in_per_kwh=price(item, "feed_in_per_kwh") if "feed_in_per_kwh" in inner.value else None,
    )
