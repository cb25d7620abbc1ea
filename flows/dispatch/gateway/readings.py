"""What a station's meter values say: charge, power and registers at a moment, whatever version it speaks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_SOC, _IN, _OUT = "SoC", "Power.Active.Import", "Power.Active.Export"
_DRAWN, _FED = "Energy.Active.Import.Register", "Energy.Active.Export.Register"
_SCALE: Mapping[str, Mapping[str | None, float]] = {
    _SOC: {None: 0.01, "Percent": 0.01},
    _IN: {None: 1e-3, "W": 1e-3, "kW": 1.0},
    _OUT: {None: 1e-3, "W": 1e-3, "kW": 1.0},
    _DRAWN: {None: 1e-3, "Wh": 1e-3, "kWh": 1.0},
    _FED: {None: 1e-3, "Wh": 1e-3, "kWh": 1.0},
}
_PHASES = ("L1", "L2", "L3", "L1-N", "L2-N", "L3-N")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was metered at a moment (s since 1970): charge 0–1, power + = import, registers; None: untold."""

    at: float
    soc: float | None = None
    power_kw: float | None = None
    drawn_kwh: float | None = None
    fed_kwh: float | None = None


def seconds(text: object) -> float | None:
    """A time of OCPP (ISO 8601, UTC without an offset) in s since 1970; None for what is none."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
        if found is None:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def readings_of(groups: Iterable[Mapping[str, Any]]) -> list[Reading]:
    """Return a reading a moment, in order of time; values that cannot be read are left out."""
    found: dict[float, dict[str, float]] = {}
    for group in groups:
        at = seconds(group.get("timestamp"))
        if at is None:
            continue
        totals, phases = found.setdefault(at, {}), dict[str, float]()
        for sample in group.get("sampledValue", ()):
            measurand = sample.get("measurand", _DRAWN)
            value = _value(measurand, sample)
            if value is None:
                continue
            if sample.get("phase") is None:
                totals[measurand] = value
            elif sample["phase"] in _PHASES and measurand != _SOC:
                phases[measurand] = phases.get(measurand, 0.0) + value
        for measurand, value in phases.items():
            totals.setdefault(measurand, value)
    return [_reading(at, stated) for at, stated in sorted(found.items()) if stated]


def _reading(at: float, stated: Mapping[str, float]) -> Reading:
    power = stated.get(_IN, 0.0) - stated.get(_OUT, 0.0) if _IN in stated or _OUT in stated else None
    soc = stated.get(_SOC)
    # Stations send a charge of 0 until the car has reported one, and after it has left.
    return Reading(
        at=at, soc=soc if soc and soc <= 1.0 else None, power_kw=power, drawn_kwh=stated.get(_DRAWN),
        fed_kwh=stated.get(_FED),
    )  # fmt: skip


def _value(measurand: str, sample: Mapping[str, Any]) -> float | None:
    if measurand not in _SCALE or sample.get("format") == "SignedData":
        return None
    unit = sample.get("unitOfMeasure") or {}
    scale = _SCALE[measurand].get(unit.get("unit") or sample.get("unit"))
    try:
        value = float(sample["value"]) * 10.0 ** int(unit.get("multiplier") or 0)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return value * scale if scale is not None and math.isfinite(value) and value >= 0 else None
