"""The battery passport: sums by hand, the public model's names and types, nothing guessed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import jsonschema
import pandas as pd
import pytest

from tests.twin.batteries import battery, calibrated
from twin.faults import FaultKind
from twin.passport import _DISTURBED, CONDITION, TECHNICAL, Counted, counted, passport

AS_OF = pd.Timestamp("2026-06-15T12:00Z")
BEGIN = pd.Timestamp("2026-06-01T00:00Z")
NUMBER = {"type": "number"}


def entity(*names: str, of: dict[str, Any] = NUMBER, **more: dict[str, Any]) -> dict[str, Any]:
    """An object of the model: these values, and when they were updated."""
    stamp = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
    properties = dict.fromkeys(names, of) | {"lastUpdate": stamp} | more
    held = {"type": "object", "properties": properties, "required": list(properties)}
    return held | {"additionalProperties": False}


EXTREMES = [f"timeExtreme{which}Temp{when}" for when in ("", "Charging") for which in ("High", "Low")]
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["batteryTechicalProperties", "batteryCondition"],
    "properties": {
        "batteryTechicalProperties": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"ratedCapacity": NUMBER, "ratedEnergy": NUMBER},
        },
        "batteryCondition": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "energyThroughput": NUMBER,
                "capacityThroughput": entity("capacityThroughputValue"),
                "numberOfFullCycles": entity("numberOfFullCyclesValue", of={"type": "integer"}),
                "stateOfCertifiedEnergy": entity("stateOfCertifiedEnergyValue"),
                "capacityFade": entity("capacityFadeValue"),
                "remainingEnergy": entity("remainingEnergyalue"),
                "remainingCapacity": entity("remainingCapacityValue"),
                "negativeEvents": {"type": "array", "items": entity("negativeEvent", of={"type": "string"})},
                "temperatureInformation": entity(*EXTREMES),
                "internalResistanceIncrease": {
                    "type": "array",
                    "items": entity("internalResistanceIncreaseValue", batteryComponent={"const": "pack"}),
                },
                "stateOfCharge": entity("stateOfChargeValue"),
            },
        },
    },
}
"""Of the public model 1.2.0 what this document may hold: names, kinds, and what each entity has to have."""


def samples() -> pd.DataFrame:
    """An hour of 10 A in at 400 V, half of it hot, one of 20 A out in the cold; then a gap, and rest."""
    minutes = [*range(0, 120, 10), 120, 600, 610]
    current = [10.0] * 6 + [-20.0] * 6 + [0.0] * 3
    degc = [50.0, 52.0, 48.0, 20.0, 20.0, 20.0] + [-5.0] * 6 + [20.0] * 3
    return pd.DataFrame(
        {
            "time_utc": [BEGIN + pd.Timedelta(minutes=at) for at in minutes],
            "voltage_v": 400.0,
            "current_a": current,
            "temperature_degc": degc,
            "soc_reported": [0.5] * 14 + [0.42],
        }
    )


def checkups(*ohm: float) -> pd.DataFrame:
    times = [BEGIN - pd.Timedelta(days=100 - number) for number in range(len(ohm))]
    return pd.DataFrame({"time_utc": pd.to_datetime(times, utc=True), "resistance_ohm": list(ohm)})


def made(stated: Counted | None = None, *ohm: float, consumption: float | None = None) -> dict[str, Any]:
    return passport(
        battery(),
        calibrated(),
        AS_OF,
        samples=stated,
        checkups=checkups(*ohm),
        v2g_kwh=34.0,
        v2g_days=5,
        consumption_kwh_per_km=consumption,
    )


def test_samples_are_added_up_and_gaps_are_not() -> None:
    stated = counted(samples().sample(frac=1.0, random_state=1))
    assert stated is not None
    assert stated.charge_ah == pytest.approx(30.0) and stated.out_ah == pytest.approx(20.0)
    assert stated.energy_kwh == pytest.approx(12.0)
    assert stated.hours == pytest.approx(2.0 + 10.0 / 60.0)
    assert dict(stated.minutes) == pytest.approx(
        {
            "timeExtremeHighTemp": 30.0, "timeExtremeLowTemp": 60.0,
            "timeExtremeHighTempCharging": 30.0, "timeExtremeLowTempCharging": 0.0,
        }
    )  # fmt: skip
    assert stated.hot == ((BEGIN, 52.0),)
    assert stated.last_soc == 0.42
    assert counted(samples().iloc[:1]) is None


def test_the_document_is_of_the_public_model() -> None:
    document = made(counted(samples()), 0.1, 0.12)
    jsonschema.validate(document["PerformanceAndDurability"], SCHEMA)
    condition = document["PerformanceAndDurability"]["batteryCondition"]
    found, rated = calibrated(), battery()
    fade = 100.0 * (1.0 - found.usable_capacity_ah / rated.nominal_capacity_ah)
    assert condition["capacityFade"]["capacityFadeValue"] == pytest.approx(fade)
    assert condition["remainingEnergy"]["remainingEnergyalue"] == found.usable_energy_kwh
    assert condition["internalResistanceIncrease"][0]["internalResistanceIncreaseValue"] == pytest.approx(
        20.0
    )
    cycles = document["provenance"]["batteryCondition.numberOfFullCycles"]["exact"]
    assert cycles == pytest.approx(20.0 / rated.nominal_capacity_ah)
    assert condition["negativeEvents"] == [
        {"negativeEvent": "above 45 °C, up to 52.0 °C", "lastUpdate": "2026-06-01T00:00:00Z"}
    ]


def test_every_figure_has_its_provenance_and_what_is_missing_is_named() -> None:
    for document in (made(), made(counted(samples()), 0.1, 0.12)):
        held = {
            f"{part}.{name}" for part, own in document["PerformanceAndDurability"].items() for name in own
        }
        assert set(document["provenance"]) == held
        assert all(beside["source"] for beside in document["provenance"].values())
        wanted = {f"batteryTechicalProperties.{name}" for name in TECHNICAL}
        wanted |= {f"batteryCondition.{name}" for name in CONDITION}
        assert held | set(document["missing"]) == wanted and not held & set(document["missing"])
    beside = made()["provenance"]["batteryCondition.capacityFade"]
    assert beside["low"] < beside["high"] and beside["interval"] == 0.9
    assert "quality" in beside["source"]
    missing = made(None, 0.1)["missing"]
    assert missing["batteryCondition.energyThroughput"] == "no telemetry of voltage and current"
    assert "two check-ups" in missing["batteryCondition.internalResistanceIncrease"]


@pytest.mark.parametrize(
    ("fault", "gone"),
    [
        ("current_bias", {"energyThroughput", "capacityThroughput", "numberOfFullCycles",
                          "temperatureInformation"}),
        ("temperature_offset", {"temperatureInformation"}), ("stuck_voltage", {"energyThroughput"}),
        ("swapped_battery", {"energyThroughput", "capacityThroughput", "numberOfFullCycles",
                             "temperatureInformation", "stateOfCharge"}),
        ("quantised_voltage", set()), ("shifted_clock", set()),
    ],
)  # fmt: skip
def test_what_a_faulty_sensor_reported_is_not_added_up(fault: str, gone: set[str]) -> None:
    def conditions(sensor_fault: str | None) -> tuple[dict[str, Any], dict[str, str]]:
        document = passport(
            battery(), replace(calibrated(), sensor_fault=sensor_fault), AS_OF, samples=counted(samples()),
            checkups=checkups(), v2g_kwh=0.0, v2g_days=0, consumption_kwh_per_km=None,
        )  # fmt: skip
        jsonschema.validate(document["PerformanceAndDurability"], SCHEMA)
        return document["PerformanceAndDurability"]["batteryCondition"], document["missing"]

    (right, _), (wrong, missing) = conditions(None), conditions(fault)
    assert set(right) - set(wrong) == gone
    for name in gone:
        assert missing[f"batteryCondition.{name}"] == f"telemetry has a sensor fault: {fault}"
    hot = [one for one in wrong["negativeEvents"] if "°C" in one["negativeEvent"]]
    assert bool(hot) == ("temperatureInformation" not in gone)


def test_every_sensor_fault_is_judged() -> None:
    assert set(_DISTURBED) | {"quantised_voltage", "shifted_clock"} == set(get_args(FaultKind))


def test_telemetry_too_sparse_to_add_up_says_so_and_charge_has_its_own_time() -> None:
    sparse = samples().iloc[::3].assign(soc_reported=[0.5, 0.6, None, None, None])
    sparse["time_utc"] = [BEGIN + pd.Timedelta(minutes=20 * number) for number in range(5)]
    document = made(counted(sparse))
    condition = document["PerformanceAndDurability"]["batteryCondition"]
    assert condition["stateOfCharge"] == {"stateOfChargeValue": 60.0, "lastUpdate": "2026-06-01T00:20:00Z"}
    assert "energyThroughput" not in condition
    assert "no two samples" in document["missing"]["batteryCondition.energyThroughput"]


def test_a_faulty_sensor_is_an_event_and_kilometres_need_to_be_reported() -> None:
    faulty = replace(calibrated(), sensor_fault="current_gain")
    document = passport(
        battery(), faulty, AS_OF, samples=None, checkups=checkups(), v2g_kwh=0.0, v2g_days=0,
        consumption_kwh_per_km=None,
    )  # fmt: skip
    (event,) = document["PerformanceAndDurability"]["batteryCondition"]["negativeEvents"]
    assert event["negativeEvent"] == "sensor fault: current_gain"
    assert made()["v2g"]["virtual_km"] is None
    assert made(consumption=0.17)["v2g"]["virtual_km"] == pytest.approx(200.0)
