"""Fits that belie themselves: telemetry of another cell than the declared one, a jump, and the way back."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.twin.batteries import AS_OF, battery, calibrated, request, simulated, truth
from tests.twin.faulty import clean_spec, clean_truth
from twin.calibrate import calibrate_battery
from twin.dispute import JUMP_PER_DAY, believed, jump
from twin.past import ordinary_day
from twin.prior import CHI2_LIMIT
from twin.record import sibling_statistics
from twin.types import Calibration, CalibrationRequest
from twin.update import why_full

PRICES = (
    "soh", "usable_energy_kwh", "residual_value_eur", "l0_days", "alpha_day_per_efc", "beta_day_per_efc",
    "rest_price_eur_per_kwh_h", "duty_efc_per_day",
)  # fmt: skip


@lru_cache(maxsize=4)
def from_checkups(chemistry: str = "nmc811") -> Calibration:
    made = truth()
    return calibrate_battery(request(made, chemistry, telemetry=made.telemetry[:0]))


@lru_cache(maxsize=4)
def declared_as(chemistry: str) -> Calibration:
    """What is made of a record of NMC 811 cells that the nameplate says are of another chemistry."""
    return calibrate_battery(request(truth(), chemistry))


def assert_priced_by_checkups(found: Calibration, expected: Calibration) -> None:
    for name in PRICES:
        assert getattr(found, name) == pytest.approx(getattr(expected, name)), name


def assert_of_checkups(found: Calibration, expected: Calibration) -> None:
    """A state as without telemetry; of how it is driven and how warm it is, telemetry still tells."""
    assert found.soh == pytest.approx(expected.soh, rel=0.01)
    assert found.usable_energy_kwh == pytest.approx(expected.usable_energy_kwh, rel=0.01)


def assert_driven_as_sent(found: Calibration, asked: CalibrationRequest) -> None:
    """A voltage that the model does not follow says nothing against current and temperature."""
    stated = ordinary_day(asked)
    assert found.duty_efc_per_day * found.soh == pytest.approx(stated.trip_efc)
    assert found.duty_temperature_degc == pytest.approx(stated.temperature_degc)


@pytest.mark.parametrize("chemistry", ["nca", "nmc532"])
def test_another_chemistry_than_the_declared_one_is_disputed(chemistry: str) -> None:
    found = declared_as(chemistry)
    assert (found.quality, found.sensor_fault) == ("disputed", None)
    misfit = found.chi2_per_n
    assert misfit is not None and found.dispute is not None
    if misfit > CHI2_LIMIT:
        assert found.dispute == f"χ²/n {misfit:.1f}"
    else:
        assert found.dispute.startswith("open-circuit voltage off by ")
    assert "state from check-ups alone" in found.reason
    assert "wrong pack data" in found.reason
    assert "mV a cell" in found.reason
    assert f"reads like nmc811, not {chemistry}" in found.reason
    assert found.samples_used == 0 < found.samples_excluded
    assert len(found.residuals) and not found.residuals["used"].any()
    assert_of_checkups(found, from_checkups(chemistry))
    assert_driven_as_sent(found, request(truth(), chemistry))


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_wear_that_pybamm_hardly_sees_leaves_every_figure_finite() -> None:
    """A faded record that is read by another chemistry: days of V2G rest lower and outlive the plain one."""
    made = truth()
    found = calibrate_battery(request(made, "nmc532", telemetry=made.telemetry[:0]))
    ensemble = found.record.ensemble
    assert ensemble is not None
    alone = next(one for one in ensemble.members if one.name == "pybamm")
    assert 0 <= alone.beta_day_per_efc < 0.1 * found.beta_day_per_efc  # as PyBaMM has it, none
    figures = [getattr(found, name) for name in PRICES] + [
        value
        for one in ensemble.members
        for value in (one.l0_days, one.alpha_day_per_efc, one.beta_day_per_efc)
    ]
    assert np.isfinite(figures).all()
    assert np.isfinite(found.wear_map[["life_days", "wear_eur_per_day"]].to_numpy()).all()
    assert json.loads(found.record.to_json(), parse_constant=pytest.fail)
    assert found.record.interval_parts is not None
    assert all(
        part <= 1 for parts in found.record.interval_parts.by_name().values() for part in parts.values()
    )


def test_without_check_ups_the_prior_is_left() -> None:
    made = truth()
    gone = made.telemetry.assign(voltage_v=made.telemetry["voltage_v"] + _wander(made.telemetry))
    bare = request(made, telemetry=gone, checkups=made.checkups[:0], sessions=made.sessions[:0])
    found = calibrate_battery(bare)
    assert found.quality == "disputed"
    assert "the voltage does not follow the current" in found.reason
    assert "no check-ups: the prior" in found.reason
    expected = calibrate_battery(replace(bare, telemetry=gone[:0]))
    assert expected.quality == "prior"
    assert_driven_as_sent(found, bare)
    assert found.soh == pytest.approx(expected.soh, rel=0.05)  # driven otherwise, it aged otherwise


def test_without_check_ups_the_charge_counted_between_sessions_is_left() -> None:
    made = truth()
    gone = made.telemetry.assign(voltage_v=made.telemetry["voltage_v"] + _wander(made.telemetry))
    found = calibrate_battery(request(made, telemetry=gone, checkups=made.checkups[:0]))
    assert found.quality == "disputed"
    assert "capacity by charge counted against the sessions' SoC" in found.reason
    off = abs(found.usable_capacity_ah - made.hidden["usable_capacity_ah"])
    assert off < 1.645 * found.usable_capacity_sd_ah < 0.05 * battery().nominal_capacity_ah


def _wander(telemetry: pd.DataFrame) -> np.ndarray:
    """A voltage that no cell has: ±40 mV a cell within hours, whatever the current does."""
    hours = np.arange(len(telemetry)) / 60
    return np.asarray(0.04 * battery().cells_series * np.sin(2 * np.pi * hours / 5.3))


@pytest.mark.parametrize(("gain", "quality"), [(1.3, "calibrated"), (2.5, "disputed")])
def test_a_gain_that_no_session_tells(gain: float, quality: str) -> None:
    """A curve that may be off explains some of it; the capacity sessions that of the check-ups either way."""
    made = truth()
    read = made.telemetry.assign(current_a=gain * made.telemetry["current_a"])
    found = calibrate_battery(request(made, telemetry=read, sessions=made.sessions[:0]))
    assert (found.quality, found.sensor_fault) == (quality, None)
    bare = calibrate_battery(request(made, telemetry=read[:0], sessions=made.sessions[:0]))
    assert_of_checkups(found, bare)


YESTERDAY = AS_OF - pd.Timedelta(days=1)


@lru_cache(maxsize=1)
def good() -> Calibration:
    made = truth()
    before = made.telemetry[made.telemetry["time_utc"] < YESTERDAY]
    return calibrate_battery(request(made, telemetry=before, as_of_utc=YESTERDAY, input_hash="9" * 64))


def today(**changes: Any) -> CalibrationRequest:
    return request(truth(), **({"previous": good(), "input_hash": "d" * 64} | changes))


def moved(by: float, **changes: Any) -> Calibration:
    """Yesterday's calibration with another state of health."""
    return replace(good(), soh=good().soh + by, **changes)


def test_a_state_that_no_battery_comes_to_overnight_is_disputed() -> None:
    before = moved(-0.098)
    found = calibrate_battery(today(previous=before))
    assert (found.quality, found.sensor_fault) == ("disputed", None)
    assert found.dispute is not None and found.dispute.startswith(f"SoH {before.soh:.3f} to ")
    assert before.calibration_id in found.reason
    assert_of_checkups(found, from_checkups())
    assert_driven_as_sent(found, today())


def test_good_telemetry_after_a_dispute_is_believed_at_once() -> None:
    disputed = calibrate_battery(today(previous=moved(-0.098)))
    next_day = AS_OF + pd.Timedelta(hours=1)
    after = calibrate_battery(today(previous=disputed, as_of_utc=next_day, input_hash="e" * 64))
    assert after.quality == "calibrated"
    assert after.dispute is None
    carried_on = calibrate_battery(today(previous=good()))
    assert carried_on.quality == "calibrated"
    assert carried_on.reason.startswith("state of today")


def test_a_disputed_calibration_is_no_previous_one() -> None:
    disputed = replace(good(), quality="disputed", soh=0.5)
    assert believed(today(previous=disputed)).previous is None
    assert why_full(today(previous=disputed)) != ""
    face_value = replace(good(), record=replace(good().record, ageing_chi2_per_n=31.0))
    assert believed(today(previous=face_value)).previous is None  # as older versions left them
    assert believed(today()).previous == good()


@pytest.mark.parametrize(
    ("change", "days", "sd", "refused"),
    [
        (0.019, 1, 0.001, False),
        (0.021, 1, 0.001, True),
        (-0.021, 1, 0.001, True),
        (0.021, 0.1, 0.001, True),
        (0.019, 0.1, 0.001, False),
        (0.039, 2, 0.001, False),
        (0.041, 2, 0.001, True),
        (0.098, 1, 0.001, True),
        (0.098, 1, 0.04, False),
        (0.13, 1, 0.04, True),
    ],
)
def test_how_far_a_state_may_move(change: float, days: float, sd: float, refused: bool) -> None:
    asked = today(as_of_utc=YESTERDAY + pd.Timedelta(days=days))
    nominal = battery().nominal_capacity_ah
    asked = replace(asked, previous=replace(good(), usable_capacity_sd_ah=1e-3 * nominal))
    found = jump(asked, good().soh + change, sd)
    assert (found is not None) == refused
    assert JUMP_PER_DAY == 0.02


def test_nothing_jumps_from_another_pack_or_another_model_or_nothing() -> None:
    assert jump(today(previous=None), 0.5, 0.001) is None
    assert jump(today(model_hash="new"), 0.5, 0.001) is None
    replaced = battery(commissioned_utc=AS_OF - pd.Timedelta(days=3))
    asked = believed(today(battery=replaced))
    assert asked.previous is None
    assert (asked.telemetry["time_utc"] >= replaced.commissioned_utc).all()
    assert len(asked.telemetry) > 1000


def test_a_bad_fit_teaches_no_sibling() -> None:
    record = calibrated().record
    assert sibling_statistics(record) is not None
    assert sibling_statistics(replace(record, ageing_chi2_per_n=CHI2_LIMIT + 0.1)) is None


@pytest.mark.parametrize("chemistry", ["nmc811", "nca", "lfp"])
def test_what_is_as_declared_is_not_disputed(chemistry: str) -> None:
    found = calibrated(chemistry)
    assert (found.quality, found.dispute) == ("calibrated", None)


def test_a_changed_model_fits_anew() -> None:
    before = replace(good(), record=replace(good().record, model_hash="old"))
    assert "another model" in why_full(today(previous=before, model_hash="new"))
    assert why_full(today(previous=before, model_hash="old")) == ""
    assert "another model" in why_full(today(previous=good(), model_hash="new"))
    same = calibrate_battery(today(previous=before, model_hash="old"))
    assert (same.model_hash, same.reason.startswith("state of today")) == ("old", True)
    anew = calibrate_battery(today(previous=before, model_hash="new"))
    assert (anew.quality, anew.model_hash, anew.reason) == ("calibrated", "new", "ok")
    record = anew.to_record()
    assert Calibration.from_record(record).model_hash == "new"
    kept = json.loads(record["parameters_json"])
    old = {key: value for key, value in record.items() if key not in ("model_hash", "dispute")}
    old["parameters_json"] = json.dumps({key: value for key, value in kept.items() if key != "model_hash"})
    assert Calibration.from_record(old).model_hash is None
    assert Calibration.from_record(old | {"model_hash": "new"}).model_hash == "new"


def test_sensors_that_fail_keep_the_model_that_fitted_them() -> None:
    made = truth(fault="stuck_voltage")
    before = replace(good(), record=replace(good().record, model_hash="old"))
    kept = calibrate_battery(request(made, previous=before, model_hash="new", input_hash="c" * 64))
    assert (kept.quality, kept.model_hash) == ("stale", "old")


def test_a_state_that_voltage_alone_mistook_is_looked_for_again() -> None:
    """A cold pack near its end, whose voltage is followed by a state far from the true one as well."""
    spec = clean_spec(208)
    made = clean_truth(spec, simulated)
    found = calibrate_battery(request(made, battery=spec.battery, telemetry=made.telemetry, as_of_utc=AS_OF))
    assert (found.quality, found.dispute) == ("calibrated", None)
    true_ah = made.hidden["usable_capacity_ah"]
    assert found.usable_capacity_ah == pytest.approx(true_ah, rel=0.02)
