"""Sessions laid on the day's grid: which slots are whole, what energy they start with and what they owe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from optimize.types import DayProblem, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWindow:
    """A session on the grid: slots first … end − 1 (none if end == first), energies in battery-side kWh.

    Arrivals are rounded up and departures down to whole slots. floor and ceiling are the car's energy bounds,
    widened to the arrival energy where that lies outside them. target is owed at the window's end; for a
    session that outlasts the day it is what full power could still lift to the departure target afterwards.
    """

    session: Session
    car: int
    first: int
    end: int
    arrival_kwh: float
    floor_kwh: float
    ceiling_kwh: float
    target_kwh: float
    due: Literal["departure", "day_end"]

    @property
    def slots(self) -> range:
        """The plugged slots."""
        return range(self.first, self.end)


def session_windows(problem: DayProblem) -> tuple[SessionWindow, ...]:
    """Every session's window, ordered by car and arrival."""
    index = {car.battery_id: i for i, car in enumerate(problem.cars)}
    windows = [_window(problem, session, index[session.battery_id]) for session in problem.sessions]
    return tuple(sorted(windows, key=lambda window: (window.car, window.session.arrival_utc)))


def _window(problem: DayProblem, session: Session, car_index: int) -> SessionWindow:
    car = problem.cars[car_index]
    count = len(problem.slots)
    arrival = -(_slots_between(session.arrival_utc, problem.slots[0], problem))
    departure = _slots_between(problem.slots[0], session.departure_utc, problem)
    first = min(max(arrival, 0), count)
    end = max(first, min(departure, count))
    arrival_kwh = session.arrival_soc * car.capacity_kwh
    target_kwh = session.departure_soc * car.capacity_kwh
    stays = session.departure_utc > problem.end_utc
    if stays:
        slots_left = max(0, departure - max(count, arrival))
        target_kwh = max(0.0, target_kwh - car.charge_limit_kw * problem.slot_hours * slots_left)
    return SessionWindow(
        session=session,
        car=car_index,
        first=first,
        end=end,
        arrival_kwh=arrival_kwh,
        floor_kwh=min(car.soc_min * car.capacity_kwh, arrival_kwh),
        ceiling_kwh=max(car.soc_max * car.capacity_kwh, arrival_kwh),
        target_kwh=target_kwh,
        due="day_end" if stays else "departure",
    )


def _slots_between(start: pd.Timestamp, end: pd.Timestamp, problem: DayProblem) -> int:
    """Whole slots from start to end, rounded down (so its negative with swapped ends rounds up)."""
    return int((end - start) // pd.Timedelta(hours=problem.slot_hours))
