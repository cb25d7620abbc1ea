"""The most that a car's day can bring, whole or with a change, its wear and contract as they are.

Wear W of all kWh discharged is convex, so that by duality the most is
    min over μ ≥ 0 of  φ(μ) + W*(μ),
φ the most at a price μ of each kWh discharged (`Values`), W* the conjugate of wear. Each μ bounds it from
above, and each course that keeps all rules from below; where both meet, it is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import math

from optimize.why.course import Course, course_of, least_benefit
from optimize.why.stages import Alone
from optimize.why.values import Change, Values

EXACT_EUR = 1e-5
_ROUNDS = 40


@dataclass(frozen=True, slots=True)
class Most:
    """What a day can bring: at most so much, and by a course that keeps all rules at least so much, €.

    course: the best that was found, which may break rules that tell on from off; None where there is none.
    """

    upper_eur: float
    lower_eur: float
    course: Course | None

    @property
    def known(self) -> bool:
        """Whether it is exactly that."""
        return self.upper_eur - self.lower_eur <= EXACT_EUR


@dataclass(frozen=True, slots=True)
class _Look:
    """One price and what is best at it."""

    mu: float
    value: float
    course: Course
    kwh: float


class Search:
    """The most of one car's day, of any change of it; what was worked out at a price is kept."""

    def __init__(self, car: Alone) -> None:
        self.car = car
        self._values: dict[float, Values] = {}

    def values(self, mu: float) -> Values:
        """Worth of energy at a price of each kWh discharged."""
        if mu not in self._values:
            self._values[mu] = Values(self.car, mu)
        return self._values[mu]

    def most(self, change: Change | None = None) -> Most:
        """The most of the day; with a change, of the day with it."""
        worn = self.car.wear
        first = self._look(worn.slope(0.0), change)
        if first is None:
            return Most(-math.inf, -math.inf, None)
        if worn.linear or first.kwh <= 0.0:
            return self._most([first], first.value + worn.conjugate(first.mu))
        low = first
        high = self._look(self._dearest(), change)
        if high is None or worn.most_at(low.mu) >= low.kwh:
            return self._most([low], low.value + worn.conjugate(low.mu))
        looks = [low, high]
        upper = min(one.value + worn.conjugate(one.mu) for one in looks)
        for _ in range(_ROUNDS):
            mu = self._between(low, high)
            bound = max(one.value - one.kwh * (mu - one.mu) for one in (low, high)) + worn.conjugate(mu)
            if upper - bound <= EXACT_EUR / 4:
                break
            look = self._look(mu, change)
            if look is None:
                break
            upper = min(upper, look.value + worn.conjugate(mu))
            if worn.most_at(mu) < look.kwh:
                low = look
            else:
                high = look
        return self._most([low, high], upper)

    def _most(self, looks: list[_Look], upper: float) -> Most:
        worn, courses = self.car.wear, [one.course for one in looks]
        if len(looks) == 2 and looks[0].kwh > looks[1].kwh:  # the best may lie between both
            low, high = looks
            at = min(max(worn.most_at(self._between(low, high)), high.kwh), low.kwh)
            share = (at - high.kwh) / (low.kwh - high.kwh)
            courses.append(low.course.mixed(high.course, share))
        found = max(courses, key=lambda one: least_benefit(one, self.car))
        return Most(upper, least_benefit(found, self.car), found)

    def _between(self, low: _Look, high: _Look) -> float:
        """Where the tangents of both looks, with wear, are least."""
        worn = self.car.wear
        if low.kwh - high.kwh <= 1e-9:
            return min(max(worn.slope(min(low.kwh, worn.limit_kwh)), low.mu), high.mu)
        crossing = (low.value - high.value + low.kwh * low.mu - high.kwh * high.mu) / (low.kwh - high.kwh)
        if worn.most_at(crossing) >= low.kwh:
            crossing = worn.slope(low.kwh)
        elif worn.most_at(crossing) <= high.kwh:
            crossing = max(crossing, worn.slope(high.kwh))
        return min(max(crossing, low.mu), high.mu)

    def _look(self, mu: float, change: Change | None) -> _Look | None:
        values = self.values(mu)
        course = course_of(values, change)
        if course is None:
            return None
        value = values.most if change is None else values.with_change(change)
        return _Look(mu, value, course, course.discharged_kwh)

    def _dearest(self) -> float:
        """A price at which nothing is worth discharging, or as much as may be wears less."""
        worn = self.car.wear
        best = [price for stay in self.car.stays for stage in stay.stages for _, price in stage.discharge]
        ends = [abs(cost) for stay in self.car.stays for cost in stay.end.costs]
        most = max(best, default=0.0) + max(ends, default=0.0)
        return max(most, worn.slope(0.0)) + 1.0 if worn.bound else worn.slope(worn.limit_kwh)
