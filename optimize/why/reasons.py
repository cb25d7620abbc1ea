"""Why each car does what it does: its day in stretches of one action, and what doing otherwise would cost it.

What a stretch is worth is what its car's own day loses without it: V(with) − V(without), both at the plan's
prices and at the shadow prices of the limits and peaks that cars share, all sessions of the car planned anew.
Of a quarter-hour in which nothing moves it is what a kWh moved in it, in or out, would lose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from optimize.types import DayProblem, ModePlan
from optimize.why.instead import Instead, instead_of
from optimize.why.lost import Day, OfCar
from optimize.why.values import Change
from optimize.windows import SessionWindow

Action = Literal["charges", "feeds back", "waits", "holds", "rests"]
ACTIONS: tuple[Action, ...] = ("charges", "feeds back", "waits", "holds", "rests")
_MOVING_KW = 1e-6
_SAME_EUR = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Otherwise:
    """What a kWh, metered, that is moved while nothing moves would lose, in the slot of the best price.

    exact: else it loses at least that.
    """

    slot: int
    eur_per_kwh: float
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Slots first … end − 1, in which a car does one thing.

    lowest_kwh, highest_kwh: what it may hold then. worth_eur: what its day loses without what it does there,
    NaN where nothing moves and where it is not known; exact: else at least that. instead: what it would do.
    charge, feed: a kWh moved where nothing does. wear_eur_per_kwh: what the next kWh fed back
    wears, metered. unknown: one of `lost.UNKNOWN`, or "".
    """

    battery_id: str
    first: int
    end: int
    action: Action
    lowest_kwh: float
    highest_kwh: float
    wear_eur_per_kwh: float
    worth_eur: float = math.nan
    exact: bool = True
    instead: Instead | None = None
    charge: Otherwise | None = None
    feed: Otherwise | None = None
    unknown: str = ""


def reasons(problem: DayProblem, plan: ModePlan) -> tuple[Reason, ...]:
    """The reasons of a plan, by car and time; together they are all slots in which anything is plugged in."""
    day, found = Day(problem, plan), list[Reason]()
    for i in range(len(problem.cars)):
        if plan.plugged[i].any():
            found += _Stretches(OfCar(day, i)).reasons()
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Stretches:
    """The stretches of one car."""

    of: OfCar

    def reasons(self) -> list[Reason]:
        """Each with its reason."""
        return [
            self._reason(number, first, end, action)
            for number, stay in enumerate(self.of.car.stays)
            for first, end, action in self._runs(number, stay.window)
        ]

    def _runs(self, number: int, window: SessionWindow) -> Iterator[tuple[int, int, Action]]:
        """Runs of slots of one stay, by numbers within it."""
        charged, discharged = self.of.planned.charged[number], self.of.planned.discharged[number]
        least = _MOVING_KW * self.of.car.hours
        way = np.where(charged > least, 1, np.where(discharged > least, -1, 0))
        edges = [0, *(np.flatnonzero(np.diff(way)) + 1).tolist(), way.size]
        for first, end in pairwise(edges):
            if way[first]:
                yield first, end, "charges" if way[first] > 0 else "feeds back"
                continue
            follows = int(way[end]) if end < way.size else 0
            yield first, end, self._idle(number, window, first, end, follows)

    def _idle(self, number: int, window: SessionWindow, first: int, end: int, follows: int) -> Action:
        if follows:
            return "waits" if follows > 0 else "holds"
        held = float(self.of.day.plan.energy_end_kwh[self.of.i, window.first + first])
        able = any(stage.discharge for stage in self.of.car.stays[number].stages[first:end])
        spare = held > window.lowest_kwh + _MOVING_KW
        return "holds" if able and spare and window.discharge_limit_kw > 0.0 else "rests"

    def _reason(self, number: int, first: int, end: int, action: Action) -> Reason:
        window = self.of.car.stays[number].window
        found = Reason(
            battery_id=self.of.car.car.battery_id,
            first=window.first + first,
            end=window.first + end,
            action=action,
            lowest_kwh=window.lowest_kwh,
            highest_kwh=window.highest_kwh,
            wear_eur_per_kwh=self.of.car.wear.slope(self.of.planned.discharged_kwh)
            / window.efficiency_discharge,
            unknown=self.of.unknown,
        )
        if self.of.unknown:
            return found
        if action not in ("charges", "feeds back"):
            charge, feed = (self._otherwise(number, first, end, way) for way in ("charge", "feed"))
            return replace(found, charge=charge, feed=feed)
        change = Change(number, first, end)
        lost = self.of.lost(change)
        if lost is None:
            return found
        instead = instead_of(self.of.car, self.of.planned, lost.course, change)
        return replace(found, worth_eur=lost.eur, exact=lost.exact, instead=instead)

    def _otherwise(self, number: int, first: int, end: int, way: str) -> Otherwise | None:
        """A kWh moved in the slot of the best price of those in which nothing is; None where none can be."""
        window, car, hours = self.of.car.stays[number].window, self.of.car.car, self.of.car.hours
        if way == "charge":
            limit, least, efficiency = window.charge_limit_kw, car.min_charge_kw, window.efficiency_charge
        else:
            limit, least = window.discharge_limit_kw, car.min_discharge_kw
            efficiency = 1.0 / window.efficiency_discharge
        kwh = min(max(efficiency, least * hours), limit * hours)
        if kwh <= 0.0:
            return None
        best = self._best(number, first, end, kwh if way == "charge" else -kwh)
        lost = self.of.lost(best, told=False) if best else None
        if best is None or lost is None:
            return None
        slot, each = window.first + best.first, lost.eur * efficiency / kwh
        return Otherwise(slot=slot, eur_per_kwh=each, exact=lost.exact)

    def _best(self, number: int, first: int, end: int, kwh: float) -> Change | None:
        """So much charged, or fed back (< 0), at the best price; where that is had several times the best."""
        stages = self.of.car.stays[number].stages
        prices = {
            at: parts[0][1] if kwh > 0.0 else -parts[0][1]
            for at in range(first, end)
            if (parts := stages[at].charge if kwh > 0.0 else stages[at].discharge)
        }
        least = min(prices.values(), default=math.nan)
        changes = [
            Change(number, at, at + 1, max(kwh, 0.0), max(-kwh, 0.0))
            for at, price in prices.items()
            if price <= least + _SAME_EUR
        ]
        return max(changes, key=self.of.search.marginal.with_change, default=None)
