"""Sessions laid on the day's grid: which slots are whole, with what limits, and what energy is owed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from optimize.arrays import FloatArray
from optimize.types import Car, DayProblem, Session

# A taper by less than this over the whole battery is flat, one this near to filling it in a slot upright.
FLAT_KW, NEARLY_UPRIGHT = 1e-7, 1e-9
_LATER_WEIGHT = 0.5
_LEAST_KWH = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWindow:
    """A session on the grid: slots first … end − 1 (none if end == first), energies in battery-side kWh.

    Arrivals are rounded up and departures down to whole slots. lowest and highest are the energies that no
    discharge may end below and no charge above; floor and ceiling are the same, widened to the arrival energy
    where that lies outside them. target is owed at the window's end; for a session that outlasts the day it
    is what full power could still lift to the departure target afterwards. site (its number), limits and
    efficiencies are those of this session; value_eur_per_kwh is what a kWh in store is worth at its end.
    carries: it comes besides with what a window before it (of the same car, number `behind`) ends with above
    its target, at most surplus_kwh; that is the last with slots: one without passes on what it comes with.
    missing_weight: what is missing at its end costs so many times the departure price: once for itself, half
    if it comes after the day (what is due in the day comes first), and as much as they cost for the sessions
    without slots that carry on from it, or a plan would miss here to pass on more.
    """

    session: Session
    car: int
    site: int
    first: int
    end: int
    arrival_kwh: float
    lowest_kwh: float
    highest_kwh: float
    target_kwh: float
    charge_limit_kw: float
    discharge_limit_kw: float
    efficiency_charge: float
    efficiency_discharge: float
    value_eur_per_kwh: float
    due: Literal["departure", "day_end", "later"]
    carries: bool = False
    behind: int = -1
    surplus_kwh: float = 0.0
    missing_weight: float = 1.0

    @property
    def slots(self) -> range:
        """The plugged slots."""
        return range(self.first, self.end)

    @property
    def floor_kwh(self) -> float:
        """Least energy that the window can hold."""
        return min(self.lowest_kwh, self.arrival_kwh)

    @property
    def ceiling_kwh(self) -> float:
        """Most energy that the window can hold."""
        return max(self.highest_kwh, self.arrival_kwh + self.surplus_kwh)

    def came_kwh(self, windows: Sequence[SessionWindow], reached_kwh: Sequence[float] | FloatArray) -> float:
        """What it comes with if the windows (of `session_windows`) before it ended with so much."""
        if not self.carries:
            return self.arrival_kwh
        above = float(reached_kwh[self.behind]) - windows[self.behind].target_kwh
        return self.arrival_kwh + max(0.0, above)


def session_windows(problem: DayProblem) -> tuple[SessionWindow, ...]:
    """Every session's window, ordered by car and arrival."""
    cars = {car.battery_id: i for i, car in enumerate(problem.cars)}
    sites = {site.site_id: j for j, site in enumerate(problem.sites)}
    step, begin = pd.Timedelta(hours=problem.slot_hours).value, problem.slots[0].value
    arrival = np.array([session.arrival_utc.value - begin for session in problem.sessions], dtype=np.int64)
    departure = np.array(
        [session.departure_utc.value - begin for session in problem.sessions], dtype=np.int64
    )
    # Whole slots alone count: the arrival is rounded up, the departure down.
    spans = zip(
        (-(-arrival // step)).tolist(),
        (departure // step).tolist(),
        (departure > step * len(problem.slots)).tolist(),
        (arrival >= step * len(problem.slots)).tolist(),
        strict=True,
    )
    windows = [
        _window(problem, session, cars[session.battery_id], sites, *span)
        for session, span in zip(problem.sessions, spans, strict=True)
    ]
    windows.sort(key=lambda window: (window.car, window.session.arrival_utc))
    behind = -1
    for k, window in enumerate(windows):
        if behind >= 0 and windows[behind].car != window.car:
            behind = -1
        if behind >= 0 and window.session.carries:
            surplus = max(0.0, windows[behind].ceiling_kwh - windows[behind].target_kwh)
            windows[k] = replace(window, carries=True, behind=behind, surplus_kwh=surplus)
        if window.slots:
            behind = k
        elif not windows[k].carries:
            behind = -1
    return tuple(_weighed(windows))


def _weighed(windows: Sequence[SessionWindow]) -> list[SessionWindow]:
    """The windows with their weight; those that carry on come after what they carry on from."""
    own = [_LATER_WEIGHT if window.due == "later" else 1.0 for window in windows]
    after = [0.0] * len(windows)
    for k, window in reversed(list(enumerate(windows))):
        if window.carries:
            after[window.behind] += after[k] if window.slots else own[k]
    return [
        window if one + more == 1.0 else replace(window, missing_weight=one + more)
        for window, one, more in zip(windows, own, after, strict=True)
    ]


def missing_weights(problem: DayProblem) -> dict[str, float]:
    """The weights of what is missing, by session_id, where they are not 1."""
    if not any(session.carries for session in problem.sessions):
        return {}
    windows = session_windows(problem)
    return {one.session.session_id: one.missing_weight for one in windows if one.missing_weight != 1.0}


def _window(
    problem: DayProblem,
    session: Session,
    number: int,
    sites: dict[str, int],
    arrival: int,
    departure: int,
    stays: bool,
    later: bool,
) -> SessionWindow:
    car, count = problem.cars[number], len(problem.slots)
    first = min(max(arrival, 0), count)
    charge_limit_kw = _least(session.charge_limit_kw, car.charge_limit_kw)
    target_kwh = session.departure_soc * car.capacity_kwh
    due: Literal["departure", "day_end", "later"] = "day_end" if stays else "departure"
    if later:
        due = "later"
    if stays:
        left = max(0, departure - max(count, arrival))
        target_kwh = _before_full_power(car, charge_limit_kw, problem.slot_hours, target_kwh, left)
    return SessionWindow(
        session=session,
        car=number,
        site=sites[car.site_id if session.site_id is None else session.site_id],
        first=first,
        end=max(first, min(departure, count)),
        arrival_kwh=session.arrival_soc * car.capacity_kwh,
        lowest_kwh=max(car.soc_min, _own(session.min_soc, 0.0)) * car.capacity_kwh,
        highest_kwh=min(car.soc_max, _own(session.max_soc, 1.0)) * car.capacity_kwh,
        target_kwh=target_kwh,
        charge_limit_kw=charge_limit_kw,
        discharge_limit_kw=_least(session.discharge_limit_kw, car.discharge_limit_kw),
        efficiency_charge=_own(session.efficiency_charge, car.efficiency_charge),
        efficiency_discharge=_own(session.efficiency_discharge, car.efficiency_discharge),
        value_eur_per_kwh=_own(session.value_eur_per_kwh, problem.terminal_value_eur_per_kwh),
        due=due,
    )


def certain_arrivals(problem: DayProblem) -> tuple[Session, ...]:
    """The sessions, each with what its car is certain to hold more or less than is said of it.

    It comes back from the same trip: with less by what the session before cannot but leave short of its
    target, with more by what a car comes with above it to a first session that holds no whole slot. What
    could be charged, and is not, takes nothing from the next session.
    """
    soc: dict[str, float] = {}
    more_kwh, before, moves = 0.0, -1, False
    for window in session_windows(problem):
        car = problem.cars[window.car]
        if window.car != before:
            more_kwh, before, moves = 0.0, window.car, False
        came_kwh = min(max(window.arrival_kwh + more_kwh, 0.0), car.capacity_kwh)
        if more_kwh:
            soc[window.session.session_id] = came_kwh / car.capacity_kwh
        moves = moves or bool(window.slots)
        full_kwh = at_full_power(car, window.charge_limit_kw, problem.slot_hours, came_kwh, len(window.slots))
        more_kwh = full_kwh - window.target_kwh
        if window.due != "departure" or (moves and more_kwh > 0.0):
            more_kwh = 0.0
    return tuple(
        replace(one, arrival_soc=soc.get(one.session_id, one.arrival_soc)) for one in problem.sessions
    )


def most_lacking(
    problem: DayProblem, car: Car, stays: Sequence[Session], behind_kwh: float
) -> Session | None:
    """Of a car's sessions after the day, in their order, the one that lacks most by itself; None if none
    does.

    What a session can charge at full power is its own; what it cannot but leave short of its target the next
    comes with less, what it can reach above it the next may come with more. The session is returned with what
    is so said of it, and to reach no more than the car may hold. behind_kwh: what the session before them
    leaves short of its target, ≥ 0.
    """
    found, most_kwh = None, _LEAST_KWH
    for session in stays:
        slots, limit_kw, highest_kwh = after_day(problem, car, session)
        said_kwh, target_kwh = (
            session.arrival_soc * car.capacity_kwh,
            session.departure_soc * car.capacity_kwh,
        )
        came_kwh = min(max(said_kwh - behind_kwh, 0.0), car.capacity_kwh)
        highest_kwh = max(highest_kwh, came_kwh)
        full_kwh = min(at_full_power(car, limit_kw, problem.slot_hours, came_kwh, slots), highest_kwh)
        behind_kwh, reachable_kwh = target_kwh - full_kwh, min(target_kwh, highest_kwh)
        if reachable_kwh - full_kwh > most_kwh:
            most_kwh, kwh = reachable_kwh - full_kwh, car.capacity_kwh
            found = replace(session, arrival_soc=came_kwh / kwh, departure_soc=reachable_kwh / kwh)
    return found


def after_day(problem: DayProblem, car: Car, session: Session) -> tuple[int, float, float]:
    """Whole slots of a session after the day, its charging limit (kW) and the most that it may hold (kWh)."""
    step, begin = pd.Timedelta(hours=problem.slot_hours).value, problem.slots[0].value
    slots = (session.departure_utc.value - begin) // step + (begin - session.arrival_utc.value) // step
    highest_kwh = min(car.soc_max, _own(session.max_soc, 1.0)) * car.capacity_kwh
    return max(0, slots), _least(session.charge_limit_kw, car.charge_limit_kw), highest_kwh


def at_full_power(car: Car, limit_kw: float, hours: float, energy_kwh: float, slots: int) -> float:
    """What `slots` slots at full power lift an energy to."""
    at_empty, fall = taper_line(car, hours)
    if fall == 0.0:
        return energy_kwh + limit_kw * hours * slots
    for _ in range(slots):
        energy_kwh += hours * max(0.0, min(limit_kw, at_empty - fall * energy_kwh))
    return energy_kwh


def _own(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _least(value: float | None, otherwise: float) -> float:
    """A charger gives what it can, a car takes what it can."""
    return otherwise if value is None else min(value, otherwise)


def taper_line(car: Car, hours: float) -> tuple[float, float]:
    """The car's taper as (kW at an empty battery, kW less per stored kWh); (inf, 0) where it says nothing.

    That is so without a taper; where it is flat, as power is at most the car's limit anyway; and where it is
    so steep that a slot of `hours` at its power would fill the battery: staying at or below full keeps it.
    """
    taper = car.charge_taper
    if taper is None:
        return np.inf, 0.0
    fall_kw = car.charge_limit_kw * (1.0 - taper.full_share) / (1.0 - taper.from_soc)
    fall = fall_kw / car.capacity_kwh
    if fall * car.capacity_kwh <= FLAT_KW or hours * fall >= 1.0 - NEARLY_UPRIGHT:
        return np.inf, 0.0
    return car.charge_limit_kw + fall_kw * taper.from_soc, fall


def _before_full_power(car: Car, limit_kw: float, hours: float, target_kwh: float, slots: int) -> float:
    """Least energy from which `slots` slots at full power still reach the target."""
    at_empty, fall = taper_line(car, hours)
    if fall == 0.0:
        return max(0.0, target_kwh - limit_kw * hours * slots)
    energy = target_kwh
    for _ in range(slots):
        before = energy - limit_kw * hours
        if (
            at_empty - fall * before < limit_kw
        ):  # on the taper: energy = before + hours·(at_empty − fall·before)
            before = min(energy, max(before, (energy - hours * at_empty) / (1.0 - hours * fall)))
        energy = max(0.0, before)
    return energy
