"""A day's plans as the rows of the out_plan… tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from flows.mapping.inputs import PlanInputs
from flows.mapping.twin_wear import TwinWear
from optimize.account import Account, account, base_load_kw, grid_power_kw, site_power_kw
from optimize.rulebook import BINDINGS
from optimize.types import DayProblem, Mode, ModePlan

_MONEY = (
    "import_kwh",
    "export_kwh",
    "v2g_kwh",
    "energy_cost_eur",
    "stored_value_eur",
    "wear_price_eur",
    "rest_price_eur",
    "unmet_kwh",
)


def plan_frames(
    inputs: PlanInputs, problems: Mapping[Mode, DayProblem], plans: Mapping[Mode, ModePlan], wear: TwinWear
) -> dict[str, pd.DataFrame]:
    """The frames of every out_plan_… table for all modes, without plan_id and lineage."""
    tables: dict[str, list[pd.DataFrame]] = {}
    # Modes are compared on the same cars: those that the twin has an answer for in each of them.
    cars = next(iter(problems.values())).cars
    stated = [car.battery_id for car in cars if all((mode, car.battery_id) in wear for mode in plans)]
    for mode, plan in plans.items():
        problem = problems[mode]
        frames = {
            "out_plan_mode": _mode_rows(problem, plan, wear, stated),
            "out_plan_car": _car_rows(inputs, problem, plan, wear),
            "out_plan_slot": _slot_rows(problem, plan),
            "out_plan_site_slot": _site_rows(inputs, problem, plan),
            "out_plan_departure": _departure_rows(plan),
        }
        for table, frame in frames.items():
            tables.setdefault(table, []).append(frame.assign(mode=mode))
    return {table: pd.concat(frames, ignore_index=True) for table, frames in tables.items()}


def price_rows(inputs: PlanInputs) -> pd.DataFrame:
    """The rows of out_plan_price, without plan_id and lineage: the prices that the plan was made with."""
    buy, sell = inputs.prices.at_the_plug(inputs.tariff)
    return pd.DataFrame(
        {
            "interval_start_utc": inputs.prices.slots,
            "import_eur_per_kwh": buy,
            "export_eur_per_kwh": sell,
            "price_source": list(inputs.prices.slot_sources),
        }
    )


def _money(one: Account) -> dict[str, Any]:
    return {name: getattr(one, name) for name in _MONEY}


def _mode_rows(problem: DayProblem, plan: ModePlan, wear: TwinWear, stated: Sequence[str]) -> pd.DataFrame:
    total, solver = account(problem, plan).total, plan.solver
    answers = [wear[plan.mode, battery_id] for battery_id in stated]
    planned_eur = sum(euro for euro, _ in answers)
    standard_eur = sum(
        euro / ratio for euro, ratio in answers if ratio > 0
    )  # the same cars on a standard day
    row = {
        **_money(total),
        "peak_charge_eur": total.peak_charge_eur,
        "change_price_eur": total.change_price_eur,
        "wear_twin_eur": planned_eur if answers else None,
        "wear_twin_cars": len(answers),
        "l0_over_l": planned_eur / standard_eur if standard_eur > 0 else None,
        "net_benefit_eur": total.net_benefit_eur,
        "unmet_price_eur": total.unmet_price_eur,
        "departures": total.departures,
        "unmet_departures": total.unmet_departures,
        "objective_eur": solver.objective_eur,
        "gap": solver.gap,
        "solver_status": solver.status,
        "solve_seconds": solver.solve_seconds,
        "primary_value": solver.primary,
    }
    if solver.status != "simulated":
        row |= {name: getattr(solver, name) for name in ("engine", "binaries", "wear_cuts")}
    return pd.DataFrame([row])


def _car_rows(inputs: PlanInputs, problem: DayProblem, plan: ModePlan, wear: TwinWear) -> pd.DataFrame:
    accounts = account(problem, plan).cars
    rows = []
    for car in problem.cars:
        euro, ratio = wear.get((plan.mode, car.battery_id), (None, None))
        one = accounts[car.battery_id]
        rows.append(
            {
                "battery_id": car.battery_id,
                "calibration_id": inputs.calibration_id(car.battery_id),
                "wear_form": car.wear.form,
                **_money(one),
                "duty_efc_per_day": one.duty_efc_per_day,
                "wear_twin_eur": euro,
                "l0_over_l": ratio,
                **_closed_loop(euro, ratio, one.wear_price_eur),
            }
        )
    return pd.DataFrame(rows)


def _closed_loop(twin_eur: float | None, ratio: float | None, priced_eur: float) -> dict[str, float | None]:
    """What a standard day wears, and by how much the twin's answer for the day exceeds that and the price."""
    if twin_eur is None or not ratio:
        return {"wear_standard_eur": None, "wear_error_eur": None}
    standard_eur = twin_eur / ratio
    return {"wear_standard_eur": standard_eur, "wear_error_eur": twin_eur - standard_eur - priced_eur}


def _slot_rows(problem: DayProblem, plan: ModePlan) -> pd.DataFrame:
    shape = (len(problem.cars), len(problem.slots))
    return pd.DataFrame(
        {
            "battery_id": np.repeat([car.battery_id for car in problem.cars], shape[1]),
            "interval_start_utc": _tiled(problem.slots, shape[0]),
            "plugged": plan.plugged.ravel(),
            "charge_kw": plan.charge_kw.ravel(),
            "discharge_kw": plan.discharge_kw.ravel(),
            "power_kw": grid_power_kw(problem, plan).ravel(),
            "energy_start_kwh": plan.energy_start_kwh.ravel(),
            "energy_end_kwh": plan.energy_end_kwh.ravel(),
            "energy_value_eur_per_kwh": plan.prices.energy_value_eur_per_kwh.ravel(),
            "held_by": np.array(BINDINGS, dtype=object)[plan.binding.ravel()],
        }
    )


def _site_rows(inputs: PlanInputs, problem: DayProblem, plan: ModePlan) -> pd.DataFrame:
    """Of the sites that there are: reserve may have put one above them all."""
    sites, slots = problem.sites, len(problem.slots)
    rows = pd.DataFrame(
        {
            "site_id": np.repeat([site.site_id for site in sites], slots),
            "interval_start_utc": _tiled(problem.slots, len(sites)),
            "power_kw": site_power_kw(problem, plan).ravel(),
            "import_limit_kw": np.repeat([site.import_limit_kw for site in sites], slots),
            "export_limit_kw": np.repeat([site.export_limit_kw for site in sites], slots),
            "base_load_kw": base_load_kw(problem).ravel(),
            "shadow_price_eur_per_kwh": plan.prices.site_eur_per_kwh.ravel(),
            "peak_shadow_price_eur_per_kw": plan.prices.peak_eur_per_kw.ravel(),
        }
    )
    return rows[rows["site_id"].isin(inputs.sites["site_id"])]


def _departure_rows(plan: ModePlan) -> pd.DataFrame:
    names = (
        "session_id",
        "battery_id",
        "departure_utc",
        "target_kwh",
        "reached_kwh",
        "missing_kwh",
        "reason",
    )
    rows = [
        {name: getattr(outcome, name) for name in names}
        for outcome in plan.departures
        if outcome.due != "later"
    ]
    return pd.DataFrame(rows, columns=list(names))


def _tiled(slots: pd.DatetimeIndex, times: int) -> pd.DatetimeIndex:
    return slots[np.tile(np.arange(len(slots)), times)]


def mode_table(modes: Sequence[Mapping[str, Any]], cars: int) -> Sequence[dict[str, Any]]:
    """The rows of out_plan_mode that a reader wants first, of a plan of so many cars."""
    shown = [
        "mode", "import_kwh", "export_kwh", "v2g_kwh", "energy_cost_eur", "wear_price_eur", "wear_twin_eur",
        "wear_twin_cars", "l0_over_l", "unmet_departures", "net_benefit_eur", "objective_eur", "gap",
        "solver_status",
    ]  # fmt: skip
    stated = [{**mode, "wear_twin_cars": f"{_cars_counted(mode, cars)} of {cars}"} for mode in modes]
    return [{name: mode[name] for name in shown} for mode in stated]


def _cars_counted(mode: Mapping[str, Any], cars: int) -> int:
    """The cars whose wear by twin is added up; older plans reported of all cars or of none."""
    stated = mode["wear_twin_cars"]
    return int(stated) if stated is not None else cars * (mode["wear_twin_eur"] is not None)
