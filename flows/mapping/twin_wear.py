"""What the twin says a planned day wears, for every car and mode: V_res/L(profile) in €, and L0/L."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from flows.mapping.horizon import QUARTER
from flows.mapping.inputs import PlanInputs
from flows.mapping.question import SLOT_HOURS
from flows.mapping.requests import battery_spec
from flows.workers import Twins, twin_workers
from optimize.types import BoolArray, DayProblem, Mode, ModePlan
from twin.errors import TwinError

if TYPE_CHECKING:
    from twin.wholeday import Drive

DAY_SLOTS = 96
_log = logging.getLogger(__name__)
TwinWear = Mapping[tuple[Mode, str], tuple[float, float]]
"""(mode, battery_id) → (wear_twin_eur, l0_over_l); a car is missing where the twin has no answer for it."""


def twin_wear(
    workers: Twins,
    inputs: PlanInputs,
    problems: Mapping[Mode, DayProblem],
    plans: Mapping[Mode, ModePlan],
    only: Collection[str] | None = None,
) -> TwinWear:
    """Ask the twin for the life at each car's first 24 hours as planned, the trips in between included.

    only: the cars that are asked about, None for all.
    """
    from twin.profile import ProfileRequest, profile_life_chunk  # loads PyBaMM: only for a plan that is new

    horizon, cars = inputs.prices.horizon, next(iter(problems.values())).cars
    day = slice(
        0, min(horizon.priced_slots, DAY_SLOTS) if horizon.kind == "published" else horizon.priced_slots
    )
    promised = _promised(inputs, horizon.slots[day])
    rows = {str(row["battery_id"]): row for _, row in inputs.batteries.iterrows()}
    asked: list[tuple[Mode, str]] = []
    requests: list[ProfileRequest] = []
    for i, car in enumerate(cars):
        if car.battery_id not in inputs.calibrations or car.battery_id not in promised:
            continue
        if only is not None and car.battery_id not in only:
            continue
        try:
            own = [
                ProfileRequest(
                    battery=battery_spec(rows[car.battery_id]),
                    calibration=inputs.calibrations[car.battery_id],
                    interval_hours=SLOT_HOURS,
                    power_kw=made.charge_kw[i, day] - made.discharge_kw[i, day],
                    plugged=made.plugged[i, day],
                    drives=_drives(made.plugged[i, day], promised[car.battery_id], car.capacity_kwh),
                    first_kwh=_first_kwh(made, i, car.capacity_kwh),
                )
                for made in plans.values()
            ]
        except (TwinError, ValueError, TypeError, LookupError, ArithmeticError) as error:
            text, battery = "%s: the twin cannot be asked what its day wears: %s", car.battery_id
            _log.warning(text, battery, error, extra={"battery_id": battery})
            continue
        asked += [(mode, car.battery_id) for mode in plans]
        requests += own
    answers: dict[tuple[Mode, str], tuple[float, float]] = {}
    with twin_workers(workers) as pool:
        lives = pool.spread(profile_life_chunk, requests, by=lambda request: request.battery.battery_id)
    for (mode, battery), life in zip(asked, lives, strict=True):
        calibration = inputs.calibrations[battery]
        if not isinstance(life, Exception) and life > 0:
            answers[mode, battery] = (calibration.residual_value_eur / life, calibration.l0_days / life)
    return answers


def _promised(inputs: PlanInputs, slots: pd.DatetimeIndex) -> dict[str, list[tuple[float, float]]]:
    """Each car's sessions in these slots in time order: the SoC it came with and the SoC it was promised."""
    sessions, end = inputs.sessions, slots[-1] + QUARTER
    here = (sessions["arrival_utc"] < end) & (sessions["departure_utc"] > slots[0])
    ordered = sessions[here].sort_values("arrival_utc")
    return {
        str(battery): list(zip(own["arrival_soc"], own["departure_soc"], strict=True))
        for battery, own in ordered.groupby("battery_id")
    }


def _drives(
    plugged: BoolArray, sessions: list[tuple[float, float]], capacity_kwh: float
) -> tuple[Drive, ...]:
    """The trips that the sessions tell of, whatever a plan does: the promise less what is left on return.

    Before the first and after the last session of the day, that is the ordinary trip: from the last promise
    back to the first arrival, shared by time.
    """
    from twin.wholeday import Drive, runs

    away = runs(np.flatnonzero(~plugged))
    last_slot = len(plugged) - 1
    inner = [run for run in away if run[0] > 0 and run[1] < last_slot]
    outer = [run for run in away if run not in inner]
    drives = [
        Drive(first=first, last=last, energy_kwh=max(0.0, left - back) * capacity_kwh)
        for (first, last), (_, left), (back, _) in zip(inner, sessions, sessions[1:], strict=False)
    ]
    ordinary_kwh = max(0.0, sessions[-1][1] - sessions[0][0]) * capacity_kwh
    slots = sum(last + 1 - first for first, last in outer)
    drives += [
        Drive(first=first, last=last, energy_kwh=ordinary_kwh * (last + 1 - first) / slots)
        for first, last in outer
    ]
    return tuple(drives)


def _first_kwh(plan: ModePlan, i: int, capacity_kwh: float) -> float:
    """In store when car i is first plugged in; half its capacity if it never is."""
    plugged = plan.plugged[i]
    return float(plan.energy_start_kwh[i, np.argmax(plugged)]) if plugged.any() else 0.5 * capacity_kwh
