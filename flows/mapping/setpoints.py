"""What cars can draw of what the grid orders their sites to, whatever else is planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from flows.mapping.retail import Prices
from optimize.types import DayProblem
from optimize.windows import SessionWindow, session_windows, taper_line

_LEAST_KW = 1e-6


def attainable_kw(
    problem: DayProblem,
    limits_kw: Mapping[str, tuple[Prices, Prices]],
    setpoints_kw: Mapping[str, Prices],
) -> dict[str, Prices]:
    """What the cars of each ordered site can draw together in each slot, kW [T]; 0 where nothing is ordered.

    By a schedule that charges in ordered slots alone, the earlier first, in no slot more than is ordered,
    every limit of site, charger and battery kept: so a plan that draws as much in each of them exists. The
    cars that leave first charge first. What cars might draw more if they discharged before is not asked for.
    """
    parents = {site.site_id: site.parent_id for site in problem.sites}
    loads = {site.site_id: site.base_load_kw for site in problem.sites}
    room = {site.site_id: np.full(len(problem.slots), site.import_limit_kw) for site in problem.sites}
    for name, most in (*((name, drawn) for name, (drawn, _) in limits_kw.items()), *setpoints_kw.items()):
        if name in room:
            room[name] = np.fmin(room[name], most)
    for name, load in loads.items():
        for site in _chain(name, parents):
            if load is not None:
                room[site] = room[site] - load
    ordered = {name: due for name, due in setpoints_kw.items() if name in parents}
    found = {name: np.zeros(len(problem.slots)) for name in ordered}
    windows = sorted(session_windows(problem), key=lambda one: (one.session.departure_utc, one.car))
    held = [one.arrival_kwh for one in windows]
    slots = np.flatnonzero(np.any([np.isfinite(due) for due in ordered.values()], axis=0)) if ordered else ()
    for slot in map(int, slots):
        for number, window in enumerate(windows):
            chain = _chain(problem.sites[window.site].site_id, parents)
            orders = [site for site in chain if site in ordered and np.isfinite(ordered[site][slot])]
            if slot not in window.slots or not orders:
                continue
            power = _charged_kw(problem, window, held[number], min(room[site][slot] for site in chain))
            held[number] += power * problem.slot_hours
            for site in chain:
                room[site][slot] -= power / window.efficiency_charge
            for site in orders:
                found[site][slot] += power / window.efficiency_charge
    return found


def _charged_kw(problem: DayProblem, window: SessionWindow, held_kwh: float, room_kw: float) -> float:
    """The most that a car can charge with, battery side, of a site's room; 0 below the least it needs."""
    car = problem.cars[window.car]
    at_empty, fall = taper_line(car, problem.slot_hours)
    power = min(
        window.charge_limit_kw, at_empty - fall * held_kwh if fall else np.inf,
        (window.highest_kwh - held_kwh) / problem.slot_hours, room_kw * window.efficiency_charge,
    )  # fmt: skip
    return power if power >= max(car.min_charge_kw, _LEAST_KW) else 0.0


def _chain(site: str, parents: Mapping[str, str | None]) -> Sequence[str]:
    """A site and those that it hangs on."""
    found: list[str] = []
    at: str | None = site
    while at is not None and at not in found:
        found.append(at)
        at = parents.get(at)
    return found
