"""Energy and money of a plan, straight from its definitions and at the exact wear price; knows no solver."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from optimize.types import DayProblem, FloatArray, ModePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Energies in kWh (import, export metered; v2g, unmet battery-side) and money in € of one car or of all.

    net_benefit_eur = −energy_cost − wear_price + stored_value is what the owner gains;
    objective_eur = net_benefit − unmet_price is what the plan maximises. departures counts every target that
    falls due, at a departure or at the day's end.
    """

    import_kwh: float
    export_kwh: float
    v2g_kwh: float
    duty_efc_per_day: float
    energy_cost_eur: float
    stored_value_eur: float
    wear_price_eur: float
    unmet_kwh: float
    unmet_price_eur: float
    departures: int
    unmet_departures: int

    @property
    def net_benefit_eur(self) -> float:
        """What the owner gains, €."""
        return self.stored_value_eur - self.energy_cost_eur - self.wear_price_eur

    @property
    def objective_eur(self) -> float:
        """What the plan maximises, €."""
        return self.net_benefit_eur - self.unmet_price_eur


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """The accounts of a plan: one per car, in the problem's order and by id, and their sum.

    In the total, duty_efc_per_day adds up the cars' own equivalent full cycles.
    """

    cars: dict[str, Account]
    total: Account


def account(problem: DayProblem, plan: ModePlan) -> Accounting:
    """Account for every metered and stored kWh of a plan."""
    cars = {car.battery_id: _car_account(problem, plan, i) for i, car in enumerate(problem.cars)}
    return Accounting(cars=cars, total=_sum(cars.values()))


def grid_power_kw(problem: DayProblem, plan: ModePlan) -> FloatArray:
    """Metered power of each car [n, T], kW, + = import."""
    charging = np.array([car.efficiency_charge for car in problem.cars]).reshape(-1, 1)
    discharging = np.array([car.efficiency_discharge for car in problem.cars]).reshape(-1, 1)
    power: FloatArray = plan.charge_kw / charging - plan.discharge_kw * discharging
    return power


def site_power_kw(problem: DayProblem, plan: ModePlan) -> FloatArray:
    """Metered power of each site [S, T], kW, + = import."""
    power = grid_power_kw(problem, plan)
    total: FloatArray = np.zeros((len(problem.sites), len(problem.slots)))
    for j, site in enumerate(problem.sites):
        total[j] = power[[i for i, car in enumerate(problem.cars) if car.site_id == site.site_id]].sum(axis=0)
    return total


def _car_account(problem: DayProblem, plan: ModePlan, i: int) -> Account:
    car, hours = problem.cars[i], problem.slot_hours
    drawn_kwh = plan.charge_kw[i] * hours / car.efficiency_charge
    fed_kwh = plan.discharge_kw[i] * hours * car.efficiency_discharge
    v2g_kwh = float(plan.discharge_kw[i].sum() * hours)
    cost = drawn_kwh @ problem.import_price_eur_per_kwh - fed_kwh @ problem.export_price_eur_per_kwh
    stored_kwh = float(np.nansum(plan.energy_end_kwh[i] - plan.energy_start_kwh[i]))
    due = [outcome for outcome in plan.departures if outcome.battery_id == car.battery_id]
    unmet_kwh = sum(outcome.missing_kwh for outcome in due)
    duty = v2g_kwh / car.capacity_kwh
    return Account(
        import_kwh=float(drawn_kwh.sum()),
        export_kwh=float(fed_kwh.sum()),
        v2g_kwh=v2g_kwh,
        duty_efc_per_day=duty,
        energy_cost_eur=float(cost),
        stored_value_eur=problem.terminal_value_eur_per_kwh * stored_kwh,
        wear_price_eur=car.wear.cost_eur(duty),
        unmet_kwh=unmet_kwh,
        unmet_price_eur=problem.departure_price_eur_per_kwh * unmet_kwh,
        departures=len(due),
        unmet_departures=sum(outcome.missing_kwh > 0.0 for outcome in due),
    )


def _sum(accounts: Iterable[Account]) -> Account:
    rows = list(accounts)
    return Account(
        import_kwh=sum(row.import_kwh for row in rows),
        export_kwh=sum(row.export_kwh for row in rows),
        v2g_kwh=sum(row.v2g_kwh for row in rows),
        duty_efc_per_day=sum(row.duty_efc_per_day for row in rows),
        energy_cost_eur=sum(row.energy_cost_eur for row in rows),
        stored_value_eur=sum(row.stored_value_eur for row in rows),
        wear_price_eur=sum(row.wear_price_eur for row in rows),
        unmet_kwh=sum(row.unmet_kwh for row in rows),
        unmet_price_eur=sum(row.unmet_price_eur for row in rows),
        departures=sum(row.departures for row in rows),
        unmet_departures=sum(row.unmet_departures for row in rows),
    )
