"""What a planned day costs a battery: the twin's own answer, not the price that the optimiser used.

PyBaMM solves the day once at the battery's state today, and its standard day too. The ratios of their wear
rates are taken to hold for life; the life at the planned day is then integrated like any other, so that a
limiting electrode that changes on the way is seen. What the day adds to the standard day's wear is then taken
on the ensemble's footing (`twin.ensemble.stored`): L0 is its, and cycling wears as it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from twin.cell import reference_cell
from twin.duty import DAY_S, Profile
from twin.ensemble.mixture import PHYSICS
from twin.ensemble.stored import life_of_day
from twin.errors import SolveError, TwinError
from twin.health import Array
from twin.rates import Rates, solve_rates
from twin.record import need
from twin.restore import ageing_of, health_of
from twin.types import BatterySpec, Calibration
from twin.wholeday import Drive, close_day, runs

_REST_C = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRequest:
    """A whole day of one battery.

    ``power_kw``: battery-side power of each interval at the charger, + = charge, 0 while away; ``plugged``:
    where the car is there; ``drives``: its trips, the same in every mode; ``first_kwh``: in store when it is
    first plugged in. Intervals are ``interval_hours`` long; a market day holds 23, 24 or 25 hours.
    """

    battery: BatterySpec
    calibration: Calibration
    interval_hours: float
    power_kw: Array
    plugged: npt.NDArray[np.bool_]
    drives: tuple[Drive, ...]
    first_kwh: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.power_kw).all():
            raise TwinError(
                f"battery {self.battery.battery_id}: the day's power holds a value that is not finite"
            )


def profile_life_chunk(requests: Sequence[ProfileRequest]) -> list[float]:
    """Life in days if every day were the requested one; NaN where the cell cannot follow it."""
    standard: dict[str, Rates] = {}
    lives = []
    for request in requests:
        try:
            key = request.calibration.calibration_id
            if key not in standard:
                standard[key] = _rates(request, _standard_profile(request))
            lives.append(_life(request, _rates(request, _planned_profile(request)), standard[key]))
        except SolveError:
            lives.append(float("nan"))
    return lives


def _life(request: ProfileRequest, rates: Rates, standard: Rates) -> float:
    ageing = ageing_of(request.calibration)
    planned, health = (
        replace(ageing, model=ageing.model.scaled(rates, standard)),
        health_of(request.calibration),
    )
    return life_of_day(request.calibration, PHYSICS, planned.life_days(health), ageing.life_days(health))


def _rates(request: ProfileRequest, profile: Profile) -> Rates:
    cell = reference_cell(request.battery.chemistry)
    return solve_rates(cell, profile, health_of(request.calibration))


def _standard_profile(request: ProfileRequest) -> Profile:
    return need(request.calibration.record.duty, "duty").profile()


def _planned_profile(request: ProfileRequest) -> Profile:
    battery = request.battery
    day = close_day(
        request.power_kw,
        request.plugged,
        request.drives,
        first_kwh=request.first_kwh,
        capacity_kwh=request.calibration.usable_energy_kwh,
        slot_hours=request.interval_hours,
        charge_limit_kw=battery.charge_limit_kw,
    )
    # A 23 or 25 hour day is stretched to the 24 hours of the standard day, so that wear stays per day.
    step_s = DAY_S / len(day.power_kw)
    per_kwh = 1 / (battery.nominal_energy_kwh * step_s / 3600)
    rate = day.power_kw * request.interval_hours * per_kwh
    rate = np.where(np.abs(rate) < _REST_C, 0.0, rate)
    starts = np.arange(len(rate)) * step_s
    steps = dict(zip(starts[request.plugged].tolist(), rate[request.plugged].tolist(), strict=True))
    for first, _ in runs(np.flatnonzero(~request.plugged)):
        steps[float(starts[first])] = 0.0
    for drive in day.drives:
        steps |= _trips(
            request, float(starts[drive.first]), float(starts[drive.last] + step_s), drive.energy_kwh
        )
    times = sorted(steps)
    kept = [t for i, t in enumerate(times) if i == 0 or steps[t] != steps[times[i - 1]]]
    return Profile(
        start_s=np.array(kept),
        c_rate=np.array([steps[t] for t in kept]),
        start_soc=float(np.clip(day.start_kwh / request.calibration.usable_energy_kwh, 0.0, 1.0)),
        temperature_degc=need(request.calibration.record.duty, "duty").temperature_degc,
    )


def _trips(request: ProfileRequest, leave_s: float, back_s: float, driven_kwh: float) -> dict[float, float]:
    """Two equal trips, one on leaving and one before coming back, faster than usual only if they must be."""
    usual = need(request.calibration.record.duty, "duty").trip_c_rate
    hours_at_1c = driven_kwh / 2 / request.battery.nominal_energy_kwh
    length = min(hours_at_1c / usual * 3600, 0.499 * (back_s - leave_s))
    rate = hours_at_1c / (length / 3600)
    return {leave_s: -rate, leave_s + length: 0.0, back_s - length: -rate}
