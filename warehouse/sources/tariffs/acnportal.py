"""Schedules of acnportal (JSON): US dollars, hours of the day as numbers, energy and demand charge alone."""

import itertools
from collections.abc import Iterator

from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.payload import Record, object_of
from warehouse.sources.tariffs.schedule import Period, Season, Tariff
from warehouse.sources.tariffs.schedule_cells import date, day_of_year, price, refuse_disorder, weekdays

_MINUTES_A_DAY = 1440


def read_acnportal(file: RawFile) -> Tariff:
    """Return the tariff of a schedule; raises SourceError."""
    root, numbers = object_of(file), itertools.count(1)
    return Tariff(
        name=root.text("name"),
        currency="USD",
        first_day=date(root, "effective"),
        last_day=None,
        seasons=tuple(_season(item, numbers) for item in root.items("schedule")),
    )


def _season(item: Record, numbers: Iterator[int]) -> Season:
    hours, prices = item.values("times"), item.values("tariffs")
    if len(hours) != len(prices):
        raise item.error("tariffs", f"has {len(prices)} prices for {len(hours)} times")
    cells = [
        Record(file=item.file, row=item.row, value={"times": hour, "tariffs": amount})
        for hour, amount in zip(hours, prices, strict=True)
    ]
    periods = tuple(
        Period(
            number=next(numbers),
            start_minute=_minute(cell),
            energy_per_kwh=price(cell, "tariffs", needed=True),
        )
        for cell in cells
    )
    refuse_disorder(item, [period.start_minute for period in periods], "times")
    return Season(
        name=item.text("id"),
        first=day_of_year(item, "effective_start"),
        last=day_of_year(item, "effective_end"),
        weekdays=weekdays(item, "dow_mask"),
        periods=periods,
        demand_charge_per_kw=price(item, "demand_charge", lowest=0.0),
    )


def _minute(cell: Record) -> int:
    minute = cell.number("times") * 60
    if minute % 15 or not 0 <= minute < _MINUTES_A_DAY:
        raise cell.error("times", "is not an hour of the day on a quarter-hour")
    return int(minute)
