"""Sessions that are planned one by one although their cars come again: what a later one lacks, the one before
is asked for.

Next to reserve no session carries on (`Session.carries`). A session too short to charge what its driver was
promised then lacks it, whatever the one before had time for. So its lack n is added to the target of the one
before, as far as that can reach it, and to the charge that it comes with:
    n_s = max(0, target_s + n_(s+1) − what full power reaches in s),     from the last to the first
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from optimize.types import Car, DayProblem, Session
from optimize.windows import SessionWindow, after_day, at_full_power, session_windows

_LEAST_KWH = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """A session in battery-side kWh; hands_on: what it leaves above its target comes back with the next."""

    session: Session
    came_kwh: float
    target_kwh: float
    highest_kwh: float
    limit_kw: float
    slots: int
    hands_on: bool = False

    def reached_kwh(self, car: Car, hours: float, more_kwh: float = 0.0) -> float:
        """What full power reaches in it, coming with so much more."""
        came = self.came_kwh + more_kwh
        full = at_full_power(car, self.limit_kw, hours, came, self.slots)
        return min(full, max(self.highest_kwh, came))


def asked_ahead(problem: DayProblem, later: Mapping[str, Sequence[Session]]) -> tuple[Session, ...]:
    """The sessions of the day, none of which carries, with what those behind them lack by themselves.

    later: of cars, the sessions after the day, in their order.
    """
    changed: dict[str, Session] = {}
    for number, own in groupby(session_windows(problem), key=lambda window: window.car):
        car, windows = problem.cars[number], list(own)
        visits = _visits(problem, car, windows, later.get(car.battery_id, ()))
        wanted, more_kwh = _wanted(car, visits, problem.slot_hours), 0.0
        for visit, want in zip(visits[: len(windows)], wanted, strict=False):
            above = min(visit.reached_kwh(car, problem.slot_hours, more_kwh), visit.highest_kwh)
            ahead = min(want, above - visit.target_kwh)
            ahead = ahead if ahead > _LEAST_KWH else 0.0
            if ahead or more_kwh:
                changed[visit.session.session_id] = replace(
                    visit.session,
                    arrival_soc=min(1.0, visit.session.arrival_soc + more_kwh / car.capacity_kwh),
                    departure_soc=min(1.0, visit.session.departure_soc + ahead / car.capacity_kwh),
                )
            more_kwh = ahead
    return tuple(changed.get(one.session_id, one) for one in problem.sessions)


def _wanted(car: Car, visits: Sequence[_Visit], hours: float) -> list[float]:
    """What each is asked for above its target."""
    wanted, lacks = [], 0.0
    for visit in reversed(visits):
        want = lacks if visit.hands_on else 0.0
        wanted.append(want)
        needs = min(visit.target_kwh + want, visit.highest_kwh)
        lacks = max(0.0, needs - visit.reached_kwh(car, hours))
    return wanted[::-1]


def _visits(
    problem: DayProblem, car: Car, windows: Sequence[SessionWindow], later: Sequence[Session]
) -> list[_Visit]:
    inside = [
        _Visit(
            session=one.session,
            came_kwh=one.arrival_kwh,
            target_kwh=one.target_kwh,
            highest_kwh=one.highest_kwh,
            limit_kw=one.charge_limit_kw,
            slots=len(one.slots),
        )
        for one in windows
    ]
    behind = []
    if windows[-1].due == "departure":
        for session in later:
            slots, limit_kw, highest_kwh = after_day(problem, car, session)
            behind.append(
                _Visit(
                    session=session,
                    came_kwh=session.arrival_soc * car.capacity_kwh,
                    target_kwh=session.departure_soc * car.capacity_kwh,
                    highest_kwh=highest_kwh,
                    limit_kw=limit_kw,
                    slots=slots,
                )
            )
    visits = [*inside, *behind]
    hands_on = [one.session.departure_soc >= other.session.arrival_soc for one, other in pairwise(visits)]
    return [replace(one, hands_on=on) for one, on in zip(visits, [*hands_on, False], strict=True)]
