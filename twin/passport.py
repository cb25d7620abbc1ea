"""A battery's condition in the words of the battery passport: BatteryPass data model 1.2, performance.

Names and units are those of the public model (urn:samm:io.BatteryPass.Performance:1.2.0, its spelling kept:
`batteryTechicalProperties`, `remainingEnergyalue`); DIN DKE SPEC 99100 says what each means. The model has no
place for how sure a figure is, what it rests on and over which time: that stands next to, under the same
path. What nothing tells is not guessed: its name stands under `missing`, with the reason where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from twin.types import BatterySpec, Calibration

MODEL = "urn:samm:io.BatteryPass.Performance:1.2.0#PerformanceAndDurability"
TECHNICAL = (
    "originalPowerCapability", "ratedMaximumPower", "powerCapabilityRatio", "ratedEnergy",
    "expectedNumberOfCycles", "initialSelfDischarge", "roundtripEfficiency", "ratedCapacity",
    "initialInternalResistance", "expectedLifetime", "nominalVoltage", "minimumVoltage", "maximumVoltage",
    "capacityThresholdForExhaustion", "lifetimeReferenceTest", "cRateLifeCycleTest",
    "temperatureRangeIdleState",
)  # fmt: skip
CONDITION = (
    "energyThroughput", "capacityThroughput", "numberOfFullCycles", "stateOfCertifiedEnergy", "capacityFade",
    "remainingEnergy", "remainingCapacity", "negativeEvents", "temperatureInformation",
    "remainingPowerCapability", "powerFade", "roundTripEfficiencyFade", "evolutionOfSelfDischarge",
    "currentSelfDischargingRate", "internalResistanceIncrease", "roundTripEfficiencyat50PerCentCycleLife",
    "remainingRoundTripEnergyEfficiency", "stateOfCharge",
)  # fmt: skip
"""What the model asks for."""
HIGH_DEGC, LOW_DEGC = 45.0, 0.0
"""Beyond these temperatures time is counted as extreme; the maker's own bounds are not known."""
_LONGEST_H = 0.25
"""A sample says what was up to the next one, or for so long."""
_IN_90 = 1.6449
_CHARGES_A = 0.1
_THROUGHPUT = ("energyThroughput", "capacityThroughput", "numberOfFullCycles")
_COUNTED = (*_THROUGHPUT, "temperatureInformation")
_DISTURBED = {
    "flipped_current": _COUNTED, "current_bias": _COUNTED, "current_gain": _THROUGHPUT,
    "stuck_voltage": ("energyThroughput",), "wrong_cell_count": ("energyThroughput",),
    "temperature_offset": ("temperatureInformation",), "swapped_battery": (*_COUNTED, "stateOfCharge"),
}  # fmt: skip
"""What a sum of samples cannot tell where the twin found a sensor fault."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """What samples of telemetry add up to: kWh and Ah both ways, Ah out, minutes by temperature.

    from_utc, to_utc: the first and last sample; hours: those that samples tell of. hot: stretches above
    HIGH_DEGC, as begin and highest °C. last_soc: the last that the car reported, at soc_utc.
    """

    energy_kwh: float
    charge_ah: float
    out_ah: float
    minutes: Mapping[str, float]
    from_utc: pd.Timestamp
    to_utc: pd.Timestamp
    hours: float
    last_soc: float | None
    soc_utc: pd.Timestamp | None
    hot: tuple[tuple[pd.Timestamp, float], ...]


def counted(telemetry: pd.DataFrame) -> Counted | None:
    """Of samples time_utc, voltage_v, current_a (+ = charge), temperature_degc, soc_reported; None of few."""
    if len(telemetry) < 2:
        return None
    rows = telemetry.sort_values("time_utc", ignore_index=True)
    times = rows["time_utc"]
    hours = (times.shift(-1) - times).dt.total_seconds().fillna(0.0).to_numpy() / 3600.0
    hours = np.where(hours <= _LONGEST_H, hours, 0.0)
    current, voltage, degc = (
        rows[name].to_numpy(dtype=np.float64) for name in ("current_a", "voltage_v", "temperature_degc")
    )
    hot, cold, charging = degc > HIGH_DEGC, degc < LOW_DEGC, current > _CHARGES_A
    minutes = {
        "timeExtremeHighTemp": hot, "timeExtremeLowTemp": cold,
        "timeExtremeHighTempCharging": hot & charging, "timeExtremeLowTempCharging": cold & charging,
    }  # fmt: skip
    begins = np.flatnonzero(hot & ~np.concatenate([[False], hot[:-1]]))
    ends = np.flatnonzero(hot & ~np.concatenate([hot[1:], [False]]))
    stated = rows["soc_reported"].dropna() if "soc_reported" in rows else pd.Series(dtype=float)
    told = len(stated) > 0
    return Counted(
        energy_kwh=float((np.abs(current * voltage) * hours).sum()) / 1000.0,
        charge_ah=float((np.abs(current) * hours).sum()),
        out_ah=float((np.clip(-current, 0.0, None) * hours).sum()),
        minutes={name: 60.0 * float(hours[which].sum()) for name, which in minutes.items()},
        from_utc=times.iloc[0],
        to_utc=times.iloc[-1],
        hours=float(hours.sum()),
        last_soc=float(stated.iloc[-1]) if told else None,
        soc_utc=times[stated.index[-1]] if told else None,
        hot=tuple((times.iloc[a], float(degc[a : b + 1].max())) for a, b in zip(begins, ends, strict=True)),
    )


@dataclass(slots=True, kw_only=True)
class _Document:
    """The model's own, what stands next to it by path, and why something is missing."""

    technical: dict[str, Any] = field(default_factory=dict)
    condition: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, dict[str, Any]] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)

    def rated(self, name: str, value: float) -> None:
        self.technical[name] = value
        self.beside[f"batteryTechicalProperties.{name}"] = {"source": "fleet record, as declared"}

    def tells(self, name: str, value: Any, **beside: Any) -> None:
        self.condition[name] = value
        self.beside[f"batteryCondition.{name}"] = beside


def passport(
    battery: BatterySpec,
    calibration: Calibration,
    as_of_utc: pd.Timestamp,
    *,
    samples: Counted | None,
    checkups: pd.DataFrame,
    v2g_kwh: float,
    v2g_days: int,
    consumption_kwh_per_km: float | None,
) -> dict[str, Any]:
    """The document: the model's, what stands next to each figure of it, what is missing, kilometres by V2G.

    as_of_utc: of the calibration. samples: of `counted`; checkups: time_utc, resistance_ohm (may be NaN);
    v2g_kwh: discharged as followed on v2g_days accounted for. consumption_kwh_per_km: of driving, None where
    nobody announced: then V2G is reported in kWh alone.
    """
    made = _Document()
    made.rated("ratedCapacity", battery.nominal_capacity_ah)
    made.rated("ratedEnergy", battery.nominal_energy_kwh)
    _state(made, battery, calibration, as_of_utc)
    _throughput(made, battery, samples, calibration.sensor_fault)
    _resistance(made, checkups)
    missing = {
        path: made.why.get(path.split(".")[1], "nothing tells it")
        for path in (
            *(f"batteryTechicalProperties.{name}" for name in TECHNICAL if name not in made.technical),
            *(f"batteryCondition.{name}" for name in CONDITION if name not in made.condition),
        )
    }
    by_km = None if consumption_kwh_per_km is None else v2g_kwh / consumption_kwh_per_km
    return {
        "model": MODEL,
        "battery_id": battery.battery_id,
        "PerformanceAndDurability": {
            "batteryTechicalProperties": made.technical,
            "batteryCondition": made.condition,
        },
        "provenance": made.beside,
        "missing": missing,
        "v2g": {
            "discharged_kwh": v2g_kwh,
            "days": v2g_days,
            "virtual_km": by_km,
            "consumption_kwh_per_km": consumption_kwh_per_km,
            "source": "accounts of followed plans (`v2g realise`), battery side",
        },
    }


def _state(made: _Document, battery: BatterySpec, found: Calibration, as_of_utc: pd.Timestamp) -> None:
    """Capacity and energy today, with 90 % intervals."""
    half = _IN_90 * found.usable_capacity_sd_ah / battery.nominal_capacity_ah
    soh = found.usable_capacity_ah / battery.nominal_capacity_ah
    energy = found.usable_energy_kwh
    share = energy / battery.nominal_energy_kwh
    wide = half / soh if soh else 0.0
    at = {"lastUpdate": _stamp(as_of_utc)}
    beside = {
        "time_utc": _stamp(as_of_utc),
        "interval": 0.9,
        "source": f"twin, calibration {found.calibration_id}, quality {found.quality}",
    }

    def report(name: str, key: str, value: float, low: float, high: float, **more: Any) -> None:
        made.tells(name, {key: value, **at}, low=low, high=high, **beside, **more)

    report(
        "capacityFade", "capacityFadeValue", 100 * (1 - soh), 100 * (1 - soh - half), 100 * (1 - soh + half)
    )
    report(
        "stateOfCertifiedEnergy", "stateOfCertifiedEnergyValue",
        100 * share, 100 * share * (1 - wide), 100 * share * (1 + wide),
    )  # fmt: skip
    span = (energy * (1 - wide), energy * (1 + wide))
    report("remainingEnergy", "remainingEnergyalue", energy, *span)
    report(
        "remainingCapacity", "remainingCapacityValue", energy, *span,
        note=f"the model has it in kWh; {found.usable_capacity_ah:.6g} Ah",
    )  # fmt: skip
    events = []
    if found.sensor_fault:
        events.append({"negativeEvent": f"sensor fault: {found.sensor_fault}", **at})
    made.tells("negativeEvents", events, **{key: beside[key] for key in ("time_utc", "source")})


def _throughput(made: _Document, battery: BatterySpec, samples: Counted | None, fault: str | None) -> None:
    """What samples add up to; what was before them is not in it, nor what a faulty sensor reported."""
    if samples is None:
        made.why.update(dict.fromkeys((*_COUNTED, "stateOfCharge"), "no telemetry of voltage and current"))
        return
    why = dict.fromkeys(_DISTURBED.get(fault or "", ()), f"telemetry has a sensor fault: {fault}")
    if not samples.hours:
        why |= dict.fromkeys(_COUNTED, "no two samples of telemetry are within a quarter-hour")
    made.why.update(why)
    at = {"lastUpdate": _stamp(samples.to_utc)}
    beside = {
        "from_utc": _stamp(samples.from_utc),
        "to_utc": _stamp(samples.to_utc),
        "hours": samples.hours,
        "source": "telemetry: what was before, and gaps of more than a quarter-hour, are not in it",
    }
    cycles = samples.out_ah / battery.nominal_capacity_ah
    found: dict[str, tuple[Any, dict[str, Any]]] = {
        "energyThroughput": (samples.energy_kwh, {}),
        "capacityThroughput": ({"capacityThroughputValue": samples.charge_ah, **at}, {}),
        "numberOfFullCycles": ({"numberOfFullCyclesValue": int(cycles), **at}, {"exact": cycles}),
        "temperatureInformation": (
            {**samples.minutes, **at}, {"above_degc": HIGH_DEGC, "below_degc": LOW_DEGC}
        ),
    }  # fmt: skip
    for name, (value, more) in found.items():
        if name not in why:
            made.tells(name, value, **beside, **more)
    if "temperatureInformation" not in why:
        made.condition["negativeEvents"] += [
            {"negativeEvent": f"above {HIGH_DEGC:g} °C, up to {degc:.1f} °C", "lastUpdate": _stamp(begin)}
            for begin, degc in samples.hot
        ]
    if samples.last_soc is None or samples.soc_utc is None:
        made.why["stateOfCharge"] = "telemetry has no charge as the car says"
    elif "stateOfCharge" not in why:
        value = {"stateOfChargeValue": 100 * samples.last_soc, "lastUpdate": _stamp(samples.soc_utc)}
        made.tells("stateOfCharge", value, source="the car")


def _resistance(made: _Document, checkups: pd.DataFrame) -> None:
    """Of the last check-up over the first that measured it."""
    rows = checkups.dropna(subset=["resistance_ohm"]).sort_values("time_utc")
    rows = rows[rows["resistance_ohm"] > 0.0]
    if len(rows) < 2:
        made.why["internalResistanceIncrease"] = "two check-ups with resistance are needed"
        return
    first, last = rows.iloc[0], rows.iloc[-1]
    more = 100.0 * (last["resistance_ohm"] / first["resistance_ohm"] - 1.0)
    value = {"internalResistanceIncreaseValue": float(more), "batteryComponent": "pack"}
    made.tells(
        "internalResistanceIncrease",
        [value | {"lastUpdate": _stamp(last["time_utc"])}],
        from_utc=_stamp(first["time_utc"]),
        to_utc=_stamp(last["time_utc"]),
        source="check-ups; the first stands in for the new battery",
    )


def _stamp(moment: pd.Timestamp) -> str:
    return f"{moment.tz_convert('UTC'):%Y-%m-%dT%H:%M:%SZ}"
