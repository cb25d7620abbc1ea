"""Rules of the periods of a schedule: their order, phases, and what each operation mode of V2X may say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from flows.dispatch.message import Breach
from flows.dispatch.station import Station

LIMIT, DISCHARGE, SETPOINT, REACTIVE = "limit", "dischargeLimit", "setpoint", "setpointReactive"
_VALUES = (LIMIT, DISCHARGE, SETPOINT, REACTIVE)
MODE_VALUES: Mapping[str, tuple[frozenset[str], frozenset[str], str]] = {
    "ChargingOnly": (frozenset({LIMIT}), frozenset(), "Q02"),
    "CentralSetpoint": (frozenset({SETPOINT}), frozenset({LIMIT, DISCHARGE, REACTIVE}), "Q03"),
    "ExternalSetpoint": (frozenset(), frozenset({LIMIT, DISCHARGE}), "Q05"),
    "ExternalLimits": (frozenset(), frozenset(), "Q06"),
    "CentralFrequency": (frozenset({SETPOINT}), frozenset({LIMIT, DISCHARGE}), "Q07"),
    "LocalFrequency": (frozenset(), frozenset(), "Q08.FR.04"),
    "LocalLoadBalancing": (frozenset(), frozenset(), "Q09"),
    "Idle": (frozenset(), frozenset(), "Q10.FR.01"),
}
"""Operation mode → what it needs, what it may have next to that, and the use case or rule that says so."""
_ANY = frozenset(MODE_VALUES)
PURPOSE_MODES: Mapping[str, frozenset[str]] = {
    "TxProfile": _ANY,
    "TxDefaultProfile": _ANY,
    "PriorityCharging": frozenset({"ChargingOnly"}),
    "ChargingStationMaxProfile": frozenset({"ChargingOnly"}),
    "ChargingStationExternalConstraints": frozenset({"ChargingOnly", "ExternalLimits", "ExternalSetpoint"}),
    "LocalGeneration": frozenset({"ChargingOnly", "ExternalLimits"}),
}
"""Purpose of a profile → the operation modes that its periods may have (OCPP 2.1, part 2, table 95)."""
_LEAST_POINTS = 2


def check_periods(purpose: str, schedule: Mapping[str, Any], path: str, station: Station) -> Iterator[Breach]:
    """Find what breaks a rule in the periods of a schedule; path: where the schedule stands."""
    periods: Sequence[Mapping[str, Any]] = schedule["chargingSchedulePeriod"]
    path = f"{path}.chargingSchedulePeriod"
    yield from _order(periods, path)
    if station.most_periods is not None and len(periods) > station.most_periods:
        yield Breach(
            rule="PeriodsPerSchedule", path=path, value=len(periods),
            problem=f"periods are more than the {station.most_periods} that the station takes",
        )  # fmt: skip
    for number, period in enumerate(periods):
        place = f"{path}.{number}"
        yield from _phases(period, place, station)
        if station.version == "2.1":
            yield from _mode(purpose, period, schedule["chargingRateUnit"], place, station)
        elif period["limit"] < 0:
            yield _of_type(place, LIMIT, period["limit"], "is below 0")


def _order(periods: Sequence[Mapping[str, Any]], path: str) -> Iterator[Breach]:
    starts = [period["startPeriod"] for period in periods]
    if starts[0] != 0:
        yield Breach(rule="K01.FR.31", path=f"{path}.0.startPeriod", value=starts[0], problem="is not 0")
    for number, (before, start) in enumerate(pairwise(starts), start=1):
        if start <= before:
            yield Breach(
                rule="K01.FR.35", path=f"{path}.{number}.startPeriod", value=start,
                problem=f"does not come after {before}",
            )  # fmt: skip


def _phases(period: Mapping[str, Any], place: str, station: Station) -> Iterator[Breach]:
    count, to_use = period.get("numberPhases"), period.get("phaseToUse")
    if to_use is not None and count != 1:
        yield _breach("K01.FR.19", place, "phaseToUse", to_use, "stands next to numberPhases other than 1")
    if to_use is not None and station.phase_switching is False:
        yield _breach("K01.FR.20", place, "phaseToUse", to_use, "is set, and the station switches no phases")
    if station.direct_current and not station.dc_input_phase_control:
        for name in ("numberPhases", "phaseToUse"):
            if period.get(name) is not None:
                yield _breach("K01.FR.44", place, name, period[name], "is set for a DC EVSE")
    if not station.direct_current and station.phases is not None and (count or 0) > station.phases:
        yield _breach(
            "K01.FR.45", place, "numberPhases", count, f"is more than the {station.phases} of the supply"
        )


def _mode(
    purpose: str, period: Mapping[str, Any], unit: str, place: str, station: Station
) -> Iterator[Breach]:
    mode = period.get("operationMode", "ChargingOnly")
    if mode not in PURPOSE_MODES[purpose]:
        rule = "K01.FR.71" if purpose == "PriorityCharging" else "table 95"
        yield _breach(rule, place, "operationMode", mode, f"is none of a {purpose}")
    elif station.modes is not None and mode not in station.modes and mode != "ChargingOnly":
        yield _breach("SupportedOperationModes", place, "operationMode", mode, "is none of the station's")
    needed, allowed, rule = MODE_VALUES[mode]
    given = {
        name for name in _VALUES if any(period.get(name + phase) is not None for phase in ("", "_L2", "_L3"))
    }
    for name in sorted(needed):
        if period.get(name) is None:
            yield _breach(rule, place, name, None, f"is missing, {mode} needs it")
    for name in sorted(given - needed - allowed):
        yield _breach(rule, place, name, period.get(name), f"is set, {mode} takes none")
    yield from _signs(period, place, needed | allowed)
    yield from _frequency(mode, period, unit, place)
    if period.get("evseSleep"):
        if station.evse_sleep is False:
            yield _breach("K01.FR.126", place, "evseSleep", True, "is not supported by the station")
        if mode != "Idle":
            yield _breach("Q10", place, "evseSleep", True, f"is for Idle, not for {mode}")


def _signs(period: Mapping[str, Any], place: str, allowed: frozenset[str]) -> Iterator[Breach]:
    """Limits on their side of 0, setpoints within them, and phases that all go one way."""
    for phase in ("", "_L2", "_L3"):
        limit, discharge, setpoint = (period.get(name + phase) for name in (LIMIT, DISCHARGE, SETPOINT))
        if limit is not None and limit < 0:
            yield _of_type(place, LIMIT + phase, limit, "is below 0: what is fed back has dischargeLimit")
        if setpoint is not None and limit is not None and setpoint > limit >= 0:
            yield _of_type(place, SETPOINT + phase, setpoint, f"is above the limit of {limit:g}")
        if setpoint is not None and discharge is not None and setpoint < discharge:
            yield _of_type(place, SETPOINT + phase, setpoint, f"is below the dischargeLimit of {discharge:g}")
        if phase:
            for name in sorted(allowed):
                if period.get(name + phase) is not None and period.get(name) is None:
                    yield _of_type(place, name + phase, period[name + phase], f"stands without {name}")
                if period.get(name + phase) is not None and period.get("numberPhases") == 1:
                    yield _of_type(place, name + phase, period[name + phase], "is set for one phase")
    setpoints = [period[SETPOINT + phase] for phase in ("", "_L2", "_L3") if period.get(SETPOINT + phase)]
    if min(setpoints, default=0) < 0 < max(setpoints, default=0):
        yield _of_type(place, SETPOINT, setpoints, "charges one phase and discharges another")


def _frequency(mode: str, period: Mapping[str, Any], unit: str, place: str) -> Iterator[Breach]:
    if mode != "LocalFrequency":
        return
    if unit == "A":
        yield _breach("Q08.FR.05", place, "operationMode", mode, "needs the chargingRateUnit W")
    if period.get("v2xBaseline") is None:
        yield _breach("Q08.FR.02", place, "v2xBaseline", None, "is missing, LocalFrequency needs it")
    curve = period.get("v2xFreqWattCurve") or []
    if len(curve) < _LEAST_POINTS:
        yield _breach("Q08.FR.02", place, "v2xFreqWattCurve", len(curve), "has fewer than two points")
    hertz = [point["frequency"] for point in curve]
    if any(later <= earlier for earlier, later in pairwise(hertz)):
        yield _of_type(place, "v2xFreqWattCurve", hertz, "does not rise in frequency")


def _breach(rule: str, place: str, name: str, value: object, problem: str) -> Breach:
    return Breach(rule=rule, path=f"{place}.{name}", value=value, problem=problem)


def _of_type(place: str, name: str, value: object, problem: str) -> Breach:
    """What the specification says of a field of ChargingSchedulePeriodType, without a number of its own."""
    return _breach(f"ChargingSchedulePeriodType.{name}", place, name, value, problem)
