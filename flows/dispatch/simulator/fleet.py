"""A charge point for each of a plan's, with its cars coming and going as planned; some with a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flows.dispatch.plan_file import PlanFile, PlanSession
from flows.dispatch.simulator.car import Car, Visit
from flows.dispatch.simulator.station import Fault, Setup, SimulatedStation


def stations_of(
    plan: PlanFile,
    setups: Mapping[str, Setup],
    now: datetime,
) -> list[SimulatedStation]:
    """Return a station for each plug whose station has a setup, with the sessions that are not over."""
    return [
        SimulatedStation(one, _visits(plan, one.charger_id, now), setups[one.plug.station_id])
        for one in plan.plugs
        if one.plug.station_id in setups
    ]


def _visits(plan: PlanFile, charger_id: str, now: datetime) -> list[Visit]:
    nominal = {one.battery_id: one.capacity_kwh for one in plan.cars}
    plugs = {one.charger_id: one for one in plan.plugs}
    return [
        Visit(
            car=Car(
                battery_id=session.battery_id,
                capacity_kwh=_capacity_kwh(session, nominal[session.battery_id]),
                energy_kwh=session.energy_before_kwh, charge_kw=plugs[charger_id].plug.most_kw,
                discharge_kw=plugs[charger_id].feeds_kw, efficiency_charge=session.slots.efficiency_charge,
                efficiency_discharge=session.slots.efficiency_discharge,
            ),
            arrival=max(session.first_slot, now), departure=session.departure, target_kwh=session.target_kwh,
        )
        for session in plan.stays
        if session.charger_id == charger_id and session.departure > now
    ]  # fmt: skip


def _capacity_kwh(session: PlanSession, nominal_kwh: float) -> float:
    """What the plan takes a battery to hold today: what its promise in kWh is of its promised charge."""
    return session.target_kwh / session.departure_soc if session.departure_soc else nominal_kwh


async def drive(stations: Sequence[SimulatedStation]) -> None:
    """Run all of them until the last car has left."""
    await asyncio.gather(*(one.run() for one in stations))


def what_came(stations: Sequence[SimulatedStation]) -> list[dict[str, Any]]:
    """A row a station: faults, profiles that it took, energy asked for and metered (kWh), misses by name, and
    why it never was connected, if it was not."""
    rows = []
    for one in stations:
        steps = list(zip(one.followed, one.followed[1:], strict=False))
        hours = [(after[0] - before[0]).total_seconds() / 3600.0 for before, after in steps]
        rows.append(
            {
                "station": one.at.plug.station_id, "ocpp": one.setup.version,
                "faults": " ".join(sorted(one.setup.faults)), "profiles": len(one.set_profiles),
                "asked_kwh": sum(before[1] * step for (before, _), step in zip(steps, hours, strict=True)),
                "metered_kwh": sum(before[2] * step for (before, _), step in zip(steps, hours, strict=True)),
                "missed": "; ".join(one.missed), "not_connected": one.unheard,
            }
        )  # fmt: skip
    return rows


def faults_of(stated: Sequence[str]) -> dict[str, frozenset[Fault]]:
    """Return station → faults of words STATION=FAULT; raises ValueError for what is none."""
    found: dict[str, frozenset[Fault]] = {}
    for word in stated:
        station, _, fault = word.rpartition("=")
        if not station:
            raise ValueError(f"{word!r} is not STATION=FAULT")
        found[station] = found.get(station, frozenset()) | {Fault(fault)}
    return found
