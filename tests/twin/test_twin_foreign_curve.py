"""Cells whose open-circuit curve is not their chemistry's: capacity with its doubt, no sensor blamed."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.foreign_cells import LEAST_MV, MOST_MV, ForeignPack, foreign_pack
from tests.twin.batteries import AS_OF, battery, request, truth
from twin.calibrate import calibrate_battery
from twin.cell import reference_cell
from twin.energy import EnergyFit, with_capacity
from twin.expected import expected_health
from twin.faults import FaultKind, SensorFault, believable
from twin.likeness import reads_like
from twin.observe import REACH_PER_DAY, Carried, _within_discrepancy, capacity_draws
from twin.prior import CHI2_LIMIT
from twin.replay import Replay
from twin.state import StateFit, fit_state
from twin.types import CalibrationRequest, FleetContext
from twin.window import select_window

BLEND = 11  # an NMC532 pack with another set's curves, 25 mV off


@lru_cache(maxsize=1)
def pack() -> ForeignPack:
    return foreign_pack(BLEND)


def asked(**changes: Any) -> CalibrationRequest:
    made, spec = pack().truth, pack().spec
    return request(
        made,
        spec.battery.chemistry,
        **({"battery": spec.battery, "checkups": made.checkups[:0]} | changes),
    )


@lru_cache(maxsize=1)
def window() -> Replay:
    found = select_window(pack().truth.telemetry, pack().spec.battery)
    assert found is not None
    return found


@lru_cache(maxsize=4)
def fitted(windows: float = 1.0) -> StateFit:
    cell = reference_cell(pack().spec.battery.chemistry)
    return fit_state(window(), cell, expected_health(cell, 1000.0), windows=windows)


def shares(state: StateFit) -> tuple[float, float]:
    cell = reference_cell(pack().spec.battery.chemistry)
    drawn = capacity_draws(cell, state.posterior, state.health.sei_m)
    return float(drawn[0]), float(drawn[1:].std())


def true_share() -> float:
    return pack().truth.hidden["usable_capacity_ah"] / pack().spec.battery.nominal_capacity_ah


def test_packs_are_as_far_from_their_set_as_they_say() -> None:
    made = pack()
    assert LEAST_MV <= made.rms_mv <= MOST_MV
    cell, own = made.spec.cell, reference_cell(made.spec.battery.chemistry)
    socs = np.linspace(0.03, 0.97, 60)
    volts = [one.circuit.voltage(*one.circuit.window(one.fresh).at(socs)) for one in (cell, own)]
    assert 1000 * np.sqrt(np.mean((volts[0] - volts[1]) ** 2)) == pytest.approx(made.rms_mv, rel=0.1)


def test_the_interval_of_capacity_holds_what_a_curve_that_is_off_may_hide() -> None:
    share, spread = shares(fitted())
    assert abs(share - true_share()) < 1.645 * spread
    assert 0.02 < spread < 0.08
    assert fitted().chi2_per_n < 1.0 < fitted().misfit_chi2_per_n


def test_the_same_error_in_all_windows_does_not_average_away() -> None:
    one, of_many = (np.diag(fitted(windows).information) for windows in (1.0, 30.0))
    assert (30 * of_many[:2] < 2.5 * one[:2]).all()


def test_capacity_counted_narrows_it() -> None:
    cell = reference_cell(pack().spec.battery.chemistry)
    counted = EnergyFit(share=true_share(), sd=0.02, legs=9, swing=3.0)
    both = with_capacity(fitted(), cell, counted)
    (before, wide), (after, narrow) = shares(fitted()), shares(both)
    assert narrow == pytest.approx((wide**-2 + 0.02**-2) ** -0.5, rel=0.15)
    assert abs(after - true_share()) < 0.5 * abs(before - true_share()) + 1e-3


def test_a_cell_unlike_its_set_is_calibrated_and_blamed_on_no_sensor() -> None:
    unlike = replace(fitted(), misfit_chi2_per_n=0.0)
    assert reads_like("nmc532", window(), unlike, 1000.0) is None
    found = calibrate_battery(asked(as_of_utc=pack().spec.as_of_utc))
    assert (found.quality, found.sensor_fault) == ("calibrated", None)
    half = 1.645 * found.usable_capacity_sd_ah
    assert abs(found.usable_capacity_ah - pack().truth.hidden["usable_capacity_ah"]) < half
    assert ("mV" in found.reason) == (fitted().misfit_chi2_per_n > CHI2_LIMIT)


def test_a_state_goes_no_further_in_a_day_than_a_battery() -> None:
    cell, state = reference_cell(pack().spec.battery.chemistry), fitted()
    moved = replace(state.posterior, mean=state.posterior.mean + np.array([0.05, 0.05, 0.05, 0.0, 0.0]))
    for days in (1.0, 3.0):
        before = Carried(health=state.health, prior=moved, until_utc=AS_OF, days=days)
        was = float(capacity_draws(cell, moved, state.health.sei_m)[0])
        now, _ = shares(_within_discrepancy(cell, state, before))
        assert was - now == pytest.approx(REACH_PER_DAY * days, rel=0.1)
    same = Carried(health=state.health, prior=state.posterior, until_utc=AS_OF, days=1.0)
    assert _within_discrepancy(cell, state, same) is state


def test_samples_count_for_as_long_as_they_hold() -> None:
    """A charge at 60 A for 40 h, whose logger sends ten times as often in the second half of each bin."""
    seconds = np.concatenate(
        [k * 300.0 + np.concatenate([[0, 75], np.arange(150, 300, 7.5)]) for k in range(480)]
    )
    amps = np.where(seconds % 300 < 150, 60.0, 0.0)
    frame = pd.DataFrame(
        {
            "time_utc": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(seconds, unit="s"),
            "voltage_v": 106 * 3.7,
            "current_a": np.where(seconds < 3 * 3600, 0.0, amps),
            "temperature_degc": 20.0,
        }
    )
    found = select_window(frame, battery())
    assert found is not None
    held = np.concatenate([[0.0], np.cumsum(np.diff(seconds) * (amps[1:] + amps[:-1]) / 2)]) / 3600 / 150
    begin = (found.begin_utc - frame["time_utc"].iloc[0]).total_seconds()
    stated = np.diff(np.interp([max(begin, 3 * 3600.0), begin + found.end_s], seconds, held))
    assert float(np.ptp(found.charge_at(np.array([0.0, found.end_s])))) == pytest.approx(stated[0], rel=0.02)


@pytest.mark.parametrize(
    ("kind", "driven", "warm"),
    [
        ("stuck_voltage", True, True),
        ("wrong_cell_count", True, True),
        ("current_gain", False, True),
        ("swapped_battery", False, False),
        ("temperature_offset", True, False),
    ],
)
def test_a_fault_leaves_what_it_says_nothing_against(kind: FaultKind, driven: bool, warm: bool) -> None:
    months = pd.DataFrame(
        {"month_utc": [AS_OF.normalize()], "temperature_degc": [9.0], "quarter_hours": [2900]}
    )
    fleet = FleetContext(temperature_degc=12.0, temperature_spread_k=1.0, cars=5)
    whole = request(truth(), climate=months, fleet=fleet)
    left = believable(whole, SensorFault(kind=kind, evidence="as shown"))
    assert (len(left.telemetry) > 0) == driven
    assert (len(left.climate) > 0) == warm
    if kind == "temperature_offset":
        assert (left.telemetry["temperature_degc"] == 12.0).all()
    said = SensorFault(kind=kind, evidence="as shown").verdict
    assert said.startswith("wrong pack data" if kind == "wrong_cell_count" else "sensors refused")
