"""The three sweeps over all cars of one predictor–corrector iteration (compiled; the cores share the chunks).

Cars are swept in fixed chunks; every chunk adds into rows of its own and the rows are added up in order, so
that any number of threads gives the same digits. One compiled function serves all sweeps: the code that they
share would otherwise be compiled several times.
"""

from __future__ import annotations

import math

import numpy as np

from optimize.fleet.kernel import kernel
from optimize.fleet.layout import Fleet, FloatArray, Iterate
from optimize.fleet.newton import factor_rows, factorise, solve
from optimize.fleet.rows import (
    add_outputs,
    apply_rows,
    balance_residual,
    bounds,
    duty,
    duty_share,
    negative_cost,
    subtract_adjoint,
    wear_slopes,
)
from optimize.fleet.schur import add_schur

PREDICT, CORRECT, FINISH, SETTLE = range(4)
COMPLEMENTARITY, INFEASIBLE, BY_X, BY_Z, BY_BOTH, TAKEN = range(6)
STATISTICS = 6

# Of s and of z a step leaves at least this share; no product s·z stays below this share of the μ aimed at.
KEPT = 0.1
LEAST_PRODUCT = 0.1

FURTHEST = 1e30

# A car has settled at products within this of μ and rows met to this; a step goes this far to the next bound.
SETTLED, SETTLED_KW, MOST_SETTLING = 1.5, 1e-3, 60
STEP_SHARE = 0.995


@kernel
def _advance(
    slack: FloatArray,
    dual: FloatArray,
    ds: FloatArray,
    second: FloatArray,
    smu: float,
    step_x: float,
    step_z: float,
) -> None:
    """s and z after the step.

    A step that suits nearly all cars takes some pairs of the others past zero: these keep a share of what
    they had, and the row misses the rest until the next direction. A product far below the others would make
    that direction huge, so it is raised.
    """
    for j in range(slack.size):
        s, z = slack[j], dual[j]
        dz = (smu + second[j] - z * ds[j]) / s - z
        z = max(z + step_z * dz, KEPT * z)
        s = max(s + step_x * ds[j], KEPT * s)
        if s * z < LEAST_PRODUCT * smu:
            raised = math.sqrt(LEAST_PRODUCT * smu / (s * z))
            s *= raised
            z *= raised
        slack[j], dual[j] = s, z


@kernel
def _duty_gradient(fleet: Fleet, i: int, G: FloatArray) -> None:
    """G = gradient of the duty in (c, d, e, w)."""
    G[:] = 0.0
    share = duty_share(fleet, i)
    k = 0
    for s in range(fleet.session_start[i], fleet.session_start[i + 1]):
        for t in range(fleet.first[s], fleet.first[s] + fleet.length[s]):
            G[1, k] = share
            for j in range(fleet.up):
                G[3 + j, k] = share * fleet.activation[j, t] / fleet.efficiency_discharge[s]
            k += 1


@kernel
def _bordered(
    fleet: Fleet,
    i: int,
    weight: float,
    border: FloatArray,
    border_nu: FloatArray,
    border_missing: FloatArray,
    dx: FloatArray,
    nu_next: FloatArray,
    dm: FloatArray,
) -> None:
    """Sherman–Morrison: dx −= K0⁻¹a·weight·(aᵀdx)."""
    if weight == 0.0:
        return
    size = duty(fleet, i, dx) * weight
    for v in range(dx.shape[0]):
        for k in range(dx.shape[1]):
            dx[v, k] -= size * border[v, k]
    for k in range(dx.shape[1]):
        nu_next[k] -= size * border_nu[k]
    for s in range(dm.size):
        dm[s] -= size * border_missing[s]


@kernel
def _sweep_car(
    fleet: Fleet,
    it: Iterate,
    i: int,
    mode: int,
    y: FloatArray,
    step_x: float,
    step_z: float,
    mu: float,
    S: FloatArray,
    one: FloatArray,
    two: FloatArray,
    stat: FloatArray,
) -> None:
    """One car's part of `sweep`; y [L]; adds to S [L, L] (none: [0, 0]), one, two [L] and stat."""
    V = 3 + fleet.up + fleet.down
    NF = factor_rows(fleet)
    coupled = S.shape[0] > 0
    a, b = fleet.step_start[i], fleet.step_start[i + 1]
    p0, p1 = fleet.pair_start[i], fleet.pair_start[i + 1]
    s0, s1 = fleet.session_start[i], fleet.session_start[i + 1]
    K, stays, pairs = b - a, s1 - s0, p1 - p0
    if K == 0:
        return
    x = it.x[V * a : V * b].reshape((V, K))
    dx = it.dx[V * a : V * b].reshape((V, K))
    F = it.factor[NF * a : NF * b].reshape((NF, K))
    border = it.border_x[V * a : V * b].reshape((V, K))
    m, dm, border_missing = it.missing[s0:s1], it.dmissing[s0:s1], it.border_missing[s0:s1]
    slack, dual, ds, second = it.slack[p0:p1], it.dual[p0:p1], it.dslack[p0:p1], it.second[p0:p1]
    nu_next, border_nu = it.nu_next[a:b], it.border_nu[a:b]
    if mode == PREDICT and step_x > 0.0:
        _advance(slack, dual, ds, second, mu, step_x, step_z)
        for v in range(V):
            for k in range(K):
                x[v, k] += step_x * dx[v, k]
        for k in range(K):
            it.nu[a + k] += step_z * (nu_next[k] - it.nu[a + k])
        for s in range(stays):
            m[s] += step_x * dm[s]
    r, om, push, held = np.empty(pairs), np.empty(pairs), np.empty(pairs), np.empty(pairs)
    apply_rows(fleet, i, x, m, 1.0, held)
    bounds(fleet, i, K, r)
    worst = total = 0.0
    for j in range(pairs):
        r[j] -= held[j] + slack[j]
        om[j] = dual[j] / slack[j]
        total += slack[j] * dual[j]
        worst = max(worst, abs(r[j]))
    if mode == FINISH:
        for j in range(pairs):
            push[j] = (mu + second[j] - dual[j] * r[j]) / slack[j]
    else:
        for j in range(pairs):
            push[j] = -om[j] * r[j]
    G, G_stay, residual = np.empty((V, K)), np.empty(stays), np.empty(K)
    balance_residual(fleet, i, x, residual)
    slope, bend = wear_slopes(fleet, i, duty(fleet, i, x))
    limited = math.isfinite(fleet.v2g_limit[i])
    steps = pairs - 2 * stays - (1 if limited else 0)
    theta, weight, on_end = np.empty(stays), np.empty(stays), np.empty(stays)
    for s in range(stays):
        theta[s] = om[steps + 2 * s]
        weight[s] = om[steps + 2 * s + 1]
        on_end[s] = theta[s] * weight[s] / (theta[s] + weight[s])
    if mode == PREDICT:
        for k in range(K):
            worst = max(worst, abs(residual[k]))
        stat[COMPLEMENTARITY] += total
        stat[INFEASIBLE] = max(stat[INFEASIBLE], worst)
        factorise(fleet, i, om[:steps].reshape((steps // K, K)), on_end, F)
        if limited:
            bend += om[pairs - 1] * fleet.capacity[i] * fleet.capacity[i]
        it.border_weight[i] = 0.0
    # PREDICT solves for the border (if the car has one) and, where cars meet, the predictor, CORRECT for the
    # affine direction and, where cars meet, for centring and second order, FINISH for the direction.
    last = 2
    if mode == PREDICT and not coupled:
        last = 1
    elif mode == CORRECT and coupled:
        last = 4
    for turn in range(0 if mode == PREDICT and bend > 0.0 else 1, last):
        if turn == 0:
            _duty_gradient(fleet, i, G)
            G_stay[:] = 0.0
            target, target_nu, target_missing = border, border_nu, border_missing
            held_residual = np.zeros(K)
        else:
            target, target_nu, target_missing = dx, nu_next, dm
            held_residual = residual
            if turn == 1:
                negative_cost(fleet, i, y, slope, G, G_stay)
            else:
                G[:] = 0.0
                G_stay[:] = 0.0
                residual[:] = 0.0
            subtract_adjoint(fleet, i, push, G, G_stay)
        solve(fleet, i, F, G, G_stay, held_residual, target, target_nu, target_missing, theta, weight)
        if turn == 0:
            it.border_weight[i] = 1.0 / (1.0 / bend + duty(fleet, i, border))
            continue
        _bordered(fleet, i, it.border_weight[i], border, border_nu, border_missing, dx, nu_next, dm)
        if mode == PREDICT:
            add_outputs(fleet, i, dx, one)
            add_outputs(fleet, i, x, two)
        elif turn == 1:
            apply_rows(fleet, i, dx, dm, 0.0, held)
            reach_x = reach_z = FURTHEST
            for j in range(pairs):
                s, z, d = slack[j], dual[j], r[j] - held[j]
                if mode == CORRECT:
                    dz = -z * (1.0 + d / s)
                    second[j] = min(max(-d * dz, -mu), mu)
                    stat[BY_X] += d * z
                    stat[BY_Z] += s * dz
                    stat[BY_BOTH] += d * dz
                    push[j] = 1.0 / s
                    held[j] = second[j] / s
                else:
                    dz = (mu + second[j] - z * d) / s - z
                    ds[j] = d
                if d < 0.0:
                    reach_x = min(reach_x, -s / d)
                if dz < 0.0:
                    reach_z = min(reach_z, -z / dz)
            it.reach_x[i], it.reach_z[i] = reach_x, reach_z
        elif turn == 2:
            add_outputs(fleet, i, dx, one)
            push[:] = held
        else:
            add_outputs(fleet, i, dx, two)
    if mode == PREDICT and coupled:
        add_schur(fleet, i, F, border, it.border_weight[i], S)


@kernel
def _settle_car(fleet: Fleet, it: Iterate, i: int, y: FloatArray, mu: float, stat: FloatArray) -> int:
    """Car i to its central point for μ at prices y, by predictor and corrector of its own; iterations."""
    alone, nothing = np.zeros((0, 0)), np.zeros(0)
    pairs = fleet.pair_start[i + 1] - fleet.pair_start[i]
    step_x = step_z = towards = total = 0.0
    for iteration in range(MOST_SETTLING):
        for mode in range(SETTLE):
            if mode == PREDICT:
                stat[:] = 0.0
            _sweep_car(fleet, it, i, mode, y, step_x, step_z, towards, alone, nothing, nothing, stat)
            if mode == PREDICT:
                total = stat[COMPLEMENTARITY]
                towards = total / pairs
                if towards <= SETTLED * mu and stat[INFEASIBLE] <= SETTLED_KW:
                    return iteration
            elif mode == CORRECT:
                ax, az = min(1.0, it.reach_x[i]), min(1.0, it.reach_z[i])
                after = total + ax * stat[BY_X] + az * stat[BY_Z] + ax * az * stat[BY_BOTH]
                towards = max(mu, (max(after, 0.0) / total) ** 3 * towards)
            else:
                step_x = min(1.0, STEP_SHARE * it.reach_x[i])
                step_z = min(1.0, STEP_SHARE * it.reach_z[i])
    return MOST_SETTLING


@kernel
def sweep(
    fleet: Fleet,
    it: Iterate,
    mode: int,
    price: FloatArray,
    step_x: float,
    step_z: float,
    mu: float,
    S: FloatArray,
    one: FloatArray,
    two: FloatArray,
    statistics: FloatArray,
    chunk_from: int,
    chunk_to: int,
) -> None:
    """Sweep chunks chunk_from … chunk_to − 1; price [groups, L], S [chunks, L, L], one, two [chunks, L].

    PREDICT takes the last step (towards μ), factorises, fills S and the outputs of the predictor (one) and of
    the point (two). CORRECT finds the affine direction at the predicted prices and the outputs that a unit of
    centring (one) and the second order, no term of it beyond μ, (two) add. FINISH finds the direction to μ at
    the final prices. The latter two leave the longest steps that each car can take in `it`. SETTLE takes
    every car alone to its central point for μ at the prices.
    """
    for chunk in range(chunk_from, chunk_to):
        y, stat = price[fleet.chunk_group[chunk]], statistics[chunk]
        stat[:] = 0.0
        if mode in (PREDICT, CORRECT):
            one[chunk, :] = 0.0
            two[chunk, :] = 0.0
        if mode == PREDICT:
            S[chunk, :, :] = 0.0
        taken = 0
        for i in range(fleet.chunk_start[chunk], fleet.chunk_start[chunk + 1]):
            if mode == SETTLE:
                taken = max(taken, _settle_car(fleet, it, i, y, mu, stat))
            else:
                _sweep_car(fleet, it, i, mode, y, step_x, step_z, mu, S[chunk], one[chunk], two[chunk], stat)
        stat[TAKEN] = taken
