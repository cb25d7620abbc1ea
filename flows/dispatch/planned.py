"""The stays of a stored plan, with what their sites leave to each and where their cars are plugged in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flows.dispatch.merge import Floats, Run
from flows.dispatch.profile import Plug
from flows.mapping.chargers import VOLTAGE_V
from flows.mapping.horizon import QUARTER
from flows.plain import records
from warehouse.known import Known

_OFF_KW = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedStay:
    """A car's quarter-hours while it is plugged in, in one mode of a plan [T].

    power_kw: at the plug. energy_kwh: in the battery at the end of each, energy_before_kwh before the first.
    charger_id: as its session tells.
    """

    battery_id: str
    session_id: str
    charger_id: str | None
    site_id: str
    departure: pd.Timestamp
    slots: pd.DatetimeIndex
    power_kw: Floats
    energy_before_kwh: float
    energy_kwh: Floats

    @property
    def last_minutes(self) -> tuple[Run, ...]:
        """The rest from the last whole quarter-hour to the departure, where there is power before it."""
        last, size = self.slots[-1] + QUARTER, len(self.slots)
        goes_on = self.departure > last and abs(self.power_kw[-1]) > _OFF_KW
        return (Run(first=size, last=size + 1, power_kw=0.0),) if goes_on else ()

    @property
    def name(self) -> str:
        """Car and session, for messages."""
        return f"{self.battery_id} · {self.session_id}"


def planned_stays(known: Known, plan: Mapping[str, Any], sites: Mapping[str, str]) -> list[PlannedStay]:
    """Return the stays of one mode of a plan, of each car in order.

    plan: plan_id and mode. sites: battery_id → site_id. A quarter-hour belongs to the first stay that leaves
    after it began.
    """
    slots = known.read("out_plan_slot", where=plan)
    slots = slots[slots["plugged"]].sort_values(["battery_id", "interval_start_utc"])
    due = known.read("out_plan_departure", where=plan).sort_values("departure_utc")
    sessions = known.read("core_session", where={"session_id": sorted(set(due["session_id"]))})
    chargers = sessions.set_index("session_id")["charger_id"].dropna().to_dict()
    by_car = {str(car): own for car, own in due.groupby("battery_id")}
    found: list[PlannedStay] = []
    for car, own in slots.groupby("battery_id"):
        leaves = by_car.get(str(car))
        if leaves is None:
            continue
        place = np.searchsorted(
            leaves["departure_utc"].to_numpy(), own["interval_start_utc"].to_numpy(), side="right"
        )
        for number, row in enumerate(records(leaves)):
            mine = own[place == number]
            if mine.empty:
                continue
            session = str(row["session_id"])
            found.append(
                PlannedStay(
                    battery_id=str(car), session_id=session, charger_id=chargers.get(session),
                    site_id=sites[str(car)], departure=row["departure_utc"],
                    slots=pd.DatetimeIndex(mine["interval_start_utc"]),
                    power_kw=mine["power_kw"].to_numpy(dtype=np.float64),
                    energy_before_kwh=float(mine["energy_start_kwh"].iloc[0]),
                    energy_kwh=mine["energy_end_kwh"].to_numpy(dtype=np.float64),
                )
            )  # fmt: skip
    return found


def plugs_of(known: Known) -> dict[str, Plug]:
    """Return the chargers whose station and connector are known, by charger_id."""
    rows = records(known.read("core_charger"))
    return {str(row["charger_id"]): _plug(row) for row in rows if row["station_id"] and row["connector_id"]}


def _plug(row: Mapping[str, Any]) -> Plug:
    phases, volts = int(row["phases"]), float(row["voltage_v"] or VOLTAGE_V)
    return Plug(
        station_id=str(row["station_id"]),
        evse=int(row["connector_id"]),
        phases=phases,
        voltage_v=volts,
        most_kw=phases * float(row["max_current_a"]) * volts / 1000.0,
    )


class SiteRoom:
    """What sites leave beyond their plan, shared alike among the stays that may need it."""

    def __init__(self, site_slots: pd.DataFrame, sites: pd.DataFrame, stays: Sequence[PlannedStay]) -> None:
        parents: dict[str, str] = sites.set_index("site_id")["parent_id"].dropna().to_dict()  # type: ignore[assignment]
        self._above = {site: list(_chain(site, parents)) for site in {stay.site_id for stay in stays}}
        load = site_slots["power_kw"] + site_slots["base_load_kw"].fillna(0.0)
        room = site_slots[["site_id", "interval_start_utc"]].assign(
            up=(site_slots["import_limit_kw"] - load).clip(lower=0.0),
            down=(site_slots["export_limit_kw"] + load).clip(lower=0.0),
        )
        sharing = {
            site: max(1, sum(site in self._above[stay.site_id] for stay in stays))
            for site in room["site_id"].unique()
        }
        shares = room["site_id"].map(sharing)
        self._room = {
            str(site): own.set_index("interval_start_utc")[["up", "down"]]
            for site, own in room.assign(up=room["up"] / shares, down=room["down"] / shares).groupby(
                "site_id"
            )
        }

    def of(self, stay: PlannedStay) -> tuple[Floats, Floats]:
        """Return how far below and above its plan a stay's power may lie, kW [T] each."""
        below, above = np.full(len(stay.slots), np.inf), np.full(len(stay.slots), np.inf)
        for site in self._above[stay.site_id]:
            if site in self._room:
                own = self._room[site].reindex(stay.slots).fillna(0.0)
                above, below = (
                    np.minimum(above, own["up"].to_numpy()),
                    np.minimum(below, own["down"].to_numpy()),
                )
        return below, above


def _chain(site: str, parents: Mapping[str, str]) -> Iterator[str]:
    """A site and those above it."""
    at: str | None = site
    while at is not None:
        yield at
        at = parents.get(at)
