"""What stays can give and take in each slot, at which cars charge evenly.

Without a call a car draws evenly from arrival to departure what it was promised, c = (target − e₀)/stay
(battery-side, 0 … C), and its charge is e(t). For a product whose bid lasts h hours and takes f kW a kW, with
p = c/η_c, in a slot in which it is plugged in throughout, u of less and r of more drawn (metered):
    f·u ≤ p + η_d·D            h·u/η_d ≤ min e − e_min         (cars that only charge: f·u ≤ p)
    f·r ≤ C/η_c − p            h·r·η_c ≤ e_max − max e
    h·u/η_d ≤ (largest fall of charge allowed within a session)·capacity
    h·u/η_d ≤ e(departure) − promised                             close to departure; before, as much more as
              + (C − c)·(departure − slot's end)                  there is time to charge, where (f − 1)·u
                                                                   refills it: h/((f − 1)·η_c·η_d) hours
A car that comes below its floor gives nothing, one that comes above its ceiling takes nothing. u and r of a
pool are sums, within what each site may feed back or draw. All rules are linear in u and r: shares of what is
here can be sold as different products if they add up to 1 at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from optimize.arrays import FloatArray, checked_array
from optimize.errors import ProblemError

_LEAST_HOURS = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolStays:
    """Stays of a pool, [n]: hours from the first slot's start, battery-side kW and kWh, efficiencies.

    drawdown_kwh: the most that charge may fall within a session. site: its number, 0 … sites − 1. Raises
    ProblemError for another shape or what is not finite.
    """

    arrive_h: FloatArray
    depart_h: FloatArray
    energy_kwh: FloatArray
    target_kwh: FloatArray
    least_kwh: FloatArray
    most_kwh: FloatArray
    charge_kw: FloatArray
    discharge_kw: FloatArray
    drawdown_kwh: FloatArray
    efficiency_charge: FloatArray
    efficiency_discharge: FloatArray
    site: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        for field in fields(self)[:-1]:
            one = checked_array("pool", field.name, getattr(self, field.name), (len(self.site),))
            object.__setattr__(self, field.name, one)
        if (self.depart_h <= self.arrive_h).any():
            raise ProblemError("pool", "depart_h", self.depart_h, "must be after arrive_h")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolSites:
    """Sites of a pool, [sites]: most that cars may feed back and draw next to what else is there, metered kW;
    parent: number of the site that each hangs on, −1 for none."""

    export_kw: FloatArray
    import_kw: FloatArray
    parent: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Capability:
    """Metered kW that may be bid in each slot, up and down, [T]."""

    up_kw: FloatArray
    down_kw: FloatArray


def capability(
    sessions: PoolStays,
    sites: PoolSites,
    slots: int,
    slot_hours: float,
    *,
    reservoir_hours: float,
    power_per_bid: float,
) -> Capability:
    """What a pool may bid of a product in each of some slots; see the module."""
    of, slot = _plugged(sessions, slots, slot_hours)
    own = {field.name: getattr(sessions, field.name)[of] for field in fields(sessions)}
    into, out = own["efficiency_charge"], own["efficiency_discharge"]
    hours = np.maximum(own["depart_h"] - own["arrive_h"], _LEAST_HOURS)
    even = np.clip((own["target_kwh"] - own["energy_kwh"]) / hours, 0.0, own["charge_kw"])
    begin = slot * slot_hours
    held = own["energy_kwh"] + even * np.maximum(begin - own["arrive_h"], 0.0)
    after, last = held + even * slot_hours, own["energy_kwh"] + even * hours
    promised = np.minimum(own["target_kwh"], last)
    left = np.maximum(own["depart_h"] - begin - slot_hours, 0.0)
    drawn = even / into
    spare = power_per_bid - 1.0
    refill = np.inf if spare <= 0.0 else reservoir_hours / (spare * into * out)
    in_time = np.where(left >= refill, (own["charge_kw"] - even) * left, 0.0)
    feeds = own["discharge_kw"] > 0.0
    fall = np.minimum(held - own["least_kwh"], own["drawdown_kwh"])
    room = np.minimum(np.where(feeds, fall, np.inf), last - promised + in_time)
    up = np.minimum((drawn + out * own["discharge_kw"]) / power_per_bid, room * out / reservoir_hours)
    up = np.where(own["energy_kwh"] < own["least_kwh"], 0.0, np.maximum(up, 0.0))
    down = np.minimum(
        (own["charge_kw"] / into - drawn) / power_per_bid,
        (own["most_kwh"] - after) / (into * reservoir_hours),
    )
    down = np.where(own["energy_kwh"] > own["most_kwh"], 0.0, np.maximum(down, 0.0))
    count = len(sites.parent)
    at = own["site"] * slots + slot
    ups, downs, drawn = (
        np.asarray(np.bincount(at, one, count * slots), dtype=np.float64).reshape(count, slots)
        for one in (up, down, drawn)
    )
    return _within(sites, ups, downs, drawn, power_per_bid)


def _plugged(
    sessions: PoolStays, slots: int, slot_hours: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each session with each slot in which it is there throughout."""
    first = np.clip(np.ceil(sessions.arrive_h / slot_hours - 1e-9), 0, slots).astype(np.int64)
    end = np.clip(np.floor(sessions.depart_h / slot_hours + 1e-9), 0, slots).astype(np.int64)
    count = np.maximum(end - first, 0)
    of = np.repeat(np.arange(len(count)), count)
    begun = np.repeat(np.cumsum(count) - count, count)
    return of, np.repeat(first, count) + np.arange(count.sum()) - begun


def _within(
    sites: PoolSites, up: FloatArray, down: FloatArray, drawn: FloatArray, power_per_bid: float
) -> Capability:
    """The sums of all sites, each within what it and those that it hangs on may feed back and draw."""
    up, down, drawn = up.copy(), down.copy(), drawn.copy()
    for site in _leaves_first(sites.parent):
        up[site] = np.clip((sites.export_kw[site] + drawn[site]) / power_per_bid, 0.0, up[site])
        down[site] = np.clip((sites.import_kw[site] - drawn[site]) / power_per_bid, 0.0, down[site])
        above = int(sites.parent[site])
        if above >= 0:
            for one in (up, down, drawn):
                one[above] += one[site]
    roots = sites.parent < 0
    return Capability(up_kw=up[roots].sum(axis=0), down_kw=down[roots].sum(axis=0))


def _leaves_first(parent: npt.NDArray[np.int64]) -> list[int]:
    depth: Mapping[int, int] = {site: _depth(parent, site) for site in range(len(parent))}
    return sorted(depth, key=lambda site: -depth[site])


def _depth(parent: npt.NDArray[np.int64], site: int) -> int:
    return 0 if parent[site] < 0 else 1 + _depth(parent, int(parent[site]))


def block_least(kw: FloatArray, edges: npt.NDArray[np.int64]) -> FloatArray:
    """The least of each block, [blocks]; edges: slots where they begin, and the last one's end."""
    return np.minimum.reduceat(kw[: edges[-1]], edges[:-1])
