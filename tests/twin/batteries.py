"""Synthetic batteries that the twin's tests share; each is simulated once for all processes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from tests.stored import stored_value
from twin.calibrate import calibrate_battery
from twin.duty import StandardDuty
from twin.synthetic import Truth, TruthSpec, simulate_truth
from twin.types import BatterySpec, Calibration, CalibrationRequest

AS_OF = pd.Timestamp("2026-01-15T12:00", tz="UTC")


def battery(chemistry: str = "nmc811", **changes: Any) -> BatterySpec:
    values: dict[str, Any] = {
        "battery_id": f"b-{chemistry}",
        "chemistry": chemistry,
        "nominal_capacity_ah": 150.0,
        "nominal_energy_kwh": 58.0,
        "cells_series": 106,
        "cells_parallel": 3,
        "commissioned_utc": pd.Timestamp("2022-03-01", tz="UTC"),
        "charge_limit_kw": 10.0,
        "replacement_value_eur": 7000.0,
        "scrap_value_eur": 1000.0,
    }
    return BatterySpec(**(values | changes))


def duty(**changes: float) -> StandardDuty:
    values: dict[str, Any] = {
        "trip_efc": 0.22,
        "trip_c_rate": 0.25,
        "charge_c_rate": 10 / 58,
        "plugged_hours": 13.5,
        "target_soc": 0.8,
        "temperature_degc": 18.0,
        "source": "test",
    }
    return StandardDuty(**(values | changes))


@lru_cache(maxsize=32)
def truth(
    chemistry: str = "nmc811",
    *,
    fault: Any = "none",
    sei_factor: float = 1.2,
    lam_factor: float = 0.8,
    capacity_scale: float = 0.985,
    days: int = 10,
    seed: int = 3,
) -> Truth:
    spec = TruthSpec(
        battery=battery(chemistry),
        duty=duty(),
        as_of_utc=AS_OF,
        telemetry_days=days,
        ahead_days=1,
        sample_s=60,
        capacity_scale=capacity_scale,
        sei_factor=sei_factor,
        lam_factor=lam_factor,
        resistance=0.06,
        departure_hour_utc=6.0,
        fault=fault,
        seed=seed,
    )
    return simulated(spec)


def simulated(spec: TruthSpec) -> Truth:
    """`simulate_truth`, once for as long as the twin's sources are what they are."""
    assert type(spec) is TruthSpec, "all that decides is in its repr"
    return stored_value("truth", lambda: simulate_truth(spec), made_by=[], rooms=["twin"], given=spec)


@lru_cache(maxsize=8)
def calibrated(chemistry: str = "nmc811") -> Calibration:
    """The calibration of the plain truth of a chemistry."""

    def made() -> Calibration:
        return calibrate_battery(request(truth(chemistry), chemistry))

    return stored_value("calibrated_twin", made, made_by=[Path(__file__)], rooms=["twin"], given=chemistry)


def request(made: Truth, chemistry: str = "nmc811", **changes: Any) -> CalibrationRequest:
    values: dict[str, Any] = {
        "battery": battery(chemistry),
        "telemetry": made.telemetry,
        "checkups": made.checkups,
        "sessions": made.sessions,
        "as_of_utc": AS_OF,
        "input_hash": "a" * 64,
    }
    return CalibrationRequest(**(values | changes))
