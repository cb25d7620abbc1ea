"""Independent check of any plan, from the definitions; shares no code with the models that make plans."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimize.errors import PlanCheckError
from optimize.types import Car, DayProblem, ModePlan, Session

TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class _Place:
    """A car and a slot, put in words only when something is wrong there."""

    problem: DayProblem
    i: int
    t: int

    def __str__(self) -> str:
        return f"battery {self.problem.cars[self.i].battery_id!r}, slot {self.problem.slots[self.t]}"


def check_plan(problem: DayProblem, plan: ModePlan) -> None:
    """Refuse a plan that breaks any rule by more than 1e-6 (kW, kWh).

    Plugged slots, energy balance and bounds, powers, no charge with discharge, the mode's own limits,
    drawdown, site limits, and departures stated as reached. PlanCheckError names rule, place and excess.
    """
    _check_shapes(problem, plan)
    _check_plugged(problem, plan)
    row = {car.battery_id: i for i, car in enumerate(problem.cars)}
    for session in problem.sessions:
        _check_session(problem, plan, session, row[session.battery_id])
    _check_powers(problem, plan)
    _check_sites(problem, plan)
    _check_departures(problem, plan, row)


def _require(excess: float, rule: str, where: object) -> None:
    if math.isnan(excess) or excess > TOLERANCE:
        raise PlanCheckError(rule, str(where), excess)


def _plugged_slots(problem: DayProblem, session: Session) -> list[int]:
    """Slots that lie wholly within the stay."""
    last_start = session.departure_utc - pd.Timedelta(hours=problem.slot_hours)
    inside = (problem.slots >= session.arrival_utc) & (problem.slots <= last_start)
    slots: list[int] = np.flatnonzero(inside).tolist()
    return slots


def _check_shapes(problem: DayProblem, plan: ModePlan) -> None:
    shape = (len(problem.cars), len(problem.slots))
    for name in ("charge_kw", "discharge_kw", "plugged", "energy_start_kwh", "energy_end_kwh"):
        if getattr(plan, name).shape != shape:
            raise PlanCheckError(f"{name} has one row a car and one column a slot", "plan", math.nan)
    if plan.site_shadow_price.shape != (len(problem.sites), len(problem.slots)):
        raise PlanCheckError("site_shadow_price has one row a site and one column a slot", "plan", math.nan)


def _check_plugged(problem: DayProblem, plan: ModePlan) -> None:
    plugged = np.zeros(plan.plugged.shape, dtype=np.bool_)
    row = {car.battery_id: i for i, car in enumerate(problem.cars)}
    for session in problem.sessions:
        plugged[row[session.battery_id], _plugged_slots(problem, session)] = True
    for i, t in np.argwhere(plugged != plan.plugged):
        raise PlanCheckError("plugged exactly in whole slots of a session", str(_Place(problem, i, t)), 1.0)
    for i, t in np.argwhere(~plugged):
        power = abs(plan.charge_kw[i, t]) + abs(plan.discharge_kw[i, t])
        if power != 0.0 or not (
            math.isnan(plan.energy_start_kwh[i, t]) and math.isnan(plan.energy_end_kwh[i, t])
        ):
            raise PlanCheckError(
                "no power and no stated energy while away", str(_Place(problem, i, t)), power
            )


def _check_session(problem: DayProblem, plan: ModePlan, session: Session, i: int) -> None:
    car = problem.cars[i]
    lowest, highest = car.soc_min * car.capacity_kwh, car.soc_max * car.capacity_kwh
    arrival = energy = session.arrival_soc * car.capacity_kwh
    peak = arrival
    for t in _plugged_slots(problem, session):
        where = _Place(problem, i, t)
        charge, discharge = plan.charge_kw[i, t], plan.discharge_kw[i, t]
        start, end = plan.energy_start_kwh[i, t], plan.energy_end_kwh[i, t]
        _require(abs(start - energy), "energy continues from slot to slot", where)
        _require(abs(end - start - problem.slot_hours * (charge - discharge)), "energy balance", where)
        _require(min(lowest, arrival) - end, "energy at least soc_min", where)
        _require(end - max(highest, arrival), "energy at most soc_max", where)
        if discharge > TOLERANCE:
            _require(lowest - end, "no discharge that ends below soc_min", where)
        if charge > TOLERANCE:
            _require(end - highest, "no charge that ends above soc_max", where)
        peak = max(peak, end)
        if plan.mode == "v2g":
            _require(peak - end - car.drawdown_limit * car.capacity_kwh, "drawdown within the session", where)
        energy = end


def _check_powers(problem: DayProblem, plan: ModePlan) -> None:
    for i, car in enumerate(problem.cars):
        for t in range(len(problem.slots)):
            where = _Place(problem, i, t)
            charge, discharge = plan.charge_kw[i, t], plan.discharge_kw[i, t]
            _require(-charge, "charge_kw >= 0", where)
            _require(-discharge, "discharge_kw >= 0", where)
            _require(charge - car.charge_limit_kw, "charge limit", where)
            _require(discharge - car.discharge_limit_kw, "discharge limit", where)
            _require(min(charge, discharge), "no charge with discharge", where)
            if plan.mode != "v2g":
                _require(discharge, f"no discharge in mode {plan.mode}", where)


def _check_sites(problem: DayProblem, plan: ModePlan) -> None:
    for site in problem.sites:
        power = np.zeros(len(problem.slots))
        for i, car in _cars_of(problem, site.site_id):
            power += plan.charge_kw[i] / car.efficiency_charge
            power -= plan.discharge_kw[i] * car.efficiency_discharge
        for t, drawn in enumerate(power):
            _require(drawn - site.import_limit_kw, f"site import limit in slot {t}", site.site_id)
            _require(-drawn - site.export_limit_kw, f"site export limit in slot {t}", site.site_id)


def _check_departures(problem: DayProblem, plan: ModePlan, row: dict[str, int]) -> None:
    outcomes = {outcome.session_id: outcome for outcome in plan.departures}
    if len(outcomes) != len(plan.departures) or outcomes.keys() != {s.session_id for s in problem.sessions}:
        raise PlanCheckError("one outcome for each session", "departures", math.nan)
    for session in problem.sessions:
        outcome, i = outcomes[session.session_id], row[session.battery_id]
        where = f"session {session.session_id!r} of battery {session.battery_id!r}"
        slots = _plugged_slots(problem, session)
        arrival_kwh = session.arrival_soc * problem.cars[i].capacity_kwh
        reached = plan.energy_end_kwh[i, slots[-1]] if slots else arrival_kwh
        target = _target_kwh(problem, session, problem.cars[i])
        _require(abs(outcome.reached_kwh - reached), "departure energy stated as reached", where)
        _require(abs(outcome.target_kwh - target), "departure target stated as asked", where)
        missing = max(0.0, target - reached)
        _require(abs(outcome.missing_kwh - missing), "missing energy stated as it is", where)
        if bool(outcome.reason) != (outcome.missing_kwh > 0.0):
            raise PlanCheckError("a reason exactly where energy is missing", where, outcome.missing_kwh)


def _target_kwh(problem: DayProblem, session: Session, car: Car) -> float:
    """What is owed at departure; if the stay outlasts the day, what full power could not make up later."""
    target = session.departure_soc * car.capacity_kwh
    day_end = problem.slots[-1] + pd.Timedelta(hours=problem.slot_hours)
    if session.departure_utc <= day_end:
        return target
    length = pd.Timedelta(hours=problem.slot_hours)
    slot, later = day_end, 0
    while slot + length <= session.departure_utc:
        later += slot >= session.arrival_utc
        slot += length
    return max(0.0, target - later * problem.slot_hours * car.charge_limit_kw)


def _cars_of(problem: DayProblem, site_id: str) -> Iterator[tuple[int, Car]]:
    return ((i, car) for i, car in enumerate(problem.cars) if car.site_id == site_id)
