"""What the warehouse holds of one plan and of what it rests on, as its pages tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flows.mapping.horizon import quarter_hours
from flows.mapping.in_force import followed_mode
from flows.mapping.promises import promises_met
from flows.mapping.surroundings import GridLimits
from flows.mapping.told_checks import untold_checks
from flows.plain import records
from flows.publish.day_charts import DayAxis
from flows.publish.grid_side import GridSide, room_for_cars
from flows.publish.prices import UsedPrices, used_prices
from flows.publish.twin_section import calibrations_so_far, residuals, wear_days, wear_maps
from flows.workspace import Workspace
from optimize.types import MODES
from warehouse.known import Known
from warehouse.zones import market_day_slots, market_timezone

_OF_SLOT = (
    "plan_id", "mode", "battery_id", "interval_start_utc", "plugged", "charge_kw", "discharge_kw", "power_kw",
    "energy_start_kwh", "energy_end_kwh", "held_by", "plan_source",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """Everything the warehouse holds of one plan; of its sites with `room_for_cars`."""

    header: Mapping[str, Any]
    axis: DayAxis
    modes: pd.DataFrame
    cars: pd.DataFrame
    slots: pd.DataFrame
    reasons: pd.DataFrame
    sites: pd.DataFrame
    grid: GridSide
    departures: pd.DataFrame
    calibrations: pd.DataFrame
    life_points: pd.DataFrame
    residuals: pd.DataFrame
    prices: UsedPrices
    promises: Sequence[Mapping[str, Any]]
    checks: pd.DataFrame
    checkups: pd.DataFrame
    batteries: pd.DataFrame
    wear_days: pd.DataFrame
    wear_maps: pd.DataFrame
    history: pd.DataFrame

    @property
    def followed(self) -> str:
        """The mode that is the plan to follow."""
        return followed_mode(self.header)


def stored_plan(workspace: Workspace, plan_id: str) -> StoredPlan:
    """Read a plan, and what was known at its moment of what it rests on."""
    mine = {"plan_id": plan_id}
    (header,) = records(workspace.warehouse.read("out_plan", where=mine))
    # What has come since, or was planned, changes nothing on the page of a plan.
    known = Known(workspace.warehouse, header["as_of_utc"])
    spanned = quarter_hours(header["first_slot_utc"], header["end_utc"]) if header["first_slot_utc"] else None
    axis = DayAxis(  # plans of before it was noted spanned their market day
        slots=market_day_slots(header["market_date"], header["zone"]) if spanned is None else spanned,
        timezone=str(market_timezone(header["zone"])),
    )
    modes = _in_order(known.read("out_plan_mode", where=mine))
    cars = _in_order(known.read("out_plan_car", where=mine))
    ids = {"calibration_id": sorted(set(cars["calibration_id"]))}
    mine_too = {"battery_id": sorted(set(cars["battery_id"]))}
    calibrations = known.read("out_calibration", where=ids)
    sites = known.read("out_plan_site_slot", where=mine)
    limits = GridLimits.of(known, axis.slots, sorted(set(sites["site_id"].astype(str))))
    return StoredPlan(
        header=header,
        axis=axis,
        modes=modes,
        cars=cars,
        slots=known.read("out_plan_slot", where=mine, columns=_OF_SLOT),
        reasons=known.read("out_plan_reason", where=mine),
        sites=room_for_cars(sites, limits, axis.slots),
        grid=GridSide.of(known, header),
        departures=known.read("out_plan_departure", where=mine),
        calibrations=calibrations.set_index("calibration_id"),
        wear_maps=wear_maps(known, calibrations),
        life_points=known.read("out_life_point", where=ids).sort_values("efc_per_day"),
        residuals=residuals(known, ids["calibration_id"]),
        prices=used_prices(known, header, workspace.money),
        promises=promises_met(known, header["zone"]),
        checks=untold_checks(known, header),
        checkups=known.read("core_checkup", where=mine_too, end=header["as_of_utc"]),
        batteries=known.read("core_battery", where=mine_too),
        wear_days=wear_days(known, header, mine_too["battery_id"], followed_mode(header)),
        history=calibrations_so_far(known, header, mine_too["battery_id"]),
    )


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    order = {mode: i for i, mode in enumerate(MODES)}
    return frame.sort_values("mode", key=lambda names: names.map(order), kind="stable")
