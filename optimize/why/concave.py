"""Concave functions of stored energy, piecewise linear: what dynamic programming of one car is made of."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

Move = tuple[float, float, float]
"""Energy that may be added or taken, from the first ≤ 0 to the second ≥ 0 kWh, each kWh for the third, €."""


@dataclass(frozen=True, slots=True)
class Concave:
    """A function on [low, high] kWh, €: its value at low, and then pieces by falling slope.

    widths: kWh of the pieces; costs: their slopes in €/kWh with the sign turned, so that they rise.
    """

    low: float
    value: float
    widths: list[float]
    costs: list[float]

    @classmethod
    def point(cls, at: float, value: float) -> Concave:
        """A function of one energy alone."""
        return cls(at, value, [], [])

    @property
    def high(self) -> float:
        """The upper end of its domain."""
        return self.low + sum(self.widths)

    def at(self, x: float) -> float:
        """Its value; beyond an end that of the end."""
        left, value = x - self.low, self.value
        for width, cost in zip(self.widths, self.costs, strict=True):
            if left <= 0.0:
                break
            value -= cost * min(width, left)
            left -= width
        return value

    def tilted(self, slope: float, constant: float = 0.0) -> Concave:
        """With slope·x + constant added."""
        costs = [cost - slope for cost in self.costs] if slope else self.costs
        return Concave(self.low, self.value + slope * self.low + constant, self.widths, costs)

    def shifted(self, by: float) -> Concave:
        """The function of x − by."""
        return Concave(self.low + by, self.value, self.widths, self.costs)

    def moved(self, moves: Iterable[Move]) -> Concave:
        """The most of f(x − v) + slope·v over all v that the moves allow, each on its own."""
        low, value, widths, costs = self.low, self.value, self.widths.copy(), self.costs.copy()
        for least, most, slope in moves:
            low, value = low + least, value + slope * least
            place = bisect_left(costs, -slope)
            costs.insert(place, -slope)
            widths.insert(place, most - least)
        return Concave(low, value, widths, costs)

    def within(self, low: float, high: float) -> Concave:
        """On what of its domain lies in [low, high], which touch."""
        begin, value, first = self.low, self.value, 0
        widths, costs = self.widths, self.costs
        if low <= begin and self.high <= high:
            return self
        while begin < low and first < len(widths):
            cut = min(widths[first], low - begin)
            begin, value = begin + cut, value - costs[first] * cut
            if cut < widths[first]:
                widths = [*widths[:first], widths[first] - cut, *widths[first + 1 :]]
                break
            first += 1
        room, kept = high - begin, list[float]()
        for width in widths[first:]:
            if room <= 0.0:
                break
            kept.append(min(width, room))
            room -= width
        return Concave(begin, value, kept, costs[first : first + len(kept)])

    def reach(self, cost: float) -> float:
        """As far as more energy is worth more than `cost` turned round: where slopes fall to −cost."""
        return self.low + sum(self.widths[: bisect_left(self.costs, cost)])

    def reach_last(self, cost: float) -> float:
        """As far as more energy is worth no less than that."""
        return self.low + sum(self.widths[: bisect_right(self.costs, cost)])


def best(one: Concave, other: Concave) -> tuple[float, float] | None:
    """The most of the sum of two functions, and the energy that has it; None where they share none."""
    low, high = max(one.low, other.low), min(one.high, other.high)
    if low > high:
        if low - high > 1e-9:
            return None
        high = low
    f, g = one.within(low, high), other.within(low, high)
    value, at = f.value + g.value, low
    i = j = 0
    left_f, left_g = (f.widths[0] if f.widths else 0.0), (g.widths[0] if g.widths else 0.0)
    while i < len(f.widths) and j < len(g.widths):
        cost = f.costs[i] + g.costs[j]
        if cost >= 0.0:
            break
        step = min(left_f, left_g)
        value, at = value - cost * step, at + step
        left_f, left_g = left_f - step, left_g - step
        if left_f <= 0.0:
            i += 1
            left_f = f.widths[i] if i < len(f.widths) else 0.0
        if left_g <= 0.0:
            j += 1
            left_g = g.widths[j] if j < len(g.widths) else 0.0
    return value, min(max(at, low), high)
