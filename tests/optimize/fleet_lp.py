"""A fleet's linear programme as HiGHS takes it, from the definitions; wear by its tangent at no duty."""

from __future__ import annotations

import highspy
import numpy as np
from scipy import sparse

from optimize.fleet.arrays import FleetArrays


class _Rows:
    def __init__(self) -> None:
        self.row: list[int] = []
        self.column: list[int] = []
        self.value: list[float] = []
        self.lower: list[float] = []
        self.upper: list[float] = []

    def add(self, lower: float, upper: float, entries: list[tuple[int, float]]) -> None:
        for column, value in entries:
            self.row.append(len(self.lower))
            self.column.append(column)
            self.value.append(value)
        self.lower.append(lower)
        self.upper.append(upper)


def fleet_lp(arrays: FleetArrays) -> highspy.HighsLp:
    """min cost over c, d, e, m, u, r of every step, the peaks and the bids; one site level or two."""
    lower: list[float] = []
    upper: list[float] = []
    cost: list[float] = []

    def column(low: float, high: float, price: float) -> int:
        lower.append(low)
        upper.append(high)
        cost.append(price)
        return len(cost) - 1

    rows, dt, inf = _Rows(), arrays.slot_hours, float("inf")
    bids = [
        column(0.0, block.max_kw, -block.price_eur_per_kw_h * dt * (block.end_slot - block.first_slot))
        for block in arrays.blocks
    ]
    priced = zip(arrays.peak_so_far_kw, arrays.peak_price, strict=True)
    peaks = [column(float(kw), inf, float(price)) for kw, price in priced]
    power: dict[tuple[int, int], list[tuple[int, float]]] = {}
    held: dict[tuple[int, int, int], list[tuple[int, float]]] = {}
    slope = arrays.wear_linear + arrays.wear_scale * arrays.wear_alpha
    for s in range(arrays.car.size):
        i, site = int(arrays.car[s]), int(arrays.site[s])
        eta, etad = float(arrays.efficiency_charge[s]), float(arrays.efficiency_discharge[s])
        C, D = float(arrays.charge_limit_kw[s]), float(arrays.discharge_limit_kw[s])
        wear = float(slope[i] / arrays.capacity_kwh[i])
        low, high = float(arrays.lowest_kwh[s]), float(arrays.highest_kwh[s])
        before: list[tuple[int, float]] = []
        stored = float(arrays.arrival_kwh[s])
        for n in range(int(arrays.count[s])):
            t, last = int(arrays.first[s]) + n, n == arrays.count[s] - 1
            rest = float(arrays.rest_price[i]) * dt
            c = column(0.0, C, dt * float(arrays.import_cost[t]) / eta)
            d = column(
                0.0,
                D if arrays.may_discharge[t] else 0.0,
                dt * (wear - float(arrays.export_value[t]) * etad),
            )
            e = column(
                low, high, rest * (0.5 if last else 1.0) - (float(arrays.terminal_value[s]) if last else 0.0)
            )
            rows.add(stored, stored, [(e, 1.0), (c, -dt), (d, dt), *before])
            p = [(c, 1.0 / eta), (d, -etad)]
            for node in arrays.path(site):
                power.setdefault((node, t), []).extend(p)
            for b, block in enumerate(arrays.blocks):
                if t in block.slots and int(arrays.block_site[b]) in arrays.path(site):
                    u = column(0.0, inf, dt * wear * block.activation_share / etad)
                    r = column(0.0, inf, 0.0)
                    up, down = block.sustain_hours / etad, block.sustain_hours * eta
                    rows.add(
                        -inf,
                        etad * (D if arrays.may_discharge[t] else 0.0),
                        [(u, 1.0), *[(j, -v) for j, v in p]],
                    )
                    rows.add(-inf, C / eta, [(r, 1.0), *p])
                    rows.add(-inf, -low, [(u, up), (e, -1.0)])
                    rows.add(-inf, high, [(r, down), (e, 1.0)])
                    rows.add(-inf, stored - low, [(u, up), *before])
                    rows.add(-inf, high - stored, [(r, down), *[(j, -v) for j, v in before]])
                    held.setdefault((b, 0, t), []).append((u, 1.0))
                    held.setdefault((b, 1, t), []).append((r, 1.0))
            before, stored = [(e, -1.0)], 0.0
        missing = column(0.0, inf, arrays.departure_price)
        rows.add(float(arrays.target_kwh[s]) - stored, inf, [(missing, 1.0), *[(j, 1.0) for j, _ in before]])
    for (node, t), entries in power.items():
        base = float(arrays.base_load_kw[node, t])
        draw = max(float(arrays.import_limit_kw[node]) - base, 0.0)
        rows.add(-max(float(arrays.export_limit_kw[node]) + base, 0.0), draw, entries)
        if arrays.peak_price[node] > 0.0:
            rows.add(-inf, -base, [*entries, (peaks[node], -1.0)])
    for b, block in enumerate(arrays.blocks):
        for t in block.slots:
            for side in range(2):
                rows.add(0.0, inf, [*held.get((b, side, t), []), (bids[b], -1.0)])
    lp = highspy.HighsLp()
    matrix = sparse.csc_array((rows.value, (rows.row, rows.column)), shape=(len(rows.lower), len(cost)))
    lp.num_col_, lp.num_row_ = len(cost), len(rows.lower)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = np.array(cost), np.array(lower), np.array(upper)
    lp.row_lower_, lp.row_upper_ = np.array(rows.lower), np.array(rows.upper)
    lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
    lp.a_matrix_.value_ = matrix.data
    at_rest = arrays.terminal_value + 0.5 * dt * arrays.rest_price[arrays.car] * (arrays.count > 0)
    lp.offset_ = float(arrays.arrival_kwh @ at_rest - arrays.peak_price @ arrays.peak_so_far_kw)
    return lp
