"""What a file or a wire holds of a SetChargingProfile: a frame of OCPP-J, its request, or a profile alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flows.dispatch.station import Version

ACTION = "SetChargingProfile"
_CALL = 2
_CALL_LENGTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A rule that a profile breaks: its number (or the field of the specification's type), where, and why."""

    rule: str
    path: str
    value: object
    problem: str

    def __str__(self) -> str:
        shown = "" if self.value is None else f" {str(self.value)[:60]!r}"
        return f"{self.rule}: {self.path}{shown} {self.problem}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request whose shape is that of the schema; evse: its EVSE or connector, None for a profile alone."""

    evse: int | None
    profile: Mapping[str, Any]
    path: str


def request_of(value: object, version: Version) -> Request | list[Breach]:
    """Return the request in a JSON value, or in what it does not have the shape of one.

    value: [2, id, "SetChargingProfile", request], a request, or a profile. Everything else is reported,
    whatever it is: nothing raises.
    """
    if isinstance(value, list):
        if len(value) != _CALL_LENGTH or value[0] != _CALL or value[2] != ACTION:
            return [_shape("frame", value[:3], f'is no call: [2, "id", "{ACTION}", {{…}}]')]
        value = value[3]
    if not isinstance(value, dict):
        return [_shape("message", value, "is no object")]
    evse_key, key = (
        ("connectorId", "csChargingProfiles") if version == "1.6" else ("evseId", "chargingProfile")
    )
    alone = "chargingProfilePurpose" in value and key not in value
    whole: dict[str, Any] = {evse_key: 1, key: value} if alone else value
    faults = [*_schema_faults(whole, version), *_not_finite(whole, "")]
    if faults:
        return faults
    profile = whole[key]
    schedules = [profile["chargingSchedule"]] if version == "1.6" else profile["chargingSchedule"]
    return Request(
        evse=None if alone else int(whole[evse_key]),
        profile={**profile, "chargingSchedule": schedules},
        path="" if alone else f"{key}.",
    )


def _shape(path: str, value: object, problem: str) -> Breach:
    return Breach(rule="schema", path=path, value=value, problem=problem)


def _schema_faults(value: Mapping[str, Any], version: Version) -> Iterator[Breach]:
    """Find where a request is not of the schema that the `ocpp` package has of its version."""
    from ocpp.messages import get_validator

    validator = get_validator(_CALL, ACTION, version, Decimal if version == "1.6" else float)
    exact = _decimals(value) if version == "1.6" else value
    for error in validator.iter_errors(exact):
        path = ".".join(str(step) for step in error.absolute_path) or "message"
        yield _shape(path, None, error.message[:200])


def _decimals(value: Any) -> Any:
    """Return a value with its numbers as 1.6 wants to see them: multiples of 0.1 in decimal digits."""
    if isinstance(value, dict):
        return {key: _decimals(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_decimals(inner) for inner in value]
    return Decimal(str(value)) if isinstance(value, float) and math.isfinite(value) else value


def _not_finite(value: object, path: str) -> Iterator[Breach]:
    if isinstance(value, float) and not math.isfinite(value):
        yield _shape(path, value, "is no number of JSON")
    elif isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in inner:
            yield from _not_finite(one, f"{path}.{key}".lstrip("."))
