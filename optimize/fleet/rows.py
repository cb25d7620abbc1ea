"""One car's inequalities, gradient and coupling, applied to vectors (compiled); the order is in `layout`."""

from __future__ import annotations

import math

from optimize.fleet.kernel import kernel
from optimize.fleet.layout import BOX_PAIRS, Fleet, FloatArray


# What is asked in each step is asked of numbers: a call that passes the whole fleet takes longer than a step.
@kernel
def most_discharge(limit_kw: float, able: bool) -> float:
    """What may be discharged, battery-side kW, of a session's limit in a slot."""
    return float(limit_kw) if able else 0.0


@kernel
def most_change(fleet: Fleet, s: int) -> float:
    """What stay s can depart by from a plan in force that has it do nothing, metered kW."""
    most = fleet.charge_limit[s] / fleet.efficiency_charge[s]
    return float(1.0 + most + fleet.discharge_limit[s] * fleet.efficiency_discharge[s])


@kernel
def row_starts(fleet: Fleet, K: int) -> tuple[int, int, int, int, int]:
    """Where a car's rows begin over its K steps: reserve up, reserve down, taper, change; its sessions'."""
    up_row = (BOX_PAIRS + fleet.up + fleet.down) * K
    down_row = up_row + (3 * K if fleet.up > 0 else 0)
    taper_row = down_row + (3 * K if fleet.down > 0 else 0)
    change_row = taper_row + (K if fleet.taper > 0 else 0)
    return up_row, down_row, taper_row, change_row, change_row + 3 * K * fleet.change


@kernel
def came_with(offset: float, behind: int, x: FloatArray, missing: FloatArray, k: int, fixed: float) -> float:
    """What a session comes with whose steps begin with k; behind: among its car's; `fixed`: see
    `apply_rows`."""
    return float(offset * fixed + x[2, k - 1] + missing[behind]) if behind >= 0 else float(offset * fixed)


@kernel
def apply_rows(
    fleet: Fleet, i: int, x: FloatArray, missing: FloatArray, fixed: float, out: FloatArray
) -> None:
    """out = A·x for x [V, K], m [sessions]; `fixed`: 1 for a point, 0 for a direction (arrivals do not
    move)."""
    nu, nd = fleet.up, fleet.down
    K = x.shape[1]
    s0, s1 = fleet.session_start[i], fleet.session_start[i + 1]
    up_row, down_row, taper_row, change_row, steps = row_starts(fleet, K)
    for k in range(K):
        out[k] = -x[0, k]
        out[K + k] = x[0, k]
        out[2 * K + k] = -x[1, k]
        out[3 * K + k] = x[1, k]
        out[4 * K + k] = -x[2, k]
        out[5 * K + k] = x[2, k]
    for j in range(nu + nd):
        for k in range(K):
            out[(BOX_PAIRS + j) * K + k] = -x[3 + j, k]
    k = 0
    discharged = 0.0
    for s in range(s0, s1):
        eta = 1.0 / fleet.efficiency_charge[s]
        etad = fleet.efficiency_discharge[s]
        before = came_with(fleet.offset[s], fleet.behind[s] - s0, x, missing, k, fixed)
        for t in range(fleet.first[s], fleet.first[s] + fleet.length[s]):
            p = eta * x[0, k] - etad * x[1, k]
            e = x[2, k]
            if nu > 0:
                held = kept = 0.0
                for j in range(nu):
                    held += x[3 + j, k]
                    kept += x[3 + j, k] * fleet.sustain[j, t] / etad
                out[up_row + k] = held - p
                out[up_row + K + k] = kept - e
                out[up_row + 2 * K + k] = kept - before
            if nd > 0:
                held = kept = 0.0
                for j in range(nu, nu + nd):
                    held += x[3 + j, k]
                    kept += x[3 + j, k] * fleet.sustain[j, t] / eta
                out[down_row + k] = held + p
                out[down_row + K + k] = kept + e
                out[down_row + 2 * K + k] = kept + before
            if fleet.taper > 0:
                out[taper_row + k] = x[0, k] + fleet.taper_fall[s] * before
            if fleet.change > 0:
                moved = x[3 + nu + nd, k]
                out[change_row + k] = p - moved
                out[change_row + K + k] = -p - moved
                out[change_row + 2 * K + k] = moved
            discharged += x[1, k]
            before = e
            k += 1
        out[steps + 2 * (s - s0)] = -missing[s - s0]
        out[steps + 2 * (s - s0) + 1] = -before - missing[s - s0]
    if math.isfinite(fleet.v2g_limit[i]):
        out[steps + 2 * (s1 - s0)] = fleet.hours * discharged


@kernel
def bounds(fleet: Fleet, i: int, K: int, out: FloatArray) -> None:
    """out = b."""
    nu, nd = fleet.up, fleet.down
    s0, s1 = fleet.session_start[i], fleet.session_start[i + 1]
    up_row, down_row, taper_row, change_row, steps = row_starts(fleet, K)
    for k in range((nu + nd) * K):
        out[BOX_PAIRS * K + k] = 0.0
    k = 0
    for s in range(s0, s1):
        furthest = most_change(fleet, s) if fleet.change > 0 else 0.0
        for t in range(fleet.first[s], fleet.first[s] + fleet.length[s]):
            discharge = most_discharge(fleet.discharge_limit[s], fleet.may_discharge[t])
            out[k] = 0.0
            out[K + k] = fleet.charge_limit[s]
            # Without discharge d stays at 0, a unit inside two bounds that mean nothing.
            able = discharge > 0.0
            out[2 * K + k] = 0.0 if able else 1.0
            out[3 * K + k] = discharge if able else 1.0
            out[4 * K + k] = -fleet.floor[s]
            out[5 * K + k] = fleet.ceiling[s]
            if nu > 0:
                out[up_row + k] = fleet.efficiency_discharge[s] * discharge
                out[up_row + K + k] = -fleet.floor[s]
                out[up_row + 2 * K + k] = -fleet.floor[s]
            if nd > 0:
                out[down_row + k] = fleet.charge_limit[s] / fleet.efficiency_charge[s]
                out[down_row + K + k] = fleet.ceiling[s]
                out[down_row + 2 * K + k] = fleet.ceiling[s]
            if fleet.taper > 0:
                out[taper_row + k] = fleet.taper_top[s]
            if fleet.change > 0:
                at = fleet.step_start[i] + k
                out[change_row + k] = fleet.previous[at]
                out[change_row + K + k] = -fleet.previous[at]
                out[change_row + 2 * K + k] = furthest + abs(fleet.previous[at])
            k += 1
        out[steps + 2 * (s - s0)] = 0.0
        out[steps + 2 * (s - s0) + 1] = -fleet.target[s]
    if math.isfinite(fleet.v2g_limit[i]):
        out[steps + 2 * (s1 - s0)] = fleet.v2g_limit[i]


@kernel
def subtract_adjoint(fleet: Fleet, i: int, t_pairs: FloatArray, G: FloatArray, G_session: FloatArray) -> None:
    """G −= Aᵀ·t over [V, K], G_stay −= Aᵀ·t over m."""
    nu, nd = fleet.up, fleet.down
    K = G.shape[1]
    s0, s1 = fleet.session_start[i], fleet.session_start[i + 1]
    up_row, down_row, taper_row, change_row, steps = row_starts(fleet, K)
    limit = 0.0
    if math.isfinite(fleet.v2g_limit[i]):
        limit = fleet.hours * t_pairs[steps + 2 * (s1 - s0)]
    for k in range(K):
        G[0, k] += t_pairs[k] - t_pairs[K + k]
        G[1, k] += t_pairs[2 * K + k] - t_pairs[3 * K + k] - limit
        G[2, k] += t_pairs[4 * K + k] - t_pairs[5 * K + k]
    for j in range(nu + nd):
        for k in range(K):
            G[3 + j, k] += t_pairs[(BOX_PAIRS + j) * K + k]
    k = 0
    for s in range(s0, s1):
        eta = 1.0 / fleet.efficiency_charge[s]
        etad = fleet.efficiency_discharge[s]
        start = k
        if nu + nd + fleet.taper + fleet.change == 0:
            k += fleet.length[s]
        else:
            for t in range(fleet.first[s], fleet.first[s] + fleet.length[s]):
                push_p = push_before = 0.0
                if nu > 0:
                    power = t_pairs[up_row + k]
                    at_end = t_pairs[up_row + K + k]
                    at_start = t_pairs[up_row + 2 * K + k]
                    for j in range(nu):
                        G[3 + j, k] -= power + fleet.sustain[j, t] / etad * (at_end + at_start)
                    push_p += power
                    G[2, k] += at_end
                    push_before += at_start
                if nd > 0:
                    power = t_pairs[down_row + k]
                    at_end = t_pairs[down_row + K + k]
                    at_start = t_pairs[down_row + 2 * K + k]
                    for j in range(nu, nu + nd):
                        G[3 + j, k] -= power + fleet.sustain[j, t] / eta * (at_end + at_start)
                    push_p -= power
                    G[2, k] -= at_end
                    push_before -= at_start
                if fleet.taper > 0:
                    G[0, k] -= t_pairs[taper_row + k]
                    push_before -= fleet.taper_fall[s] * t_pairs[taper_row + k]
                if fleet.change > 0:
                    above, below = t_pairs[change_row + k], t_pairs[change_row + K + k]
                    push_p += below - above
                    G[3 + nu + nd, k] += above + below - t_pairs[change_row + 2 * K + k]
                G[0, k] += eta * push_p
                G[1, k] -= etad * push_p
                if k > start or fleet.behind[s] >= 0:
                    G[2, k - 1] += push_before
                if k == start and fleet.behind[s] >= 0:
                    G_session[fleet.behind[s] - s0] += push_before
                k += 1
        lack = t_pairs[steps + 2 * (s - s0) + 1]
        G_session[s - s0] += t_pairs[steps + 2 * (s - s0)] + lack
        if k > start or fleet.behind[s] >= 0:
            G[2, k - 1] += lack
        if k == start and fleet.behind[s] >= 0:
            G_session[fleet.behind[s] - s0] += lack


@kernel
def duty_share(fleet: Fleet, i: int) -> float:
    """Duty (EFC) of one kW discharged for one slot."""
    return float(fleet.hours / fleet.capacity[i])


@kernel
def duty(fleet: Fleet, i: int, x: FloatArray) -> float:
    """x_i: discharge and expected activation of reserve, equivalent full cycles."""
    total = 0.0
    k = 0
    for s in range(fleet.session_start[i], fleet.session_start[i + 1]):
        for t in range(fleet.first[s], fleet.first[s] + fleet.length[s]):
            total += x[1, k]
            for j in range(fleet.up):
                total += x[3 + j, k] * fleet.activation[j, t] / fleet.efficiency_discharge[s]
            k += 1
    return float(total * duty_share(fleet, i))


@kernel
def wear_slopes(fleet: Fleet, i: int, x: float) -> tuple[float, float]:
    """C' and C'' at x, € per EFC; beyond what can pay the exponential goes on as a parabola."""
    a = fleet.wear_alpha[i]
    base = fleet.wear_scale[i] * a
    if base == 0.0:
        return fleet.wear_linear[i], 0.0
    inside = min(x, fleet.wear_most[i])
    slope = base * math.exp(a * inside)
    return slope + slope * a * (x - inside), slope * a


@kernel
def negative_cost(
    fleet: Fleet, i: int, price: FloatArray, slope: float, G: FloatArray, G_session: FloatArray
) -> None:
    """G = −gradient of cost and of the coupling prices [local rows]; slope: C' at the iterate."""
    nu, nd = fleet.up, fleet.down
    dt, T = fleet.hours, fleet.slots
    share = slope * duty_share(fleet, i)
    rest = fleet.rest_price[i] * dt
    k = 0
    s0 = fleet.session_start[i]
    for s in range(s0, fleet.session_start[i + 1]):
        eta = 1.0 / fleet.efficiency_charge[s]
        etad = fleet.efficiency_discharge[s]
        own = fleet.own_meter[s] * dt
        base = fleet.base[s]
        start = k
        for t in range(fleet.first[s], fleet.first[s] + fleet.length[s]):
            coupling = price[base + t]
            G[0, k] = -(own * fleet.import_cost[t] + coupling) * eta
            G[1, k] = (own * fleet.export_value[t] + coupling) * etad - share
            G[2, k] = -rest
            for j in range(nu):
                G[3 + j, k] = (
                    -price[base + (1 + j) * T + t] * fleet.offers_up[s]
                    - share * fleet.activation[j, t] / etad
                )
            for j in range(nu, nu + nd):
                G[3 + j, k] = -price[base + (1 + j) * T + t] * fleet.offers_down[s]
            if fleet.change > 0:
                G[3 + nu + nd, k] = -dt * fleet.change_price[fleet.step_start[i] + k]
            k += 1
        if k > start:
            G[2, k - 1] = fleet.terminal_value[s] - 0.5 * rest
            if fleet.behind[s] >= 0:
                begins = fleet.terminal_value[s] + 0.5 * rest
                G[2, start - 1] -= begins
                G_session[fleet.behind[s] - s0] -= begins
        G_session[s - s0] = -fleet.missing_price[s]


@kernel
def balance_residual(fleet: Fleet, i: int, x: FloatArray, missing: FloatArray, out: FloatArray) -> None:
    """out = e_k − e_{k−1} − Δt(c − d)."""
    k, s0 = 0, fleet.session_start[i]
    for s in range(s0, fleet.session_start[i + 1]):
        before = came_with(fleet.offset[s], fleet.behind[s] - s0, x, missing, k, 1.0)
        for _ in range(fleet.length[s]):
            out[k] = x[2, k] - before - fleet.hours * (x[0, k] - x[1, k])
            before = x[2, k]
            k += 1


@kernel
def add_outputs(fleet: Fleet, i: int, x: FloatArray, out: FloatArray) -> None:
    """out [local rows] += what the car draws and holds at x [V, K] (or at a direction)."""
    T = fleet.slots
    k = 0
    for s in range(fleet.session_start[i], fleet.session_start[i + 1]):
        eta = 1.0 / fleet.efficiency_charge[s]
        etad = fleet.efficiency_discharge[s]
        for t in range(fleet.first[s], fleet.first[s] + fleet.length[s]):
            row = fleet.base[s] + t
            out[row] += eta * x[0, k] - etad * x[1, k]
            for j in range(fleet.up + fleet.down):
                offers = fleet.offers_up[s] if j < fleet.up else fleet.offers_down[s]
                out[row + (1 + j) * T] += offers * x[3 + j, k]
            k += 1
