"""Batteries that age by published laws (`twin.ensemble.laws`), with their true L0, α and β."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from twin.chemistry import CHEMISTRIES
from twin.duty import Profile, StandardDuty
from twin.ensemble.laws import LAWS, Law
from twin.ensemble.stress import stress_of
from twin.health import Array
from twin.law import fit_alpha, fit_beta
from twin.life import HORIZON_DAYS, days_until, time_grid
from twin.types import BatterySpec, CalibrationRequest

AS_OF = pd.Timestamp("2026-01-15T12:00", tz="UTC")
CLIMATES_DEGC = (8.0, 18.0, 28.0)
_STANDS_IN = ("nmc532",)  # for the family of no chemistry
NAMES = tuple(LAWS)
LONGEST = 40 * 365.25  # [d]: a life that nobody waits for the end of tells nothing
SHARES = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
CHECKUP_SD = 0.004
SPENT = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A battery with its law, and the true figures."""

    law: str
    request: CalibrationRequest
    truth: dict[str, float]
    duty_efc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A law with a cell's own sizes on one duty."""

    law: Law
    sizes: tuple[float, float]

    def progress(self, profile: Profile) -> Array:
        return np.array(self.law.progress(stress_of(profile)))

    def loss(self, done: Array) -> Array:
        """Loss at progress: parts on the last axis."""
        return np.asarray((self.sizes * done ** (self.law.z_calendar, self.law.z_cycling)).sum(axis=-1))


@contextmanager
def left_out(name: str) -> Iterator[None]:
    """The ensemble without the law ``name``."""
    kept = LAWS.pop(name)
    try:
        yield
    finally:
        LAWS[name] = kept


def hide(index: int) -> Hidden:
    """The index-th battery: laws and climates in turn, the rest at random."""
    rng = np.random.default_rng([41, index])
    name = NAMES[index % len(NAMES)]
    law, degc = LAWS[name], CLIMATES_DEGC[index // len(NAMES) % len(CLIMATES_DEGC)]
    names = tuple(name for name, one in CHEMISTRIES.items() if one.family == law.family) or _STANDS_IN
    charge, trip = float(rng.uniform(0.1, 0.2)), float(rng.uniform(0.1, 0.3))
    target = float(rng.uniform(0.7, 0.95))
    duty = StandardDuty(
        trip_efc=trip,
        trip_c_rate=0.2,
        charge_c_rate=charge,
        plugged_hours=float(rng.uniform(max(11.0, trip / charge + 6), 15.0)),
        target_soc=target,
        temperature_degc=degc,
        source="hidden",
    )
    truth = Truth(law=law, sizes=(float(rng.lognormal(0, 0.25)), float(rng.lognormal(0, 0.25))))
    new, daily = float(rng.normal(1.0, 0.015)), truth.progress(duty.profile())
    while truth.loss(daily * LONGEST) < 0.25:
        truth = replace(truth, sizes=(1.2 * truth.sizes[0], 1.2 * truth.sizes[1]))
    age = float(rng.uniform(2.0, 6.0)) * 365
    while new - truth.loss(daily * age) < SPENT and age > 400:
        age *= 0.9
    battery = BatterySpec(
        battery_id=f"f{index:02d}-{name}",
        chemistry=names[index % len(names)],
        nominal_capacity_ah=150.0,
        nominal_energy_kwh=58.0,
        cells_series=106,
        cells_parallel=3,
        commissioned_utc=AS_OF - pd.Timedelta(days=age),
        charge_limit_kw=58.0 * charge,
        replacement_value_eur=7000.0,
        scrap_value_eur=1000.0,
    )
    ages = np.arange(20.0, age, 182.6)
    capacity = (new - truth.loss(daily * ages[:, None])) * (1 + rng.normal(0, CHECKUP_SD, len(ages)))
    checkups = pd.DataFrame(
        {
            "time_utc": battery.commissioned_utc + pd.to_timedelta(ages, unit="D"),
            "capacity_ah": capacity * battery.nominal_capacity_ah,
            "resistance_ohm": np.nan,
            "temperature_degc": 25.0,
        }
    )
    request = CalibrationRequest(
        battery=battery,
        telemetry=_nothing(),
        checkups=checkups,
        sessions=sessions(battery, duty),
        as_of_utc=AS_OF,
        input_hash=f"{index:064d}",
        climate=climate(degc),
    )
    return Hidden(law=name, request=request, truth=figures(truth, duty, new, daily * age), duty_efc=trip)


def figures(truth: Truth, duty: StandardDuty, new: float, done: Array) -> dict[str, float]:
    """L0, α and β of the true law by the twin's protocol."""
    soh, days = float(new - truth.loss(done)), time_grid(HORIZON_DAYS)
    end = min(0.8, soh - 0.02)

    def life(profile: Profile) -> float:
        capacity = new - truth.loss(done + days[:, None] * truth.progress(profile))
        return float(days_until(days, capacity[:, None], end)[0])

    shares = duty.v2g_limit() / soh * SHARES
    cycles = np.where(shares > min(0.45, duty.target_soc - 0.1), 2, 1)
    l0 = life(duty.profile())
    lives = [
        life(duty.profile(v2g_ah_share=share / count * soh, cycles=int(count)))
        for share, count in zip(shares, cycles, strict=True)
    ]
    ratio = np.log(np.array(lives) / l0)
    return {
        "l0": l0,
        "alpha": float(fit_alpha(shares, ratio)),
        "beta": float(fit_beta(shares, ratio[None])[0]),
    }


def sessions(battery: BatterySpec, duty: StandardDuty) -> pd.DataFrame:
    """One session a day since it was commissioned."""
    days = pd.date_range(battery.commissioned_utc.ceil("D"), AS_OF.floor("D"), freq="D")[:-1]
    arrival = days + pd.Timedelta(hours=17)
    return pd.DataFrame(
        {
            "battery_id": battery.battery_id,
            "arrival_utc": arrival,
            "departure_utc": arrival + pd.Timedelta(hours=duty.plugged_hours),
            "arrival_soc": duty.target_soc - duty.trip_efc,
            "departure_soc": duty.target_soc,
        }
    )


def climate(degc: float) -> pd.DataFrame:
    """A year of months, warmer in summer."""
    months = pd.date_range("2025-01-01", periods=12, freq="MS", tz="UTC", name="month_utc")
    return pd.DataFrame({"month_utc": months, "temperature_degc": degc, "quarter_hours": 2900})


def _nothing() -> pd.DataFrame:
    times = pd.DatetimeIndex([], tz="UTC")
    return pd.DataFrame({"time_utc": times, "voltage_v": 0.0, "current_a": 0.0, "temperature_degc": 0.0})
