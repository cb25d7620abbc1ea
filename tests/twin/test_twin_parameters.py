"""Sets that cells are made of: what was measured of them, and how fast they can be charged and emptied."""

from __future__ import annotations

import numpy as np
import pybamm
import pytest

from twin.cell import day_model, reference_cell
from twin.duty import Profile
from twin.errors import SolveError
from twin.parameters import SETS, parameter_values
from twin.rates import rate_model

# Discharge of About:Energy's NMC111 cell at 12.5 A and 25 °C as measured: every 400 s from 100 s on.
MEASURED_V = (4.0487, 3.9095, 3.7803, 3.6704, 3.5858, 3.5239, 3.4729, 3.4217, 3.3475)


def runs(name: str, c_rate: float, degc: float, share: float) -> bool:
    """Whether a new cell takes or gives this share of its charge at once, within its own voltages."""
    cell = reference_cell(name)
    circuit = cell.circuit
    x, y = circuit.window(cell.fresh).at(np.float64(1.0 if c_rate < 0 else 0.0))
    end_s = share * 3600 / abs(c_rate)
    found = day_model(cell, 16, ageing=False).solve(
        np.array([0.0]),
        np.array([c_rate * circuit.fresh_capacity_ah]),
        end_s,
        health=cell.fresh,
        x_n=float(x),
        y_p=float(y),
        temperature_degc=degc,
        times_s=np.linspace(0.0, end_s, 20),
    )
    return bool(circuit.v_min < found.voltage_v[1:].min() and found.voltage_v[1:].max() < circuit.v_max)


@pytest.mark.parametrize("c_rate", [1.0, 3.0, 5.0])
def test_lfp_is_charged_and_emptied_fast(c_rate: float) -> None:
    # The data sheet of the A123 26650 promises more than 90 % at 5C.
    assert runs("lfp", -c_rate, 25.0, 0.92)
    assert runs("lfp", c_rate, 25.0, 0.92)


@pytest.mark.parametrize("name", ["lfp", "nmc111", "lmo", "lco"])
def test_a_cold_cell_runs_an_hour(name: str) -> None:
    assert runs(name, -1.0, 0.0, 0.9)
    assert runs(name, 1.0, 0.0, 0.6)


def test_a_measured_set_gives_the_voltage_that_was_measured() -> None:
    cell = reference_cell("nmc111")
    x, y = cell.circuit.window(cell.fresh).at(np.float64(1.0))
    times = np.arange(100.0, 3600.0, 400.0)
    found = day_model(cell, 16, ageing=False, electrolyte=True, porous=True).solve(
        np.array([0.0]),
        np.array([-12.5]),
        float(times[-1]),
        health=cell.fresh,
        x_n=float(x),
        y_p=float(y),
        temperature_degc=25.0,
        times_s=times,
    )
    assert np.abs(found.voltage_v - MEASURED_V).max() < 0.021
    # As published: how full its electrodes are, empty and full.
    window = cell.circuit.window(cell.fresh)
    assert [window.x_0, window.y_0] == pytest.approx([0.005504, 0.96210], abs=1e-4)


@pytest.mark.parametrize("name", SETS)
def test_a_set_of_our_own_falls_with_what_its_electrodes_hold(name: str) -> None:
    held = pybamm.Vector(np.linspace(0.002, 0.998, 500))
    for side in ("Negative", "Positive"):
        potential = parameter_values(name)[f"{side} electrode OCP [V]"](held).evaluate().reshape(-1)
        assert np.diff(potential).max() < 2e-6  # V: as published, graphite's rises by that much at one place


def test_a_blend_holds_what_its_parts_hold() -> None:
    blend, alone = reference_cell("lmo"), reference_cell("nmc111")
    # Seven tenths of the charge between full and empty are the spinel's: its plateaus over 3.9 V.
    soc = np.linspace(0.0, 1.0, 501)
    above = {
        one.name: float(1 - np.interp(3.9, one.circuit.voltage(*one.circuit.window(one.fresh).at(soc)), soc))
        for one in (blend, alone)
    }
    assert above["lmo"] > above["nmc111"] + 0.2
    assert blend.circuit.fresh_capacity_ah == pytest.approx(alone.circuit.fresh_capacity_ah, rel=0.01)


def test_a_cell_that_the_model_cannot_run_is_named_with_its_cause() -> None:
    racing = Profile(
        start_s=np.array([0.0, 1800.0, 7200.0, 9000.0]),
        c_rate=np.array([-3.0, 0.0, 3.0, 0.0]),
        start_soc=1.0,
        temperature_degc=0.0,
        of_usable=True,
    )
    with pytest.raises(SolveError, match=r"nmc811: only 0 of \d+ states .* 3C at 0 °C: .*Minimum voltage"):
        rate_model(reference_cell("nmc811"), racing)
