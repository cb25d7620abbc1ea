"""Rules of charging profiles that the JSON schema does not know: OCPP 1.6, 2.0.1 and 2.1.

Numbers are those of the functional requirements (K01.FR.…, Q…); where the specification says something of a
field without a number, the rule is the type and the field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from flows.dispatch.message import Breach, Request, request_of
from flows.dispatch.period_rules import check_periods
from flows.dispatch.station import Station

_STATION_WIDE = {"ChargingStationMaxProfile", "ChargePointMaxProfile"}
_CYCLE_S = {"Daily": 86_400, "Weekly": 604_800}


def check_message(value: object, station: Station | None = None) -> list[Breach]:
    """Return every rule that a SetChargingProfile breaks, none for one that a station has to accept.

    value: as of JSON: a frame, a request or a profile alone (what needs its EVSE is then not looked at).
    station: what is known of the station; rules on what is not known are passed over.
    """
    station = station or Station()
    request = request_of(value, station.version)
    if not isinstance(request, Request):
        return request
    return [*_profile(request, station), *_target(request, station), *_schedules(request, station)]


def _profile(request: Request, station: Station) -> Iterator[Breach]:
    profile, path = request.profile, request.path
    purpose, kind = profile["chargingProfilePurpose"], profile["chargingProfileKind"]
    if purpose == "ChargingStationExternalConstraints":
        yield _at("K01.FR.22", path, "chargingProfilePurpose", purpose, "is never set by a central system")
    if kind == "Recurring" and "recurrencyKind" not in profile:
        yield _of_type(path, "recurrencyKind", None, "is missing in a recurring profile")
    if purpose != "TxProfile" and "transactionId" in profile:
        yield _of_type(path, "transactionId", profile["transactionId"], f"is set in a {purpose}")
    bounds = {name: _time(profile.get(name)) for name in ("validFrom", "validTo")}
    for name, bound in bounds.items():
        if name in profile and bound is None:
            yield _of_type(path, name, profile[name], "is no time with its offset from UTC")
    begin, end = bounds["validFrom"], bounds["validTo"]
    if begin is not None and end is not None and end <= begin:
        yield _of_type(path, "validTo", profile["validTo"], "is not after validFrom")
    most = station.most_stack_level
    if most is not None and profile["stackLevel"] > most:
        yield _at("ChargeProfileMaxStackLevel", path, "stackLevel", profile["stackLevel"], f"is above {most}")
    if station.version == "2.1":
        yield from _of_21(profile, path, station)


def _of_21(profile: Mapping[str, Any], path: str, station: Station) -> Iterator[Breach]:
    purpose, kind = profile["chargingProfilePurpose"], profile["chargingProfileKind"]
    optional = purpose in ("PriorityCharging", "LocalGeneration")
    if optional and station.purposes is not None and purpose not in station.purposes:
        yield _at("K01.FR.120", path, "chargingProfilePurpose", purpose, "is not supported by the station")
    if kind == "Dynamic" and station.dynamic_profiles is False:
        yield _at("K01.FR.121", path, "chargingProfileKind", kind, "is not supported by the station")
    for name in ("dynUpdateInterval", "dynUpdateTime"):
        if name in profile and kind != "Dynamic":
            yield _at("K01.FR.122", path, name, profile[name], f"is set in a profile that is {kind}")
    least = station.max_external_constraints_id
    if least is not None and profile["id"] <= least:
        yield _at("K01.FR.81", path, "id", profile["id"], f"is kept for external constraints (up to {least})")
    offline = profile.get("maxOfflineDuration")
    if offline is not None and offline < 0:
        yield _of_type(path, "maxOfflineDuration", offline, "is below 0")
    if profile.get("invalidAfterOfflineDuration") and offline is None:
        yield _of_type(path, "invalidAfterOfflineDuration", True, "stands without maxOfflineDuration")


def _target(request: Request, station: Station) -> Iterator[Breach]:
    """What a profile says of the EVSE and the transaction that it is for."""
    profile, path, evse = request.profile, request.path, request.evse
    purpose, kind = profile["chargingProfilePurpose"], profile["chargingProfileKind"]
    name = "connectorId" if station.version == "1.6" else "evseId"
    if purpose in _STATION_WIDE and kind == "Relative":
        yield _at("K01.FR.38", path, "chargingProfileKind", kind, f"is none of a {purpose}")
    if purpose == "TxProfile" and "transactionId" not in profile:
        yield _at("K01.FR.03", path, "transactionId", None, "is missing in a TxProfile")
    if evse is None:
        return
    if evse and station.evses is not None and evse not in station.evses:
        yield _at("K01.FR.28", "", name, evse, "is none of the station's")
        return
    if purpose in _STATION_WIDE and evse > 0:
        yield _at("K01.FR.03", "", name, evse, f"is not 0, which a {purpose} is for")
    if purpose == "TxProfile" and evse == 0:
        yield _at("K01.FR.16", "", name, evse, "is 0, a TxProfile is for one EVSE")
    if purpose != "TxProfile" or evse < 1 or station.transactions is None:
        return
    running = station.transactions.get(evse)
    if running is None:
        yield _at("K01.FR.09", "", name, evse, "has no transaction")
    elif "transactionId" in profile and str(profile["transactionId"]) != running:
        yield _at("K01.FR.33", path, "transactionId", profile["transactionId"], "does not run on that EVSE")


def _schedules(request: Request, station: Station) -> Iterator[Breach]:
    profile = request.profile
    purpose, kind = profile["chargingProfilePurpose"], profile["chargingProfileKind"]
    schedules = profile["chargingSchedule"]
    if kind == "Dynamic" and (len(schedules), len(schedules[0]["chargingSchedulePeriod"])) != (1, 1):
        yield _of_type(
            request.path, "chargingSchedule", len(schedules), "of a dynamic profile is one with one period"
        )
    ids = [schedule.get("id") for schedule in schedules]
    if station.version != "1.6" and len(set(ids)) < len(ids):
        yield _of_type(request.path, "chargingSchedule", ids, "has an id twice")
    for number, schedule in enumerate(schedules):
        path = f"{request.path}chargingSchedule" + ("" if station.version == "1.6" else f".{number}")
        yield from _schedule(purpose, kind, profile.get("recurrencyKind"), schedule, f"{path}.", station)
        yield from check_periods(purpose, schedule, path, station)


def _schedule(
    purpose: str, kind: str, recurrency: str | None, schedule: Mapping[str, Any], path: str, station: Station
) -> Iterator[Breach]:
    start, duration, unit = (
        schedule.get("startSchedule"),
        schedule.get("duration"),
        schedule["chargingRateUnit"],
    )
    if station.units is not None and unit not in station.units:
        yield _at("K01.FR.26", path, "chargingRateUnit", unit, "is none of the station's")
    # In 1.6 an absolute schedule without start begins with charging.
    if kind in ("Absolute", "Recurring") and start is None and station.version != "1.6":
        yield _at("K01.FR.40", path, "startSchedule", None, f"is missing in a profile that is {kind}")
    if kind == "Relative" and start is not None:
        yield _at("K01.FR.41", path, "startSchedule", start, "is set in a relative profile")
    if start is not None and _time(start) is None:
        yield _of_schedule(path, "startSchedule", start, "is no time with its offset from UTC")
    if duration is not None and duration <= 0:
        yield _of_schedule(path, "duration", duration, "is not above 0")
    cycle = _CYCLE_S.get(recurrency or "") if kind == "Recurring" else None
    if cycle is not None and duration is not None and duration > cycle:
        yield _of_schedule(path, "duration", duration, f"is longer than {recurrency} ({cycle} s)")
    if schedule.get("minChargingRate", 0) < 0:
        yield _of_schedule(path, "minChargingRate", schedule["minChargingRate"], "is below 0")
    if station.version != "2.1":
        return
    if purpose == "PriorityCharging" and duration is not None:
        yield _at("K01.FR.70", path, "duration", duration, "is set, priority charging lasts to the end")
    delay = schedule.get("randomizedDelay")
    if delay and purpose not in ("TxProfile", "TxDefaultProfile"):
        yield _at("K01.FR.95", path, "randomizedDelay", delay, f"is set in a {purpose}")
    for rule, name, supported in (
        ("K01.FR.123", "useLocalTime", station.local_time),
        ("K01.FR.124", "randomizedDelay", station.randomized_delay),
        ("K01.FR.125", "limitAtSoC", station.limit_at_soc),
    ):
        if schedule.get(name) and supported is False:
            yield _at(rule, path, name, schedule[name], "is not supported by the station")


def _time(value: object) -> datetime | None:
    """Return a time of RFC 3339 with its offset, None for anything else."""
    if not isinstance(value, str) or "T" not in value.upper():
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _at(rule: str, path: str, name: str, value: object, problem: str) -> Breach:
    return Breach(rule=rule, path=f"{path}{name}", value=value, problem=problem)


def _of_type(path: str, name: str, value: object, problem: str) -> Breach:
    return _at(f"ChargingProfileType.{name}", path, name, value, problem)


def _of_schedule(path: str, name: str, value: object, problem: str) -> Breach:
    return _at(f"ChargingScheduleType.{name}", path, name, value, problem)
