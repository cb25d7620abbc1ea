"""The most that a car's day can bring, whole or with a change, its wear and contract as they are.

Wear W of all kWh discharged is convex, so that by duality the most is
    min over μ ≥ 0 of  φ(μ) + W*(μ),
φ the most at a price μ of each kWh discharged (`Values`), W* the conjugate of wear. Each μ bounds it from
above, and each course that keeps all rules from below; where both meet, it is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from optimize.why.course import Course, burns, course_of, free, least_benefit
from optimize.why.stages import Alone
from optimize.why.values import Change, Values

EXACT_EUR = 1e-4
"""What is known to a hundredth of a cent is known."""
_ROUNDS = 40


@dataclass(frozen=True, slots=True)
class Most:
    """What a day can bring: at most so much, and by a course that keeps all rules at least so much, €.

    course: the best that was found, which may break rules that tell on from off; None where none was looked
    for, or there is none.
    """

    upper_eur: float
    lower_eur: float
    course: Course | None

    @property
    def possible(self) -> bool:
        """Whether there is such a day."""
        return self.upper_eur > -math.inf

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
    """The most of one car's day, of any change of it; what was worked out at a price is kept.

    expected_kwh: about what it discharges in all the day, from which prices are looked for.
    """

    def __init__(self, car: Alone, expected_kwh: float = 0.0) -> None:
        self.car = car
        self._values: dict[float, Values] = {}
        self._begin = car.wear.slope(0.0 if car.wear.linear else min(expected_kwh, car.wear.limit_kwh))
        self._plain = car.wear.linear and not burns(car, self._begin)
        self._free = free(car)

    @property
    def marginal(self) -> Values:
        """Worth of energy at the price of a kWh discharged that the last search came to."""
        return self.values(self._begin)

    def values(self, mu: float) -> Values:
        """Worth of energy at a price of each kWh discharged."""
        if mu not in self._values:
            self._values[mu] = Values(self.car, mu)
        return self._values[mu]

    def most(self, change: Change | None = None, *, told: bool = True) -> Most:
        """The most of the day; with a change, of the day with it. told: with a course that reaches it."""
        worn, mu = self.car.wear, self._begin
        if self._plain:  # a course that keeps the rules brings what values tell
            value = self.values(mu).most if change is None else self.values(mu).with_change(change)
            course = course_of(self.values(mu), change) if told or not self._free else None
            kept = self._free or (course is not None and course.keeps_rules(self.car))
            return Most(value, value if kept else -math.inf, course)
        low: _Look | None = None
        high: _Look | None = None
        found = Most(math.inf, -math.inf, None)
        for _ in range(_ROUNDS):
            look = self._look(mu, change)
            if look is None:
                return Most(-math.inf, -math.inf, None)
            if worn.most_at(mu) < look.kwh:
                low = look
            else:
                high = look
            found = self._best(found, look, low, high)
            if found.known:
                break
            mu = self._next(low, high)
            near = [one for one in (low, high) if one is not None]
            bound = max(one.value - one.kwh * (mu - one.mu) for one in near) + worn.conjugate(mu)
            if found.upper_eur - bound <= EXACT_EUR / 4 or any(one.mu == mu for one in near):
                break
        if change is None:
            self._begin = mu
        return found

    def _best(self, found: Most, look: _Look, low: _Look | None, high: _Look | None) -> Most:
        """What is known after one look more: the best course may lie between two."""
        worn, courses = self.car.wear, [look.course]
        if low is not None and high is not None and low.kwh > high.kwh:
            kwh = min(max(worn.most_at(self._between(low, high)), high.kwh), low.kwh)
            courses.append(low.course.mixed(high.course, (kwh - high.kwh) / (low.kwh - high.kwh)))
        upper = min(found.upper_eur, look.value + worn.conjugate(look.mu))
        best, lower = found.course or look.course, found.lower_eur
        for course in courses:
            if (benefit := least_benefit(course, self.car)) > lower:
                best, lower = course, benefit
        return Most(upper, lower, best)

    def _next(self, low: _Look | None, high: _Look | None) -> float:
        """The price to look at next: as if what is discharged stayed, or between two that are too far."""
        worn = self.car.wear
        if low is not None and high is not None:
            return self._between(low, high)
        if high is not None:
            return worn.slope(min(high.kwh, worn.limit_kwh))
        if low is not None and low.kwh <= worn.limit_kwh:
            return worn.slope(low.kwh)
        return self._dearest()

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
        """A price at which nothing is worth discharging."""
        best = [price for stay in self.car.stays for stage in stay.stages for _, price in stage.discharge]
        ends = [abs(cost) for stay in self.car.stays for cost in stay.end.costs]
        return max(best, default=0.0) + max(ends, default=0.0) + self.car.wear.slope(0.0) + 1.0
