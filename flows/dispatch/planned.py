"""A stored plan as a file for the gateway: its sessions, what their sites leave to each, the plugs and
cars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flows.context import Context
from flows.dispatch.merge import Floats, SessionPowers
from flows.dispatch.plan_file import PlanCar, PlanFile, PlanPlug, PlanSession, PlanSite, text_of
from flows.dispatch.profile import Plug
from flows.errors import NoPlanError
from flows.mapping.chargers import VOLTAGE_V, at_plug
from flows.mapping.expected import PREFIX
from flows.mapping.in_force import Plan, followed_mode
from flows.mapping.pack_losses import known_losses
from flows.mapping.requests import newest_calibrations
from flows.plain import records
from twin.losses import PackLosses
from warehouse.at_once import at_once
from warehouse.files import write_whole
from warehouse.known import Known

Row = Mapping[str, Any]
_OF_SLOT = (
    "battery_id", "interval_start_utc", "plugged", "power_kw", "energy_start_kwh", "energy_end_kwh",
)  # fmt: skip
_PRICES = ["import_eur_per_kwh", "export_eur_per_kwh"]


def plan_file(context: Context, plan: Plan) -> PlanFile:
    """Return what the followed mode of a plan has to say to chargers, from what was known when it was made.

    Raises NoPlanError for a plan that keeps no prices (of an earlier version).
    """
    mine = {"plan_id": plan["plan_id"], "mode": followed_mode(plan)}
    known = Known(context.workspace.warehouse, plan["as_of_utc"])
    prices = known.read("out_plan_price", where={"plan_id": plan["plan_id"]}).set_index("interval_start_utc")
    if prices.empty:
        raise NoPlanError(f"plan {plan['plan_id']} keeps no prices of its own: plan the day again")
    prices = prices[_PRICES]
    cars = {str(row["battery_id"]): row for row in records(known.read("core_battery"))}
    chargers = {str(row["charger_id"]): row for row in records(known.read("core_charger"))}
    sites, site_slots = known.read("core_site"), known.read("out_plan_site_slot", where=mine)
    sessions = _planned_sessions(known, mine, cars, prices)
    losses = known_losses(newest_calibrations(known, sorted({one.battery_id for one in sessions})))
    room = SiteRoom(site_slots, sites, [session.site_id for session in sessions])
    return PlanFile(
        plan_id=str(plan["plan_id"]), zone=str(plan["zone"]), mode=mine["mode"],
        as_of=plan["as_of_utc"].to_pydatetime(), sequence=int(plan["sequence"] or 0),
        first_slot=prices.index.min().to_pydatetime(),
        cars=tuple(_car(row) for row in cars.values()),
        plugs=tuple(_plugs(chargers, FallbackShares(site_slots, sites, chargers.values()))),
        stays=tuple(_stated(session, cars[session.battery_id], chargers, losses, room)
            for session in sessions),
        sites=tuple(_sites(sites, site_slots, pd.DatetimeIndex(prices.index.sort_values()))),
    )  # fmt: skip


def write_plan_file(context: Context, plan: Plan) -> list[Path]:
    """Write exports/dispatch_DATE_ZONE.json; nothing without a station, or prices."""
    with at_once(context.workspace.warehouse):
        chargers = Known(context.workspace.warehouse, plan["as_of_utc"]).read("core_charger")
        if not any(_has_station(row) for row in records(chargers)):
            return []
        try:
            stated = plan_file(context, plan)
        except NoPlanError:
            return []
    target = context.workspace.exports / f"dispatch_{plan['market_date']}_{plan['zone']}.json"
    return [write_whole(target, text_of(stated))]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Planned:
    battery_id: str
    site_id: str
    due: Row
    session: Row
    slots: pd.DataFrame


def _planned_sessions(
    known: Known, plan: Mapping[str, Any], cars: Mapping[str, Row], prices: pd.DataFrame
) -> list[_Planned]:
    """The sessions of one mode of a plan; a quarter-hour belongs to the first that leaves after it began."""
    slots = known.read("out_plan_slot", where=plan, columns=_OF_SLOT)
    slots = slots[slots["plugged"]].sort_values(["battery_id", "interval_start_utc"])
    slots = slots.join(prices, on="interval_start_utc")
    due = known.read("out_plan_departure", where=plan).sort_values("departure_utc")
    known_rows = known.read("core_session", where={"session_id": sorted(set(due["session_id"]))})
    sessions = {str(row["session_id"]): row for row in records(known_rows)}
    leaves_of = {str(car): own for car, own in due[["battery_id", "departure_utc"]].groupby("battery_id")}
    rows_of = dict[str, list[dict[str, Any]]]()
    for row in records(due):
        rows_of.setdefault(str(row["battery_id"]), []).append(row)
    found: list[_Planned] = []
    for car, own in slots.groupby("battery_id"):
        leaves = leaves_of.get(str(car))
        if leaves is None:
            continue
        place = np.searchsorted(
            leaves["departure_utc"].to_numpy(), own["interval_start_utc"].to_numpy(), side="right"
        )
        found += [
            _Planned(
                battery_id=str(car), site_id=str(cars[str(car)]["site_id"]), due=row,
                session=sessions.get(str(row["session_id"]), {}), slots=own[place == number],
            )
            for number, row in enumerate(rows_of[str(car)])
            if (place == number).any()
        ]  # fmt: skip
    return found


def _stated(
    visit: _Planned,
    car: Row,
    chargers: Mapping[str, Row],
    losses: Mapping[str, PackLosses],
    room: SiteRoom,
) -> PlanSession:
    slots = pd.DatetimeIndex(visit.slots["interval_start_utc"])
    power, energy = (visit.slots[name].to_numpy(dtype=np.float64) for name in ("power_kw", "energy_end_kwh"))
    before = float(visit.slots["energy_start_kwh"].iloc[0])
    below, above = room.of(visit.site_id, slots)
    session_id = str(visit.due["session_id"])
    charger = visit.session.get("charger_id")
    plug = at_plug(chargers.get(str(charger)), car, visit.session, losses.get(visit.battery_id))
    session = SessionPowers(
        power_kw=power,
        least_kw=power - below,
        most_kw=power + above,
        import_price=visit.slots[_PRICES[0]].to_numpy(dtype=np.float64),
        export_price=visit.slots[_PRICES[1]].to_numpy(dtype=np.float64),
        energy_kwh=energy,
        # What the plan itself keeps to in this session: the pack's own bounds are those of its twin.
        least_kwh=np.full(len(slots), min(energy.min(), before)),
        most_kwh=np.full(len(slots), max(energy.max(), before)),
        efficiency_charge=plug["plug_efficiency_charge"],
        efficiency_discharge=plug["plug_efficiency_discharge"],
    )
    return PlanSession(
        battery_id=visit.battery_id, session_id=session_id, told=not session_id.startswith(PREFIX),
        charger_id=None if charger is None else str(charger),
        departure=visit.due["departure_utc"].to_pydatetime(),
        arrival_soc=visit.session.get("arrival_soc"), departure_soc=visit.session.get("departure_soc"),
        target_kwh=float(visit.due["target_kwh"]), first_slot=slots[0].to_pydatetime(),
        energy_before_kwh=before, slots=session, v2x_soc=_band(visit.session),
    )  # fmt: skip


def _band(session: Row) -> tuple[float, float] | None:
    low, high = session.get("v2x_min_soc"), session.get("v2x_max_soc")
    return None if low is None and high is None else (low or 0.0, 1.0 if high is None else high)


def _car(row: Row) -> PlanCar:
    into, out = float(row["efficiency_charge"]), float(row["efficiency_discharge"])
    return PlanCar(
        battery_id=str(row["battery_id"]), capacity_kwh=float(row["nominal_energy_kwh"]),
        efficiency_charge=into, efficiency_discharge=out,
    )  # fmt: skip


def _has_station(charger: Row) -> bool:
    return bool(charger["station_id"] and charger["connector_id"])


def _plugs(chargers: Mapping[str, Row], shares: FallbackShares) -> Iterator[PlanPlug]:
    """The chargers whose station and connector are known."""
    for name, row in chargers.items():
        if not _has_station(row):
            continue
        phases, volts = int(row["phases"]), float(row["voltage_v"] or VOLTAGE_V)
        kw_of_ampere = phases * volts / 1000.0
        most = float(row["max_current_a"]) * kw_of_ampere
        yield PlanPlug(
            charger_id=name,
            plug=Plug(
                station_id=str(row["station_id"]), evse=int(row["connector_id"]), phases=phases,
                voltage_v=volts, most_kw=most,
            ),
            feeds_kw=float(row["max_discharge_current_a"] or 0.0) * kw_of_ampere,
            fallback_kw=min(most, shares.of(str(row["site_id"]))), site_id=str(row["site_id"]),
            least_kw=float(row["min_current_a"] or 0.0) * kw_of_ampere,
        )  # fmt: skip


def _sites(sites: pd.DataFrame, site_slots: pd.DataFrame, slots: pd.DatetimeIndex) -> Iterator[PlanSite]:
    """All sites, each with its other load as the plan expects it; 0 where nothing is known."""
    loads = {str(site): own for site, own in site_slots.groupby("site_id")}
    parents = _parents(sites)
    for row in records(sites):
        name, base = str(row["site_id"]), np.zeros(len(slots))
        if name in loads:
            stated = loads[name].set_index("interval_start_utc")["base_load_kw"]
            base = stated.reindex(slots).fillna(0.0).to_numpy(dtype=np.float64)
        yield PlanSite(
            site_id=name, import_limit_kw=float(row["import_limit_kw"]),
            export_limit_kw=float(row["export_limit_kw"]), parent_id=parents.get(name),
            base_kw=tuple(base.tolist()),
        )  # fmt: skip


class FallbackShares:
    """What each charger may draw when nobody talks to it, so that all of them together keep every limit.

    A site's limit, less the largest other load that the plan expects there, is shared alike by every charger
    of the site and of those that hang on it, whether its station is known or not.
    """

    def __init__(self, site_slots: pd.DataFrame, sites: pd.DataFrame, chargers: Iterable[Row]) -> None:
        self._parents = _parents(sites)
        limits = sites.set_index("site_id")["import_limit_kw"].to_dict()
        loads = site_slots.groupby("site_id")["base_load_kw"].max().fillna(0.0).to_dict()
        counted: dict[str, int] = {}
        for row in chargers:
            for site in _chain(str(row["site_id"]), self._parents):
                counted[site] = counted.get(site, 0) + 1
        self._share = {
            site: max(0.0, float(limits[site]) - max(0.0, float(loads.get(site, 0.0)))) / count
            for site, count in counted.items()
            if site in limits
        }

    def of(self, site: str) -> float:
        """The share of a charger at a site, kW."""
        return min(self._share.get(one, np.inf) for one in _chain(site, self._parents))


class SiteRoom:
    """What sites leave beyond their plan, shared alike among the sessions that may need it."""

    def __init__(self, site_slots: pd.DataFrame, sites: pd.DataFrame, of_sessions: Sequence[str]) -> None:
        """of_stays: the site of each session."""
        parents = _parents(sites)
        self._above = {site: list(_chain(site, parents)) for site in set(of_sessions)}
        load = site_slots["power_kw"] + site_slots["base_load_kw"].fillna(0.0)
        room = site_slots[["site_id", "interval_start_utc"]].assign(
            up=(site_slots["import_limit_kw"] - load).clip(lower=0.0),
            down=(site_slots["export_limit_kw"] + load).clip(lower=0.0),
        )
        sharing = {
            site: max(1, sum(site in self._above[own] for own in of_sessions))
            for site in room["site_id"].unique()
        }
        shares = room["site_id"].map(sharing)
        by_site = room.assign(up=room["up"] / shares, down=room["down"] / shares).groupby("site_id")
        self._room = {  # the last of each is the room where the site has no row: none
            str(site): (
                pd.DatetimeIndex(own["interval_start_utc"]),
                np.append(own["up"].fillna(0.0), 0.0),
                np.append(own["down"].fillna(0.0), 0.0),
            )
            for site, own in by_site
        }

    def of(self, site_id: str, slots: pd.DatetimeIndex) -> tuple[Floats, Floats]:
        """Return how far below and above its plan a session's power may lie, kW [T] each."""
        below, above = np.full(len(slots), np.inf), np.full(len(slots), np.inf)
        for site in self._above[site_id]:
            if site in self._room:
                index, up, down = self._room[site]
                place = index.get_indexer(slots)
                above, below = np.minimum(above, up[place]), np.minimum(below, down[place])
        return below, above


def _parents(sites: pd.DataFrame) -> dict[str, str]:
    return sites.set_index("site_id")["parent_id"].dropna().to_dict()  # type: ignore[return-value]


def _chain(site: str, parents: Mapping[str, str]) -> Iterator[str]:
    """A site and those above it."""
    at: str | None = site
    while at is not None:
        yield at
        at = parents.get(at)
