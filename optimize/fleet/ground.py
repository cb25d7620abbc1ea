"""A plan and the room that its limits leave it, in the tables that moves are made in (`moves`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimize.fleet import moves
from optimize.fleet.certificate import Feasible, Repairer
from optimize.fleet.layout import FloatArray, IntArray
from optimize.fleet.moves import FAR, Ground
from optimize.fleet.warm import CouplingPrices

# A row with less room is used up; so many at once are kept as they are.
USED_UP_KW, MOST_KEPT = 1e-7, 800
# The share of each bid that may be lost where rows go by price, unless said otherwise.
LOST = 2e-4
# Who holds reserve: whose wear costs no more than is paid for it but for rounding, or who holds much of it.
SAME_EUR, MUCH = 1e-5, 0.1


def ground_of(
    repairer: Repairer, plan: Feasible, y: FloatArray, *, by_price: bool, lost: float = LOST
) -> Ground:
    """The plan and the room that its limits leave it.

    by_price: rows that are used up have their price rather than being kept as they are, and bids may lose a
    share `lost`.
    """
    arrays, fleet, rules = repairer.arrays, repairer.compiled.fleet, repairer.rules
    reserve = _reserve(repairer, plan, y)
    nodes, rows = arrays.sites * arrays.slots, (arrays.sites + 2 * len(arrays.blocks)) * arrays.slots
    row = np.zeros((rows, moves.ROW_COLUMNS))
    row[:nodes, moves.UP], row[:nodes, moves.DOWN], row[:nodes, moves.PRICE] = _node_rooms(repairer, plan)
    row[nodes:, moves.UP], row[nodes:, moves.DOWN] = FAR, reserve.room.reshape(-1)
    basic = np.full(rows, -1, dtype=np.int64)
    if by_price:
        prices = CouplingPrices.of(repairer.coupling, y)
        row[:nodes, moves.PRICE] += np.where(arrays.metered[:, None] > 0, 0.0, prices.node).reshape(-1)
        row[nodes:, moves.PRICE] = np.stack([np.zeros_like(prices.down), prices.down], axis=1).reshape(-1)
        row[nodes:, moves.DOWN] += np.repeat(lost * plan.bids_kw, 2 * arrays.slots)
    else:
        shared = np.append(repairer.coupling.node_row.reshape(-1) >= 0, reserve.room.reshape(-1) < FAR)
        kept = np.flatnonzero(shared & (row[:, [moves.UP, moves.DOWN]].min(axis=1) < USED_UP_KW))[:MOST_KEPT]
        basic[kept] = np.arange(kept.size)
    row[:, [moves.UP, moves.DOWN]] = np.maximum(row[:, [moves.UP, moves.DOWN]], 0.0)
    ground = Ground(
        hours=fleet.hours,
        step=_steps(repairer, plan, reserve),
        place=_places(repairer, reserve),
        session=np.stack(
            [
                repairer.begin_kwh(fleet.hours * (plan.charge_kw - plan.discharge_kw)),
                np.minimum(rules.lowest, fleet.arrival),
                np.maximum(
                    rules.highest, fleet.arrival + arrays.surplus_kwh[repairer.compiled.session_order]
                ),
                rules.lowest,
                rules.highest,
                fleet.efficiency_charge,
                fleet.efficiency_discharge,
                fleet.taper_fall,
                fleet.taper_top,
                fleet.terminal_value,
                fleet.target,
                fleet.missing_price,
            ],
            axis=1,
        ),
        span=np.stack([rules.start, rules.start + fleet.length, fleet.behind], axis=1),
        car=_cars(repairer, plan),
        sessions=fleet.session_start,
        row=row,
        basic=basic,
        mark=np.zeros(rows, dtype=np.int64),
        touched=np.zeros(rows, dtype=np.int64),
    )
    moves.note_pieces(ground)
    return ground


def _steps(repairer: Repairer, plan: Feasible, reserve: _Reserve) -> FloatArray:
    """The table of steps."""
    fleet, rules, session = repairer.compiled.fleet, repairer.rules, repairer.rules.session
    own, slot, owner = fleet.own_meter[session] * fleet.hours, rules.slot, repairer.step_car
    step = np.zeros((session.size, moves.STEP_COLUMNS))
    step[:, moves.NET], step[:, moves.ENERGY] = plan.charge_kw - plan.discharge_kw, plan.energy_kwh
    step[:, moves.MOST_IN] = rules.charge_limit[session]
    step[:, moves.MOST_OUT] = np.where(fleet.may_discharge[slot], fleet.discharge_limit[session], 0.0)
    # What is below its minimum is not held to it: it is cleared, or goes off by itself (`least`).
    net = step[:, moves.NET]
    for column, least, way in (
        (moves.LEAST_IN, rules.least_in[owner], 1.0),
        (moves.LEAST_OUT, rules.least_out[owner], -1.0),
    ):
        step[:, column] = np.where(way * net >= least - moves.AT_BOUND_KW, least, 0.0)
    step[:, moves.IN_EUR] = own * fleet.import_cost[slot] / fleet.efficiency_charge[session]
    step[:, moves.OUT_EUR] = own * fleet.export_value[slot] * fleet.efficiency_discharge[session]
    step[:, moves.KINK] = np.nan
    if fleet.change:
        before = fleet.previous
        kink = np.where(
            before > 0.0,
            before * fleet.efficiency_charge[session],
            before / fleet.efficiency_discharge[session],
        )
        step[:, moves.KINK] = np.where(fleet.change_price > 0.0, kink, np.nan)
        step[:, moves.KINK_EUR] = fleet.hours * fleet.change_price
    step[:, moves.WORTH] = np.maximum(reserve.worth, 0.0)
    sustain = _sustain(repairer)[:, slot]
    step[:, moves.LAST_UP] = sustain[0] / fleet.efficiency_discharge[session]
    step[:, moves.LAST_DOWN] = sustain[1] * fleet.efficiency_charge[session]
    step[:, moves.NEED_UP], step[:, moves.NEED_DOWN] = reserve.need
    step[:, moves.STOCK_UP], step[:, moves.STOCK_DOWN] = reserve.stock
    return step


def _places(repairer: Repairer, reserve: _Reserve) -> IntArray:
    """The table of their places."""
    fleet, rules, arrays, site = repairer.compiled.fleet, repairer.rules, repairer.arrays, repairer.step_site
    paths = [arrays.path(j) for j in range(arrays.sites)]
    table = np.full((len(paths), max(len(path) for path in paths)), -1, dtype=np.int64)
    for j, path in enumerate(paths):
        table[j, : len(path)] = path
    place = np.full((rules.slot.size, moves.NODES + table.shape[1]), -1, dtype=np.int64)
    place[:, moves.CAR] = repairer.step_car
    for side, offers in enumerate((fleet.offers_up, fleet.offers_down)):
        counts = (offers[rules.session] > 0.0) & ((side == 1) | (reserve.worth >= 0.0))
        place[:, moves.ROW_UP + side] = np.where(counts, reserve.row[side, site, rules.slot], -1)
    nodes = table[site]
    place[:, moves.NODES :] = np.where(nodes >= 0, nodes * arrays.slots + rules.slot[:, None], -1)
    return place


def _cars(repairer: Repairer, plan: Feasible) -> FloatArray:
    """The table of cars."""
    fleet, rules = repairer.compiled.fleet, repairer.rules
    out = np.zeros(fleet.capacity.size)
    np.add.at(out, repairer.step_car, plan.discharge_kw)
    car = np.zeros((out.size, moves.CAR_COLUMNS))
    car[:, moves.USED], car[:, moves.LEFT] = repairer.duty(plan), rules.v2g_limit - out * fleet.hours
    car[:, moves.DUTY], car[:, moves.DRAWDOWN] = fleet.hours / fleet.capacity, rules.drawdown
    car[:, moves.REST], car[:, moves.WEAR_LINEAR] = fleet.rest_price, fleet.wear_linear
    car[:, moves.WEAR_SCALE], car[:, moves.WEAR_ALPHA] = fleet.wear_scale, fleet.wear_alpha
    car[:, moves.WEAR_MOST] = fleet.wear_most
    return car


def _node_rooms(repairer: Repairer, plan: Feasible) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How far each node's power may rise and fall [S·T], and what a kW of it costs at a shared meter.

    A priced peak does not grow; the flow at a shared meter does not turn, where its price changes.
    """
    a, rules = repairer.arrays, repairer.rules
    power = repairer.node_power(plan)
    load = power + a.base_load_kw
    peak = np.maximum(a.peak_so_far_kw, load.max(axis=1, initial=0.0))[:, None] - a.base_load_kw
    draw = np.where(a.peak_price[:, None] > 0.0, np.minimum(rules.draw, peak), rules.draw)
    up, down = np.minimum(draw, FAR) - power, np.minimum(rules.feed, FAR) + power
    metered = np.broadcast_to(a.metered[:, None] > 0, load.shape)
    price = np.where(metered, a.slot_hours * np.where(load > 0.0, a.import_cost, a.export_value), 0.0)
    up = np.where(metered & (load <= 0.0), np.minimum(up, -load), up)
    down = np.where(metered & (load >= 0.0), np.minimum(down, load), down)
    return up.reshape(-1), down.reshape(-1), price.reshape(-1)


@dataclass(frozen=True, slots=True, eq=False)
class _Reserve:
    """What can be held beyond each bid [B, 2, T]; the row of what a site's cars hold [2, S, T], −1 for none.

    worth [steps]: € that a kW more to hold upwards saves, −1 where it does not count as others hold for less.
    need, stock [2, steps]: power and stock that stay free, where shares do not change; −1 where they may.
    """

    room: FloatArray
    row: IntArray
    worth: FloatArray
    need: FloatArray
    stock: FloatArray


def _reserve(repairer: Repairer, plan: Feasible, y: FloatArray) -> _Reserve:
    """Several products of a side keep their shares; of one, who holds how much is open."""
    a, fleet, rules = repairer.arrays, repairer.compiled.fleet, repairer.rules
    T, steps = a.slots, plan.charge_kw.size
    found = _Reserve(
        room=np.full((len(a.blocks), 2, T), FAR),
        row=np.full((2, a.sites, T), -1, dtype=np.int64),
        worth=np.zeros(steps),
        need=np.full((2, steps), -1.0),
        stock=np.zeros((2, steps)),
    )
    if not a.blocks:
        return found
    several = fleet.up > 1 or fleet.down > 1
    can = repairer.can_hold(plan)
    if several:
        most = np.maximum(_sustain(repairer)[:, rules.slot], 1e-30)
        for side, channels in enumerate((slice(fleet.up), slice(fleet.up, None))):
            shares = plan.shares_kw[channels]
            found.need[side] = shares.sum(axis=0)
            found.stock[side] = (shares * fleet.sustain[channels][:, rules.slot]).sum(axis=0) / most[side]
    elif fleet.up:
        block = rules.block[0, repairer.step_site, rules.slot]
        paid = -CouplingPrices.of(repairer.coupling, y).up[block, rules.slot]
        cost = repairer.activation_eur(plan, 0)
        serves = (block >= 0) & ((cost <= paid + SAME_EUR) | (plan.shares_kw[0] > MUCH * can[0]))
        found.worth[:] = np.where(serves, np.maximum(paid - cost, 0.0), -1.0)
        can[0] = np.where(serves, can[0], 0.0)
    could = repairer.held(can)
    for b, block in enumerate(a.blocks):
        span = slice(block.first_slot, block.end_slot)
        for side, sold in enumerate((block.up, block.down)):
            if sold and (several or plan.bids_kw[b] > 0.0):
                first = (a.sites + 2 * b + side) * T
                for j in a.below(int(a.block_site[b])):
                    found.row[side, j, span] = np.arange(first + span.start, first + span.stop)
                if not several:
                    found.room[b, side, span] = could[b, side, span] - plan.bids_kw[b]
    return found


def _sustain(repairer: Repairer) -> FloatArray:
    """The longest that a kW of any product of a side must be sustained [2, T], h."""
    fleet = repairer.compiled.fleet
    parts = (fleet.sustain[: fleet.up], fleet.sustain[fleet.up : fleet.up + fleet.down])
    return np.array([part.max(axis=0) if len(part) else np.zeros(fleet.slots) for part in parts])
