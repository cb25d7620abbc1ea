"""Whose meter is asked for at once, where a site's limit could be exceeded before its next value comes.

A car that has been asked for something else has not shown what it does, and its meter's next value may be a
meter interval away. So its station is asked for a reading `SOON` after the step, once a step, and where it
does not follow by then, when it should have at the latest; and only while all that has not been shown, at its
most, could bring a site above its limit. Who could do most of that is asked first, no more than `_A_SECOND`
of them: what they show mostly makes it needless to ask the others.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from flows.dispatch.gateway.follow import SETTLES
from flows.dispatch.gateway.way import LEAST_KW, SHARE

SOON = timedelta(seconds=20)
"""So long a car mostly takes to do what it is asked for; what is metered before says nothing."""
_LATER_S = 5.0
"""So much later it is asked: clocks of stations differ by as much."""
_A_SECOND = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """A car as it is reckoned with, kW: what it is asked for (+ = drawn), what it is taken to draw and to
    feed back (each < 0 where it does the other), and the most of either that it can."""

    number: int
    chain: tuple[str, ...]
    asked_kw: float
    drawn_kw: float
    fed_kw: float
    most_drawn_kw: float
    most_fed_kw: float


@dataclass(slots=True, kw_only=True)
class _Step:
    """Since when a car is asked for so much, whether it has shown what it does, when it was asked to, and how
    long after the step it is to be."""

    kw: float
    since: float
    shown: bool = False
    asked: float | None = None
    after: timedelta = SOON


@dataclass(slots=True, kw_only=True)
class Unread:
    """given: when the station of a session last took a profile of it (s since 1970), by number."""

    given: dict[int, float] = field(default_factory=dict)
    _steps: dict[int, _Step] = field(default_factory=dict)
    _left: float = _A_SECOND
    _more: bool = False
    _looked: float | None = None

    def shown(self, number: int) -> None:
        """Take that a car has shown what it does where it was asked for what it now is."""
        if (step := self._steps.get(number)) is not None:
            step.shown = True

    def slow(self, number: int) -> None:
        """Take that a car does not do yet what it is asked for: it is asked again when it should have."""
        step = self._steps.get(number)
        if step is not None and step.after < SETTLES:
            step.after, step.asked = SETTLES, None

    def forget(self, number: int) -> None:
        """Drop a car that has left."""
        self._steps.pop(number, None)
        self.given.pop(number, None)

    def keep(self, numbers: Container[int]) -> None:
        """Drop all but these."""
        for number in [*self._steps, *self.given]:
            if number not in numbers:
                self.forget(number)

    def due(self, cars: Iterable[Doing], room: Mapping[str, tuple[float, float]], now: float) -> list[int]:
        """Who is to be asked for a reading now, by number; each step once.

        room: what each site may draw, and feed back, with all its cars together (kW).
        """
        all_of = list(cars)
        passed = 0.0 if self._looked is None else max(0.0, now - self._looked)
        self._left, self._looked = min(_A_SECOND, self._left + _A_SECOND * passed), now
        for car in all_of:
            self._step(car, now)
        short = self._short(all_of, room)
        wanted = [car for car in all_of if self._is_due(car.number, now) and short.intersection(car.chain)]
        wanted.sort(key=lambda car: (-_unsure(car), car.number))
        found = [car.number for car in wanted[: int(self._left)]]
        self._more = len(found) < len(wanted)
        self._left -= len(found)
        for number in found:
            self._steps[number].asked = now
        return found

    def next_s(self, now: float) -> float | None:
        """In how many seconds somebody is due; None where nobody is."""
        dues = [self._due_at(number) - now for number in self._steps if self._open(number)]
        waits = [wait for wait in dues if wait > 0.0] + [1.0 / _A_SECOND] * self._more
        return min(waits, default=None)

    def _step(self, car: Doing, now: float) -> None:
        step = self._steps.get(car.number)
        if step is None or abs(car.asked_kw - step.kw) > max(LEAST_KW, SHARE * abs(car.asked_kw)):
            self._steps[car.number] = _Step(kw=car.asked_kw, since=now)

    def _due_at(self, number: int) -> float:
        step = self._steps[number]
        return max(step.since, self.given.get(number, 0.0)) + step.after.total_seconds() + _LATER_S

    def _open(self, number: int) -> bool:
        """Whether a car is still to be asked: not since its station took what it is to do."""
        step = self._steps[number]
        return not step.shown and (step.asked is None or step.asked < self.given.get(number, 0.0))

    def _is_due(self, number: int, now: float) -> bool:
        return self._open(number) and now >= self._due_at(number)

    def _short(self, cars: Iterable[Doing], room: Mapping[str, tuple[float, float]]) -> set[str]:
        """Sites that what has not been shown could bring above a limit."""
        drawn, fed = dict.fromkeys(room, 0.0), dict.fromkeys(room, 0.0)
        for car in cars:
            shown = self._steps[car.number].shown
            for site in room.keys() & set(car.chain):
                drawn[site] += car.drawn_kw if shown else max(car.drawn_kw, car.most_drawn_kw)
                fed[site] += car.fed_kw if shown else max(car.fed_kw, car.most_fed_kw)
        return {site for site, (most, least) in room.items() if drawn[site] > most or fed[site] > least}


def _unsure(car: Doing) -> float:
    """By how much a car can do other than it is asked for, kW."""
    return max(car.most_drawn_kw - car.asked_kw, car.most_fed_kw + car.asked_kw)
