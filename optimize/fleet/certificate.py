"""A plan that keeps every rule, its exact cost, and how far from the best it can be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from optimize.fleet.arrays import FleetArrays
from optimize.fleet.compile import Compiled
from optimize.fleet.coupling import Coupling, node_limits
from optimize.fleet.layout import FloatArray, IntArray, variables
from optimize.fleet.repair import ROUNDING_KW, Rules, begin_energies, cost_cars, follow, hold, trim


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feasible:
    """A plan in the kernel's order of steps: battery-side powers, energy at the slot's end, reserve shares.

    bids_kw [B]; shares_kw [channels, steps]; own_eur [n]: the cars' own cost, in the kernel's order;
    cost_eur: exact, of everything.
    """

    charge_kw: FloatArray
    discharge_kw: FloatArray
    energy_kwh: FloatArray
    shares_kw: FloatArray
    bids_kw: FloatArray
    own_eur: FloatArray
    cost_eur: float

    def gap_to(self, bound_eur: float) -> float:
        """(cost − bound)/max(1 €, |cost|)."""
        return (self.cost_eur - bound_eur) / max(1.0, abs(self.cost_eur))


class Repairer:
    """Turns iterates of one fleet into feasible plans."""

    def __init__(self, arrays: FleetArrays, compiled: Compiled, coupling: Coupling) -> None:
        self.arrays, self.compiled, self.coupling = arrays, compiled, coupling
        fleet, sessions = compiled.fleet, compiled.session_order
        order = compiled.order
        depth = np.array([len(arrays.path(j)) for j in range(arrays.sites)])
        draw, feed = node_limits(arrays)
        self.rules = Rules(
            owner=np.repeat(np.arange(arrays.cars), np.diff(fleet.session_start)),
            site=arrays.site[sessions],
            start=np.cumsum(fleet.length) - fleet.length,
            lowest=arrays.lowest_kwh[sessions],
            highest=arrays.highest_kwh[sessions],
            target=arrays.target_kwh[sessions],
            charge_limit=arrays.charge_limit_kw[sessions],
            session=np.repeat(np.arange(sessions.size), fleet.length),
            slot=np.concatenate(
                [
                    np.arange(a, a + n)
                    for a, n in zip(fleet.first.tolist(), fleet.length.tolist(), strict=True)
                ]
                or [np.zeros(0, dtype=np.int64)]
            ),
            v2g_limit=arrays.v2g_least_kwh[order],
            drawdown=arrays.drawdown_kwh[order],
            least_in=arrays.least_charge_kw[order],
            least_out=arrays.least_discharge_kw[order],
            parent=arrays.parent,
            bottom_up=np.argsort(-depth, kind="stable"),
            draw=draw,
            feed=feed,
            block=self._blocks(),
        )

    @property
    def step_site(self) -> IntArray:
        """The site of each step."""
        return self.rules.site[self.rules.session]

    @property
    def step_car(self) -> IntArray:
        """The car, by the kernel's number, of each step."""
        return self.rules.owner[self.rules.session]

    def repair(self, x: FloatArray, v: FloatArray) -> Feasible:
        """The feasible plan nearest in spirit to x (cars) and v (coupling)."""
        fleet, arrays, rules = self.compiled.fleet, self.arrays, self.rules
        steps, B = int(fleet.step_start[-1]), len(arrays.blocks)
        charge, discharge, energy = np.zeros(steps), np.zeros(steps), np.zeros(steps)
        follow(fleet, rules, x, charge, discharge, energy)
        shares, bids = np.zeros((fleet.up + fleet.down, steps)), np.zeros(B)
        if B:
            most = [block.max_kw for block in arrays.blocks]
            wanted = np.clip(np.append(v, 0.0)[self.coupling.bid], 0.0, most)
            shares, bids = self._hold(x, wanted, charge, discharge, energy)
        return self.priced(charge, discharge, energy, shares, bids)

    def moved_to(self, like: Feasible, net_kw: FloatArray, full: float = 1.0) -> Feasible:
        """The plan of other net powers [steps], battery-side, with as much of its bids as these can hold.

        full: who holds this share of what it could is taken to hold all of it (`_fill`).
        """
        fleet, rules = self.compiled.fleet, self.rules
        change = fleet.hours * net_kw
        total, begin = np.cumsum(change), rules.start[rules.session]
        energy = self.begin_kwh(change)[rules.session] + total - (total - change)[begin]
        plan = replace(
            like,
            charge_kw=np.maximum(net_kw, 0.0),
            discharge_kw=np.maximum(-net_kw, 0.0),
            energy_kwh=energy,
        )
        shares, bids = like.shares_kw, like.bids_kw
        if self.arrays.blocks:
            if fleet.up > 1 or fleet.down > 1:
                shares, bids = self._hold(self._placed(like), bids, plan.charge_kw, plan.discharge_kw, energy)
            else:
                shares, bids = self._fill(like, plan, full)
        return self.priced(plan.charge_kw, plan.discharge_kw, energy, shares, bids)

    def begin_kwh(self, change_kwh: FloatArray) -> FloatArray:
        """What each session begins with [sessions] where steps take so much [steps], battery-side."""
        begin = self.compiled.fleet.arrival.copy()
        if self.compiled.fleet.linked:
            gain: FloatArray = np.zeros(begin.size)
            np.add.at(gain, self.rules.session, change_kwh)
            begin_energies(self.compiled.fleet, self.rules, gain, begin)
        return begin

    def _placed(self, plan: Feasible) -> FloatArray:
        """An iterate that holds the shares of a plan, and nothing else."""
        fleet, steps = self.compiled.fleet, plan.charge_kw.size
        V, car = variables(fleet), self.step_car
        first, count = fleet.step_start[car], np.diff(fleet.step_start)[car]
        x = np.zeros(V * steps)
        for channel, kw in enumerate(plan.shares_kw):
            x[V * first + (3 + channel) * count + np.arange(steps) - first] = kw
        return x

    def _fill(self, like: Feasible, plan: Feasible, full: float) -> tuple[FloatArray, FloatArray]:
        """The shares of a plan that has moved, and the bids; for one product a side at most.

        Who held all that it could goes on to; what that is too much is left out by whom it costs most, a lack
        is made up by whom it costs least.
        """
        rules, could, can = self.rules, self.can_hold(like), self.can_hold(plan)
        shares = np.where(like.shares_kw >= full * could - ROUNDING_KW, can, np.minimum(like.shares_kw, can))
        bid = np.repeat(plan.bids_kw, self.arrays.slots)
        for channel, row in enumerate(shares):
            block = rules.block[channel, self.step_site, rules.slot]
            group = block * self.arrays.slots + rules.slot
            row[block < 0] = 0.0
            cost = self.activation_eur(like, channel)
            for way in (-1.0, 1.0):
                order = np.lexsort((way * cost, group))
                order = order[block[order] >= 0]
                here = group[order]
                apart = bid - np.bincount(here, weights=row[order], minlength=bid.size)
                room = row[order] if way < 0.0 else np.maximum(can[channel] - row, 0.0)[order]
                before = np.cumsum(room) - room
                begins = np.flatnonzero(np.diff(here, prepend=-1))
                before -= np.repeat(before[begins], np.diff(np.append(begins, order.size)))
                row[order] += way * np.clip(way * apart[here] - before, 0.0, room)
        bids = self.sold(plan.bids_kw, self.held(shares))
        trim(self.compiled.fleet, rules, bids, self.held(shares), shares)
        return shares, bids

    def activation_eur(self, plan: Feasible, channel: int) -> FloatArray:
        """What a kW held at each step costs in wear by its expected activation, [steps] €."""
        fleet, rules = self.compiled.fleet, self.rules
        if channel >= fleet.up:
            return np.zeros(rules.slot.size)
        duty = self.duty(plan)
        slope = fleet.wear_linear + fleet.wear_scale * fleet.wear_alpha * np.exp(fleet.wear_alpha * duty)
        used = fleet.activation[channel, rules.slot] / fleet.efficiency_discharge[rules.session]
        return np.asarray((slope * fleet.hours / fleet.capacity)[self.step_car] * used)

    def duty(self, plan: Feasible) -> FloatArray:
        """What each car uses of its battery, activation expected, [n] EFC."""
        fleet, rules = self.compiled.fleet, self.rules
        out = plan.discharge_kw.copy()
        for channel in range(fleet.up):
            called = fleet.activation[channel, rules.slot] / fleet.efficiency_discharge[rules.session]
            out += called * plan.shares_kw[channel]
        total = np.zeros(self.arrays.cars)
        np.add.at(total, self.step_car, out)
        return np.asarray(total * fleet.hours / fleet.capacity)

    def _hold(
        self, x: FloatArray, wanted: FloatArray, charge: FloatArray, discharge: FloatArray, energy: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Shares near those of x and the bids that they carry, at most what is wanted."""
        fleet, rules = self.compiled.fleet, self.rules
        shares = np.zeros((fleet.up + fleet.down, charge.size))
        hold(fleet, rules, x, wanted, charge, discharge, energy, shares)
        held = self.held(shares)
        bids = self.sold(wanted, held)
        trim(fleet, rules, bids, held, shares)
        return shares, bids

    def can_hold(self, plan: Feasible) -> FloatArray:
        """What each step could hold in each channel [channels, steps], if there were no other of its side."""
        fleet, rules, session = self.compiled.fleet, self.rules, self.rules.session
        eta, etad = 1.0 / fleet.efficiency_charge[session], fleet.efficiency_discharge[session]
        power, before = self.metered(plan), np.concatenate([[0.0], plan.energy_kwh[:-1]])
        before[rules.start[fleet.length > 0]] = fleet.arrival[fleet.length > 0]
        most_out = np.where(fleet.may_discharge[rules.slot], fleet.discharge_limit[session], 0.0)
        low, high = np.minimum(before, plan.energy_kwh), np.maximum(before, plan.energy_kwh)
        can = np.zeros((fleet.up + fleet.down, power.size))
        for channel in range(fleet.up + fleet.down):
            up = channel < fleet.up
            room = etad * most_out + power if up else rules.charge_limit[session] * eta - power
            stock = low - rules.lowest[session] if up else rules.highest[session] - high
            kappa = fleet.sustain[channel, rules.slot] / (etad if up else eta)
            with np.errstate(divide="ignore", invalid="ignore"):
                held = np.where(kappa > 0.0, np.minimum(room, stock / kappa), room)
            offers = (fleet.offers_up if up else fleet.offers_down)[session] > 0.0
            serves = (rules.block[channel, self.step_site, rules.slot] >= 0) & offers
            can[channel] = np.where(serves, np.maximum(held, 0.0), 0.0)
        return can

    def near(self, plan: Feasible) -> Feasible:
        """The feasible plan nearest to another, which may break minimum powers, and to what it holds."""
        fleet, V = self.compiled.fleet, variables(self.compiled.fleet)
        x = self._placed(plan)
        for a, b in pairwise(fleet.step_start.tolist()):
            x[V * a + 2 * (b - a) : V * a + 3 * (b - a)] = plan.energy_kwh[a:b]
        v = np.zeros(self.coupling.cost.size + 1)
        v[self.coupling.bid] = plan.bids_kw
        return self.repair(x, v[:-1])

    def follow_energy(self, energy_kwh: FloatArray) -> Feasible:
        """The feasible plan nearest to energies [steps] at the slots' ends, without any reserve."""
        fleet = self.compiled.fleet
        x = np.zeros(variables(fleet) * energy_kwh.size)
        for a, b in pairwise(fleet.step_start.tolist()):
            begin = variables(fleet) * a + 2 * (b - a)
            x[begin : begin + b - a] = energy_kwh[a:b]
        return self.repair(x, np.zeros(self.coupling.cost.size))

    def priced(
        self,
        charge: FloatArray,
        discharge: FloatArray,
        energy: FloatArray,
        shares: FloatArray,
        bids: FloatArray,
    ) -> Feasible:
        """A plan that keeps every rule, with what it costs."""
        own, unmet = np.zeros(self.arrays.cars), np.zeros(self.rules.target.size)
        cost_cars(self.compiled.fleet, self.rules, charge, discharge, energy, shares, own, unmet)
        plan = Feasible(
            charge_kw=charge,
            discharge_kw=discharge,
            energy_kwh=energy,
            shares_kw=shares,
            bids_kw=bids,
            own_eur=own,
            cost_eur=np.nan,
        )
        return replace(plan, cost_eur=float(own.sum()) + self._shared_cost(plan))

    def held(self, shares: FloatArray) -> FloatArray:
        """What all cars together hold of each block [B, 2, T] (up, down)."""
        up, rules = self.compiled.fleet.up, self.rules
        total = np.zeros((len(self.arrays.blocks), 2, self.arrays.slots))
        for channel, kw in enumerate(shares):
            block = rules.block[channel, self.step_site, rules.slot]
            serves = block >= 0
            np.add.at(total[:, int(channel >= up)], (block[serves], rules.slot[serves]), kw[serves])
        return total

    def sold(self, wanted: FloatArray, held: FloatArray) -> FloatArray:
        """The bids [B] that what is held carries, at most what is wanted."""
        bids = np.zeros(len(self.arrays.blocks))
        for b, block in enumerate(self.arrays.blocks):
            sides = [0] * block.up + [1] * block.down
            least = min(float(held[b, side, block.first_slot : block.end_slot].min()) for side in sides)
            bids[b] = min(wanted[b], least)
            if bids[b] < block.min_kw - ROUNDING_KW:
                bids[b] = 0.0
        return bids

    def within_limits(self, plan: Feasible) -> bool:
        """Whether every node's limit is kept."""
        power = self.node_power(plan)
        return bool(
            (power <= self.rules.draw + ROUNDING_KW).all() and (-power <= self.rules.feed + ROUNDING_KW).all()
        )

    def site_power(self, plan: Feasible) -> FloatArray:
        """Metered power [S, T] of the cars plugged in at each site itself, + = import."""
        own = np.zeros((self.arrays.sites, self.arrays.slots))
        np.add.at(own, (self.step_site, self.rules.slot), self.metered(plan))
        return own

    def metered(self, plan: Feasible) -> FloatArray:
        """Metered power [steps], + = import."""
        fleet, session = self.compiled.fleet, self.rules.session
        drawn = plan.charge_kw / fleet.efficiency_charge[session]
        return np.asarray(drawn - plan.discharge_kw * fleet.efficiency_discharge[session])

    def node_power(self, plan: Feasible) -> FloatArray:
        """Metered power [S, T] of the cars below each node, + = import."""
        return self.arrays.of_subtrees(self.site_power(plan))

    def _shared_cost(self, plan: Feasible) -> float:
        """Peaks, shared meters and reserve income."""
        a = self.arrays
        power = self.node_power(plan)
        total = 0.0
        for j in np.flatnonzero((a.peak_price != 0.0) | (a.metered > 0)).tolist():
            load = power[j] + a.base_load_kw[j]
            total += a.peak_price[j] * max(0.0, float(load.max()) - a.peak_so_far_kw[j])
            if a.metered[j]:
                for sign, flow in ((1.0, load), (-1.0, a.base_load_kw[j])):
                    bill = a.import_cost @ np.maximum(flow, 0.0) + a.export_value @ np.minimum(flow, 0.0)
                    total += sign * a.slot_hours * float(bill)
        for bid, block in zip(plan.bids_kw, a.blocks, strict=True):
            total -= bid * block.price_eur_per_kw_h * a.slot_hours * (block.end_slot - block.first_slot)
        return float(total)

    def _blocks(self) -> IntArray:
        """The block that a site's cars serve [channels, S, T], −1 for none."""
        fleet, a = self.compiled.fleet, self.arrays
        block = np.full((fleet.up + fleet.down, a.sites, a.slots), -1, dtype=np.int64)
        for b, one in enumerate(a.blocks):
            for j in a.below(int(a.block_site[b])):
                for channel, held in (
                    (int(self.compiled.up_channel[b]), one.up),
                    (fleet.up + int(self.compiled.down_channel[b]), one.down),
                ):
                    if held:
                        block[channel, j, one.first_slot : one.end_slot] = b
        return block
