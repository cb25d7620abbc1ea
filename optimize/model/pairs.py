"""Plugged (car, slot) pairs as arrays: the index k that most of the formulation runs over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimize.arrays import FloatArray
from optimize.model.assembly import IntArray, Terms
from optimize.tree import SiteTree
from optimize.types import DayProblem, Mode
from optimize.validation import require_optimising
from optimize.windows import SessionWindow, taper_line


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Arrays [K]; before is the pair before in the same session or −1; last [sessions] its last pair or −1.

    carried: of the first pair of a session that carries the session whose surplus it comes with, −1 of all
    others; offset: what is added to what that one leaves, kWh.
    data: the parameters of `slot` by name. up, down: the reserve blocks that a pair may serve, [channels, K],
    −1 where there are fewer.
    """

    window: IntArray
    car: IntArray
    site: IntArray
    slot: IntArray
    before: IntArray
    last: IntArray
    carried: IntArray
    offset: FloatArray
    data: dict[str, FloatArray]
    up: IntArray
    down: IntArray

    def __len__(self) -> int:
        return int(self.car.size)

    def energy_before(
        self, energy: IntArray, missing: IntArray, chosen: IntArray, within: IntArray | None = None
    ) -> Terms:
        """What chosen pairs begin with; energy [K], missing [sessions]: columns.

        A session that carries begins with what the one before it left and missed, which is not less than
        that one's target. within: other columns [K] that go on from pair to pair of a session.
        """
        before, carried = self.before[chosen], self.carried[chosen]
        linked = np.flatnonzero(carried >= 0)
        earlier = np.where(before >= 0, (energy if within is None else within)[before], -1)
        earlier[linked] = energy[self.last[carried[linked]]]
        terms = Terms.of(earlier, self.data["arrival"][chosen])
        if not linked.size:
            return terms
        constant = terms.constant.copy()
        constant[linked] = self.offset[chosen[linked]]
        missed = Terms(
            instance=linked,
            column=missing[carried[linked]],
            coefficient=np.ones(linked.size),
            constant=np.zeros(chosen.size),
        )
        return Terms.joined([terms, missed], constant)

    @property
    def lowest_kwh(self) -> FloatArray:
        """The energy that no discharge may end below."""
        return self.data["lowest"]

    @property
    def highest_kwh(self) -> FloatArray:
        """The energy that no charge may end above."""
        return self.data["highest"]


def plugged_pairs(problem: DayProblem, windows: Sequence[SessionWindow], tree: SiteTree, mode: Mode) -> Pairs:
    """The pairs of a day; in mode "ordered" nothing discharges and no reserve is held."""
    require_optimising(mode)
    length = np.array([len(window.slots) for window in windows], dtype=np.int64)
    first = np.array([window.first for window in windows], dtype=np.int64)
    begin = np.cumsum(length) - length
    window = np.repeat(np.arange(len(windows)), length)
    number = np.arange(window.size)
    car = np.array([session.car for session in windows], dtype=np.int64)[window]
    site = np.array([session.site for session in windows], dtype=np.int64)[window]
    slot = number - begin[window] + first[window]
    opens = slot == first[window]
    behind = np.array([session.behind for session in windows], dtype=np.int64)
    target = np.array([session.target_kwh for session in windows], dtype=np.float64)
    data = _of_sessions(windows, window) | _of_cars(problem, car) | _prices(problem, tree, site, slot)
    if problem.previous_kw is not None:
        data["previous"] = problem.previous_kw[car, slot]
    if mode != "v2g":
        data["discharge_limit"] = np.zeros(number.size)
    data["discharge_limit"] = np.where(problem.able[slot], data["discharge_limit"], 0.0)
    up, down = _channels(problem, tree, data, site, slot, mode)
    for way, blocks, share in (("up", up, True), ("down", down, False)):
        hours = np.array([block.sustain_hours for block in problem.reserves])
        called = np.array([block.activation_share for block in problem.reserves])
        for channel, numbers in enumerate(blocks):
            data[f"{way}_hours[{channel}]"] = np.append(hours, 0.0)[numbers]
            if share:
                data[f"up_called[{channel}]"] = np.append(called, 0.0)[numbers]
    return Pairs(
        window=window,
        car=car,
        site=site,
        slot=slot,
        before=np.where(opens, -1, number - 1),
        last=np.where(length > 0, begin + length - 1, -1),
        carried=np.where(opens, behind[window], -1),
        offset=data["arrival"] - target[behind][window],
        data=data,
        up=up,
        down=down,
    )


def _of_sessions(windows: Sequence[SessionWindow], window: IntArray) -> dict[str, FloatArray]:
    names = {
        "efficiency_charge": "efficiency_charge",
        "efficiency_discharge": "efficiency_discharge",
        "charge_limit": "charge_limit_kw",
        "discharge_limit": "discharge_limit_kw",
        "arrival": "arrival_kwh",
        "floor": "floor_kwh",
        "ceiling": "ceiling_kwh",
        "lowest": "lowest_kwh",
        "highest": "highest_kwh",
    }
    return {
        name: np.array([getattr(session, field) for session in windows], dtype=np.float64)[window]
        for name, field in names.items()
    }


def _of_cars(problem: DayProblem, car: IntArray) -> dict[str, FloatArray]:
    lines = np.array([taper_line(one, problem.slot_hours) for one in problem.cars]).reshape(-1, 2)
    columns = {
        "taper_at_empty": lines[:, 0],
        "taper_fall": lines[:, 1],
        "capacity": np.array([one.capacity_kwh for one in problem.cars]),
        "drawdown_limit": np.array([one.drawdown_limit * one.capacity_kwh for one in problem.cars]),
        "rest_price": np.array([one.rest_price_eur_per_kwh_h for one in problem.cars]),
        "min_charge": np.array([one.min_charge_kw for one in problem.cars]),
        "min_discharge": np.array([one.min_discharge_kw for one in problem.cars]),
    }
    return {name: column[car] for name, column in columns.items()}


def _prices(problem: DayProblem, tree: SiteTree, site: IntArray, slot: IntArray) -> dict[str, FloatArray]:
    """What a kWh drawn costs and one fed back is worth to the plug itself.

    The tariff's price unless a common meter above counts it, and that of emissions.
    """
    metered = [any(problem.sites[j].metering == "site" for j in path) for path in tree.paths]
    own = np.where(np.array([*metered, False])[site], 0.0, 1.0)
    co2 = problem.co2_eur_per_kwh[slot]
    return {
        "plug_cost": own * problem.import_price_eur_per_kwh[slot] + co2,
        "plug_value": own * problem.export_price_eur_per_kwh[slot] + co2,
    }


def _channels(
    problem: DayProblem,
    tree: SiteTree,
    data: dict[str, FloatArray],
    site: IntArray,
    slot: IntArray,
    mode: Mode,
) -> tuple[IntArray, IntArray]:
    """Which blocks each pair may serve upwards and downwards, filled from channel 0."""
    below = np.zeros((len(tree.paths) + 1, len(tree.paths)), dtype=np.bool_)
    for j, path in enumerate(tree.paths):
        below[j, list(path)] = True
    number = {place.site_id: j for j, place in enumerate(problem.sites)}
    ways = []
    for way in ("up", "down"):
        fit = data["arrival"] >= data["lowest"] if way == "up" else data["arrival"] <= data["highest"]
        columns: list[IntArray] = []
        used = np.zeros(site.size, dtype=np.int64)
        for b, block in enumerate(problem.reserves if mode == "v2g" else ()):
            inside = (slot >= block.first_slot) & (slot < block.end_slot) & fit
            inside &= below[site, number[block.site_id]]
            if not getattr(block, way):
                continue
            for channel in np.unique(used[inside]).tolist():
                if channel == len(columns):
                    columns.append(np.full(site.size, -1))
                columns[channel][inside & (used == channel)] = b
            used += inside
        ways.append(np.array(columns, dtype=np.int64).reshape(len(columns), site.size))
    return ways[0], ways[1]
