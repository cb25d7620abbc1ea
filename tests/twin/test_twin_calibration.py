"""Calibration against batteries whose truth is known, simulated by SPMe where the twin fits SPM."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.twin.batteries import battery, calibrated, duty, request, truth
from twin.calibrate import calibrate_battery
from twin.cell import reference_cell
from twin.duty import Profile, derive_duty
from twin.ensemble.mixture import PHYSICS
from twin.errors import TwinError
from twin.health import Health
from twin.life import Factors, life_days
from twin.profile import ProfileRequest, profile_life_chunk
from twin.rates import rate_model, solve_rates
from twin.types import Calibration
from twin.wholeday import Drive

NAMES = ("nmc811", "nca", "lfp")


@pytest.mark.parametrize("name", NAMES)
def test_state_and_ageing_are_recovered(name: str) -> None:
    made = truth(name)
    found = calibrated(name)
    assert (found.quality, found.reason) == ("calibrated", "ok")
    true_ah = made.hidden["usable_capacity_ah"]
    assert found.usable_capacity_ah == pytest.approx(true_ah, rel=0.01)
    assert abs(found.usable_capacity_ah - true_ah) < 3 * found.usable_capacity_sd_ah
    mean, covariance = (np.array(one) for one in (found.record.mean, found.record.covariance))
    error = mean[:2] - np.log([made.hidden["sei_factor"], made.hidden["lam_factor"]])
    assert (np.abs(error) < 3 * np.sqrt(np.diag(covariance)[:2]) + 0.1).all()


@pytest.mark.parametrize("name", NAMES)
def test_alpha_and_life_are_those_of_the_true_battery(name: str) -> None:
    """The same protocol run on the truth: its health and factors, its duty, SPMe instead of SPM."""
    made = truth(name)
    found = calibrated(name)
    cell, circuit = reference_cell(name), reference_cell(name).circuit
    start = Health(**{key: np.array([made.hidden[key]]) for key in ("sei_m", "eps_n", "eps_p", "lithium_ah")})
    factors = Factors(sei=np.array([made.hidden["sei_factor"]]), lam=np.array([made.hidden["lam_factor"]]))
    soh = made.hidden["usable_capacity_ah"] / battery(name).nominal_capacity_ah
    x = found.window_efc_per_day / 2

    def life(profile: Profile) -> float:
        model = rate_model(cell, profile)
        spme, spm = (solve_rates(cell, profile, cell.fresh, electrolyte=e) for e in (True, False))
        end = 0.8 * circuit.fresh_capacity_ah
        return float(life_days(model.scaled(spme, spm), start, factors, end)[0])

    true_l0 = life(duty().profile())
    true_ratio = true_l0 / life(duty().profile(v2g_ah_share=x * soh / 2, cycles=2))
    ensemble = found.record.ensemble
    assert ensemble is not None
    alone = next(one for one in ensemble.members if one.name == PHYSICS)
    assert alone.l0_days == pytest.approx(true_l0, rel=0.2)
    assert found.l0_low_days < true_l0 < found.l0_high_days
    assert 1 + alone.beta_day_per_efc * x == pytest.approx(true_ratio, rel=0.15)
    assert found.beta_low_day_per_efc < (true_ratio - 1) / x < found.beta_high_day_per_efc
    # What is published does not take it for the truth, but for possible.
    assert found.l0_low_days < true_l0 < found.l0_high_days
    assert found.beta_low_day_per_efc < (true_ratio - 1) / x < found.beta_high_day_per_efc


def test_interval_narrows_as_data_come_in() -> None:
    made = truth()
    full = calibrated()
    checkups = calibrate_battery(request(made, telemetry=made.telemetry[:0]))
    nothing = calibrate_battery(request(made, telemetry=made.telemetry[:0], checkups=made.checkups[:0]))
    assert [c.quality for c in (full, checkups, nothing)] == ["calibrated", "checkups", "prior"]
    widths = [c.l0_high_days - c.l0_low_days for c in (full, checkups, nothing)]
    assert widths[0] < widths[2]
    assert widths[1] < widths[2]
    assert "lam_factor: no (" in nothing.identifiability


@pytest.mark.parametrize("fault", ["stuck_voltage", "flipped_current", "current_bias"])
def test_a_bad_sensor_is_named_and_the_last_good_calibration_kept(fault: str) -> None:
    good = calibrated()
    bad = truth(fault=fault)
    alone = calibrate_battery(request(bad))
    assert alone.quality == "checkups"
    assert "sensors refused" in alone.reason
    kept = calibrate_battery(request(bad, previous=good, input_hash="b" * 64))
    assert kept.quality == "stale"
    assert kept.alpha_day_per_efc == good.alpha_day_per_efc
    assert good.calibration_id in kept.reason
    assert kept.calibration_id != good.calibration_id


def test_same_input_same_answer_and_record_round_trip() -> None:
    first, second = calibrated(), calibrate_battery(request(truth()))
    assert first.to_record() == second.to_record()
    assert Calibration.from_record(first.to_record()) == first


def test_a_battery_at_its_end_of_life_is_still_priced() -> None:
    made = truth(sei_factor=2.2, lam_factor=2.5)
    found = calibrate_battery(request(made))
    assert found.soh < 0.8
    assert "end of life" in found.reason
    assert 0 < found.residual_value_eur < 3000
    assert np.isfinite([found.l0_days, found.alpha_day_per_efc, found.beta_day_per_efc]).all()


def test_wear_value_is_linear_in_remaining_life() -> None:
    found = calibrated()
    spec = battery()
    depreciable = spec.replacement_value_eur - spec.scrap_value_eur
    assert 0 < found.residual_value_eur < depreciable
    # The price of an ordinary day is the same at every age: depreciable value over the life when new.
    when_new = found.l0_days * depreciable / found.residual_value_eur
    assert when_new > found.l0_days


def test_commissioned_in_the_future_is_a_usage_error() -> None:
    made = truth()
    with pytest.raises(TwinError, match="b-nmc811"):
        calibrate_battery(request(made, as_of_utc=pd.Timestamp("2021-01-01", tz="UTC")))


def test_a_checkup_without_a_capacity_is_named() -> None:
    made = truth()
    for wrong in (np.nan, np.inf, 0.0):
        checkups = made.checkups.copy()
        checkups.loc[1, "capacity_ah"] = wrong
        with pytest.raises(TwinError, match=f"b-nmc811: check-up of 2022-09-04 .* capacity_ah {wrong}"):
            request(made, checkups=checkups)


def test_duty_is_read_from_history() -> None:
    made = truth()
    found = derive_duty(made.telemetry, made.sessions, nominal_ah=150.0, charge_c_rate=0.5)
    assert found.trip_efc == pytest.approx(duty().trip_efc, rel=0.12)
    assert found.charge_c_rate == pytest.approx(duty().charge_c_rate, rel=0.03)
    assert found.plugged_hours == pytest.approx(duty().plugged_hours, abs=0.7)
    assert found.temperature_degc == pytest.approx(duty().temperature_degc, abs=3)


def test_the_twins_answer_for_a_day_agrees_with_its_price() -> None:
    """Closed loop: a day with V2G simulated on its own against the rates fitted to lives."""
    found, spec = calibrated(), battery()
    ordinary = duty()
    power = np.zeros(96)
    plugged = np.ones(96, dtype=bool)
    plugged[26:68] = False
    limit = ordinary.charge_c_rate * spec.nominal_energy_kwh
    full = ordinary.trip_efc / ordinary.charge_c_rate * 4
    power[68 : 68 + int(full)] = limit
    power[68 + int(full)] = limit * (full % 1)
    with_v2g = power.copy()
    with_v2g[76:80], with_v2g[80:84] = -limit, limit
    usable = found.usable_energy_kwh
    drive = Drive(first=26, last=67, energy_kwh=ordinary.trip_efc * spec.nominal_energy_kwh)
    requests = [
        ProfileRequest(
            battery=spec,
            calibration=found,
            interval_hours=0.25,
            power_kw=values,
            plugged=plugged,
            drives=(drive,),
            first_kwh=0.8 * usable,
        )
        for values in (power, with_v2g)
    ]
    lives = profile_life_chunk(requests)
    x = limit / usable
    assert found.l0_days / lives[0] == pytest.approx(1.0, abs=0.06)
    assert lives[0] / lives[1] == pytest.approx(1 + found.beta_day_per_efc * x, rel=0.06)
