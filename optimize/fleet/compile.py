"""From `FleetArrays` to what the kernel sweeps over: groups of cars, chunks, flat offsets, local rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimize.fleet.arrays import FleetArrays
from optimize.fleet.coupling import coupling_points, node_power_range
from optimize.fleet.errors import UnsupportedError
from optimize.fleet.layout import BOX_PAIRS, BoolArray, Fleet, FloatArray, IntArray

CHUNKS = 32
CHANNELS = 2
WIDEN_KWH = 1e-7
LEAST_KW = 1e-6
LEAST_KWH = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compiled:
    """The kernel's fleet, cars reordered by group.

    order [n]: the car of each kernel position; stay_order [s] likewise. groups: the sites of each group, in
    the order of their local rows; of sites whose cars meet others in the same rows the first. rows: those
    of the widest group. up_channel, down_channel [B]: the reserve channel of each block in that direction, −1
    if none.
    """

    fleet: Fleet
    order: IntArray
    session_order: IntArray
    groups: tuple[tuple[int, ...], ...]
    rows: int
    up_channel: IntArray
    down_channel: IntArray


def compile_fleet(arrays: FleetArrays) -> Compiled:
    """Order, chunk and lay out the fleet. Raises UnsupportedError for a third reserve product at once."""
    up_channel, sustain_up, activation = _channels(arrays, up=True)
    down_channel, sustain_down, _ = _channels(arrays, up=False)
    T, n = arrays.slots, arrays.cars
    groups, group = _groups(arrays)
    order = np.argsort(group, kind="stable")
    position = np.empty(n, dtype=np.int64)
    position[order] = np.arange(n)
    session_order = np.lexsort((arrays.first, position[arrays.car]))
    owner = position[arrays.car[session_order]]
    session_start = np.searchsorted(owner, np.arange(n + 1))
    count = arrays.count[session_order]
    steps = np.concatenate([[0], np.cumsum(count)])[session_start]
    taper_fall = arrays.taper_fall[session_order]
    taper = int(bool(np.any(taper_fall > 0)))
    up, down = len(sustain_up), len(sustain_down)
    change = int(arrays.previous_kw.size > 0)
    pairs_a_step = BOX_PAIRS + up + down + 3 * (up > 0) + 3 * (down > 0) + taper + 3 * change
    # Activated reserve counts in the duty, not in the contract, and the kernel has one border only.
    called = any(block.up and block.activation_share > 0.0 for block in arrays.blocks)
    limit = np.full(n, np.inf) if called else np.maximum(arrays.v2g_limit_kwh[order], LEAST_KWH)
    pairs = pairs_a_step * np.diff(steps) + 2 * np.diff(session_start) + np.isfinite(limit)
    chunk_start, chunk_group = _chunks(group[order], np.diff(steps))
    site = arrays.site[session_order]
    place = {(g, j): slot for g, sites in enumerate(groups) for slot, j in enumerate(sites)}
    session_group = group[arrays.car[session_order]]
    outs = 1 + up + down
    alike = _alike(arrays)[site].tolist()
    base = np.array([place[g, j] for g, j in zip(session_group.tolist(), alike, strict=True)])
    arrival, lowest = arrays.arrival_kwh[session_order], arrays.lowest_kwh[session_order]
    highest = arrays.highest_kwh[session_order]
    behind, ahead = _links(arrays.carries[session_order], owner, count)
    floor = np.minimum(lowest, arrival) - WIDEN_KWH
    ceiling = np.maximum(highest, arrival + arrays.surplus_kwh[session_order]) + WIDEN_KWH
    # A target that is never missed leaves its row without meaning: far below the floor it is slack for ever.
    target = arrays.target_kwh[session_order]
    least = np.where(count > 0, floor, arrival)
    idle = (target <= least) | (arrays.departure_price <= 0.0)
    at_meter = np.array([any(arrays.metered[a] for a in arrays.path(j)) for j in range(arrays.sites)])
    previous = _previous(arrays, session_order)
    # Copies: an array that may not be written is another type, for which every kernel is compiled anew.
    fleet = Fleet(
        hours=arrays.slot_hours,
        slots=T,
        up=up,
        down=down,
        taper=taper,
        change=change,
        import_cost=np.array(arrays.import_cost, order="C"),
        export_value=np.array(arrays.export_value, order="C"),
        may_discharge=np.array(arrays.may_discharge, order="C"),
        linked=int(bool(np.any(behind >= 0))),
        sustain=np.array(sustain_up + sustain_down).reshape(-1, T),
        activation=np.array(activation).reshape(-1, T),
        session_start=session_start,
        step_start=steps,
        pair_start=np.concatenate([[0], np.cumsum(pairs)]).astype(np.int64),
        chunk_start=chunk_start,
        chunk_group=chunk_group,
        wear_linear=arrays.wear_linear[order],
        wear_scale=arrays.wear_scale[order],
        wear_alpha=arrays.wear_alpha[order],
        wear_most=_most_duty(arrays)[order],
        capacity=arrays.capacity_kwh[order],
        rest_price=arrays.rest_price[order],
        v2g_limit=limit,
        first=arrays.first[session_order],
        length=count,
        behind=behind,
        ahead=ahead,
        arrival=arrival,
        offset=np.where(behind >= 0, arrival - target[behind], arrival),
        floor=floor,
        ceiling=ceiling,
        target=np.where(idle, least - 1.0, target),
        missing_price=np.maximum(arrays.departure_price * arrays.missing_weight[session_order], 1e-9),
        charge_limit=np.maximum(arrays.charge_limit_kw[session_order], LEAST_KW),
        discharge_limit=arrays.discharge_limit_kw[session_order],
        efficiency_charge=arrays.efficiency_charge[session_order],
        efficiency_discharge=arrays.efficiency_discharge[session_order],
        terminal_value=arrays.terminal_value[session_order],
        taper_top=np.minimum(arrays.taper_top_kw[session_order], 1e6),
        taper_fall=taper_fall,
        previous=np.nan_to_num(previous),
        change_price=np.where(np.isnan(previous), 0.0, arrays.change_price),
        own_meter=1.0 - at_meter[site].astype(np.float64),
        offers_up=(arrival >= lowest).astype(np.float64),
        offers_down=(arrival <= highest).astype(np.float64),
        base=base.astype(np.int64) * outs * T,
    )
    return Compiled(
        fleet=fleet,
        order=order,
        session_order=session_order,
        groups=groups,
        rows=_local_rows(groups, outs, T),
        up_channel=up_channel,
        down_channel=down_channel,
    )


def _previous(arrays: FleetArrays, session_order: IntArray) -> FloatArray:
    """What the plan in force has for each step, metered kW; NaN where it says nothing, none without one."""
    if not arrays.previous_kw.size:
        return np.zeros(0)
    count, first = arrays.count[session_order], arrays.first[session_order]
    begin = np.cumsum(count) - count
    slot = np.arange(int(count.sum())) + np.repeat(first - begin, count)
    return np.asarray(arrays.previous_kw[np.repeat(arrays.car[session_order], count), slot])


def _links(carries: IntArray, owner: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
    """For each session the one that it carries on from, and the one with slots that carries on from it."""
    behind, ahead = np.full((2, count.size), -1, dtype=np.int64)
    last = -1
    for s in range(count.size) if carries.any() else ():
        if last >= 0 and owner[last] == owner[s] and carries[s]:
            behind[s] = last
            if count[s]:
                ahead[last] = s
        if count[s]:
            last = s
    return behind, ahead


def chunk_bytes(arrays: FleetArrays) -> int:
    """What the chunks' own Schur complements take. Raises UnsupportedError as `compile_fleet`."""
    outs = 1 + sum(len(_channels(arrays, up=up)[1]) for up in (True, False))
    groups, _ = _groups(arrays)
    return 8 * max(CHUNKS, len(groups)) * _local_rows(groups, outs, arrays.slots) ** 2


def _local_rows(groups: tuple[tuple[int, ...], ...], outs: int, slots: int) -> int:
    return max((len(sites) for sites in groups), default=0) * outs * slots


def _most_duty(arrays: FleetArrays) -> FloatArray:
    """The duty [n] EFC whose wear alone is all that the day is worth; keeps exp() finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        most = np.log1p(arrays.most_worth_eur / arrays.wear_scale) / arrays.wear_alpha
    return np.where(arrays.wear_scale * arrays.wear_alpha > 0.0, most, np.inf)


def _groups(arrays: FleetArrays) -> tuple[tuple[tuple[int, ...], ...], IntArray]:
    """The sets of sites at which cars plug in, those that are alike as one, and each car's."""
    sites: list[set[int]] = [set() for _ in range(arrays.cars)]
    for car, site in zip(arrays.car.tolist(), _alike(arrays)[arrays.site].tolist(), strict=True):
        sites[car].add(site)
    keys = [tuple(sorted(one)) for one in sites]
    groups = tuple(sorted(set(keys)))
    number = {key: g for g, key in enumerate(groups)}
    return groups, np.array([number[key] for key in keys], dtype=np.int64)


def _alike(arrays: FleetArrays) -> IntArray:
    """For each site the first whose cars meet others in the same rows, [S]."""
    meets: BoolArray = np.asarray(coupling_points(arrays, *node_power_range(arrays)).node.any(axis=1))
    meets[arrays.block_site] = True
    first: dict[tuple[int, ...], int] = {}
    rows = [tuple(node for node in arrays.path(j) if meets[node]) for j in range(arrays.sites)]
    return np.array([first.setdefault(nodes, j) for j, nodes in enumerate(rows)], dtype=np.int64)


def _chunks(group: IntArray, steps: IntArray) -> tuple[IntArray, IntArray]:
    """Runs of cars of one group with about equal numbers of steps; the same on any machine."""
    most = max(1.0, float(steps.sum()) / CHUNKS)
    starts, groups, held = [0], [], 0.0
    for i in range(group.size):
        if i > starts[-1] and (group[i] != group[i - 1] or held >= most):
            groups.append(int(group[i - 1]))
            starts.append(i)
            held = 0.0
        held += float(steps[i])
    if group.size:
        groups.append(int(group[-1]))
        starts.append(int(group.size))
    return np.array(starts, dtype=np.int64), np.array(groups, dtype=np.int64)


def _channels(arrays: FleetArrays, *, up: bool) -> tuple[IntArray, list[FloatArray], list[FloatArray]]:
    """Give every block of a direction a channel; those that can meet in a car need different ones."""
    channel = np.full(len(arrays.blocks), -1, dtype=np.int64)
    sustain: list[FloatArray] = []
    activation: list[FloatArray] = []
    taken: list[list[int]] = []
    for b, block in enumerate(arrays.blocks):
        if not (block.up if up else block.down):
            continue
        for c in range(CHANNELS + 1):
            if c == CHANNELS:
                raise UnsupportedError(f"more than {CHANNELS} reserve products a direction at once")
            if c == len(taken):
                taken.append([])
                sustain.append(np.zeros(arrays.slots))
                activation.append(np.zeros(arrays.slots))
            if not any(_meet(arrays, b, other) for other in taken[c]):
                break
        taken[c].append(b)
        channel[b] = c
        sustain[c][block.first_slot : block.end_slot] = block.sustain_hours
        activation[c][block.first_slot : block.end_slot] = block.activation_share
    return channel, sustain, activation


def _meet(arrays: FleetArrays, b: int, other: int) -> bool:
    one, two = arrays.blocks[b], arrays.blocks[other]
    if one.end_slot <= two.first_slot or two.end_slot <= one.first_slot:
        return False
    if (one.sustain_hours, one.activation_share) != (two.sustain_hours, two.activation_share):
        return True
    here, there = int(arrays.block_site[b]), int(arrays.block_site[other])
    return here in arrays.path(there) or there in arrays.path(here)
