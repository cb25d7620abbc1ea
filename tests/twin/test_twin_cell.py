"""The PyBaMM cell and the electrode balance: charge is kept, signs are right, inputs do what they say."""

from __future__ import annotations

import numpy as np
import pybamm
import pytest

from tests.twin.batteries import duty
from twin.cell import day_model, reference_cell
from twin.chemistry import CHEMISTRIES, chemistry
from twin.errors import ChemistryError, SolveError
from twin.health import Health

NAMES = sorted(CHEMISTRIES)
HOUR = 3600.0


@pytest.mark.parametrize("name", NAMES)
def test_window_is_the_one_that_pybamm_finds(name: str) -> None:
    values = reference_cell(name).parameter_values
    x_0, x_100, y_100, y_0 = pybamm.lithium_ion.get_min_max_stoichiometries(values)
    window = reference_cell(name).circuit.window(reference_cell(name).fresh)
    assert np.allclose(
        [window.x_0, window.x_100, window.y_100, window.y_0], [x_0, x_100, y_100, y_0], atol=2e-5
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_charge_and_its_discharge_return_to_the_same_voltage(name: str) -> None:
    cell = reference_cell(name)
    circuit = cell.circuit
    x, y = circuit.window(cell.fresh).at(0.4)
    current = circuit.fresh_capacity_ah * 0.2
    result = day_model(reference_cell(name), 16, ageing=False).solve(
        np.array([0.0, HOUR, 2 * HOUR]),
        np.array([current, -current, 0.0]),
        12 * HOUR,
        health=cell.fresh,
        x_n=float(x),
        y_p=float(y),
        temperature_degc=25.0,
        times_s=np.array([0.5 * HOUR, 1.5 * HOUR, 12 * HOUR]),
    )
    rest, half_way = (float(circuit.voltage(*circuit.window(cell.fresh).at(soc))) for soc in (0.4, 0.5))
    charging, discharging, after = result.voltage_v
    assert charging > half_way > discharging
    assert after == pytest.approx(rest, abs=2e-4)


def test_series_resistance_and_bias_act_as_their_units_say() -> None:
    cell = reference_cell("nmc811")
    circuit = cell.circuit
    x, y = circuit.window(cell.fresh).at(0.5)
    current = circuit.fresh_capacity_ah * 0.1

    def end_voltage(current_a: float, **inputs: float) -> float:
        result = day_model(reference_cell("nmc811"), 16, ageing=False).solve(
            np.array([0.0]),
            np.array([current_a]),
            HOUR,
            health=cell.fresh,
            x_n=float(x),
            y_p=float(y),
            temperature_degc=25.0,
            times_s=np.array([0.9 * HOUR]),
            **inputs,
        )
        return float(result.voltage_v[0])

    plain = end_voltage(current)
    assert end_voltage(current, resistance_ohm=0.02) - plain == pytest.approx(0.02 * current, rel=1e-3)
    assert end_voltage(0.0, bias_a=current) == pytest.approx(plain, abs=1e-5)


def test_sensitivities_agree_with_differences() -> None:
    cell = reference_cell("nmc811")
    circuit = cell.circuit
    fresh = cell.fresh
    x, y = (float(v) for v in circuit.window(fresh).at(0.6))
    profile = duty().profile()
    times = np.arange(1, 24) * HOUR
    names = ("eps_n", "resistance")
    model = day_model(reference_cell("nmc811"), 16, ageing=False, sensitive=names)

    def voltage(eps_n: float, resistance: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        health = Health(sei_m=fresh.sei_m, eps_n=eps_n, eps_p=fresh.eps_p, lithium_ah=fresh.lithium_ah)
        result = model.solve(
            profile.start_s,
            profile.c_rate * circuit.fresh_capacity_ah,
            24 * HOUR,
            health=health,
            x_n=x,
            y_p=y,
            temperature_degc=25.0,
            resistance_ohm=resistance,
            times_s=times,
        )
        return result.voltage_v, result.sensitivity

    step = 1e-3
    base, by = voltage(fresh.eps_n, 0.01)
    eps = (voltage(fresh.eps_n + step, 0.01)[0] - voltage(fresh.eps_n - step, 0.01)[0]) / (2 * step)
    ohm = (voltage(fresh.eps_n, 0.011)[0] - voltage(fresh.eps_n, 0.009)[0]) / 0.002
    assert np.isfinite(base).all()
    assert np.allclose(by["eps_n"], eps, rtol=0.02, atol=2e-2 * np.abs(eps).max())
    assert np.allclose(by["resistance"], ohm, rtol=0.01, atol=1e-2 * np.abs(ohm).max())


def test_lithium_lost_shrinks_capacity_and_lowers_the_graphite_window() -> None:
    cell = reference_cell("nca")
    circuit = cell.circuit
    fresh = cell.fresh
    losses = np.array([0.0, 0.05, 0.1])
    health = Health(
        sei_m=np.full(3, fresh.sei_m),
        eps_n=np.full(3, fresh.eps_n),
        eps_p=np.full(3, fresh.eps_p),
        lithium_ah=fresh.lithium_ah * (1 - losses),
    )
    window = circuit.window(health)
    assert (np.diff(window.capacity_ah) < 0).all()
    assert (np.diff(window.x_100) < 0).all()


def test_a_profile_that_overcharges_is_refused() -> None:
    cell = reference_cell("lfp")
    circuit = cell.circuit
    x, y = circuit.window(cell.fresh).at(0.9)
    with pytest.raises(SolveError):
        day_model(reference_cell("lfp"), 16, ageing=False).solve(
            np.array([0.0]),
            np.array([circuit.fresh_capacity_ah]),
            2 * HOUR,
            health=cell.fresh,
            x_n=float(x),
            y_p=float(y),
            temperature_degc=25.0,
        )


def test_unknown_chemistry_names_the_nearest() -> None:
    with pytest.raises(ChemistryError, match="did you mean 'nmc811'"):
        chemistry("nmc822")
