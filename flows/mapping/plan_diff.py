"""What two plans say otherwise of the quarter-hours that both span: in kWh and €, car by car, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from flows.errors import UsageError
from flows.mapping.in_force import followed_mode
from flows.mapping.trace import plan_by_id
from flows.plain import records
from flows.workspace import Workspace
from warehouse.store import Warehouse

_HOURS = 0.25
_SLOT = ["battery_id", "interval_start_utc"]
_PRICES = ["import_eur_per_kwh", "export_eur_per_kwh"]
_KEPT = 1e-6
Plan = Mapping[str, Any]


def plan_diff(workspace: Workspace, before: str, after: str) -> dict[str, Any]:
    """The second plan less the first, as both are followed, as plain values: plans, in all, by car.

    before, after: plan_ids, or their beginnings. A car's money is that of energy, at each plan's own prices:
    `of_prices_eur` is what the first plan's schedule costs more at the prices of the second,
    `of_schedule_eur` what the other schedule adds at those; together they are `energy_cost_eur`. Raises
    UsageError for a plan that is not there, and for plans that span no quarter-hour together.
    """
    warehouse = workspace.warehouse
    plans = [plan_by_id(workspace, name) for name in (before, after)]
    slots = [_slots(warehouse, plan) for plan in plans]
    common = sorted(set(slots[0]["interval_start_utc"]) & set(slots[1]["interval_start_utc"]))
    if not common:
        raise UsageError(f"plans {plans[0]['plan_id']} and {plans[1]['plan_id']} span nothing together")
    one, other = (rows[rows["interval_start_utc"].isin(common)].set_index(_SLOT) for rows in slots)
    cars = sorted({*one.index.get_level_values(0), *other.index.get_level_values(0)})
    grid = pd.MultiIndex.from_product([cars, common], names=_SLOT)
    old, new = (rows[["power_kw", *_PRICES]].reindex(grid) for rows in (one, other))
    rows = _money(old, new).groupby(level=0).sum()
    whys = _causes(warehouse, plans, cars, bool(_prices_differ(one, other)))
    shown = [
        {
            "battery_id": car,
            **{name: float(value) for name, value in rows.loc[car].items()},
            "causes": whys[car],
        }
        for car in cars
        if whys[car] or rows.loc[car].abs().max() > _KEPT
    ]
    total = {name: float(value) for name, value in rows.sum().items()}
    return {
        "plans": [_header(plan) for plan in plans],
        "in all": [{"quarter_hours": len(common), "cars": len(cars), "cars_changed": len(shown), **total}],
        "changed inputs": [{"input": name} for name in _changed_inputs(plans)],
        "by car": shown,
    }


def _header(plan: Plan) -> dict[str, Any]:
    stated = ("plan_id", "market_date", "plan_source", "as_of_utc", "first_slot_utc", "end_utc", "batteries")
    return {name: plan[name] for name in stated} | {"followed_mode": followed_mode(plan)}


def _slots(warehouse: Warehouse, plan: Plan) -> pd.DataFrame:
    """Power and prices of the mode that is followed, by car and slot."""
    mine = {"plan_id": plan["plan_id"]}
    slots = warehouse.read(
        "out_plan_slot", where={**mine, "mode": followed_mode(plan)}, columns=[*_SLOT, "power_kw"]
    )
    prices = warehouse.read("out_plan_price", where=mine, columns=["interval_start_utc", *_PRICES])
    return slots.merge(prices, on="interval_start_utc", how="left")


def _money(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """What each car and slot draws, feeds back and costs more, kWh and €; a car of one plan does nothing in
    the other.
    """
    was, now = old["power_kw"].fillna(0.0), new["power_kw"].fillna(0.0)
    priced = {
        name: new[name].groupby(level=1).transform("max").fillna(old[name].groupby(level=1).transform("max"))
        for name in _PRICES
    }
    before = {name: old[name].groupby(level=1).transform("max").fillna(priced[name]) for name in _PRICES}
    cost_before, cost_then, cost_after = _cost(was, before), _cost(was, priced), _cost(now, priced)
    return pd.DataFrame(
        {
            "import_kwh": (now.clip(lower=0.0) - was.clip(lower=0.0)) * _HOURS,
            "export_kwh": (was.clip(upper=0.0) - now.clip(upper=0.0)) * _HOURS,
            "energy_cost_eur": cost_after - cost_before,
            "of_prices_eur": cost_then - cost_before,
            "of_schedule_eur": cost_after - cost_then,
        }
    )


def _cost(power_kw: pd.Series, prices: Mapping[str, pd.Series]) -> pd.Series:
    bought, sold = power_kw.clip(lower=0.0), power_kw.clip(upper=0.0)
    return _HOURS * (bought * prices[_PRICES[0]] + sold * prices[_PRICES[1]])


def _prices_differ(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    old, new = (
        rows.reset_index().drop_duplicates("interval_start_utc").set_index("interval_start_utc")[_PRICES]
        for rows in (one, other)
    )
    return bool(((new - old).abs() > _KEPT).any(axis=None))


def _causes(
    warehouse: Warehouse, plans: list[dict[str, Any]], cars: list[str], prices: bool
) -> dict[str, str]:
    """What is another of each car: whether it is planned, its sessions, calibration and rung; prices for
    all."""
    noted: list[dict[str, dict[str, Any]]] = []
    for plan in plans:
        mine = {"plan_id": plan["plan_id"], "mode": followed_mode(plan)}
        rows = records(warehouse.read("out_plan_car", where=mine))
        leaves = warehouse.read("out_plan_departure", where=mine)
        sessions = {
            str(car): sorted(
                zip(own["session_id"], own["departure_utc"], own["target_kwh"].round(3), strict=True)
            )
            for car, own in leaves.groupby("battery_id")
        }
        noted.append(
            {
                str(row["battery_id"]): {
                    "calibration": row["calibration_id"],
                    "rung": row["plan_source"],
                    "stays": sessions.get(str(row["battery_id"]), []),
                }
                for row in rows
            }
        )
    found = {}
    for car in cars:
        old, new = (of_plan.get(car) for of_plan in noted)
        if old is None or new is None:
            found[car] = "planned in the second alone" if old is None else "planned in the first alone"
            continue
        own = [name for name in old if old[name] != new[name]]
        found[car] = ", ".join([*own, *(["prices"] if prices else [])])
    return found


def _changed_inputs(plans: list[dict[str, Any]]) -> list[str]:
    old, new = (json.loads(plan["input_parts_json"]) for plan in plans)
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
