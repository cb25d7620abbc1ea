"""What a calibration keeps besides its columns: typed, versioned, and readable from older warehouses."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.twin.batteries import battery, calibrated, request, truth
from twin.dispute import believed, jump
from twin.errors import RecordError
from twin.handle import BatteryHandle
from twin.health import Health
from twin.horizon import life_band
from twin.observe import Observation
from twin.profile import ProfileRequest, profile_life_chunk
from twin.record import VERSION, TwinRecord, sibling_statistics
from twin.restore import ageing_of, health_of, restorable
from twin.types import Calibration
from twin.update import carried, daily_update, previous_on_fault, why_full

# As version 1 wrote it: a battery carried on for a day. Without a number of the version or the model's hash.
PARAMETERS = """
{"ageing_chi2_per_n": 0.53278, "covariance": [[0.024077, -0.0071682, -9.1476e-05, 0.00069249, -0.015841,
-0.0019047, 0.0019519], [-0.0071682, 0.027863, 0.00082073, -6.5415e-05, 0.0044876, -0.0076815,
-0.0036294], [-9.1476e-05, 0.00082073, 3.0162e-05, -1.7672e-05, 0.00011115, -0.00040716, -0.00027844],
[0.00069249, -6.5415e-05, -1.7672e-05, 0.00038476, -0.00090853, 0.0009785, 0.00029834], [-0.015841,
0.0044876, 0.00011115, -0.00090853, 0.012101, -0.0011662, -0.0023434], [-0.0019047, -0.0076815,
-0.00040716, 0.0009785, -0.0011662, 0.20732, 0.027258], [0.0019519, -0.0036294, -0.00027844, 0.00029834,
-0.0023434, 0.027258, 0.42908]], "duty": {"charge_c_rate": 0.17271, "plugged_hours": 13.364, "source":
"telemetry", "target_soc": 0.8, "temperature_degc": 19.124, "trip_c_rate": 0.25061, "trip_efc": 0.22287},
"end_capacity_ah": 4.088, "end_of_life": {"by": "capacity", "capacity_days": 1464.9, "range_days":
1436.3}, "full": {"as_of_utc": "2026-01-14T12:00:00+00:00", "calibration_id": "9999999999999999",
"checkups": 8, "duty": {"charge_c_rate": 0.17271, "plugged_hours": 13.364, "target_soc": 0.8,
"temperature_degc": 19.124, "trip_efc": 0.22287}, "health": {"eps_n": 0.69396, "eps_p": 0.62666,
"lithium_ah": 6.8598, "sei_m": 3.1731e-07}, "nameplate": ["nmc811", 150.0, 58.0, 106, 3,
"2022-03-01T00:00:00+00:00", 10.0, 7000.0, 1000.0, 0.8, "sei_factor", "lam_factor", "capacity_scale",
"resistance_when_new", "sei_bend", "knee_fade", "knee_gain"], "observed": true}, "health": {"eps_n":
0.69232, "eps_p": 0.62573, "lithium_ah": 6.8576, "sei_m": 3.1747e-07}, "interval_parts": {"alpha":
{"duty": 0.055287, "form": 0.174, "law": 0.057331}, "beta": {"duty": 0.055287, "form": 0.174, "law":
0.0068739}, "l0": {"form": 0.001, "left_out": 0.15, "past": 0.099327}}, "lives": {"cycles_per_day": [0.0,
1.0, 1.0, 2.0, 2.0, 2.0], "dod": [0.0, 0.18055, 0.3611, 0.27083, 0.3611, 0.45138], "life_days": [1465.8,
1073.6, 859.81, 703.03, 608.7, 542.84]}, "mean": [0.44769, -0.33949, 0.9818, -2.7849, -0.085591, -1.8971,
1.3863], "names": ["sei_factor", "lam_factor", "capacity_scale", "resistance_when_new", "sei_bend",
"knee_fade", "knee_gain"], "observations": 19, "posterior_mean": [0.4169, -0.35167, 0.98185, -2.7882,
-0.058569, -1.9087, 1.4323], "prior": {"capacity_sd": 0.005, "discrepancy": 0.15, "mean": [0.0, 0.0, 1.0,
-2.8134, 0.0, -1.8971, 1.3863], "sd": [0.7, 0.7, 0.03, 0.7, 0.2, 0.45, 0.7], "siblings": 0}, "rate_model":
{"charge_c_rate": 0.17271, "held_out_error": 0.010201, "lam": [[-10.193, -10.645, -8.0669], [-1.5364,
0.039923, -1.3375], [0.29155, -1.0411, -0.87984], [-0.87027, -0.81924, 0.088759], [0.51408, 0.10359,
-1.1054]], "sei": [-22.092, -0.58176, 1.7266, -0.86806, -0.067087, -0.40258, 0.1419, 0.30932, 1.1466,
-2.4724]}, "scatter": {"freedom": 2.8905, "squares": 1.8662e-05}, "state": {"as_of_utc":
"2026-01-15T12:00:00+00:00", "covariance": [[2.3968e-05, 1.0484e-05, 1.2862e-05, 4.0156e-06, 5.2988e-08],
[1.0484e-05, 6.797e-06, 6.2121e-06, 2.0962e-06, 3.1053e-08], [1.2862e-05, 6.2121e-06, 7.7307e-06,
1.9763e-06, 1.6521e-08], [4.0156e-06, 2.0962e-06, 1.9763e-06, 2.2696e-05, 4.3337e-08], [5.2988e-08,
3.1053e-08, 1.6521e-08, 4.3337e-08, 3.1389e-09]], "mean": [-0.08002, -0.060864, 0.90105, 0.13871,
-0.00011544], "until_utc": "2026-01-15T10:55:00+00:00"}, "surprise": {"error": -0.0065144, "sd":
0.0085974, "step": 0.032759}}
"""
ROW = {
    "alpha_day_per_efc": 1.215, "alpha_high_day_per_efc": 1.6148, "alpha_low_day_per_efc": 0.81097,
    "battery_id": "b-nmc811", "beta_day_per_efc": 1.9434, "beta_high_day_per_efc": 2.5942,
    "beta_low_day_per_efc": 1.2882, "calibration_id": "bbbbbbbbbbbbbbbb", "cell_spread_v": None,
    "chemistry": "nmc811", "chi2_per_n": 0.070182, "current_bias_a": 0.017316, "dispute": None,
    "duty_efc_per_day": 0.2515, "duty_temperature_degc": 19.124, "identifiability": "sei_factor: yes (0.22)",
    "l0_days": 1465.8, "l0_high_days": 2152.7, "l0_low_days": 930.13, "law_max_residual": 0.10344,
    "law_r2": 0.88564, "model_hash": "0123456789ab", "quality": "calibrated", "rate_max_residual": 0.019838,
    "rate_r2": 0.99745, "reason": "state of today; ageing, life and α of 9999999999999999 (2026-01-14)",
    "residual_value_eur": 3053.1, "resistance_ohm": 0.10754, "resistance_sd_ohm": 0.0034429,
    "rest_price_eur_per_kwh_h": 0.00022989, "samples_excluded": 0, "samples_used": 240,
    "sensor_evidence": None, "sensor_fault": None, "soh": 0.88641, "usable_capacity_ah": 132.96,
    "usable_capacity_sd_ah": 0.48393, "usable_energy_kwh": 51.412, "window_efc_per_day": 0.90276,
    "parameters_json": PARAMETERS,
}  # fmt: skip
NEXT_DAY = pd.Timestamp("2026-01-16T12:00", tz="UTC")


def old(without: str = "", **changes: Any) -> Calibration:
    """The calibration of the old row, ``without`` an entry of its record or with others."""
    held = json.loads(PARAMETERS) | changes
    held.pop(without, None)
    return Calibration.from_record(ROW | {"parameters_json": json.dumps(held)})


def test_a_row_of_an_older_warehouse_is_read_whole() -> None:
    found = Calibration.from_record(ROW)
    stored, answer = found.record, json.loads(PARAMETERS)
    later = ("kept_from", "ensemble", "losses")
    assert all(getattr(stored, f.name) is not None for f in fields(stored) if f.name not in later)
    assert (stored.model_hash, found.model_hash) == ("0123456789ab", "0123456789ab")  # by its column
    assert stored.mean == tuple(answer["mean"])
    assert stored.health == Health(**answer["health"])
    assert stored.full is not None and stored.full.health == Health(**answer["full"]["health"])
    assert stored.full.nameplate[:5] == ("nmc811", 150.0, 58.0, 106, 3)
    assert stored.state is not None and stored.state.until_utc == pd.Timestamp("2026-01-15T10:55", tz="UTC")
    assert stored.duty is not None and (stored.duty.target_soc, stored.duty.source) == (0.8, "telemetry")
    written = stored.to_document()
    assert written["version"] == VERSION == 2
    del answer["full"]["duty"]  # the standard day is that of the last full calibration
    assert {name: written[name] for name in answer} == answer


def test_an_old_row_serves_as_it_did() -> None:
    found = Calibration.from_record(ROW)
    handle = BatteryHandle(battery=battery(), calibration=found, residuals=pd.DataFrame())
    assert handle.parameters["lam_factor"] == -0.33949
    assert handle.covariance.loc["sei_factor", "sei_bend"] == -0.015841
    assert handle.effective_ohm_ah == 0.13871
    forecast = handle.capacity_forecast(4)
    assert forecast["soh"].iloc[0] == pytest.approx(0.886, abs=0.002)
    assert forecast["soh"].iloc[-1] < 0.82
    band = life_band(battery(), found, handle.draws().to_numpy())
    assert ((band["days"] - 1465.8).abs() < 1).any()
    statistics = sibling_statistics(found.record)
    assert statistics is not None and statistics.surprise is not None and statistics.scatter is not None
    assert statistics.prior_sd.tolist() == [0.7, 0.7, 0.03, 0.7, 0.2, 0.45, 0.7]
    asked = request(truth(), previous=found, as_of_utc=NEXT_DAY, input_hash="e" * 64)
    after = daily_update(asked, carried(found, NEXT_DAY), Observation())
    assert after is not None
    assert 0 < found.l0_days - after.l0_days < 3
    assert after.record.full == found.record.full
    assert Calibration.from_record(after.to_record()).record == after.record


def test_a_record_is_the_same_when_it_is_read_again() -> None:
    found = calibrated()
    assert found.record.restorable and found.record.carries_on
    assert found.record.names is not None and len(found.record.names) == 7
    row = found.to_record()
    again = Calibration.from_record(row)
    assert again == found
    assert again.to_record() == row
    taught = replace(found, record=replace(found.record, model_hash="fedcba987654"))
    assert json.loads(taught.to_record()["parameters_json"])["model_hash"] == "fedcba987654"
    assert Calibration.from_record(taught.to_record() | {"model_hash": None}).model_hash == "fedcba987654"


@pytest.mark.parametrize("name", sorted(json.loads(PARAMETERS)))
def test_what_an_older_record_lacks_is_none_and_nothing_else(name: str) -> None:
    whole, found = old().record, old(without=name).record
    assert getattr(found, name) is None
    assert replace(found, **{name: getattr(whole, name)}) == whole
    assert TwinRecord.from_json(found.to_json()) == found


@pytest.mark.parametrize("name", ["full", "duty", "health", "rate_model", "state", "lives"])
def test_a_record_that_lacks_what_a_day_rests_on_is_fitted_anew(name: str) -> None:
    asked = request(truth(), previous=old(without=name), as_of_utc=NEXT_DAY, model_hash="0123456789ab")
    assert why_full(asked) == "no calibration to carry on"
    whole = replace(asked, previous=old())
    assert why_full(whole) != "no calibration to carry on"


def test_old_records_without_a_part_count_as_they_did() -> None:
    asked = request(truth(), previous=old(without="state"), model_hash="0123456789ab")
    assert jump(asked, 0.3, 0.001) is None
    assert jump(replace(asked, previous=old()), 0.3, 0.001) is not None
    elsewhere = battery(cells_parallel=2)
    assert believed(replace(asked, battery=elsewhere, previous=old(without="full"))).previous is not None
    assert believed(replace(asked, battery=elsewhere, previous=old())).previous is None
    assert sibling_statistics(old(without="scatter").record).scatter is None  # type: ignore[union-attr]
    assert sibling_statistics(old(names=["sei_factor", "lam_factor"]).record) is None
    assert not restorable(old(names=["sei_factor", "lam_factor"]))
    assert len(previous_on_fault(asked, old(without="lives"), Observation()).life_points) == 0
    assert len(previous_on_fault(asked, old(), Observation()).life_points) == 6
    handle = BatteryHandle(
        battery=battery(), calibration=old(without="interval_parts"), residuals=pd.DataFrame()
    )
    assert len(life_band(battery(), handle.calibration, handle.draws().to_numpy())) > 40


def test_a_part_that_is_not_whole_is_none() -> None:
    answer = json.loads(PARAMETERS)
    del answer["rate_model"]["charge_c_rate"], answer["full"]["observed"]
    stored = TwinRecord.from_json(json.dumps(answer))
    assert (stored.rate_model, stored.full) == (None, None)
    with pytest.raises(RecordError, match="rates of the standard day"):
        ageing_of(old(rate_model=answer["rate_model"]))


def test_the_empty_record_is_that_of_a_battery_known_by_its_columns() -> None:
    bare = Calibration.from_record(ROW | {"parameters_json": "{}", "model_hash": None})
    assert bare.record == TwinRecord()
    assert TwinRecord.from_json(TwinRecord().to_json()) == TwinRecord()
    assert not restorable(bare)
    assert sibling_statistics(bare.record) is None
    assert why_full(request(truth(), previous=bare)) == "no calibration to carry on"
    with pytest.raises(RecordError, match="holds no health"):
        health_of(bare)
    day = ProfileRequest(
        battery=battery(), calibration=bare, interval_hours=0.25, power_kw=np.zeros(96),
        plugged=np.ones(96, dtype=bool), drives=(), first_kwh=20.0,
    )  # fmt: skip
    with pytest.raises(RecordError):
        profile_life_chunk([day])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"version": 3}', "version 3, and 2 is the newest"),
        ('{"version": 3, "names": {"by": "key"}, "mean": "elsewhere"}', "version 3, and 2 is the newest"),
        ('{"version": "2"}', "version is '2'"),
        ('{"version": true}', "version is True"),
        ('{"version": 0}', "version is 0"),
        ("{", "no JSON"),
        ("[]", "a list, no object"),
        ("null", "a NoneType, no object"),
        ('{"mean": [0.1, "x"]}', "mean cannot be read: 'x' is no number"),
        ('{"covariance": [[1.0, 2.0], [3.0]]}', "covariance cannot be read: its rows"),
        ('{"health": [1.0]}', "health cannot be read"),
        ('{"state": "today"}', "state cannot be read: 'today' is no object"),
        ('{"observations": 1.5}', "observations cannot be read: 1.5 is no count"),
    ],
)
def test_a_record_that_cannot_be_read_is_named_with_its_calibration(text: str, said: str) -> None:
    with pytest.raises(RecordError, match="calibration bbbbbbbbbbbbbbbb: ") as raised:
        Calibration.from_record(ROW | {"parameters_json": text})
    assert said in str(raised.value)
