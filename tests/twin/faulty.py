"""Clean synthetic batteries of every kind, and sensor faults put into what they report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from twin.duty import StandardDuty
from twin.synthetic import Truth, TruthSpec, simulate_truth
from twin.types import BatterySpec

AS_OF = pd.Timestamp("2026-01-15T12:00", tz="UTC")
CLIMATES_DEGC = (10.0, 16.0, 25.0, 33.0)
RECORDED = ("nmc811", "nmc532", "nca", "lfp")
"""Chemistries that records are made of in turn: seeds mean the same whatever chemistry is added."""
# What each fault is made with, from hardly harmful to gross.
SIZES: dict[str, tuple[float, float, float]] = {
    "current_bias": (0.004, 0.010, 0.020),  # C-rate
    "current_gain": (0.03, 0.08, 0.15),  # relative
    "flipped_current": (0.34, 0.67, 1.0),  # share of the record, the last part
    "stuck_voltage": (0.05, 0.3, 1.0),  # share of the record, the last part
    "quantised_voltage": (0.010, 0.025, 0.050),  # V a cell
    "shifted_clock": (0.15, 0.5, 2.0),  # hours; voltage against current: a quarter of it
    "wrong_cell_count": (0.03, 0.08, 0.2),  # relative, of Ns to the nearest whole cell
    "temperature_offset": (4.0, 8.0, 15.0),  # K
    "swapped_battery": (0.0, 1.0, 2.0),  # a twin of the same duty; another duty; another age and duty
}


def clean_spec(seed: int) -> TruthSpec:
    """A battery of a random chemistry, climate, age and use."""
    rng = np.random.default_rng(10_000 + seed)
    name = RECORDED[seed % len(RECORDED)]
    climate = CLIMATES_DEGC[(seed // len(RECORDED)) % len(CLIMATES_DEGC)]
    ah, series = float(rng.choice([66.0, 94.0, 150.0, 204.0])), int(rng.choice([84, 96, 108, 192]))
    cell_v = {"lfp": 3.22}.get(name, 3.65)
    kwh = ah * series * cell_v / 1000
    kw = kwh * float(rng.uniform(0.1, 0.28))
    age = pd.Timedelta(days=float(rng.uniform(150, 1400)))
    return TruthSpec(
        battery=BatterySpec(
            battery_id=f"car-{seed:03d}",
            chemistry=name,
            nominal_capacity_ah=ah,
            nominal_energy_kwh=kwh,
            cells_series=series,
            cells_parallel=int(rng.choice([1, 2, 3])),
            commissioned_utc=(AS_OF - age).floor("D"),
            charge_limit_kw=kw,
            replacement_value_eur=7000.0,
            scrap_value_eur=1000.0,
        ),
        duty=StandardDuty(
            trip_efc=float(rng.uniform(0.1, 0.32)),
            trip_c_rate=float(rng.uniform(0.18, 0.35)),
            charge_c_rate=kw / kwh,
            plugged_hours=float(rng.uniform(11, 15)),
            target_soc=float(rng.uniform(0.7, 0.92)),
            temperature_degc=climate,
            source="test",
        ),
        as_of_utc=AS_OF,
        telemetry_days=int(rng.integers(10, 16)),
        ahead_days=1,
        sample_s=60,
        capacity_scale=float(rng.normal(1.0, 0.015)),
        sei_factor=float(rng.lognormal(0.0, 0.25)),
        lam_factor=float(rng.lognormal(0.0, 0.25)),
        resistance=float(rng.uniform(0.03, 0.09)),
        departure_hour_utc=float(rng.uniform(5, 9)),
        fault="none",
        seed=seed,
    )


def clean_truth(spec: TruthSpec, simulate: Callable[[TruthSpec], Truth] = simulate_truth) -> Truth:
    """What honest sensors report: 2 mV a cell, 0.5 %, a bias within 10 mA a 5 Ah cell, SoC to 1 %."""
    made = simulate(spec)
    rng = np.random.default_rng(20_000 + spec.seed)
    n, battery = len(made.telemetry), spec.battery
    current = made.telemetry["current_a"] * (1 + rng.normal(0, 0.0025))
    current = current + rng.uniform(-0.0015, 0.0015) * battery.nominal_capacity_ah
    voltage = made.telemetry["voltage_v"] + rng.normal(0, 2e-3, n) * battery.cells_series
    sessions = made.sessions.copy()
    for name in ("arrival_soc", "departure_soc"):
        noisy = sessions[name] + rng.normal(0, 0.01, len(sessions))
        sessions[name] = noisy.clip(0.01, 1.0).round(2)
    telemetry = made.telemetry.assign(current_a=current.round(2), voltage_v=voltage.round(1))
    return replace(made, telemetry=telemetry, sessions=sessions)


def broken(
    kind: str, size: float, spec: TruthSpec, made: Truth, other: tuple[TruthSpec, Truth] | None = None
) -> tuple[BatterySpec, Truth]:
    """Nameplate and record with a fault; ``other`` is the car that `swapped_battery` swaps in."""
    battery, telemetry = spec.battery, made.telemetry
    n, way = len(telemetry), 1 if spec.seed % 2 else -1
    current, voltage = telemetry["current_a"], telemetry["voltage_v"]
    late = np.arange(n) >= round(n * (1 - size))
    changed: dict[str, Any] = {}
    if kind == "current_bias":
        changed["current_a"] = current + way * size * battery.nominal_capacity_ah
    elif kind == "current_gain":
        changed["current_a"] = current * (1 + way * size)
    elif kind == "flipped_current":
        changed["current_a"] = current.where(~late, -current)
    elif kind == "stuck_voltage":
        changed["voltage_v"] = voltage.where(~late, voltage.to_numpy()[np.argmax(late)])
    elif kind == "quantised_voltage":
        step = size * battery.cells_series
        changed["voltage_v"] = (voltage / step).round() * step
    elif kind == "temperature_offset":
        changed["temperature_degc"] = telemetry["temperature_degc"] + way * size
    elif kind == "shifted_clock" and spec.seed % 4 < 2:
        shift = round(size / 4 * 3600 / spec.sample_s) * way
        changed["voltage_v"] = voltage.shift(shift)
    elif kind == "shifted_clock":
        changed["time_utc"] = telemetry["time_utc"] + pd.Timedelta(hours=size) * way
    elif kind == "wrong_cell_count" and spec.seed % 3 < 2:
        battery = replace(battery, cells_series=round(battery.cells_series * (1 + way * size)))
    elif kind == "wrong_cell_count":
        wrong = battery.cells_parallel + (1 if battery.cells_parallel == 1 else way)
        ratio = wrong / battery.cells_parallel
        battery = replace(
            battery,
            cells_parallel=wrong,
            nominal_capacity_ah=battery.nominal_capacity_ah * ratio,
            nominal_energy_kwh=battery.nominal_energy_kwh * ratio,
            charge_limit_kw=battery.charge_limit_kw,
        )
    elif kind == "swapped_battery" and other is not None:
        donor, observed = other
        scale = {
            "voltage_v": battery.cells_series / donor.battery.cells_series,
            "current_a": battery.nominal_capacity_ah / donor.battery.nominal_capacity_ah,
        }
        telemetry = observed.telemetry
        changed = {name: telemetry[name] * factor for name, factor in scale.items()}
    else:
        raise ValueError(f"no such fault: {kind}")
    telemetry = telemetry.assign(**changed).dropna(subset=["voltage_v"])
    telemetry = telemetry[telemetry["time_utc"] <= AS_OF].reset_index(drop=True)
    return battery, replace(made, telemetry=telemetry)


def swap_partner(spec: TruthSpec, size: float) -> TruthSpec:
    """The car whose telemetry is mistaken for another's: of the same model, ever less alike."""
    rng = np.random.default_rng(30_000 + spec.seed)
    own = spec.duty
    changes: dict[str, Any] = {"seed": spec.seed + 5000}
    if size > 0:
        changes["duty"] = replace(
            own,
            trip_efc=float(np.clip(own.trip_efc * rng.choice([0.65, 1.4]), 0.08, 0.3)),
            target_soc=max(0.65, own.target_soc - 0.1),
        )
        changes["departure_hour_utc"] = spec.departure_hour_utc + float(rng.choice([-1.5, 1.5]))
    if size > 1:
        age = AS_OF - spec.battery.commissioned_utc
        changes["battery"] = replace(spec.battery, commissioned_utc=(AS_OF - 0.3 * age).floor("D"))
        changes["resistance"] = spec.resistance * 1.5
    return replace(spec, **changes)
