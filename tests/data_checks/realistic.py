"""A fleet that drives and charges, as its sensors would tell it: good rows for the checks to leave alone.

Telemetry, sessions and check-ups come from the twin's synthetic truth (SPMe, noise, bias, gaps); the charge
that a car reports and its lowest and highest cell are made here, as a battery management system would.
"""

import numpy as np
import pandas as pd

from twin.duty import StandardDuty
from twin.synthetic import TruthSpec, simulate_truth
from twin.types import BatterySpec

NOW = pd.Timestamp("2026-01-15T12:00", tz="UTC")
ZONE = "DE-LU"
# Nominal cell voltage [V], cells in series, pack capacity [Ah].
PACKS = {"nmc811": (3.65, 108, 160.0), "nca": (3.65, 96, 170.0), "lfp": (3.25, 104, 165.0)}


def depot(cars: int, days: int, seed: int, *, copies: int = 1) -> dict[str, pd.DataFrame]:
    """Frames by dataset of cars of three chemistries over some days, a sample a minute.

    cars: how many are simulated; each drives `copies` times under its own id and with its own sensor noise.
    """
    rng = np.random.default_rng(seed)
    simulated = pd.DataFrame([_car(rng, number) for number in range(cars)])
    lives = [_lived(rng, row, days) for _, row in simulated.iterrows()]
    parts = [{**life, "fleet": simulated.iloc[[i]]} for i, life in enumerate(lives)]
    parts = [_again(rng, part, copy) for copy in range(copies) for part in parts]
    frames = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
    return {"prices": prices(rng, days), **frames}


def _again(rng: np.random.Generator, part: dict[str, pd.DataFrame], copy: int) -> dict[str, pd.DataFrame]:
    if copy == 0:
        return part
    renamed = {
        name: frame.assign(battery_id=frame["battery_id"] + f"-{copy}") for name, frame in part.items()
    }
    telemetry, sessions = renamed["telemetry"], renamed["sessions"]
    noise = np.round(rng.normal(0, 0.15, len(telemetry)), 2)
    return {
        **renamed,
        "telemetry": telemetry.assign(voltage_v=telemetry["voltage_v"] + noise),
        "sessions": sessions.assign(session_id=sessions["session_id"] + f"-{copy}"),
    }


def prices(rng: np.random.Generator, days: int) -> pd.DataFrame:
    """Quarter-hourly prices with an evening peak and a noon that goes below zero."""
    start = NOW.normalize() - pd.Timedelta(days=days) - pd.Timedelta(hours=1)
    times = pd.date_range(start, periods=96 * (days + 2), freq="15min", unit="us")
    hour = times.hour.to_numpy() + times.minute.to_numpy() / 60
    level = 0.09 + 0.08 * np.exp(-(((hour - 18) / 1.6) ** 2)) - 0.11 * np.exp(-(((hour - 12) / 2.8) ** 2))
    return pd.DataFrame(
        {
            "zone": ZONE,
            "interval_start_utc": times,
            "resolution_minutes": 15,
            "price_eur_per_kwh": np.round(level + rng.normal(0, 0.02, len(times)), 5),
        }
    )


def _car(rng: np.random.Generator, number: int) -> dict[str, object]:
    chemistry = tuple(PACKS)[number % len(PACKS)]
    volts, series, capacity_ah = PACKS[chemistry]
    return {
        "battery_id": f"car-{number + 1:03d}",
        "site_id": "DEPOT",
        "chemistry": chemistry,
        "nominal_capacity_ah": capacity_ah,
        "nominal_energy_kwh": round(capacity_ah * volts * series / 1000, 2),
        "cells_series": series,
        "cells_parallel": 1,
        "commissioned_utc": NOW.normalize() - pd.Timedelta(days=int(rng.integers(400, 1600))),
        "charge_limit_kw": 10.0,
        "discharge_limit_kw": 10.0,
        "efficiency_charge": 0.93,
        "efficiency_discharge": 0.93,
        "soc_min": 0.1,
        "soc_max": 0.95,
        "replacement_value_eur": 7000.0,
        "scrap_value_eur": 1000.0,
    }


def _lived(rng: np.random.Generator, row: pd.Series, days: int) -> dict[str, pd.DataFrame]:
    battery = BatterySpec(**{name: row[name] for name in BatterySpec.__dataclass_fields__})
    truth = simulate_truth(
        TruthSpec(
            battery=battery,
            duty=StandardDuty(
                trip_efc=float(rng.uniform(0.15, 0.3)),
                trip_c_rate=float(rng.uniform(0.2, 0.3)),
                charge_c_rate=battery.charge_c_rate,
                plugged_hours=13.0,
                target_soc=0.8,
                temperature_degc=float(rng.normal(18, 3)),
                source="synthetic",
            ),
            as_of_utc=NOW,
            telemetry_days=days,
            ahead_days=2,
            sample_s=60,
            capacity_scale=float(rng.normal(0.99, 0.01)),
            sei_factor=1.0,
            lam_factor=1.0,
            resistance=float(rng.uniform(0.04, 0.08)),
            departure_hour_utc=float(rng.uniform(4, 8)),
            fault="none",
            seed=int(rng.integers(2**31)),
        )
    )
    sessions = truth.sessions.assign(battery_id=battery.battery_id)
    names = battery.battery_id + "-" + sessions["arrival_utc"].dt.strftime("%Y%m%dT%H%M")
    per_cell = truth.telemetry["voltage_v"].to_numpy() / battery.cells_series
    spread = np.abs(rng.normal(0, 0.004, (2, len(per_cell))))
    telemetry = truth.telemetry.assign(
        soc_reported=np.round(
            _reported(truth.telemetry, sessions, truth.hidden["usable_capacity_ah"]) / 0.005
        )
        * 0.005,
        cell_voltage_min_v=np.round(per_cell - spread[0], 3),
        cell_voltage_max_v=np.round(per_cell + spread[1], 3),
    )
    return {
        "telemetry": telemetry,
        "sessions": sessions.assign(session_id=names),
        "checkups": truth.checkups,
    }


def _reported(telemetry: pd.DataFrame, sessions: pd.DataFrame, capacity_ah: float) -> np.ndarray:
    """Charge by counting current, set right at every plug-in and plug-out."""
    minutes = _minutes(telemetry["time_utc"])
    current = telemetry["current_a"].to_numpy()
    counted = np.concatenate(([0.0], np.cumsum(0.5 * (current[1:] + current[:-1]) * np.diff(minutes) / 60)))
    counted /= capacity_ah
    known = np.concatenate([_minutes(sessions[f"{end}_utc"]) for end in ("arrival", "departure")])
    truth = np.concatenate([sessions[f"{end}_soc"].to_numpy() for end in ("arrival", "departure")])
    seen = (known >= minutes[0]) & (known <= minutes[-1])
    order = np.argsort(known[seen])
    known, truth = known[seen][order], truth[seen][order]
    off = truth - np.interp(known, minutes, counted)
    return np.clip(counted + np.interp(minutes, known, off), 0.0, 1.0)


def _minutes(times: pd.Series) -> np.ndarray:
    return times.dt.as_unit("us").astype("int64").to_numpy() / 60e6
