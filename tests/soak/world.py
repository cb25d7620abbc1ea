"""A depot's days: who comes and goes, what its files say, when they come.

Cars charge in a straight line from when they come to when they leave, whatever was planned: what is reported
of them is not what the planner believes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tests.flows.conftest import ZONE, price_rows
from warehouse.zones import market_day_bounds

LOCAL = ZoneInfo("Europe/Berlin")
QUARTER = timedelta(minutes=15)
STAMP = "%Y-%m-%dT%H:%M:%SZ"
CAPACITY_KWH = 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """One night of a car at its plug, and how full it comes and leaves."""

    session_id: str
    battery_id: str
    arrival: datetime
    departure: datetime
    arrival_soc: float
    departure_soc: float


@dataclass(slots=True)
class Day:
    """The files of a local day by when they are dropped, and what else happens.

    away: when nobody looks, tz-aware; it may end on a later day. killed, locked, mistyped, shut: the look at
    which tomorrow is planned is killed, finds the file held, the settings wrong, no folder for pages.
    damaged: the database is cut short before a look in the morning. unreachable: who is asked for prices
    does not answer.
    """

    day: date
    files: dict[datetime, list[tuple[str, str | bytes]]] = field(default_factory=dict)
    away: tuple[datetime, datetime] | None = None
    killed: bool = False
    locked: bool = False
    mistyped: bool = False
    shut: bool = False
    damaged: bool = False
    unreachable: bool = False

    def drop(self, stated: str, name: str, text: str | bytes, *, days: int = 0) -> None:
        """Have a file dropped into the inbox at HH:MM, so many days later."""
        moment = local(self.day + timedelta(days=days), stated)
        self.files.setdefault(moment, []).append((name, text))

    def take(self, dataset: str) -> str:
        """Take back the file of a dataset, and say what was in it."""
        for files in self.files.values():
            for one in files:
                if one[0].startswith(dataset):
                    files.remove(one)
                    return str(one[1])
        return ""


def local(day: date, stated: str) -> datetime:
    """HH:MM of a day at the depot, UTC."""
    return datetime.combine(day, time.fromisoformat(stated), LOCAL).astimezone(UTC)


class World:
    """Days of a depot from a seed; the same day is the same whoever asks, and in whichever order."""

    def __init__(self, seed: int, cars: list[str]) -> None:
        self.seed, self.cars = seed, cars

    def night(self, car: str, day: date) -> Session:
        """The session of a car that begins on a day."""
        come, gone, needed, used = self._drawn(car, day)
        _, _, filled, _ = self._drawn(car, day - timedelta(days=1))
        return Session(
            session_id=f"{car}-{day:%m%d}",
            battery_id=car,
            arrival=local(day, "16:30") + come * QUARTER,
            departure=local(day + timedelta(days=1), "06:15") + gone * QUARTER,
            arrival_soc=round(filled - used, 2),
            departure_soc=round(needed, 2),
        )

    def _drawn(self, car: str, day: date) -> tuple[int, int, float, float]:
        """Quarter-hours late to come and to go, how full it leaves and what it then drives, as SoC."""
        dice = self._dice(car, day)
        come, gone = int(dice.integers(0, 9)), int(dice.integers(0, 5))
        return come, gone, float(dice.uniform(0.72, 0.88)), float(dice.uniform(0.2, 0.4))

    def sessions(self, day: date) -> str:
        """The file that announces the sessions of a day."""
        rows = [self.night(car, day) for car in self.cars]
        return as_csv(rows)

    def prices(self, day: date, *, wide: float = 0.0) -> pd.DataFrame:
        """Hourly prices of a market day."""
        rows = price_rows(day, 1, spread=0.05 + 0.05 * self._dice("price", day).random() + wide)
        noise = self._dice("noise", day).normal(0, 0.01, len(rows))
        return rows.assign(price_eur_per_kwh=(rows["price_eur_per_kwh"] + noise).round(5))

    def telemetry(self, day: date) -> pd.DataFrame:
        """Charge and power of every car in each quarter-hour of a day."""
        first, end = market_day_bounds(day, ZONE)
        times = pd.date_range(first, end, freq=QUARTER, inclusive="left")
        frames = []
        for car in self.cars:
            knots: list[tuple[datetime, float]] = []
            for back in (-2, -1, 0, 1):
                one = self.night(car, day + timedelta(days=back))
                knots += [(one.arrival, one.arrival_soc), (one.departure, one.departure_soc)]
            at = np.array([moment.timestamp() for moment, _ in knots])
            known = [value for _, value in knots]
            soc = np.interp([one.timestamp() for one in times], at, known)
            later = np.interp([(one + QUARTER).timestamp() for one in times], at, known)
            frames.append(
                pd.DataFrame(
                    {
                        "battery_id": car,
                        "time_utc": times.strftime(STAMP),
                        "soc_reported": soc.round(3),
                        "power_kw": ((later - soc) * CAPACITY_KWH * 4).round(2),
                    }
                )
            )
        return pd.concat(frames)

    def day(self, day: date) -> Day:
        """An ordinary day: tomorrow's sessions at ten, its prices at one, today's telemetry in the night."""
        made, after = Day(day=day), day + timedelta(days=1)
        made.drop("10:00", f"sessions__csv__{after}.csv", self.sessions(after))
        made.drop("13:00", f"prices__csv__{after}.csv", self.prices(after).to_csv(index=False))
        yesterday = day - timedelta(days=1)
        made.drop("04:00", f"soc_power__csv__{yesterday}.csv", self.telemetry(yesterday).to_csv(index=False))
        return made

    def _dice(self, *what: object) -> np.random.Generator:
        text = "/".join(map(str, (self.seed, *what)))
        return np.random.default_rng(list(text.encode()))


def as_csv(rows: list[Session]) -> str:
    """A file of sessions."""
    return pd.DataFrame(
        {
            "session_id": [one.session_id for one in rows],
            "battery_id": [one.battery_id for one in rows],
            "arrival_utc": [f"{one.arrival:{STAMP}}" for one in rows],
            "departure_utc": [f"{one.departure:{STAMP}}" for one in rows],
            "arrival_soc": [one.arrival_soc for one in rows],
            "departure_soc": [one.departure_soc for one in rows],
        }
    ).to_csv(index=False)
