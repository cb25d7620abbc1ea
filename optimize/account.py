"""Energy and money of a plan, straight from its definitions and at the exact wear price; knows no solver."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from optimize.types import BoolArray, DayProblem, FloatArray, ModePlan, Session
from optimize.windows import missing_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Energies in kWh (import, export metered; v2g, unmet battery-side) and money in € of one car or of all.

    energy_cost_eur: each plug at the day's prices; netting_eur: what meters shared with other cars and base
    load save of it (in the total alone, as is peak_charge_eur). reserve_income_eur of a car is its share of
    what is held. rest_price_eur: wear of resting charged. co2_kg: of drawn less fed-back energy.
    net_benefit_eur is what the owner gains, objective_eur = net_benefit − unmet_price − change_price what the
    plan maximises. departures counts every target that falls due, at a departure or at the day's end.
    """

    import_kwh: float = 0.0
    export_kwh: float = 0.0
    v2g_kwh: float = 0.0
    duty_efc_per_day: float = 0.0
    energy_cost_eur: float = 0.0
    netting_eur: float = 0.0
    peak_charge_eur: float = 0.0
    reserve_income_eur: float = 0.0
    co2_kg: float = 0.0
    co2_cost_eur: float = 0.0
    stored_value_eur: float = 0.0
    wear_price_eur: float = 0.0
    rest_price_eur: float = 0.0
    unmet_kwh: float = 0.0
    unmet_price_eur: float = 0.0
    change_price_eur: float = 0.0
    departures: int = 0
    unmet_departures: int = 0

    @property
    def net_benefit_eur(self) -> float:
        """What the owner gains, €."""
        earned = self.stored_value_eur + self.reserve_income_eur + self.netting_eur
        paid = self.energy_cost_eur + self.peak_charge_eur + self.co2_cost_eur
        return earned - paid - self.wear_price_eur - self.rest_price_eur

    @property
    def objective_eur(self) -> float:
        """What the plan maximises, €."""
        return self.net_benefit_eur - self.unmet_price_eur - self.change_price_eur


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """The accounts of a plan: one per car, in the problem's order and by id, and the total.

    The total adds up the cars, duty_efc_per_day included, and holds besides what is counted at the sites.
    """

    cars: dict[str, Account]
    total: Account


def account(problem: DayProblem, plan: ModePlan) -> Accounting:
    """Account for every metered and stored kWh of a plan."""
    rows = _car_rows(problem, plan)
    cars = {
        car.battery_id: Account(**{name: row[i] for name, row in rows.items()})
        for i, car in enumerate(problem.cars)
    }
    total: dict[str, Any] = {
        field.name: sum(rows[field.name]) for field in fields(Account) if field.name in rows
    }
    netting, peak_charge = _site_money(problem, plan)
    return Accounting(
        cars=cars, total=Account(**total | {"netting_eur": netting, "peak_charge_eur": peak_charge})
    )


def grid_power_kw(problem: DayProblem, plan: ModePlan) -> FloatArray:
    """Metered power of each car [n, T], kW, + = import."""
    charging, discharging = efficiencies(problem)
    power: FloatArray = plan.charge_kw / charging - plan.discharge_kw * discharging
    return power


def site_power_kw(problem: DayProblem, plan: ModePlan) -> FloatArray:
    """Metered power [S, T], kW, + = import, of all the cars at and below each site."""
    power = grid_power_kw(problem, plan)
    parent = {site.site_id: site.parent_id for site in problem.sites}
    row = {site.site_id: j for j, site in enumerate(problem.sites)}
    total: FloatArray = np.zeros((len(problem.sites), len(problem.slots)))

    def add(site_id: str | None, kw: FloatArray, slots: slice) -> None:
        while site_id is not None:
            total[row[site_id], slots] += kw
            site_id = parent[site_id]

    for i, car in enumerate(problem.cars):
        add(car.site_id, power[i], slice(None))
    for i, slots, session in _sessions_elsewhere(problem):
        if session.site_id is not None:
            add(problem.cars[i].site_id, -power[i, slots], slots)
            add(session.site_id, power[i, slots], slots)
    return total


def base_load_kw(problem: DayProblem) -> FloatArray:
    """Uncontrolled load less generation [S, T], kW, of each site's subtree."""
    parent = {site.site_id: site.parent_id for site in problem.sites}
    row = {site.site_id: j for j, site in enumerate(problem.sites)}
    total: FloatArray = np.zeros((len(problem.sites), len(problem.slots)))
    for site in problem.sites:
        above: str | None = site.site_id
        while site.base_load_kw is not None and above is not None:
            total[row[above]] += site.base_load_kw
            above = parent[above]
    return total


def primary_value(problem: DayProblem, plan: ModePlan) -> float:
    """What the plan reaches of the objective that comes before net benefit, in its own unit; NaN for none.

    grid_support: kWh fed in net over peak_slots; peak_shaving: kW, the sum of the root sites' largest
    imports; load_levelling: kW, the sum over their slots of |P − mean P|.
    """
    total = (site_power_kw(problem, plan) + base_load_kw(problem))[
        [site.parent_id is None for site in problem.sites]
    ]
    match problem.objective:
        case "grid_support":
            fed = -grid_power_kw(problem, plan).sum(axis=0)
            return float(fed[list(set(problem.peak_slots))].sum()) * problem.slot_hours
        case "peak_shaving":
            return float(np.maximum(total.max(axis=1), 0.0).sum())
        case "load_levelling":
            return float(np.abs(total - total.mean(axis=1, keepdims=True)).sum())
        case "net_benefit":
            return math.nan


def _car_rows(problem: DayProblem, plan: ModePlan) -> dict[str, list[Any]]:
    """Every account of a car as a list over cars."""
    hours, count = problem.slot_hours, len(problem.cars)
    charging, discharging = efficiencies(problem)
    drawn_kwh = plan.charge_kw * hours / charging
    fed_kwh = plan.discharge_kw * hours * discharging
    v2g_kwh = plan.discharge_kw.sum(axis=1) * hours
    capacity_kwh = np.array([car.capacity_kwh for car in problem.cars])
    called_kwh, income = _reserve(problem, plan, discharging)
    duty = (v2g_kwh + called_kwh) / capacity_kwh / problem.duty_days
    cost = drawn_kwh @ problem.import_price_eur_per_kwh - fed_kwh @ problem.export_price_eur_per_kwh
    emitted = np.zeros(len(problem.slots)) if problem.co2_kg_per_kwh is None else problem.co2_kg_per_kwh
    co2_kg = (drawn_kwh - fed_kwh) @ emitted
    stored_eur = np.nansum((plan.energy_end_kwh - plan.energy_start_kwh) * _stored_value(problem), axis=1)
    resting_kwh_h = np.nansum(plan.energy_end_kwh + plan.energy_start_kwh, axis=1) * hours / 2.0
    rest_price = np.array([car.rest_price_eur_per_kwh_h for car in problem.cars])
    changed_kwh = np.zeros(count)
    if problem.previous_kw is not None:
        moved = np.abs((drawn_kwh - fed_kwh) - problem.previous_kw * hours)
        changed_kwh = np.nansum(np.where(plan.plugged, moved, 0.0), axis=1)
    row = {car.battery_id: i for i, car in enumerate(problem.cars)}
    unmet_kwh, due, missed = np.zeros(count), [0] * count, [0] * count
    weights = missing_weights(problem)
    priced_kwh = np.zeros(count)
    for outcome in plan.departures:
        i = row[outcome.battery_id]
        priced_kwh[i] += weights.get(outcome.session_id, 1.0) * outcome.missing_kwh
        if outcome.due == "later":  # another day's departure
            continue
        unmet_kwh[i] += outcome.missing_kwh
        due[i] += 1
        missed[i] += outcome.missing_kwh > 0.0
    return {
        "import_kwh": drawn_kwh.sum(axis=1).tolist(),
        "export_kwh": fed_kwh.sum(axis=1).tolist(),
        "v2g_kwh": v2g_kwh.tolist(),
        "duty_efc_per_day": duty.tolist(),
        "energy_cost_eur": cost.tolist(),
        "reserve_income_eur": income.tolist(),
        "co2_kg": co2_kg.tolist(),
        "co2_cost_eur": (problem.co2_price_eur_per_kg * co2_kg).tolist(),
        "stored_value_eur": stored_eur.tolist(),
        "wear_price_eur": [
            problem.duty_days * car.wear.cost_eur(x)
            for car, x in zip(problem.cars, duty.tolist(), strict=True)
        ],
        "rest_price_eur": (rest_price * resting_kwh_h).tolist(),
        "unmet_kwh": unmet_kwh.tolist(),
        "unmet_price_eur": (problem.departure_price_eur_per_kwh * priced_kwh).tolist(),
        "change_price_eur": (problem.change_price_eur_per_kwh * changed_kwh).tolist(),
        "departures": list(due),
        "unmet_departures": list(missed),
    }


def _reserve(
    problem: DayProblem, plan: ModePlan, efficiency_discharge: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Each car's called battery-side energy, kWh, and its share of the income, €; both [n].

    A block's income is shared slot by slot in proportion to what each car holds of it.
    """
    called, income = np.zeros(len(problem.cars)), np.zeros(len(problem.cars))
    for block, bid in zip(problem.reserves, plan.reserves, strict=True):
        slots = slice(block.first_slot, block.end_slot)
        called += (
            block.activation_share
            * problem.slot_hours
            * (bid.up_kw / efficiency_discharge[:, slots]).sum(axis=1)
        )
        held = bid.up_kw + bid.down_kw
        everyone = held.sum(axis=0)
        share = np.divide(held, everyone, out=np.zeros(held.shape), where=everyone > 0.0).sum(axis=1)
        income += block.price_eur_per_kw_h * bid.bid_kw * problem.slot_hours * share
    return called, income


def _site_money(problem: DayProblem, plan: ModePlan) -> tuple[float, float]:
    """What common meters save and what peaks cost, €."""
    if not any(site.metering == "site" or site.peak_price_eur_per_kw for site in problem.sites):
        return 0.0, 0.0
    hours, power = problem.slot_hours, grid_power_kw(problem, plan)
    buy, sell = problem.import_price_eur_per_kwh, problem.export_price_eur_per_kwh
    below, base = site_power_kw(problem, plan), base_load_kw(problem)

    def bill(kw: FloatArray) -> FloatArray:
        return hours * (np.maximum(kw, 0.0) @ buy - np.maximum(-kw, 0.0) @ sell)

    netting = peak_charge = 0.0
    for j, site in enumerate(problem.sites):
        total = below[j] + base[j]
        peak_charge += site.peak_price_eur_per_kw * max(0.0, float(total.max()) - site.peak_so_far_kw)
        if site.metering == "site":
            alone = _plugs_below(problem, site.site_id)
            plugs = float(np.sum(bill(np.where(alone, power, 0.0))))
            netting += plugs - float(bill(total) - bill(base[j]))
    return netting, peak_charge


def _plugs_below(problem: DayProblem, site_id: str) -> BoolArray:
    """Cars and slots [n, T] whose plug lies at or below a site."""
    parent = {site.site_id: site.parent_id for site in problem.sites}

    def inside(place: str | None) -> bool:
        while place is not None and place != site_id:
            place = parent[place]
        return place is not None

    below = np.zeros((len(problem.cars), len(problem.slots)), dtype=np.bool_)
    for i, car in enumerate(problem.cars):
        below[i] = inside(car.site_id)
    for i, slots, session in _sessions_elsewhere(problem):
        if session.site_id is not None:
            below[i, slots] = inside(session.site_id)
    return below


def efficiencies(problem: DayProblem) -> tuple[FloatArray, FloatArray]:
    """Charging and discharging efficiency of each car and slot, [n, T]."""
    shape = (len(problem.cars), len(problem.slots))
    charging, discharging = np.empty(shape), np.empty(shape)
    charging[:] = np.array([car.efficiency_charge for car in problem.cars]).reshape(-1, 1)
    discharging[:] = np.array([car.efficiency_discharge for car in problem.cars]).reshape(-1, 1)
    for i, slots, session in _sessions_elsewhere(problem):
        if session.efficiency_charge is not None:
            charging[i, slots] = session.efficiency_charge
        if session.efficiency_discharge is not None:
            discharging[i, slots] = session.efficiency_discharge
    return charging, discharging


def _stored_value(problem: DayProblem) -> FloatArray:
    """Worth of a stored kWh at the end of each car's session, by slot, €/kWh [n, T]."""
    value = np.full((len(problem.cars), len(problem.slots)), problem.terminal_value_eur_per_kwh)
    row = {car.battery_id: i for i, car in enumerate(problem.cars)}
    stated = [session for session in problem.sessions if session.value_eur_per_kwh is not None]
    for session, slots in zip(stated, _whole_slots(problem, stated), strict=True):
        value[row[session.battery_id], slots] = session.value_eur_per_kwh
    return value


def _sessions_elsewhere(problem: DayProblem) -> Iterator[tuple[int, slice, Session]]:
    """The sessions at a charger with a place or efficiencies of its own: car, slots that it touches,
    session."""
    row = {car.battery_id: i for i, car in enumerate(problem.cars)}
    own = [
        session
        for session in problem.sessions
        if (session.site_id, session.efficiency_charge, session.efficiency_discharge) != (None, None, None)
    ]
    for session, slots in zip(own, _whole_slots(problem, own), strict=True):
        yield row[session.battery_id], slots, session


def _whole_slots(problem: DayProblem, sessions: Sequence[Session]) -> list[slice]:
    """The slots that lie wholly within each session."""
    begins = problem.slots.as_unit("ns").asi8
    ends = begins + pd.Timedelta(hours=problem.slot_hours).value
    first = np.searchsorted(begins, [session.arrival_utc.value for session in sessions])
    end = np.searchsorted(ends, [session.departure_utc.value for session in sessions], side="right")
    return [slice(a, max(a, b)) for a, b in zip(first.tolist(), end.tolist(), strict=True)]
