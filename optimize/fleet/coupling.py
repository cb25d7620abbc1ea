"""Where cars meet: site limits, peaks, shared meters and bids, as one small box-constrained programme.

    min q·v   so that   Σ_i outputs − F·v − f0 = 0  (prices y),   lower ≤ v ≤ upper

Outputs are what the cars of a node draw in a slot (metered kW) or hold of a block. The variables v are
    N_jt    the node's power, between its limits (less base load)
    M_j     the day's peak, with N_jt + base_jt + slack_jt − M_j = 0
    I_jt, X_jt   import and export of a shared meter, I − X = N + base
    b_B, slack   the bid of a block and what is held beyond it, Σ held − b − slack = 0
Rows exist only where they could bind. Every variable has finite bounds (implied ones where none are given),
so that any prices give a bound on the whole problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from optimize.arrays import BoolArray
from optimize.fleet.arrays import FleetArrays
from optimize.fleet.layout import FloatArray, IntArray

WIDEN_KW = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coupling:
    """The programme above.

    node_row, node_variable, peak_row, meter_row [S, T], up_row, down_row [B, T] are −1 where there is none,
    as are bid and peak where nothing can be held or charged;
    bid, peak hold the variables of blocks [B] and of sites' peaks [S]; constant, €, is what v costs at rest.
    """

    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    F: sparse.csr_array
    f0: FloatArray
    constant: float
    node_row: IntArray
    node_variable: IntArray
    peak_row: IntArray
    meter_row: IntArray
    up_row: IntArray
    down_row: IntArray
    bid: IntArray
    peak: IntArray

    @property
    def rows(self) -> int:
        """Number of prices."""
        return int(self.f0.size)

    def least(self, y: FloatArray) -> float:
        """The least that the coupling itself can cost at prices y, €."""
        reduced = self.cost - self.F.T @ y
        boxes = np.minimum(reduced * self.lower, reduced * self.upper).sum()
        return float(boxes - self.f0 @ y + self.constant)


class _Builder:
    """Collects variables and rows."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.lower: list[float] = []
        self.upper: list[float] = []
        self.f0: list[float] = []
        self.entries: list[tuple[int, int, float]] = []

    def variable(self, lower: float, upper: float, cost: float = 0.0) -> int:
        self.lower.append(lower - WIDEN_KW)
        self.upper.append(max(upper, lower) + WIDEN_KW)
        self.cost.append(cost)
        return len(self.cost) - 1

    def row(self, f0: float, *entries: tuple[int, float]) -> int:
        number = len(self.f0)
        self.f0.append(f0)
        self.entries.extend((number, column, value) for column, value in entries)
        return number


def node_power_range(arrays: FleetArrays) -> tuple[FloatArray, FloatArray]:
    """The least and the most metered power [S, T] that the cars of each node could draw."""
    most = arrays.charge_limit_kw / arrays.efficiency_charge
    least = -arrays.discharge_limit_kw * arrays.efficiency_discharge
    end = arrays.first + arrays.count
    change_low, change_high = np.zeros((2, arrays.sites, arrays.slots + 1))
    for change, value in ((change_low, least), (change_high, most)):
        np.add.at(change, (arrays.site, arrays.first), value)
        np.add.at(change, (arrays.site, end), -value)
    low = np.where(arrays.may_discharge, np.cumsum(change_low, axis=1)[:, :-1], 0.0)
    high = np.cumsum(change_high, axis=1)[:, :-1]
    return np.minimum(arrays.of_subtrees(low), 0.0), np.maximum(arrays.of_subtrees(high), 0.0)


def node_limits(arrays: FleetArrays) -> tuple[FloatArray, FloatArray]:
    """What the cars of each node may draw and feed in, metered kW ≥ 0 [S, T]; see `optimize.sites.Site`."""
    draw = np.maximum(arrays.import_limit_kw[:, None] - arrays.base_load_kw, 0.0)
    feed = np.maximum(arrays.export_limit_kw[:, None] + arrays.base_load_kw, 0.0)
    return draw, feed


class CouplingPoints(NamedTuple):
    """Where cars may meet: whether a node's power matters in a slot, and for its priced peak, [S, T]."""

    node: BoolArray
    at_peak: BoolArray


def coupling_points(arrays: FleetArrays, low: FloatArray, high: FloatArray) -> CouplingPoints:
    """Where a limit or a peak could bind or a meter is shared; low, high: what the cars could draw."""
    draw, feed = node_limits(arrays)
    load = arrays.base_load_kw
    least = np.maximum(arrays.peak_so_far_kw, (low + load).max(axis=1))
    peaks = (arrays.peak_price > 0.0) & ((high + load).max(axis=1) > arrays.peak_so_far_kw)
    at_peak = peaks[:, None] & (high + load > least[:, None])
    limited = (high > draw) | (-low > feed)
    node = (at_peak | limited | (arrays.metered > 0)[:, None]) & (high - low != 0.0)
    return CouplingPoints(node, at_peak & node)


def count_rows(arrays: FleetArrays) -> int:
    """The rows of `couple`, without building it."""
    low, high = node_power_range(arrays)
    where = coupling_points(arrays, low, high)
    rows = np.count_nonzero(where.node) + np.count_nonzero(where.at_peak)
    rows += np.count_nonzero(where.node[arrays.metered > 0])
    rows += sum((block.up + block.down) * len(block.slots) for block in arrays.blocks)
    return int(rows)


def couple(arrays: FleetArrays) -> Coupling:
    """Build the coupling programme."""
    S, T, B, dt = arrays.sites, arrays.slots, len(arrays.blocks), arrays.slot_hours
    low, high = node_power_range(arrays)
    draw, feed = node_limits(arrays)
    where = coupling_points(arrays, low, high)
    build = _Builder()
    node_row, node_variable, peak_row, meter_row = (np.full((S, T), -1, dtype=np.int64) for _ in range(4))
    up_row, down_row = (np.full((B, T), -1, dtype=np.int64) for _ in range(2))
    peak = np.full(S, -1, dtype=np.int64)
    constant = 0.0
    for j in range(S):
        base = arrays.base_load_kw[j]
        top = float((high[j] + base).max())
        least = max(float(arrays.peak_so_far_kw[j]), float((low[j] + base).max()))
        peaks = arrays.peak_price[j] > 0.0 and top > arrays.peak_so_far_kw[j]
        if peaks:
            peak[j] = build.variable(least, top, arrays.peak_price[j])
            constant -= float(arrays.peak_price[j] * arrays.peak_so_far_kw[j])
        for t in np.flatnonzero(where.node[j]).tolist():
            lower, upper = max(low[j, t], -feed[j, t]), min(high[j, t], draw[j, t])
            node = build.variable(lower, upper)
            node_variable[j, t] = node
            node_row[j, t] = build.row(0.0, (node, 1.0))
            if where.at_peak[j, t]:
                slack = build.variable(0.0, top - (lower + base[t]))
                peak_row[j, t] = build.row(base[t], (node, 1.0), (slack, 1.0), (int(peak[j]), -1.0))
            if arrays.metered[j]:
                flows = [(node, -1.0)]
                for sign, most, price in (
                    (1.0, upper + base[t], arrays.import_cost[t]),
                    (-1.0, -lower - base[t], arrays.export_value[t]),
                ):
                    if most > 0.0:
                        flows.append((build.variable(0.0, float(most), sign * dt * float(price)), sign))
                meter_row[j, t] = build.row(-base[t], *flows)
                bill = arrays.import_cost[t] * max(base[t], 0.0) + arrays.export_value[t] * min(base[t], 0.0)
                constant -= dt * float(bill)
    bid = np.full(B, -1, dtype=np.int64)
    for b, block in enumerate(arrays.blocks):
        root = int(arrays.block_site[b])
        room = high[root] - low[root]
        slots = slice(block.first_slot, block.end_slot)
        most = min(block.max_kw, float(room[slots].min()))
        value = block.price_eur_per_kw_h * dt * (block.end_slot - block.first_slot)
        if most <= 0.0:
            continue
        bid[b] = build.variable(0.0, most, -value)
        for side, held in ((up_row, block.up), (down_row, block.down)):
            for t in block.slots if held else ():
                spare = build.variable(0.0, float(room[t]))
                side[b, t] = build.row(0.0, (int(bid[b]), 1.0), (spare, 1.0))
    rows = len(build.f0)
    entries = np.array(build.entries).reshape(-1, 3)
    return Coupling(
        cost=np.array(build.cost),
        lower=np.array(build.lower),
        upper=np.array(build.upper),
        F=sparse.csr_array(
            (entries[:, 2], (entries[:, 0].astype(int), entries[:, 1].astype(int))),
            shape=(rows, len(build.cost)),
        ),
        f0=np.array(build.f0),
        constant=constant,
        node_row=node_row,
        node_variable=node_variable,
        peak_row=peak_row,
        meter_row=meter_row,
        up_row=up_row,
        down_row=down_row,
        bid=bid,
        peak=peak,
    )
