"""Independent check of any plan, from the definitions; shares no code with the models that make plans."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from optimize.check_bounds import (
    TOLERANCE,
    SlotBounds,
    carried_kwh,
    require_slots,
    terms_of,
    whole_slots,
    with_carried,
)
from optimize.check_reserves import check_reserves
from optimize.errors import PlanCheckError
from optimize.rulebook import BINDINGS
from optimize.types import BoolArray, Car, DayProblem, FloatArray, ModePlan, Session


def check_plan(problem: DayProblem, plan: ModePlan) -> None:
    """Refuse a plan that breaks any rule by more than 1e-6 (kW, kWh).

    Plugged slots, energy balance and bounds, powers, no charge with discharge, the mode's own limits,
    drawdown, contract, own constraints (by what 1e-6 kW do at their largest coefficient), site limits,
    reserves, and departures stated as reached. PlanCheckError names rule, place and excess.
    """
    _check_shapes(problem, plan)
    spans = whole_slots(problem)
    carried = carried_kwh(problem, plan, spans)
    terms = with_carried(terms_of(problem, spans), spans, carried)
    _check_plugged(problem, plan, terms)
    _check_energies(problem, plan, terms)
    _check_powers(problem, plan, terms)
    if plan.mode != "uncontrolled":
        _check_constraints(problem, plan, terms)
    if plan.mode == "v2g":
        _check_drawdown(problem, plan, spans, terms)
        used = np.add.reduceat(plan.discharge_kw, problem.day_starts, axis=1) * problem.slot_hours
        used[:, 0] += [min(car.v2g_used_kwh, car.v2g_limit_kwh) for car in problem.cars]
        limit = np.array([car.v2g_limit_kwh for car in problem.cars]).reshape(-1, 1)
        worst = (used - limit).max(axis=1)
        _require_cars(problem, worst, "v2g energy of each day within the contract")
    _check_sites(problem, plan, terms)
    check_reserves(problem, plan, terms)
    _check_departures(problem, plan, spans, carried)


def _require_cars(problem: DayProblem, excess: FloatArray, rule: str) -> None:
    bad = np.flatnonzero(~(excess <= TOLERANCE))
    if bad.size:
        raise PlanCheckError(rule, f"battery {problem.cars[bad[0]].battery_id!r}", float(excess[bad[0]]))


def _check_shapes(problem: DayProblem, plan: ModePlan) -> None:
    slots = len(problem.slots)
    cars, sites, blocks = (len(problem.cars), slots), (len(problem.sites), slots), len(problem.reserves)
    wanted = dict.fromkeys(
        ("charge_kw", "discharge_kw", "plugged", "energy_start_kwh", "energy_end_kwh", "binding"), cars
    )
    of_prices = {
        "site_eur_per_kwh": sites,
        "peak_eur_per_kw": sites,
        "reserve_up_eur_per_kw": (blocks, slots),
        "reserve_down_eur_per_kw": (blocks, slots),
        "energy_value_eur_per_kwh": cars,
    }
    for owner, shapes in ((plan, wanted), (plan.prices, of_prices)):
        for name, shape in shapes.items():
            if getattr(owner, name).shape != shape:
                rows = {cars: "car", sites: "site"}.get(shape, "reserve block")
                raise PlanCheckError(f"{name} has one row a {rows} and one column a slot", "plan", math.nan)
    if ((plan.binding < 0) | (plan.binding >= len(BINDINGS))).any():
        raise PlanCheckError("binding holds codes of BINDINGS", "plan", math.nan)


def _check_plugged(problem: DayProblem, plan: ModePlan, terms: SlotBounds) -> None:
    plugged = terms.site >= 0
    wrong = (plugged != plan.plugged).astype(np.float64)
    require_slots(problem, wrong, "plugged exactly in whole slots of a session")
    power = np.abs(plan.charge_kw) + np.abs(plan.discharge_kw)
    silent = np.isnan(plan.energy_start_kwh) & np.isnan(plan.energy_end_kwh) & (power == 0.0)
    away = (~plugged & ~silent).astype(np.float64)
    require_slots(problem, away, "no power and no stated energy while away")


def _check_energies(problem: DayProblem, plan: ModePlan, terms: SlotBounds) -> None:
    plugged = terms.site >= 0
    start, end = plan.energy_start_kwh, plan.energy_end_kwh

    def require(excess: FloatArray, rule: str, where: BoolArray = plugged) -> None:
        require_slots(problem, np.where(where, excess, 0.0), rule)

    before = np.concatenate([np.full((len(problem.cars), 1), np.nan), end[:, :-1]], axis=1)
    came = np.where(terms.start, terms.arrival_kwh, before)
    require(np.abs(start - came), "energy continues from slot to slot")
    change = problem.slot_hours * (plan.charge_kw - plan.discharge_kw)
    require(np.abs(end - start - change), "energy balance")
    require(np.minimum(terms.lowest_kwh, terms.arrival_kwh) - end, "energy at least soc_min")
    require(end - np.maximum(terms.highest_kwh, terms.arrival_kwh), "energy at most soc_max")
    out, into = plugged & (plan.discharge_kw > TOLERANCE), plugged & (plan.charge_kw > TOLERANCE)
    require(terms.lowest_kwh - end, "no discharge that ends below soc_min", out)
    require(end - terms.highest_kwh, "no charge that ends above soc_max", into)


def _check_powers(problem: DayProblem, plan: ModePlan, terms: SlotBounds) -> None:
    plugged, charge, discharge = terms.site >= 0, plan.charge_kw, plan.discharge_kw

    def require(excess: FloatArray, rule: str) -> None:
        require_slots(problem, np.where(plugged, excess, 0.0), rule)

    require(-charge, "charge_kw >= 0")
    require(-discharge, "discharge_kw >= 0")
    require(charge - terms.charge_kw, "charge limit")
    require(discharge - terms.discharge_kw, "discharge limit")
    require(np.minimum(charge, discharge), "no charge with discharge")
    for i, car in enumerate(problem.cars):
        if car.charge_taper is not None:
            # The stored energy itself is only known to the tolerance, and a taper may be steep.
            allowed = np.maximum(_taper_kw(car, plan.energy_start_kwh[i] - TOLERANCE), 0.0)
            excess = np.where(plugged[i], charge[i] - allowed, 0.0)
            if not (excess <= TOLERANCE).all():
                worst = float(np.max(excess))
                raise PlanCheckError("charge taper", f"battery {car.battery_id!r}", worst)
    if plan.mode != "v2g":
        require(discharge, f"no discharge in mode {plan.mode}")
    if problem.may_discharge is not None:
        require(np.where(problem.may_discharge, 0.0, discharge), "no discharge where none may be")
    for power, field in ((charge, "min_charge_kw"), (discharge, "min_discharge_kw")):
        least = np.array([getattr(car, field) for car in problem.cars]).reshape(-1, 1)
        on = power > TOLERANCE
        if plan.mode == "uncontrolled":  # nobody plans: the last of what it needs takes a part of a slot
            on &= plan.energy_end_kwh < terms.wanted_kwh - TOLERANCE
        require(np.where(on, least - power, 0.0), f"power 0 or at least {field}")


def _taper_kw(car: Car, energy_kwh: FloatArray) -> FloatArray:
    taper = car.charge_taper
    if taper is None:
        return np.full(energy_kwh.shape, np.inf)
    above = (energy_kwh / car.capacity_kwh - taper.from_soc) / (1.0 - taper.from_soc)
    allowed: FloatArray = car.charge_limit_kw * (1.0 - (1.0 - taper.full_share) * above)
    return allowed


def _check_drawdown(
    problem: DayProblem, plan: ModePlan, spans: list[tuple[Session, int, slice]], terms: SlotBounds
) -> None:
    for session, i, slots in spans:
        car = problem.cars[i]
        if car.drawdown_limit == 1.0 or slots.start == slots.stop:
            continue
        trail = np.concatenate([terms.arrival_kwh[i, slots][:1], plan.energy_end_kwh[i, slots]])
        fall = float(np.max(np.maximum.accumulate(trail) - trail))
        if not fall - car.drawdown_limit * car.capacity_kwh <= TOLERANCE:
            place = f"session {session.session_id!r} of battery {car.battery_id!r}"
            excess = fall - car.drawdown_limit * car.capacity_kwh
            raise PlanCheckError("drawdown within the session", place, excess)


def _check_constraints(problem: DayProblem, plan: ModePlan, terms: SlotBounds) -> None:
    """Uncontrolled charging is what happens without planning: nothing holds it to them."""
    plugged = terms.site >= 0
    drawn = np.where(plugged, plan.charge_kw / terms.charging, 0.0)
    fed = np.where(plugged, plan.discharge_kw * terms.discharging, 0.0)
    for one in problem.constraints:
        given = ((one.import_coefficients, drawn), (one.export_coefficients, fed))
        sums = [float((part * kw).sum()) for part, kw in given if part is not None]
        largest = max(float(np.abs(part).max()) for part, _ in given if part is not None)
        excess = max(one.lower - sum(sums), sum(sums) - one.upper)
        if not excess <= TOLERANCE * largest:
            place = f"mode {plan.mode}, which has {sum(sums):.6g} (bounds {one.lower:g} to {one.upper:g})"
            raise PlanCheckError(f"own constraint {one.name!r}", place, excess)


def _check_sites(problem: DayProblem, plan: ModePlan, terms: SlotBounds) -> None:
    metered = plan.charge_kw / terms.charging - plan.discharge_kw * terms.discharging
    own = np.zeros((len(problem.sites), len(problem.slots)))
    rows, slots = np.nonzero(terms.site >= 0)
    np.add.at(own, (terms.site[rows, slots], slots), metered[rows, slots])
    parent = {site.site_id: site.parent_id for site in problem.sites}
    row = {site.site_id: j for j, site in enumerate(problem.sites)}
    drawn, base = np.zeros_like(own), np.zeros_like(own)
    for site, power in zip(problem.sites, own, strict=True):
        place: str | None = site.site_id
        while place is not None:
            drawn[row[place]] += power
            base[row[place]] += 0.0 if site.base_load_kw is None else site.base_load_kw
            place = parent[place]
    for j, site in enumerate(problem.sites):
        for way, power, room in (
            ("import", drawn[j], site.import_limit_kw - base[j]),
            ("export", -drawn[j], site.export_limit_kw + base[j]),
        ):
            excess = power - np.maximum(room, 0.0)
            bad = np.flatnonzero(~(excess <= TOLERANCE))
            if bad.size:
                rule = f"site {way} limit in slot {problem.slots[bad[0]]}"
                raise PlanCheckError(rule, f"site {site.site_id!r}", float(excess[bad[0]]))


def _check_departures(
    problem: DayProblem,
    plan: ModePlan,
    spans: list[tuple[Session, int, slice]],
    carried: Mapping[str, float],
) -> None:
    outcomes = {outcome.session_id: outcome for outcome in plan.departures}
    if len(outcomes) != len(plan.departures) or outcomes.keys() != {s.session_id for s in problem.sessions}:
        raise PlanCheckError("one outcome for each session", "departures", math.nan)
    step, begin = pd.Timedelta(hours=problem.slot_hours).value, problem.slots[0].value
    for session, i, slots in spans:
        outcome, car = outcomes[session.session_id], problem.cars[i]
        comes = math.ceil((session.arrival_utc.value - begin) / step)
        leaves = (session.departure_utc.value - begin) // step
        beyond = session.departure_utc.value > begin + len(problem.slots) * step
        reached = session.arrival_soc * car.capacity_kwh + carried.get(session.session_id, 0.0)
        if slots.start < slots.stop:
            reached = float(plan.energy_end_kwh[i, slots.stop - 1])
        later = max(0, leaves - max(len(problem.slots), comes)) if beyond else 0
        target = _target_kwh(problem, session, car, later)
        due = "later" if session.arrival_utc >= problem.end_utc else "day_end" if beyond else "departure"
        rules = {
            "departure energy stated as reached": abs(outcome.reached_kwh - reached),
            "departure target stated as asked": abs(outcome.target_kwh - target),
            "missing energy stated as it is": abs(outcome.missing_kwh - max(0.0, target - reached)),
            "due when it is": float(outcome.due != due),
            "a reason exactly where energy is missing": float(
                bool(outcome.reason) != (outcome.missing_kwh > 0.0)
            ),
        }
        for rule, excess in rules.items():
            if not excess <= TOLERANCE:
                place = f"session {session.session_id!r} of battery {session.battery_id!r}"
                raise PlanCheckError(rule, place, excess)


def _target_kwh(problem: DayProblem, session: Session, car: Car, later: int) -> float:
    """What is owed at departure; if the session outlasts the day, what full power could not make up
    `later`."""
    target = session.departure_soc * car.capacity_kwh
    own = session.charge_limit_kw
    limit = car.charge_limit_kw if own is None or own > car.charge_limit_kw else own
    for _ in range(later):
        target = _before(car, limit, problem.slot_hours, target)
        if target <= 0.0:
            return 0.0
    return target


def _before(car: Car, limit_kw: float, hours: float, target_kwh: float) -> float:
    """Least energy that one slot at full power lifts to the target: by bisection, for power may taper."""
    if car.charge_taper is None:
        return max(0.0, target_kwh - limit_kw * hours)

    def short(energy_kwh: float) -> bool:
        allowed = float(_taper_kw(car, np.array(energy_kwh)))
        return energy_kwh + hours * min(limit_kw, allowed) < target_kwh

    low, high = 0.0, target_kwh
    if not short(low):
        return low
    while high - low > 1e-12 * car.capacity_kwh:
        middle = (low + high) / 2.0
        low, high = (middle, high) if short(middle) else (low, middle)
    return high
