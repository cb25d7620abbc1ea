"""What the twin says a planned day wears, for every car and mode: V_res/L(profile) in €, and L0/L."""

from __future__ import annotations

from collections.abc import Mapping

from flows.stages.inputs import SLOT_HOURS, PlanInputs
from flows.stages.requests import battery_spec
from flows.stages.workers import TwinWorkers
from optimize.types import DayProblem, Mode, ModePlan

TwinWear = Mapping[tuple[Mode, str], tuple[float, float]]
"""(mode, battery_id) → (wear_twin_eur, l0_over_l); a car is missing where the twin has no answer for it."""


def twin_wear(
    workers: int, inputs: PlanInputs, problem: DayProblem, plans: Mapping[Mode, ModePlan]
) -> TwinWear:
    """Ask the twin for the life at each car's whole planned day, the trips in between included."""
    from twin.profile import ProfileRequest, profile_life_chunk  # loads PyBaMM: only for a plan that is new

    specs = {row["battery_id"]: battery_spec(row) for _, row in inputs.batteries.iterrows()}
    asked: list[tuple[Mode, str]] = []
    requests: list[ProfileRequest] = []
    for i, car in enumerate(problem.cars):
        if car.battery_id not in inputs.calibrations:
            continue
        for mode, made in plans.items():
            asked.append((mode, car.battery_id))
            requests.append(
                ProfileRequest(
                    battery=specs[car.battery_id],
                    calibration=inputs.calibrations[car.battery_id],
                    interval_hours=SLOT_HOURS,
                    power_kw=made.charge_kw[i] - made.discharge_kw[i],
                    plugged=made.plugged[i],
                    energy_start_kwh=made.energy_start_kwh[i],
                    energy_end_kwh=made.energy_end_kwh[i],
                )
            )
    answers: dict[tuple[Mode, str], tuple[float, float]] = {}
    with TwinWorkers(workers) as pool:
        lives = pool.spread(profile_life_chunk, requests, by=lambda request: request.battery.battery_id)
    for (mode, battery), life in zip(asked, lives, strict=True):
        calibration = inputs.calibrations[battery]
        if not isinstance(life, Exception) and life > 0:
            answers[mode, battery] = (calibration.residual_value_eur / life, calibration.l0_days / life)
    return answers
