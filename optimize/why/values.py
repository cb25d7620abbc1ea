"""The worth of stored energy before and after each slot of one car: dynamic programming, exact, both ways.

`Values` at a price μ of each kWh discharged holds for each stay of n slots
    before[a]  the most that the slots before number a and the stays behind can bring, by the energy then;
    after[a]   the most that number a and all that come after can bring, by the energy then.
So their sum's most is the most of the whole day, at any a; and of a day in which some slots do otherwise it
is that of `before` at the first and `after` behind the last of them with what is done between. One pass in
each direction thus answers for every slot. Left out are rules that tell on from off, tapers and drawdown:
`course` says whether what is found keeps them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from optimize.why.concave import Concave, Move, best
from optimize.why.stages import Alone, Stay


@dataclass(frozen=True, slots=True)
class Change:
    """Slots first … end − 1 of a stay (numbers within it) that do nothing; or one that moves so much.

    charged_kwh, discharged_kwh: what a single slot is made to do, battery-side.
    """

    stay: int
    first: int
    end: int
    charged_kwh: float = 0.0
    discharged_kwh: float = 0.0

    @property
    def added_kwh(self) -> float:
        """By how much the battery is fuller after it."""
        return self.charged_kwh - self.discharged_kwh


@dataclass(frozen=True)
class Values:
    """Worth of energy at μ €/kWh discharged; see the module."""

    car: Alone
    mu: float

    @cached_property
    def before(self) -> list[list[Concave]]:
        """By stay and slot, with what is behind it; one more than there are slots."""
        found: list[list[Concave]] = []
        for stay in self.car.stays:
            window = stay.window
            begin = Concave.point(window.arrival_kwh, 0.0)
            if stay.behind >= 0:
                begin = _carried(self.car.stays[stay.behind], found[stay.behind][-1], window.arrival_kwh)
            at = begin.tilted(-window.value_eur_per_kwh)
            mine = [at]
            for number in range(len(stay.stages)):
                at = self._rested(at).moved(self._moves(stay, number, 1.0))
                at = self._rested(at, stay.stages[number].idle_eur).within(
                    window.floor_kwh, window.ceiling_kwh
                )
                mine.append(at)
            found.append(mine)
        return found

    @cached_property
    def after(self) -> list[list[Concave]]:
        """By stay and slot, with what comes after it; one more than there are slots."""
        found: list[list[Concave]] = [[] for _ in self.car.stays]
        for s in range(len(self.car.stays) - 1, -1, -1):
            stay = self.car.stays[s]
            window = stay.window
            at, ahead = stay.end, self.ahead(s)
            if ahead is not None:
                at = _with_next(stay, found[ahead][0], self.car.stays[ahead])
            mine = [at]
            for number in range(len(stay.stages) - 1, -1, -1):
                at = self._rested(at).moved(self._moves(stay, number, -1.0))
                at = self._rested(at, stay.stages[number].idle_eur).within(
                    window.floor_kwh, window.ceiling_kwh
                )
                mine.append(at)
            found[s] = mine[::-1]
        return found

    def ahead(self, s: int) -> int | None:
        """The stay that goes on with what stay s leaves; None for none."""
        return next((n for n, one in enumerate(self.car.stays) if one.behind == s), None)

    @cached_property
    def most(self) -> float:
        """The most of the whole day before wear beyond μ: each chain of stays by itself, €."""
        return sum(self._whole(s) for s, stay in enumerate(self.car.stays) if stay.behind < 0)

    def _whole(self, s: int) -> float:
        found = best(self.before[s][0], self.after[s][0])
        return found[0] if found else -math.inf

    def first_of(self, s: int) -> int:
        """The stay that the chain of stay s begins with."""
        while self.car.stays[s].behind >= 0:
            s = self.car.stays[s].behind
        return s

    def chain(self, change: Change) -> tuple[float, float] | None:
        """The most of the chain with a change, and the energy when the change begins; None if impossible."""
        return best(self.before[change.stay][change.first], self.between(change))

    @cached_property
    def later(self) -> dict[tuple[int, int, float], float]:
        """Energies behind a slot (stay, number, energy before) that courses have come to."""
        return {}

    @cached_property
    def earlier(self) -> dict[tuple[int, int, float], float]:
        """Energies before a slot (stay, number, energy behind) likewise."""
        return {}

    def between(self, change: Change) -> Concave:
        """What a change and all after it bring, by the energy when it begins."""
        stay, count = self.car.stays[change.stay], change.end - change.first
        at = self.after[change.stay][change.end].shifted(-change.added_kwh)
        done = sum(
            stage.worth(change.charged_kwh, change.discharged_kwh)
            for stage in stay.stages[change.first : change.end]
        )
        rest = self.car.rest_eur_per_kwh
        constant = done - self.mu * change.discharged_kwh - rest * change.added_kwh
        return at.tilted(-2.0 * rest * count, constant)

    def with_change(self, change: Change) -> float:
        """The most of the whole day with a change, €; −inf where there is none."""
        found = self.chain(change)
        if found is None:
            return -math.inf
        return self.most - self._whole(self.first_of(change.stay)) + found[0]

    def _rested(self, at: Concave, constant: float = 0.0) -> Concave:
        rest = self.car.rest_eur_per_kwh
        return at.tilted(-rest, constant) if rest or constant else at

    def _moves(self, stay: Stay, number: int, way: float) -> list[Move]:
        """What a slot can move: of the energy after it (way 1), or of that before it (−1)."""
        stage, mu = stay.stages[number], self.mu
        if way > 0.0:
            inwards = [(0.0, width, -price) for width, price in stage.charge]
            return inwards + [(-width, 0.0, mu - price) for width, price in stage.discharge]
        inwards = [(-width, 0.0, price) for width, price in stage.charge]
        return inwards + [(0.0, width, price - mu) for width, price in stage.discharge]


def _carried(behind: Stay, left: Concave, arrival_kwh: float) -> Concave:
    """What a stay begins with by what the one behind it leaves: at least what is said of its arrival."""
    target = behind.window.target_kwh
    ended = _summed(left, behind.end)
    if ended.high <= target:
        return Concave.point(arrival_kwh, best(left, behind.end)[0])  # type: ignore[index]
    above = ended.within(max(target, ended.low), ended.high)
    return above.shifted(arrival_kwh - target)


def _with_next(stay: Stay, ahead: Concave, following: Stay) -> Concave:
    """What an end is worth together with the stay that carries on from it."""
    arrival, target = following.window.arrival_kwh, stay.window.target_kwh
    low = stay.window.floor_kwh
    begin = max(target, low)
    taken = ahead.tilted(-following.window.value_eur_per_kwh).shifted(target - arrival)
    taken = taken.within(begin, max(begin, taken.high))
    return _summed(stay.end, Concave(low, taken.value, [begin - low, *taken.widths], [0.0, *taken.costs]))


def _summed(one: Concave, other: Concave) -> Concave:
    """The sum of two functions where both are."""
    low, high = max(one.low, other.low), min(one.high, other.high)
    f, g = one.within(low, high), other.within(low, high)
    widths, costs = list[float](), list[float]()
    i = j = 0
    left_f, left_g = (f.widths[0] if f.widths else 0.0), (g.widths[0] if g.widths else 0.0)
    while i < len(f.widths) and j < len(g.widths):
        step = min(left_f, left_g)
        widths.append(step)
        costs.append(f.costs[i] + g.costs[j])
        left_f, left_g = left_f - step, left_g - step
        if left_f <= 0.0:
            i += 1
            left_f = f.widths[i] if i < len(f.widths) else 0.0
        if left_g <= 0.0:
            j += 1
            left_g = g.widths[j] if j < len(g.widths) else 0.0
    return Concave(low, f.value + g.value, widths, costs)
