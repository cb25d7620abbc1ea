"""What meters at plugs counted in each quarter-hour, from registers that are read at any moment.

A register between two readings is taken to rise evenly, where they lie no more than `GAP_S` apart. A
quarter-hour whose edges are not known so well is not reported at all; what a car drew in two transactions of
one quarter-hour is added up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.dispatch.gateway.book import KEPT_S, Transaction

QUARTER_S = 900.0
GAP_S = 600.0
_NEAR_S = 120.0
_LATE_S = 7200.0
"""So long a quarter-hour waits for readings that a station kept while its line was lost."""
Point = list[float | None]


class Quarters:
    """Energies by battery and quarter-hour [drawn, fed], and which of them have changed since reported."""

    def __init__(self) -> None:
        self.energies: dict[str, dict[float, list[float]]] = {}
        self.changed: set[tuple[str, float]] = set()

    def count(self, one: Transaction) -> None:
        """Add the quarter-hours of a transaction that can be determined by now."""
        battery = one.car.get("battery_id")
        if not one.points or battery is None:
            return
        if one.settled is None:
            one.settled = one.start - one.start % QUARTER_S
        newest = one.points[-1][0] or 0.0
        over = one.end is not None
        while True:
            begin, end = max(one.settled, one.start), one.settled + QUARTER_S
            last = min(end, one.end) if one.end is not None else end
            if begin >= last:
                break
            counted = _between(one, begin, last)
            if counted is not None:
                self._add(str(battery), one.settled, counted)
            elif not over and newest - end < _LATE_S:
                break  # a reading may still come
            one.settled = end
        keep = [point for point in one.points if (point[0] or 0.0) >= (one.settled or 0.0)]
        before = [point for point in one.points if (point[0] or 0.0) < (one.settled or 0.0)]
        one.points = [*before[-1:], *keep]

    def rows(self) -> Iterator[tuple[str, float, float, float]]:
        """battery_id, start of the quarter-hour, kWh drawn and fed back, of those not reported yet; then
        reported."""
        for battery, begin in sorted(self.changed):
            drawn, fed = self.energies[battery][begin]
            yield battery, begin, drawn, fed
        self.changed.clear()

    def forget(self, now: float) -> None:
        """Drop what has long been reported."""
        for battery, own in list(self.energies.items()):
            self.energies[battery] = {begin: value for begin, value in own.items() if begin > now - KEPT_S}

    def to_record(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            "energies": {
                name: [[at, *one] for at, one in own.items()] for name, own in self.energies.items()
            },
            "changed": sorted(self.changed),
        }

    @classmethod
    def of_record(cls, stated: dict[str, Any]) -> Quarters:
        """What `to_record` gave."""
        found = cls()
        found.energies = {
            name: {at: [drawn, fed] for at, drawn, fed in own} for name, own in stated["energies"].items()
        }
        found.changed = {(name, at) for name, at in stated["changed"]}
        return found

    def _add(self, battery: str, begin: float, counted: tuple[float, float]) -> None:
        sums = self.energies.setdefault(battery, {}).setdefault(begin, [0.0, 0.0])
        sums[0] += counted[0]
        sums[1] += counted[1]
        self.changed.add((battery, begin))


def _between(one: Transaction, begin: float, end: float) -> tuple[float, float] | None:
    """What was drawn and fed back between two moments; None where it is not known, or a register fell."""
    found: list[float] = []
    for register in (1, 2):
        points = [
            (at, value)
            for at, value in ((point[0], point[register]) for point in one.points)
            if at is not None and value is not None
        ]
        if register == 2 and not points and not one.car.get("feeds", True):
            found.append(0.0)  # it has no register for what it cannot do
            continue
        low, high = _at(points, begin, over=False), _at(points, end, over=end == one.end)
        if low is None or high is None or high < low:
            return None
        found.append(high - low)
    return found[0], found[1]


def _at(points: list[tuple[float, float]], moment: float, *, over: bool) -> float | None:
    """A register at a moment; over: whether nothing comes after it."""
    before = [point for point in points if point[0] <= moment]
    after = [point for point in points if point[0] >= moment]
    if before and after:
        (first, low), (last, high) = before[-1], after[0]
        near = last - first <= GAP_S
        return (
            (low if last == first else low + (high - low) * (moment - first) / (last - first))
            if near
            else None
        )
    edge = after[0] if after else before[-1] if before and over else None
    return None if edge is None or abs(edge[0] - moment) > _NEAR_S else edge[1]
