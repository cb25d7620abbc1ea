"""A time-of-use tariff: seasons of days, periods of a day, and what a kWh costs or earns in each."""

import calendar
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from warehouse.errors import ColumnError, OptionError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LEAP_YEAR = 2024
_MOST_SEASONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Prices from a minute of the local day until the next period's.

    number: its place among all periods of the file, from 1. feed_in_per_kwh: None where nothing can be sold.
    """

    number: int
    start_minute: int
    energy_per_kwh: float
    grid_fee_per_kwh: float = 0.0
    feed_in_per_kwh: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """Days of the year (month, day; both belong to it) and of the week, and what holds on them."""

    name: str
    first: tuple[int, int]
    last: tuple[int, int]
    weekdays: frozenset[int]
    periods: tuple[Period, ...]
    demand_charge_per_kw: float = 0.0

    def holds(self, month: int, day: int, weekday: int) -> bool:
        """Tell whether a day falls into it; weekday 0 is Monday."""
        date = (month, day)
        within = (
            self.first <= date <= self.last
            if self.first <= self.last
            else date >= self.first or date <= self.last
        )
        return within and weekday in self.weekdays


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """A time-of-use tariff in its own currency; its seasons cover every day exactly once."""

    name: str
    currency: str
    first_day: dt.date
    last_day: dt.date | None
    seasons: tuple[Season, ...]
    vat: float = 0.0
    taxes_per_kwh: float = 0.0
    discharge_premium_per_kwh: float = 0.0

    def at(self, moment: dt.datetime, timezone: ZoneInfo) -> tuple[Season, Period]:
        """Return what holds at a time."""
        local = moment.astimezone(timezone)
        season = next(one for one in self.seasons if one.holds(local.month, local.day, local.weekday()))
        minute = local.hour * 60 + local.minute
        return season, next(one for one in reversed(season.periods) if one.start_minute <= minute)

    def import_per_kwh(self, period: Period) -> float:
        """Return what a kWh bought costs, fees, taxes and VAT included."""
        return (period.energy_per_kwh + period.grid_fee_per_kwh + self.taxes_per_kwh) * (1.0 + self.vat)

    def export_per_kwh(self, period: Period) -> float | None:
        """Return what a kWh fed back earns, the premium included; None where nothing is sold."""
        if period.feed_in_per_kwh is None:
            return None
        return period.feed_in_per_kwh + self.discharge_premium_per_kwh

    @property
    def resolution_minutes(self) -> int:
        """The longest of 60, 30, 15 minutes that every period begins on."""
        starts = [period.start_minute for season in self.seasons for period in season.periods]
        return next(step for step in (60, 30, 15) if all(start % step == 0 for start in starts))


def require_in_force(tariff: Tariff, days: Sequence[dt.date], file: str) -> None:
    """Raise OptionError for a day before or after the tariff."""
    for day in days:
        if day < tariff.first_day or (tariff.last_day is not None and day > tariff.last_day):
            until = "" if tariff.last_day is None else f" until {tariff.last_day}"
            raise OptionError(
                f"is not in force: {tariff.name[:60]} holds from {tariff.first_day}{until}",
                file=file, column="date", value=str(day),
            )  # fmt: skip


def require_each_day_once(seasons: Sequence[Season], file: str) -> None:
    """Raise ColumnError for a day of the leap year that no season or more than one holds on."""
    if len(seasons) > _MOST_SEASONS:
        raise ColumnError(f"are {len(seasons)}, more than {_MOST_SEASONS}", file=file, column="seasons")
    for month in range(1, 13):
        for day in range(1, calendar.monthrange(LEAP_YEAR, month)[1] + 1):
            for weekday, name in enumerate(DAYS):
                found = [season.name for season in seasons if season.holds(month, day, weekday)]
                if len(found) != 1:
                    text = (
                        f"hold more than once: {', '.join(map(repr, found))}"[:200] if found else "leave out"
                    )
                    raise ColumnError(f"{text}, on {name} {month:02}-{day:02}", file=file, column="seasons")
