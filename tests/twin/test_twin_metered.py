"""What the plug's meter tells next to the car, of cars with a battery, charger and display of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

from tests.twin.batteries import AS_OF, battery
from twin.course import Course
from twin.energy import EnergyFit, as_telemetry, by_energy, fit_energy
from twin.metered import Charging, by_meter
from twin.observe import observe
from twin.silence import course_of
from twin.types import BatterySpec, CalibrationRequest

DAYS, CARS = 28, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """A car of another kind: sessions and polls as its cloud gives them, and what is true of it.

    ``efficiency``: energy into the battery over energy drawn at the plug, over all its sessions.
    """

    coarse: pd.DataFrame
    sessions: pd.DataFrame
    share: float
    efficiency: float


def car(seed: int, every_s: float = 300.0, pack: BatterySpec | None = None) -> Car:
    """Four weeks of a car, simulated by the minute.

    Its open-circuit voltage is a curve of its own, its resistance falls with charge, its charger loses a
    constant part and one that grows with power, some keep the car awake at 150 W while it is plugged in.
    The display bends by up to a point, leaves out some of the pack and shows whole per cents; both meters
    have a gain, and the plug's tells tenths of a kWh.
    """
    pack = pack or battery()
    rng = np.random.default_rng([2035, seed])
    share, shown = rng.uniform(0.7, 1.0), rng.normal(1.0, 0.02)
    plug_gain, own_gain = rng.normal(1.0, 0.007, 2)
    lost_kw, lost_per_kw, awake_kw = rng.uniform(0.1, 0.4), rng.uniform(0.002, 0.006), rng.choice([0.0, 0.15])
    level_v, bend = rng.normal(0.0, 0.015), rng.uniform(-0.01, 0.01)
    capacity_ah = share * pack.nominal_capacity_ah
    minutes = DAYS * 1440
    power, soc, drawn = np.zeros(minutes), np.zeros(minutes), np.zeros(minutes)
    now, target, plugged, leave, back = 0.7, 0.8, [], 0, 0
    for at in range(minutes):
        minute = at % 1440
        if minute == 0:
            leave, back = int(rng.integers(400, 540)), int(rng.integers(960, 1140))
            target, distance = float(rng.uniform(0.7, 0.9)), float(rng.uniform(0.4, 1.6))
        driving = leave <= minute < leave + 40 or back - 40 <= minute < back
        open_v = pack.cells_series * (3.24 + level_v + 0.87 * now + 0.06 * np.tanh(8 * now))
        ohm = (0.05 + 0.03 * (1 - now)) * pack.cells_series / pack.nominal_capacity_ah
        charging = (minute >= back or minute < leave) and now < target
        if driving:
            power[at] = -distance * 14 * rng.uniform(0.1, 1.9)
        elif charging:
            power[at] = rng.uniform(0.97, 1.0) * min(10.0, 60 * (1.0 - now) + 2)
            drawn[at] = power[at] + lost_kw + lost_per_kw * power[at] ** 2
        if minute >= back or minute < leave:
            drawn[at] += awake_kw
        root = np.sqrt(open_v**2 + 4 * ohm * power[at] * 1000)
        now = float(np.clip(now + (root - open_v) / (2 * ohm) / 60 / capacity_ah, 0.02, 1.0))
        soc[at] = now
        if minute == back:
            plugged.append([at, at])
        if minute == leave - 1 and plugged:
            plugged[-1][1] = at
    begin = AS_OF.floor("D") - pd.Timedelta(days=DAYS)
    displayed = np.round(np.clip(0.5 + (soc - 0.5) * shown + bend * np.sin(2 * np.pi * soc), 0, 1), 2)
    step = max(1, round(every_s / 60))
    polled = np.arange(int(rng.integers(0, step)), minutes, step)
    whole = [(first, last) for first, last in plugged if last > first]
    sums = np.array([(drawn[a:b].sum(), power[a:b].sum()) for a, b in whole]) / 60
    sessions = pd.DataFrame(
        {
            "arrival_utc": [begin + pd.Timedelta(minutes=a) for a, _ in whole],
            "departure_utc": [begin + pd.Timedelta(minutes=b) for _, b in whole],
            "arrival_soc": [displayed[a] for a, _ in whole],
            "departure_soc": 0.9,  # what was promised
            "energy_kwh": np.round(sums[:, 0] * plug_gain, 1),
        }
    )
    coarse = pd.DataFrame(
        {
            "time_utc": begin + pd.to_timedelta(polled, unit="min"),
            "soc_reported": displayed[polled],
            "power_kw": np.round(power[polled] * own_gain, 1),
            "temperature_degc": np.nan,
        }
    )
    return Car(
        coarse=coarse, sessions=sessions, share=share, efficiency=float(sums[:, 1].sum() / sums[:, 0].sum())
    )


@lru_cache(maxsize=64)
def known(seed: int, every_s: float = 300.0) -> Car:
    return car(seed, every_s)


def asked(made: Car) -> CalibrationRequest:
    return by_energy(
        CalibrationRequest(
            battery=battery(),
            telemetry=made.coarse[:0],
            checkups=pd.DataFrame({"time_utc": [], "capacity_ah": [], "resistance_ohm": []}),
            sessions=made.sessions,
            as_of_utc=AS_OF,
            input_hash="a" * 64,
            coarse=made.coarse,
        )
    )


def fitted(made: Car) -> tuple[Charging | None, EnergyFit | None, EnergyFit | None]:
    """Losses and capacity by the meter, and capacity by the car's power."""
    request = asked(made)
    flow = course_of(request, request.telemetry)
    assert isinstance(flow, Course)
    return (
        *by_meter(request.telemetry, request.sessions, flow, request.battery),
        fit_energy(request.telemetry, flow),
    )


def test_losses_of_cars_of_another_kind_lie_in_the_interval() -> None:
    held = 0
    for seed in range(CARS):
        made = known(seed)
        charging, _, _ = fitted(made)
        assert charging is not None
        assert charging.sd < 0.03
        held += abs(charging.efficiency - made.efficiency) < 1.645 * charging.sd
    assert held >= 0.85 * CARS


@pytest.mark.parametrize(("every_s", "most"), [(300.0, 0.06), (900.0, 0.07), (3600.0, 0.12)])
def test_capacity_by_metered_energy_holds_the_truth(every_s: float, most: float) -> None:
    held, off = 0, []
    for seed in range(CARS):
        made = known(seed, every_s)
        _, metered, _ = fitted(made)
        assert metered is not None
        half = 1.645 * metered.sd
        assert half < most * metered.share
        off.append(metered.share / made.share - 1)
        held += abs(metered.share - made.share) < half
    assert held >= 0.85 * CARS
    assert abs(np.median(off)) < 0.03


@pytest.mark.parametrize("every_s", [300.0, 900.0])
def test_capacity_by_power_holds_the_truth_of_cars_whose_drives_change_all_the_time(every_s: float) -> None:
    found = [(known(seed, every_s), fitted(known(seed, every_s))[2]) for seed in range(CARS)]
    fits = [(made.share, fit) for made, fit in found if fit is not None]
    assert len(fits) == CARS
    held = sum(abs(fit.share - share) < 1.645 * fit.sd for share, fit in fits)
    assert held >= 0.85 * CARS
    if every_s == 300.0:
        assert np.median([1.645 * fit.sd / fit.share for _, fit in fits]) < 0.06


def test_the_surer_of_the_two_is_taken_and_the_losses_reported() -> None:
    made = known(0)
    charging, metered, by_power = fitted(made)
    assert charging is not None and metered is not None and by_power is not None
    observed = observe(asked(made), 1400.0)
    assert observed.energy is not None and observed.charging == charging
    assert observed.energy == min((metered, by_power), key=lambda one: one.sd / one.share)
    sparse = known(0, 3600.0)
    _, metered, by_power = fitted(sparse)
    assert metered is not None and (by_power is None or metered.sd < by_power.sd)
    observed = observe(asked(sparse), 1400.0)
    assert observed.energy == metered
    assert "metered at the plug" in metered.said


def test_what_cannot_be_of_one_charge_tells_no_losses() -> None:
    made = known(1)
    for sessions in (
        made.sessions.drop(columns="energy_kwh"),
        made.sessions.assign(energy_kwh=np.nan),
        made.sessions.assign(energy_kwh=3 * made.sessions["energy_kwh"]),
        made.sessions[:2],
    ):
        charging, _, _ = fitted(replace(made, sessions=sessions))
        assert charging is None
    most = fitted(
        replace(made, sessions=made.sessions.assign(energy_kwh=0.88 * made.sessions["energy_kwh"]))
    )[0]
    assert most is not None
    assert most.efficiency > 1
    assert "one of the two meters is off" in most.said


def test_what_is_promised_for_a_departure_is_no_reading() -> None:
    made = known(2)
    silent = made.coarse.assign(soc_reported=np.where(made.coarse.index % 2000, np.nan, 0.5))
    request = asked(replace(made, coarse=made.coarse))
    telemetry = as_telemetry(made.coarse, battery()).assign(soc_reported=silent["soc_reported"])
    flow = course_of(request, request.telemetry)
    assert flow is not None
    assert by_meter(telemetry, made.sessions, flow, battery())[1] is None
