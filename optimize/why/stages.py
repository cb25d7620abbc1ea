"""One car alone at the day's prices and the shadow prices of what it shares: its slots, sessions and wear.

Energies are battery-side kWh, money is €. Everything but wear and contract is linear in what each slot does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimize.arrays import FloatArray
from optimize.conditions import followed
from optimize.tree import SiteTree
from optimize.types import Car, DayProblem, Mode, ModePlan, WearPrice
from optimize.why.concave import Concave
from optimize.windows import SessionWindow


@dataclass(frozen=True, slots=True)
class Stage:
    """What a slot lets a car do: charge and feed back in parts, each of so many kWh at a price.

    charge: (kWh, € that each costs), the cheapest first; discharge: (kWh, € that each earns before wear), the
    best first. idle_eur: what doing nothing brings.
    """

    charge: tuple[tuple[float, float], ...]
    discharge: tuple[tuple[float, float], ...]
    idle_eur: float

    def worth(self, charged_kwh: float, discharged_kwh: float) -> float:
        """What charging and feeding back so much brings, wear apart, €."""
        total = self.idle_eur
        if charged_kwh == discharged_kwh == 0.0:
            return total
        for parts, kwh, sign in ((self.charge, charged_kwh, -1.0), (self.discharge, discharged_kwh, 1.0)):
            for width, price in parts:
                total += sign * price * min(width, kwh)
                kwh = max(0.0, kwh - width)
        return total


@dataclass(frozen=True, slots=True)
class Stay:
    """A session of whole slots: its window, a stage a slot, and what its end is worth by the energy left.

    behind: the number of the stay that it comes back from with what that one left above its target, −1 for
    none. end: what leaving with so much is worth, what is missed then and at sessions without slots after it
    counted; less ω·e at its begin.
    """

    window: SessionWindow
    stages: tuple[Stage, ...]
    end: Concave
    behind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """A car by itself. rest_eur_per_kwh: of a kWh held through half a slot. wear: by discharged kWh."""

    car: Car
    hours: float
    rest_eur_per_kwh: float
    stays: tuple[Stay, ...]
    wear: Worn


@dataclass(frozen=True, slots=True, kw_only=True)
class Worn:
    """Wear of so many kWh discharged in all the day, at most `limit_kwh`; convex, 0 at 0."""

    price: WearPrice
    capacity_kwh: float
    limit_kwh: float
    bound: bool

    @property
    def linear(self) -> bool:
        """Whether each kWh wears the same and as many may be discharged as there are."""
        return self.price.linear and not self.bound

    def eur(self, kwh: float) -> float:
        """What so many kWh wear; inf beyond the limit."""
        if kwh > self.limit_kwh + 1e-7:
            return math.inf
        return self.price.cost_eur(max(kwh, 0.0) / self.capacity_kwh)

    def slope(self, kwh: float) -> float:
        """What the next kWh wears, €/kWh."""
        return self.price.slope_eur(kwh / self.capacity_kwh) / self.capacity_kwh

    def most_at(self, mu: float) -> float:
        """How many kWh are worth discharging at μ €/kWh for each."""
        kwh = self.price.duty_at_slope_efc(mu * self.capacity_kwh) * self.capacity_kwh
        return min(kwh, self.limit_kwh)

    def conjugate(self, mu: float) -> float:
        """The most of μ·kWh less their wear, €."""
        kwh = self.most_at(mu)
        return mu * kwh - self.eur(kwh)


def prices_at(
    problem: DayProblem, tree: SiteTree, plan: ModePlan, windows: Sequence[SessionWindow]
) -> tuple[FloatArray, FloatArray]:
    """What a kWh drawn costs and one fed back earns a car in each slot, [T] each, €/kWh metered.

    The day's price, emissions, and what it takes of limits and peaks of the sites above it. NaN where that
    is not known.
    """
    shared = plan.prices.site_eur_per_kwh + plan.prices.peak_eur_per_kw / problem.slot_hours
    added = np.zeros(len(problem.slots))
    for window in windows:
        span = slice(window.first, window.end)
        added[span] = shared[list(tree.paths[window.site]), span].sum(axis=0)
    return problem.import_cost_eur_per_kwh + added, problem.export_value_eur_per_kwh + added


def alone(
    problem: DayProblem,
    windows: Sequence[SessionWindow],
    i: int,
    mode: Mode,
    prices: tuple[FloatArray, FloatArray],
) -> Alone:
    """Car i of a day at prices (`prices_at`); windows: all of the day."""
    car, hours = problem.cars[i], problem.slot_hours
    stays: list[Stay] = []
    number: dict[int, int] = {}
    for k, window in enumerate(windows):
        if window.car != i or not window.slots:
            continue
        previous = problem.previous_kw[i] if problem.previous_kw is not None and followed(problem) else None
        stages = tuple(_stage(problem, window, slot, mode, prices, previous) for slot in window.slots)
        behind = number[window.behind] if window.carries else -1
        number[k] = len(stays)
        stays.append(Stay(window, stages, _end(problem, windows, k), behind))
    limits = problem.v2g_left_kwh()[i]
    reach = hours * sum(stay.window.discharge_limit_kw * len(stay.stages) for stay in stays)
    return Alone(
        car=car,
        hours=hours,
        rest_eur_per_kwh=0.5 * hours * car.rest_price_eur_per_kwh_h,
        stays=tuple(stays),
        wear=Worn(
            price=car.wear.over(problem.duty_days),
            capacity_kwh=car.capacity_kwh,
            limit_kwh=min(float(limits.min()), reach),
            bound=bool(limits.min() < reach),
        ),
    )


def _stage(
    problem: DayProblem,
    window: SessionWindow,
    slot: int,
    mode: Mode,
    prices: tuple[FloatArray, FloatArray],
    previous: FloatArray | None,
) -> Stage:
    hours = problem.slot_hours
    cost = float(prices[0][slot]) / window.efficiency_charge
    value = float(prices[1][slot]) * window.efficiency_discharge
    most_in = window.charge_limit_kw * hours
    most_out = window.discharge_limit_kw * hours if mode == "v2g" and problem.able[slot] else 0.0
    before = math.nan if previous is None else float(previous[slot])
    if math.isnan(before):
        return Stage(_parts((most_in, cost)), _parts((most_out, value)), 0.0)
    change = problem.change_price_eur_per_kwh
    inwards = min(max(before, 0.0) * hours * window.efficiency_charge, most_in)
    outwards = min(max(-before, 0.0) * hours / window.efficiency_discharge, most_out)
    into, out = change / window.efficiency_charge, change * window.efficiency_discharge
    return Stage(
        _parts((inwards, cost - into), (most_in - inwards, cost + into)),
        _parts((outwards, value + out), (most_out - outwards, value - out)),
        -change * abs(before) * hours,
    )


def _parts(*parts: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """Those that hold anything."""
    return tuple((width, price) for width, price in parts if width > 0.0)


def _end(problem: DayProblem, windows: Sequence[SessionWindow], k: int) -> Concave:
    """What window k's end is worth: stored energy, less what is missed by it and by those without slots."""
    window, price = windows[k], problem.departure_price_eur_per_kwh
    low, high = window.floor_kwh, window.ceiling_kwh
    omega, lack = window.value_eur_per_kwh, price * window.missing_weight
    short = min(max(window.target_kwh - low, 0.0), high - low)
    missed = lack * max(0.0, window.target_kwh - low)
    later = [
        (max(0.0, one.target_kwh - one.arrival_kwh), price * one.missing_weight)
        for one in windows
        if one.carries and one.behind == k and not one.slots
    ]
    # Above its target a kWh is worth what each session after it that still lacks it would miss.
    left, begin = high - low - short, max(0.0, low - window.target_kwh)
    widths, costs = [short], [-(omega + lack)]
    for need in sorted({need for need, _ in later if need > begin}):
        widths.append(min(need - begin, left))
        costs.append(-omega - sum(weight for far, weight in later if far >= need))
        left, begin = left - widths[-1], need
    owed = sum(weight * max(0.0, need - max(0.0, low - window.target_kwh)) for need, weight in later)
    return Concave(low, omega * low - missed - owed, [*widths, left], [*costs, -omega])
