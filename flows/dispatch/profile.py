"""A session of a plan as the charging profile of its charger, and what the charger does when nobody talks to
it.

A coming session has no transaction yet: its profile is a TxDefaultProfile, valid from the session's first
quarter-hour to its departure; one that runs has a TxProfile. What feeds back says so period by period
(CentralSetpoint, within exactly its setpoint); where a session never does, ChargingOnly limits are all that
is sent. Below it, a TxDefaultProfile at stack level 0 only charges: a station that loses the line falls back
to it after `OFFLINE_S`, or when the session is over, and never feeds back unasked.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from flows.dispatch.merge import Run
from flows.dispatch.station import Version

OFFLINE_S = 900
"""So long a station follows a plan without the line to its central system."""
Unit = Literal["W", "A"]
_QUARTER_S = 900
_PLAN_LEVEL, _FALLBACK_LEVEL, _RUNNING_LEVEL = 1, 0, 0
_STEP = {"W": 1.0, "A": 0.1}
"""Powers are rounded towards 0 to these: neither a site's limit nor a battery's is exceeded by rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """The connector of a session: evse (1.6: connector) 1, 2, …; phases 0 for DC; most_kw that it can
    charge."""

    station_id: str
    evse: int
    phases: int
    voltage_v: float
    most_kw: float


def plan_request(
    plug: Plug,
    runs: Sequence[Run],
    *,
    key: str,
    first_slot: datetime,
    departure: datetime,
    version: Version,
    unit: Unit = "W",
    transaction: str | None = None,
    may_feed: bool = True,
) -> dict[str, Any]:
    """Return the SetChargingProfile request of a session.

    runs: powers at the plug from `first_slot` on. key: for the profile's id. transaction: the one that runs,
    if it does. may_feed: whether station and car can. What is fed back has no words in 1.6 and 2.0.1: there,
    and where it may not be, it is left out, the car then only rests. Times tz-aware.
    """
    feeds = may_feed and version == "2.1" and any(run.power_kw < 0 for run in runs)
    periods = [
        _period(run, (run.first - runs[0].first) * _QUARTER_S, plug, unit, feeds=feeds) for run in runs
    ]
    lasts = int((departure - first_slot) / timedelta(seconds=1))
    profile = {
        "stackLevel": _PLAN_LEVEL if transaction is None else _RUNNING_LEVEL,
        "validFrom": _text(first_slot), "validTo": _text(departure), **_of(transaction, version),
        **_schedule(first_slot, periods, unit, version, duration=lasts),
    }  # fmt: skip
    if version == "2.1":
        profile |= {"maxOfflineDuration": OFFLINE_S}
    return _request(plug, profile, key, version)


def fallback_request(
    plug: Plug, since: datetime, most_kw: float, *, version: Version, unit: Unit = "W"
) -> dict[str, Any]:
    """Return the request of what a connector does on its own: charge, never feed back.

    most_kw: its share of what the site may draw, so that all of them together keep to it.
    """
    run = Run(first=0, last=1, power_kw=min(plug.most_kw, most_kw))
    periods = [_period(run, 0, plug, unit, feeds=False)]
    profile = {"stackLevel": _FALLBACK_LEVEL, **_schedule(since, periods, unit, version)}
    return _request(plug, profile, "fallback", version)


def _of(transaction: str | None, version: Version) -> dict[str, Any]:
    if transaction is None:
        return {}
    return {
        "chargingProfilePurpose": "TxProfile",
        "transactionId": int(transaction) if version == "1.6" else transaction,
    }


def _period(run: Run, start: int, plug: Plug, unit: Unit, *, feeds: bool) -> dict[str, Any]:
    watts = run.power_kw * 1000.0
    value = watts if unit == "W" else watts / (plug.voltage_v * max(plug.phases, 1))
    stated = round(math.trunc(round(value / _STEP[unit], 6)) * _STEP[unit], 1)
    period: dict[str, Any] = {"startPeriod": start}
    if not feeds:
        period |= {"limit": max(stated, 0.0)}
    elif stated == 0.0:
        period |= {"operationMode": "Idle"}
    else:
        period |= {
            "operationMode": "CentralSetpoint", "setpoint": stated, "limit": max(stated, 0.0),
            "dischargeLimit": min(stated, 0.0),
        }  # fmt: skip
    return period | ({"numberPhases": plug.phases} if plug.phases else {})


def _schedule(
    start: datetime,
    periods: Sequence[Mapping[str, Any]],
    unit: str,
    version: Version,
    *,
    duration: int | None = None,
) -> dict[str, Any]:
    schedule: dict[str, Any] = {
        "startSchedule": _text(start), "chargingRateUnit": unit, "chargingSchedulePeriod": list(periods),
    }  # fmt: skip
    if duration is not None:
        schedule |= {"duration": duration}
    return {"chargingSchedule": schedule if version == "1.6" else [{"id": 1, **schedule}]}


def _request(plug: Plug, profile: Mapping[str, Any], key: str, version: Version) -> dict[str, Any]:
    number = zlib.crc32(f"{plug.station_id} {plug.evse} {key}".encode()) >> 1  # 31 bits, as OCPP's integers
    old = version == "1.6"
    fields = {
        "chargingProfileId" if old else "id": number,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        **profile,
    }
    return (
        {"connectorId": plug.evse, "csChargingProfiles": fields}
        if old
        else {"evseId": plug.evse, "chargingProfile": fields}
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
