"""A safe lower bound on the cost of any plan, in plain arithmetic from whatever prices there are.

For any prices y, ν and row multipliers z ≥ 0 the Lagrangian's minimum over the boxes is a bound: with reduced
costs r every variable adds min(r·lower, r·upper), wear adds its conjugate min_x C(x) − C'(x̂)·x, and every
row −z·b. Nothing is assumed of the iterate, so that a bad one only makes the bound loose.
"""

from __future__ import annotations

import math

import numpy as np

from optimize.fleet.kernel import kernel
from optimize.fleet.layout import BOX_PAIRS, Fleet, FloatArray, Iterate
from optimize.fleet.rows import (
    apply_rows,
    bounds,
    duty,
    most_change,
    most_discharge,
    negative_cost,
    subtract_adjoint,
    wear_slopes,
)


@kernel
def _wear_conjugate(fleet: Fleet, i: int, slope: float) -> float:
    """min over x ≥ 0 of C(x) − slope·x."""
    a = fleet.wear_alpha[i]
    base = fleet.wear_scale[i] * a
    if base == 0.0 or slope <= base:
        return 0.0
    x = math.log(slope / base) / a
    return float(fleet.wear_scale[i] * math.expm1(a * x) - slope * x)


@kernel
def bound_cars(
    fleet: Fleet, it: Iterate, price: FloatArray, least: FloatArray, chunk_from: int, chunk_to: int
) -> None:
    """least [n]: the least that each car of the chunks can cost at its group's prices [groups, L], €."""
    for chunk in range(chunk_from, chunk_to):
        for i in range(fleet.chunk_start[chunk], fleet.chunk_start[chunk + 1]):
            least[i] = _bound_car(fleet, it, price[fleet.chunk_group[chunk]], i)


@kernel
def _bound_car(fleet: Fleet, it: Iterate, y: FloatArray, i: int) -> float:
    V = 3 + fleet.up + fleet.down + fleet.change
    dt = fleet.hours
    a, b = fleet.step_start[i], fleet.step_start[i + 1]
    p0, p1 = fleet.pair_start[i], fleet.pair_start[i + 1]
    s0, s1 = fleet.session_start[i], fleet.session_start[i + 1]
    K, sessions, pairs = b - a, s1 - s0, p1 - p0
    x = it.x[V * a : V * b].reshape((V, K))
    z, at_rest, limit = np.zeros(pairs), np.empty(pairs), np.empty(pairs)
    steps = pairs - 2 * sessions - (1 if math.isfinite(fleet.v2g_limit[i]) else 0)
    # A car that is never plugged in is never iterated: it has no multipliers worth using.
    for j in range((BOX_PAIRS + fleet.up + fleet.down) * K, pairs if K > 0 else 0):
        z[j] = it.dual[p0 + j]
    for j in range(steps - K * fleet.change, steps):
        z[j] = 0.0
    for s in range(sessions):
        z[steps + 2 * s] = 0.0
        if fleet.length[s0 + s] == 0 and fleet.behind[s0 + s] < 0:
            z[steps + 2 * s + 1] = 0.0
    apply_rows(fleet, i, np.zeros((V, K)), np.zeros(sessions), 1.0, at_rest)
    bounds(fleet, i, K, limit)
    sum_i = 0.0
    for j in range(pairs):
        sum_i += z[j] * (at_rest[j] - limit[j])
    G, G_session = np.empty((V, K)), np.empty(sessions)
    slope, _ = wear_slopes(fleet, i, max(duty(fleet, i, x), 0.0))
    negative_cost(fleet, i, y, slope, G, G_session)
    subtract_adjoint(fleet, i, z, G, G_session)
    sum_i += _wear_conjugate(fleet, i, slope)
    rest = 0.5 * fleet.rest_price[i] * dt
    k = 0
    for s in range(s0, s1):
        charge, able = fleet.charge_limit[s], fleet.discharge_limit[s]
        most = charge / fleet.efficiency_charge[s] + able * fleet.efficiency_discharge[s]
        end = k + fleet.length[s]
        if end > k:
            sum_i += fleet.offset[s] * (rest + fleet.terminal_value[s] - it.nu[a + k])
        t = fleet.first[s]
        while k < end:
            discharge = most_discharge(fleet.discharge_limit[s], fleet.may_discharge[t])
            nu = it.nu[a + k]
            after = it.nu[a + k + 1] if k + 1 < end or fleet.ahead[s] >= 0 else 0.0
            sum_i += min(0.0, (-G[0, k] - dt * nu) * charge) + min(0.0, (-G[1, k] + dt * nu) * discharge)
            r = -G[2, k] + nu - after
            sum_i += min(r * fleet.floor[s], r * fleet.ceiling[s])
            for j in range(fleet.up + fleet.down):
                sum_i += min(0.0, -G[3 + j, k] * most)
            if fleet.change > 0:
                furthest = most_change(fleet, s) + abs(fleet.previous[a + k])
                sum_i += min(0.0, -G[V - 1, k] * furthest)
            k += 1
            t += 1
        if fleet.length[s] == 0 and fleet.behind[s] < 0:
            sum_i += fleet.missing_price[s] * max(0.0, fleet.target[s] - fleet.arrival[s])
        else:
            least = fleet.floor[s] if fleet.length[s] > 0 else fleet.arrival[s]
            passed_on = it.nu[a + k] if fleet.ahead[s] >= 0 else 0.0
            sum_i += min(0.0, (-G_session[s - s0] - passed_on) * max(0.0, fleet.target[s] - least))
    return float(sum_i)
