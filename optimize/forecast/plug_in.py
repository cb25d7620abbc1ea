"""When a car plugs in, until when, and what it needs: its own past, shrunk to that of its fleet.

A forecast of a car's day is made of the main session (the longest) of each of its days before. A day counts
less the longer ago it is (half after HALF_DAYS), and less where it is of the other kind (UNLIKE): workdays,
or days that are free, of a weekend or a public holiday. The fleet's days of the last FLEET_DAYS count as
FLEET_WEIGHT days of the car's own: it decides for a car with little past and hardly for one with much. Own
values are spread by a kernel that narrows as they become more. What a car needs depends on how many days it
has not charged: days before those with a gap like today's count most.

A day begins at DAY_BEGINS by the local clock: a car that comes about midnight comes on one day.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimize.arrays import FloatArray
from optimize.errors import ProblemError
from optimize.forecast.day_kind import free_days, number_of
from optimize.forecast.weighted import Weighted

DAY_BEGINS = pd.Timedelta(hours=4)
HALF_DAYS, FLEET_DAYS = 90.0, 60
UNLIKE, UNLIKE_NEED, UNLIKE_FLEET = 0.1, 0.5, 0.1
FLEET_WEIGHT, FLEET_DAYS_OF_RATE = 0.5, 4.0
FLEET_SAMPLES = 400
WIDTH_HOURS, WIDTH_NEED = (0.3, 0.5), 0.1
"""Of the kernel at one day of past: arrival and departure in hours, the need as a share of itself."""
_KERNEL = np.array([-1.28, -0.52, 0.0, 0.52, 1.28])
"""Five equally likely values of a normal distribution."""
COLUMNS = ("battery_id", "arrival", "departure", "need")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlugInDay:
    """What is expected of a car on a local day.

    probability: that it plugs in at all. arrival, departure: hours after local midnight of the day, from
    DAY_BEGINS on, beyond 24 on a later one. need: in the unit of the history's. days: own days it rests on.
    """

    probability: float
    arrival: Weighted
    departure: Weighted
    need: Weighted
    days: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlugInHistory:
    """Main sessions of a fleet, one a car and local day, in order of the days; rows: by battery_id.

    day, holidays: numbers of days since 1970-01-01. free: of a weekend or a holiday.
    """

    car: npt.NDArray[np.int64]
    day: npt.NDArray[np.int64]
    free: npt.NDArray[np.bool_]
    hours: FloatArray
    need: FloatArray
    gap: FloatArray
    rows: Mapping[str, npt.NDArray[np.int64]]
    holidays: frozenset[int] = frozenset()

    @classmethod
    def of(cls, sessions: pd.DataFrame, holidays: Collection[int] = ()) -> PlugInHistory:
        """sessions: COLUMNS; arrival and departure by the local clock (naive), need ≥ 0 in one unit.

        holidays: numbers of days, those of the past and of days to come. Raises ProblemError for a session
        that ends before it begins.
        """
        length = sessions["departure"] - sessions["arrival"]
        ordered = sessions.assign(length=length, date=day_of(sessions["arrival"]))
        wrong = ordered[ordered["length"] <= pd.Timedelta(0)]
        if len(wrong):
            row = wrong.iloc[0]
            raise ProblemError(
                f"car {row['battery_id']!r}", "departure", row["departure"], "must be after arrival"
            )
        main = ordered.sort_values("length").drop_duplicates(["battery_id", "date"], keep="last")
        main = main.sort_values(["date", "arrival", "battery_id"])
        codes, names = pd.factorize(main["battery_id"])
        day = (main["date"] - pd.Timestamp(0)).dt.days.to_numpy()
        before = pd.Series(day).groupby(codes).shift()
        hours = [(main[name] - main["date"]).dt.total_seconds() / 3600.0 for name in ("arrival", "departure")]
        own = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
        return cls(
            car=np.asarray(codes, dtype=np.int64),
            day=np.asarray(day, dtype=np.int64),
            free=free_days(np.asarray(day, dtype=np.int64), holidays),
            hours=np.column_stack([one.to_numpy(dtype=np.float64) for one in hours]),
            need=main["need"].to_numpy(dtype=np.float64),
            gap=(pd.Series(day) - before).fillna(7.0).to_numpy(dtype=np.float64),
            rows=dict(zip(map(str, names), own, strict=True)),
            holidays=frozenset(holidays),
        )

    def on(self, target: date, *, over: date | None = None) -> FleetDay:
        """What the days before a day say of it.

        over: the first day that is not over yet, the day itself unless given: before it a day without a
        session is one on which a car did not come.
        """
        day = number_of(target)
        known = day if over is None else min(day, number_of(over))
        free = bool(free_days(np.array([day]), self.holidays)[0])
        fleet = np.flatnonzero((self.day < day) & (self.day >= day - FLEET_DAYS))
        if fleet.size > FLEET_SAMPLES:
            fleet = fleet[np.linspace(0, fleet.size - 1, FLEET_SAMPLES).astype(np.int64)]
        recent = (self.day < known) & (self.day >= known - FLEET_DAYS) & (self.free == free)
        first = max(known - FLEET_DAYS, int(self.day[0])) if self.day.size else known
        days = int((free_days(np.arange(first, known), self.holidays) == free).sum())
        days *= len(np.unique(self.car[self.day < known]))
        rate = float(recent.sum() / days) if days else 0.0
        return FleetDay(history=self, day=day, known=known, free=free, fleet=fleet, rate=rate)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FleetDay:
    """A day as the days before it tell of it; numbers of days are since 1970-01-01.

    known: the first that is not over; free: of a weekend or a holiday; fleet: rows of the history that count
    for all cars; rate: how often one of them came on such a day.
    """

    history: PlugInHistory
    day: int
    known: int
    free: bool
    fleet: npt.NDArray[np.int64]
    rate: float

    def expect(self, battery_id: str) -> PlugInDay | None:
        """What is expected of a car; None for one that never came before."""
        of, own = self.history, self.history.rows.get(battery_id)
        if own is None or not (own := own[of.day[own] < self.day]).size:
            return None
        fleet = self.fleet if self.fleet.size else own
        age = 0.5 ** ((self.day - of.day[own]) / HALF_DAYS)
        like = np.where(of.free[own] == self.free, 1.0, UNLIKE)
        of_fleet = np.where(of.free[fleet] == self.free, 1.0, UNLIKE_FLEET)
        gap = float(self.day - of.day[own[-1]])
        likely = age * np.where(of.free[own] == self.free, 1.0, UNLIKE_NEED) * _alike(of.gap[own], gap)
        arrival, departure = (
            _mixed(of.hours[own, k], age * like, WIDTH_HOURS[k], of.hours[fleet, k], of_fleet)
            for k in range(2)
        )
        width = WIDTH_NEED * float(np.median(of.need[own]))
        need = _mixed(of.need[own], likely, width, of.need[fleet], of_fleet * _alike(of.gap[fleet], gap))
        return PlugInDay(
            probability=self._probability(of.day[own]),
            arrival=arrival,
            departure=departure,
            need=Weighted(np.abs(need.points), need.weights),
            days=int(own.size),
        )

    def _probability(self, came: npt.NDArray[np.int64]) -> float:
        """The share of days of its kind on which it came, recent ones above all, shrunk to the fleet's."""
        days = np.arange(min(int(came[0]), self.known), self.known)
        weights = np.where(
            free_days(days, self.history.holidays) == self.free, 0.5 ** ((self.known - days) / HALF_DAYS), 0.0
        )
        there = float(weights[np.isin(days, came)].sum()) + FLEET_DAYS_OF_RATE * self.rate
        return there / (float(weights.sum()) + FLEET_DAYS_OF_RATE)


def day_of(arrivals: pd.Series) -> pd.Series:
    """The day that arrivals by the local clock (naive) belong to."""
    return (arrivals - DAY_BEGINS).dt.normalize()


def _alike(gaps: FloatArray, gap: float) -> FloatArray:
    """How much days count by their gap since the car's day before: like gaps most."""
    alike: FloatArray = np.exp(-np.abs(np.log((gaps + 0.3) / (gap + 0.3))))
    return alike


def _mixed(
    own: FloatArray, weights: FloatArray, width: float, fleet: FloatArray, of_fleet: FloatArray
) -> Weighted:
    """Own values, each spread by the kernel, and the fleet's, that count as FLEET_WEIGHT days together."""
    narrow = width * min(1.0, float(weights.sum()) ** -0.2)
    spread = (own[:, None] + narrow * _KERNEL).ravel()
    return Weighted(
        np.concatenate([spread, fleet]),
        np.concatenate(
            [np.repeat(weights / len(_KERNEL), len(_KERNEL)), FLEET_WEIGHT * of_fleet / of_fleet.sum()]
        ),
    )
