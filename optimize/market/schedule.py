"""Prices by season, day of the week and time of the local day, as a price sheet prints them.

    price_eur_per_kwh = 0.0831               # always the same; or:

    [[grid_fee.season]]                      # every day of the year falls into exactly one season
    name = "winter"                          # `all year` without from and to
    from = "10-01"                           # both days belong to it; it may go over New Year
    to = "03-31"
    days = "all"                             # all (if absent), weekdays, weekends, or ["sat", "sun"]
    [[grid_fee.season.window]]               # every quarter-hour of the local day falls into exactly one
    name = "HT"
    start = "17:00"                          # on a quarter-hour; a window may go over midnight
    end = "22:00"                            # "24:00" is the end of the day
    price_eur_per_kwh = 0.1586

The local clock decides: where it is turned back, the repeated hour counts twice by the same price.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd

from optimize.market.table import Table

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_GROUPS = {"all": DAYS, "weekdays": DAYS[:5], "weekends": DAYS[5:]}
_LEAP_YEAR, _QUARTERS = 2024, 96
ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the day with one price."""

    name: str
    eur_per_kwh: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """Days of the year (month, day; both belong to it) and of the week (Monday 0); 96 windows, one each."""

    name: str
    first: tuple[int, int]
    last: tuple[int, int]
    weekdays: frozenset[int]
    quarters: tuple[Window, ...]

    def holds(self, month: int, day: int, weekday: int) -> bool:
        """Whether a day falls into it."""
        date = (month, day)
        if self.first <= self.last:
            within = self.first <= date <= self.last
        else:
            within = date >= self.first or date <= self.last
        return within and weekday in self.weekdays


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Seasons that hold every day exactly once."""

    seasons: tuple[Season, ...]

    @property
    def prices(self) -> list[Decimal]:
        """Every price that it knows, €/kWh."""
        return [window.eur_per_kwh for season in self.seasons for window in season.quarters]

    def at(self, local: pd.DatetimeIndex) -> list[Window]:
        """The window that each quarter-hour, named by its local start, falls into."""
        days: dict[tuple[int, int, int], Season] = {}
        found = []
        for moment in local:
            day = (moment.month, moment.day, moment.weekday())
            if day not in days:
                days[day] = next(season for season in self.seasons if season.holds(*day))
            found.append(days[day].quarters[moment.hour * 4 + moment.minute // 15])
        return found


def constant(price: Decimal) -> Schedule:
    """One price on all days."""
    window = Window(name=ALWAYS, eur_per_kwh=price)
    return Schedule(seasons=(_whole_year((window,) * _QUARTERS),))


def read_schedule(table: Table) -> Schedule:
    """`price_eur_per_kwh` or `season` of a table; raises TermsError for a day or a time without one price."""
    if "season" not in table:
        return constant(table.price("price_eur_per_kwh"))
    if "price_eur_per_kwh" in table:
        raise table.error("price_eur_per_kwh", "stands next to seasons: either holds")
    seasons = tuple(_season(one) for one in table.tables("season"))
    for month in range(1, 13):
        for day in range(1, calendar.monthrange(_LEAP_YEAR, month)[1] + 1):
            for weekday, name in enumerate(DAYS):
                held = [season.name for season in seasons if season.holds(month, day, weekday)]
                if len(held) != 1:
                    text = "missing" if not held else "in several seasons (" + ", ".join(held) + ")"
                    raise table.error("season", f"{name} {month:02}-{day:02} is {text}")
    return Schedule(seasons=seasons)


def _season(table: Table) -> Season:
    name = table.text("name")
    first, last = (_day_of_year(table, key, default) for key, default in (("from", "01-01"), ("to", "12-31")))
    weekdays = _weekdays(table)
    quarters: list[Window | None] = [None] * _QUARTERS
    for one in table.tables("window"):
        window = Window(name=one.text("name"), eur_per_kwh=one.price("price_eur_per_kwh"))
        start, end = _quarter(one, "start"), _quarter(one, "end")
        one.refuse_rest()
        if start == end:
            raise one.error("end", "must differ from start")
        for quarter in range(start, end if end > start else end + _QUARTERS):
            held = quarters[quarter % _QUARTERS]
            if held is not None:
                raise one.error("start", f"overlaps window {held.name!r} at {_clock(quarter % _QUARTERS)}")
            quarters[quarter % _QUARTERS] = window
    table.refuse_rest()
    if None in quarters:
        hole = _clock(quarters.index(None))
        raise table.error("window", f"season {name!r} has no price at {hole}")
    return Season(
        name=name,
        first=first,
        last=last,
        weekdays=weekdays,
        quarters=tuple(window for window in quarters if window is not None),
    )


def _whole_year(quarters: tuple[Window, ...]) -> Season:
    return Season(
        name="all year", first=(1, 1), last=(12, 31), weekdays=frozenset(range(7)), quarters=quarters
    )


def _day_of_year(table: Table, key: str, default: str) -> tuple[int, int]:
    text = table.text(key) if key in table else default
    found = re.fullmatch(r"([0-9]{2})-([0-9]{2})", text)
    month, day = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(_LEAP_YEAR, month)[1]:
        raise table.error(key, "must be a day of the year like 09-30 (month-day)")
    return month, day


def _weekdays(table: Table) -> frozenset[int]:
    if "days" not in table:
        return frozenset(range(7))
    if isinstance(table.content["days"], str):
        names = _GROUPS[table.one_of("days", _GROUPS)]
    else:
        names = table.some_of("days", DAYS, ())
        if not names:
            raise table.error("days", "must name at least one day")
    return frozenset(DAYS.index(name) for name in names)


def _quarter(table: Table, key: str) -> int:
    found = re.fullmatch(r"([01][0-9]|2[0-4]):(00|15|30|45)", table.text(key))
    quarter = int(found[1]) * 4 + int(found[2]) // 15 if found else _QUARTERS + 1
    if quarter > _QUARTERS or (key == "start" and quarter == _QUARTERS):
        raise table.error(key, "must be a local time on a quarter-hour, as 16:30")
    return quarter


def _clock(quarter: int) -> str:
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"
