"""What holds for each car in each slot, read from the definitions: the yardstick of the checks of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimize.errors import PlanCheckError
from optimize.types import BoolArray, DayProblem, FloatArray, ModePlan, Session

TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlotBounds:
    """What holds for each car in each slot [n, T], by its own data or its session's; NaN where away.

    wanted_kwh: the departure energy, at most that of soc_max. start: the session's first slot; site: number
    of the site plugged into, −1 where away.
    """

    start: BoolArray
    arrival_kwh: FloatArray
    lowest_kwh: FloatArray
    highest_kwh: FloatArray
    wanted_kwh: FloatArray
    charge_kw: FloatArray
    discharge_kw: FloatArray
    charging: FloatArray
    discharging: FloatArray
    site: npt.NDArray[np.int64]


def require_slots(problem: DayProblem, excess: FloatArray, rule: str) -> None:
    """Refuse the worst car and slot of an excess [n, T]; NaN is the worst."""
    bad = ~(excess <= TOLERANCE)
    if bad.any():
        i, t = np.unravel_index(np.argmax(np.where(np.isnan(excess), np.inf, excess)), excess.shape)
        place = f"battery {problem.cars[i].battery_id!r}, slot {problem.slots[int(t)]}"
        raise PlanCheckError(rule, place, float(excess[i, t]))


def whole_slots(problem: DayProblem) -> list[tuple[Session, int, slice]]:
    """Each session with its car and the slots that lie wholly within the session."""
    row = {car.battery_id: i for i, car in enumerate(problem.cars)}
    begins = problem.slots.as_unit("ns").asi8
    ends = begins + pd.Timedelta(hours=problem.slot_hours).value
    arrivals = np.array([session.arrival_utc.value for session in problem.sessions], dtype=np.int64)
    departures = np.array([session.departure_utc.value for session in problem.sessions], dtype=np.int64)
    first = np.searchsorted(begins, arrivals, side="left").tolist()
    after = np.searchsorted(ends, departures, side="right").tolist()
    return [
        (session, row[session.battery_id], slice(a, max(a, b)))
        for session, a, b in zip(problem.sessions, first, after, strict=True)
    ]


def carried_kwh(
    problem: DayProblem, plan: ModePlan, spans: list[tuple[Session, int, slice]]
) -> dict[str, float]:
    """What sessions that carry come with besides, by session_id: what the one before leaves above its target.

    The one before is the last with slots, as long as those between carry as well.
    """
    found: dict[str, float] = {}
    last: dict[int, tuple[Session, slice]] = {}
    for session, i, slots in sorted(spans, key=lambda span: span[0].arrival_utc):
        if session.carries and i in last:
            earlier, held = last[i]
            target = earlier.departure_soc * problem.cars[i].capacity_kwh
            found[session.session_id] = max(0.0, float(plan.energy_end_kwh[i, held.stop - 1]) - target)
        if slots.start < slots.stop:
            last[i] = session, slots
        elif not session.carries:
            last.pop(i, None)
    return found


def with_carried(
    terms: SlotBounds, spans: list[tuple[Session, int, slice]], carried: Mapping[str, float]
) -> SlotBounds:
    """The terms with what sessions come with besides."""
    arrival = terms.arrival_kwh.copy()
    for session, i, slots in spans:
        arrival[i, slots] += carried.get(session.session_id, 0.0)
    return replace(terms, arrival_kwh=arrival)


def terms_of(problem: DayProblem, spans: list[tuple[Session, int, slice]]) -> SlotBounds:
    """Lay the limits, efficiencies and energies of every session on the day's grid."""
    shape = (len(problem.cars), len(problem.slots))
    number = {site.site_id: j for j, site in enumerate(problem.sites)}
    start = np.zeros(shape, dtype=np.bool_)
    site = np.full(shape, -1)
    values = np.full((8, *shape), np.nan)
    for session, i, slots in spans:
        car = problem.cars[i]
        if slots.start == slots.stop:
            continue
        start[i, slots.start] = True
        site[i, slots] = number[session.site_id or car.site_id]
        floor = car.soc_min if session.min_soc is None else max(car.soc_min, session.min_soc)
        ceiling = car.soc_max if session.max_soc is None else min(car.soc_max, session.max_soc)
        for k, (own, usual) in enumerate(
            (
                (session.arrival_soc * car.capacity_kwh, 0.0),
                (floor * car.capacity_kwh, 0.0),
                (ceiling * car.capacity_kwh, 0.0),
                (session.charge_limit_kw, car.charge_limit_kw),
                (session.discharge_limit_kw, car.discharge_limit_kw),
                (session.efficiency_charge, car.efficiency_charge),
                (session.efficiency_discharge, car.efficiency_discharge),
                (min(session.departure_soc, ceiling) * car.capacity_kwh, 0.0),
            )
        ):
            values[k, i, slots] = usual if own is None else own
        # Neither the car nor the charger gives more than it can.
        for k, able in ((3, car.charge_limit_kw), (4, car.discharge_limit_kw)):
            values[k, i, slots] = np.minimum(values[k, i, slots], able)
    arrival, lowest, highest, charge, discharge, charging, discharging, wanted = values
    return SlotBounds(
        start=start,
        arrival_kwh=arrival,
        lowest_kwh=lowest,
        highest_kwh=highest,
        wanted_kwh=wanted,
        charge_kw=charge,
        discharge_kw=discharge,
        charging=charging,
        discharging=discharging,
        site=site,
    )
