"""The battery in the hand: what PyBaMM says of it is what the calibration says."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pybamm
import pytest

from tests.twin.batteries import AS_OF, battery, calibrated, truth
from twin.cell import reference_cell
from twin.errors import TwinError
from twin.handle import TWIN_OF, BatteryHandle
from twin.prior import NAMES
from twin.profile import ProfileRequest, profile_life_chunk
from twin.window import select_window


@lru_cache(maxsize=1)
def handle() -> BatteryHandle:
    found = calibrated()
    return BatteryHandle(battery=battery(), calibration=found, residuals=found.residuals)


def test_parameters_and_covariance_carry_their_names() -> None:
    held = handle()
    assert tuple(held.parameters) == NAMES
    assert list(held.covariance.index) == list(held.covariance.columns) == list(NAMES)
    spread = held.draws(400).std()
    assert spread.to_numpy() == pytest.approx(np.sqrt(np.diag(held.covariance)), rel=0.2)


def test_the_simulation_is_the_pack_of_stage_a() -> None:
    """The window that was fitted, driven through the handle's simulation: the measured voltage comes out."""
    held, made = handle(), truth()
    replay = select_window(made.telemetry, battery())
    assert replay is not None
    socs = np.linspace(0, 1, 400)
    circuit = reference_cell("nmc811").circuit
    x, y = circuit.window(held.health).at(socs)
    soc = float(np.interp(replay.voltage_v[0], circuit.voltage(x, y), socs))
    amps = -replay.c_rate * battery().nominal_capacity_ah
    edges = np.append(replay.start_s, replay.end_s)
    current = np.repeat(amps, 2)
    times = np.column_stack([edges[:-1], edges[1:] - 1.0]).reshape(-1)
    times[-1] += 3600.0
    values = held.parameter_values(soc=soc, temperature_degc=replay.temperature_degc)
    values.update({"Current function [A]": pybamm.Interpolant(times, current, pybamm.t)})
    simulation = pybamm.Simulation(
        pybamm.lithium_ion.SPM({"contact resistance": "true"}), parameter_values=values
    )
    solution = simulation.solve(edges, t_interp=replay.times_s)
    stated = solution["Battery voltage [V]"](replay.times_s)
    error = stated / battery().cells_series - replay.voltage_v
    assert float(np.sqrt((error**2).mean())) < 0.015


def test_a_slow_discharge_gives_the_usable_capacity() -> None:
    held = handle()
    experiment = pybamm.Experiment(["Discharge at C/25 until 265 V"])
    solution = held.simulation(soc=1.0, experiment=experiment, temperature_degc=25.0).solve()
    charge = float(solution["Discharge capacity [A.h]"].entries[-1])
    assert 2.5 * battery().cells_series == 265
    assert charge == pytest.approx(held.calibration.usable_capacity_ah, rel=0.03)


def test_the_ageing_simulation_starts_at_todays_film_and_grows_it() -> None:
    held = handle()
    simulation = held.simulation(soc=0.8, ageing=True)
    solution = simulation.solve([0, 3600])
    film = solution["X-averaged negative SEI thickness [m]"].entries
    assert film[0] == pytest.approx(held.health.sei_m, rel=1e-6)
    assert film[-1] > film[0]


def test_capacity_to_come_ends_where_l0_says() -> None:
    held = handle()
    forecast = held.capacity_forecast(12.0)
    assert forecast["soh"].iloc[0] == pytest.approx(held.calibration.soh, rel=1e-3)
    assert (np.diff(forecast["soh"]) < 0).all()
    later = forecast.iloc[1:]
    assert ((later["soh_low"] < later["soh"]) & (later["soh"] < later["soh_high"])).all()
    width = (forecast["soh_high"] - forecast["soh_low"]).to_numpy()
    assert width[-1] > width[0]
    crossing = float(np.interp(-0.8, -forecast["soh"], forecast["day"]))
    assert crossing == pytest.approx(held.calibration.l0_days, rel=0.03)


def test_a_day_of_rest_outlives_the_ordinary_one() -> None:
    """Nothing is strained: the loss of active material is none, not a logarithm of it."""
    held = handle()
    day = ProfileRequest(
        battery=held.battery,
        calibration=held.calibration,
        interval_hours=0.25,
        power_kw=np.zeros(96),
        plugged=np.ones(96, dtype=bool),
        drives=(),
        first_kwh=0.6 * held.calibration.usable_energy_kwh,
    )
    (life,) = profile_life_chunk([day])
    assert life > 1.2 * held.calibration.l0_days


def test_a_charge_beyond_full_is_refused() -> None:
    with pytest.raises(TwinError, match="b-nmc811"):
        handle().simulation(soc=1.2)


def test_a_replay_follows_each_day_of_the_telemetry() -> None:
    held, made = handle(), truth()
    stated = held.replay(made.telemetry)
    cell_mv = 1000 * stated["error_v"] / battery().cells_series
    daily = (cell_mv**2).groupby(stated["time_utc"].dt.floor("D")).mean() ** 0.5
    assert len(daily) >= 10
    assert daily.median() < 4.0
    assert stated["error_v"].to_numpy() == pytest.approx(
        (stated["voltage_v"] - stated["model_voltage_v"]).to_numpy()
    )
    wrong = made.telemetry.assign(current_a=2.5 * made.telemetry["current_a"])
    worse = held.replay(wrong[wrong["time_utc"] >= AS_OF - pd.Timedelta(days=2)])["error_v"]
    assert (1000 * worse / battery().cells_series).pow(2).mean() ** 0.5 > 3 * daily.median()
    with pytest.raises(TwinError, match="b-nmc811: no day"):
        held.replay(made.telemetry[:5])


def test_a_hindcast_sees_only_what_was_known_by_then() -> None:
    held, checkups = handle(), truth().checkups
    stated = held.hindcast(checkups)
    count = len(checkups)
    assert len(stated) == sum(count - observed for observed in range(2, count))
    assert stated["held"].mean() > 0.75
    ahead = stated[stated["seen"] == 2]
    assert (np.diff(ahead["soh_high"] - ahead["soh_low"]) > 0).all()
    later = checkups.assign(
        capacity_ah=checkups["capacity_ah"].where(checkups.index < 5, 0.8 * checkups["capacity_ah"])
    )
    changed = held.hindcast(later)
    bands = ["soh_low", "soh_median", "soh_high"]
    early = stated["seen"] <= 5
    assert changed.loc[early, bands].to_numpy() == pytest.approx(stated.loc[early, bands].to_numpy())
    assert not changed.loc[early & (changed["time_utc"] == changed["time_utc"].max()), "held"].any()
    with pytest.raises(TwinError, match="b-nmc811: 2 check-ups"):
        held.hindcast(checkups[:2])


@pytest.mark.parametrize("chemistry", ["nmc811", "nmc532"])
def test_the_parameter_set_is_the_battery_without_this_project(chemistry: str, tmp_path: Path) -> None:
    found = calibrated(chemistry)
    held = BatteryHandle(battery=battery(chemistry), calibration=found, residuals=found.residuals)
    file = tmp_path / "car.json"
    file.write_text(json.dumps(held.parameter_set(soc=0.7)), encoding="utf-8")
    values = pybamm.ParameterValues.from_json(file)
    model = pybamm.lithium_ion.SPM({"contact resistance": "true"})
    volts = pybamm.Simulation(model, parameter_values=values).solve([0, 3600])["Battery voltage [V]"].entries
    own = held.simulation(soc=0.7).solve([0, 3600])["Battery voltage [V]"].entries
    assert volts[-1] == pytest.approx(own[-1], rel=1e-4)
    assert values[f"{TWIN_OF}b-{chemistry}"] == 1.0
