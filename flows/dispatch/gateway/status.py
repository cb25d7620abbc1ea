"""What a gateway is doing, as a file that anybody may look at: status.json, written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from flows.dispatch.gateway.desk import Desk
from flows.dispatch.gateway.stations import Connected
from flows.dispatch.gateway.status_file import FILE_NAME
from warehouse.files import write_whole


def write_status(desk: Desk, stations: Mapping[str, Connected]) -> None:
    """Write status.json into the state's folder; a full disk is an alert, and nothing else."""
    with suppress(OSError):
        write_whole(desk.state / FILE_NAME, json.dumps(status_of(desk, stations)))


def status_of(desk: Desk, stations: Mapping[str, Connected]) -> dict[str, Any]:
    """pid, at_utc, plans, stations on the list (connected or not) with their plugs, sites, newest alerts."""
    now = desk.clock()
    return {
        "pid": os.getpid(),
        "at_utc": _text(now),
        "plans": [
            {
                "plan_id": one.plan_id, "as_of_utc": _text(one.as_of), "stays": len(one.stays),
                "end_utc": _text(one.end),
            }
            for one in desk.plans.plans
        ],
        "stations": [_station(desk, name, stations.get(name), now) for name in sorted(desk.config.stations)],
        "sites": desk.guard.sites(),
        "alerts": list(desk.alerts.newest),
    }  # fmt: skip


def _station(desk: Desk, name: str, mine: Connected | None, now: datetime) -> dict[str, Any]:
    fields: dict[str, Any] = {"station": name, "connected": mine is not None}
    if mine is not None:
        fields |= {
            "ocpp": mine.version, "since_utc": _text(mine.since), "most_periods": mine.station.most_periods,
            "profiles": len(mine.has), "refused": len(mine.refused), "sent": mine.sent,
        }  # fmt: skip
    fields["stays"] = [
        {
            "evse": one.evse, "transaction": one.tx, "battery_id": one.car.get("battery_id"),
            "session_id": one.car.get("session_id"),
            "since_utc": _text(datetime.fromtimestamp(one.start, UTC)),
            "plan_id": None if has is None else has.plan_id,
            "asked_kw": None if has is None else has.asks(now), "metered_kw": one.power_kw,
            "soc": one.soc_last, **desk.guard.stated_of(one.number),
        }
        for one in desk.book.running
        if one.station == name
        for has in [None if mine is None else mine.has.get((one.evse, str(one.number)))]
    ]  # fmt: skip
    return fields


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
