"""The charging profiles of a plan: its stays, cut to what their stations take, each kept to the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flows.context import Context
from flows.dispatch.conflicts import check_together
from flows.dispatch.merge import Merged, MergeError, Stay, merged
from flows.dispatch.message import Breach, Request, request_of
from flows.dispatch.planned import PlannedStay, SiteRoom, planned_stays, plugs_of
from flows.dispatch.profile import Plug, fallback_request, plan_request
from flows.dispatch.rules import check_message
from flows.dispatch.station import Station
from flows.errors import NoPlanError
from flows.mapping.in_force import Plan, followed_mode
from flows.plain import records
from warehouse.known import Known

PERIODS = 24
"""Periods that a schedule has where a station does not say how many it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """What is to be sent, and which stays have nothing to be sent, with the reason.

    entries: station_id, evse, purpose ("plan", "fallback"), battery_id, session_id, quarter_hours, periods,
    merge_cost_eur (what fewer periods cost that stay) and request, the SetChargingProfile itself.
    """

    entries: tuple[Mapping[str, Any], ...]
    left_out: Mapping[str, str]


def plan_profiles(context: Context, plan: Plan, station: Station) -> Profiles:
    """Return the profiles of the mode of a plan that is followed, and below them each connector's fallback.

    station: what every station takes. A stay without a known station and connector, one that takes more
    periods than the station does, and one whose profile would break a rule are left out and told. Raises
    NoPlanError for a plan that keeps no prices (of an earlier version).
    """
    mine = {"plan_id": plan["plan_id"], "mode": followed_mode(plan)}
    known = Known(context.workspace.warehouse, plan["as_of_utc"])
    prices = known.read("out_plan_price", where={"plan_id": plan["plan_id"]}).set_index("interval_start_utc")
    if prices.empty:
        raise NoPlanError(f"plan {plan['plan_id']} keeps no prices of its own: plan the day again")
    cars = {str(row["battery_id"]): row for row in records(known.read("core_battery"))}
    stays = planned_stays(known, mine, {car: str(row["site_id"]) for car, row in cars.items()})
    sites, plugs = known.read("core_site"), plugs_of(known)
    room = SiteRoom(known.read("out_plan_site_slot", where=mine), sites, stays)
    limits = sites.set_index("site_id")["import_limit_kw"].to_dict()
    entries: list[Mapping[str, Any]] = []
    left_out: dict[str, str] = {}
    plugged: dict[str, list[Plug]] = {}
    for stay in stays:
        plug = plugs.get(stay.charger_id or "")
        if plug is None:
            left_out[stay.name] = (
                "no station and connector of it are known: its session names a charger with both"
            )
            continue
        try:
            most = (station.most_periods or PERIODS) - len(stay.last_minutes)
            cut = merged(_to_merge(stay, cars[stay.battery_id], prices, room), most)
        except MergeError as error:
            left_out[stay.name] = str(error)
            continue
        request = plan_request(
            plug, [*cut.runs, *stay.last_minutes], key=f"{plan['plan_id']} {stay.session_id}",
            first_slot=stay.slots[0].to_pydatetime(), departure=stay.departure.to_pydatetime(),
            version=station.version,
        )  # fmt: skip
        if broken := check_message(request, station):
            left_out[stay.name] = "; ".join(map(str, broken))
            continue
        entries.append(_entry(plug, request, stay, cut))
        if plug not in plugged.setdefault(stay.site_id, []):
            plugged[stay.site_id].append(plug)
    since = plan["as_of_utc"].to_pydatetime()
    for site, own in plugged.items():
        share = float(limits.get(site, np.inf)) / len(own)
        entries += [
            _entry(plug, fallback_request(plug, since, share, version=station.version), None, None)
            for plug in own
        ]
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


def _to_merge(stay: PlannedStay, car: Mapping[str, Any], prices: Any, room: SiteRoom) -> Stay:
    below, above = room.of(stay)
    own = prices.reindex(stay.slots)
    return Stay(
        power_kw=stay.power_kw,
        least_kw=stay.power_kw - below,
        most_kw=stay.power_kw + above,
        import_price=own["import_eur_per_kwh"].to_numpy(dtype=np.float64),
        export_price=own["export_eur_per_kwh"].to_numpy(dtype=np.float64),
        energy_kwh=stay.energy_kwh,
        # What the plan itself keeps to in this stay: the pack's own bounds are those of its twin.
        least_kwh=np.full(len(stay.slots), min(stay.energy_kwh.min(), stay.energy_before_kwh)),
        most_kwh=np.full(len(stay.slots), max(stay.energy_kwh.max(), stay.energy_before_kwh)),
        efficiency_charge=float(car["efficiency_charge"]),
        efficiency_discharge=float(car["efficiency_discharge"]),
    )


def _entry(
    plug: Plug, request: Mapping[str, Any], stay: PlannedStay | None, cut: Merged | None
) -> Mapping[str, Any]:
    return {
        "station_id": plug.station_id,
        "evse": plug.evse,
        "purpose": "fallback" if stay is None else "plan",
        "battery_id": None if stay is None else stay.battery_id,
        "session_id": None if stay is None else stay.session_id,
        "quarter_hours": None if stay is None else len(stay.slots),
        "periods": 1 if stay is None or cut is None else len(cut.runs) + len(stay.last_minutes),
        "merge_cost_eur": 0.0 if cut is None else cut.cost_eur,
        "request": request,
    }
