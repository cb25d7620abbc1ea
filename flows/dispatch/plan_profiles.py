"""The charging profiles of a plan: its sessions, cut to what their stations take, each kept to the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.dispatch.conflicts import check_together
from flows.dispatch.merge import MergeError, merged
from flows.dispatch.message import Breach, Request, request_of
from flows.dispatch.plan_file import PlanFile, PlanPlug
from flows.dispatch.profile import fallback_request, plan_request
from flows.dispatch.rules import check_message
from flows.dispatch.station import Station

PERIODS = 24
"""Periods that a schedule has where a station does not say how many it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """What is to be sent, and which sessions have nothing to be sent, with the reason.

    entries: station_id, evse, purpose ("plan", "fallback"), battery_id, session_id, quarter_hours, periods,
    merge_cost_eur (what fewer periods cost that stay) and request, the SetChargingProfile itself.
    """

    entries: tuple[Mapping[str, Any], ...]
    left_out: Mapping[str, str]


def plan_profiles(plan: PlanFile, station: Station) -> Profiles:
    """Return the profiles of a plan, and below them the fallback of each connector that it uses.

    station: what every station takes. A session without a known station and connector, one that takes more
    periods than the station does, and one whose profile would break a rule are left out and reported.
    """
    plugs = {one.charger_id: one for one in plan.plugs}
    entries: list[Mapping[str, Any]] = []
    left_out: dict[str, str] = {}
    used: dict[str, PlanPlug] = {}
    for session in plan.stays:
        at = plugs.get(session.charger_id or "")
        if at is None:
            left_out[session.name] = (
                "no station and connector of it are known: its session names a charger with both"
            )
            continue
        try:
            most = (station.most_periods or PERIODS) - len(session.last_minutes)
            cut = merged(session.slots, most)
        except MergeError as error:
            left_out[session.name] = str(error)
            continue
        request = plan_request(
            at.plug, [*cut.runs, *session.last_minutes], key=f"plan {plan.plan_id} {session.session_id}",
            first_slot=session.first_slot, departure=session.departure, version=station.version,
        )  # fmt: skip
        if broken := check_message(request, station):
            left_out[session.name] = "; ".join(map(str, broken))
            continue
        used[at.charger_id] = at
        entries.append(
            {
                "station_id": at.plug.station_id, "evse": at.plug.evse, "purpose": "plan",
                "battery_id": session.battery_id, "session_id": session.session_id,
                "quarter_hours": len(session.slots.power_kw),
                "periods": len(cut.runs) + len(session.last_minutes),
                "merge_cost_eur": cut.cost_eur, "request": request,
            }
        )  # fmt: skip
    entries += [
        {
            "station_id": one.plug.station_id, "evse": one.plug.evse, "purpose": "fallback",
            "battery_id": None, "session_id": None, "quarter_hours": None, "periods": 1,
            "merge_cost_eur": 0.0,
            "request": fallback_request(one.plug, plan.as_of, one.fallback_kw, version=station.version),
        }
        for one in used.values()
    ]  # fmt: skip
    return Profiles(entries=tuple(entries), left_out=left_out)


def breaches_together(entries: Sequence[Mapping[str, Any]], station: Station) -> list[Breach]:
    """Return the rules that profiles for one station break together, of all stations."""
    found: list[Breach] = []
    for name in sorted({str(entry["station_id"]) for entry in entries}):
        read = [
            request_of(entry["request"], station.version) for entry in entries if entry["station_id"] == name
        ]
        found += check_together([one for one in read if isinstance(one, Request)])
    return found
