"""The three sweeps over all cars of one predictor–corrector iteration (compiled; the cores share the chunks).

Cars are swept in fixed chunks; every chunk adds into rows of its own and the rows are added up in order, so
that any number of threads gives the same digits. `sweep` goes through the chunks; each mode is a function of
one car's `view`.
"""

from __future__ import annotations

import math

import numpy as np

from optimize.fleet.kernel import kernel
from optimize.fleet.layout import Fleet, FloatArray, Iterate
from optimize.fleet.newton import factorise
from optimize.fleet.rows import (
    add_outputs,
    apply_rows,
    duty,
    duty_share,
    negative_cost,
    subtract_adjoint,
)
from optimize.fleet.schur import add_schur
from optimize.fleet.substitute import solve
from optimize.fleet.view import CarView, Linear, linearise, view

PREDICT, CORRECT, FINISH, CENTRE = range(4)
COMPLEMENTARITY, INFEASIBLE, BY_X, BY_Z, BY_BOTH, TAKEN = range(6)
STATISTICS = 6

# Of s and of z a step leaves at least this share; no product s·z stays below this share of the μ aimed at.
KEPT = 0.1
LEAST_PRODUCT = 0.1

FURTHEST = 1e30

# A car has settled at products within this of μ and rows met to this; a step goes this far to the next bound.
CENTRED, CENTRED_KW, MOST_CENTRING = 1.5, 1e-3, 60
STEP_SHARE = 0.995


@kernel
def _advance(
    slack: FloatArray,
    dual: FloatArray,
    ds: FloatArray,
    second: FloatArray,
    smu: float,
    direction_x: float,
    direction_z: float,
) -> None:
    """s and z after the step.

    A step that suits nearly all cars takes some pairs of the others past zero: these keep a share of what
    they had, and the row misses the rest until the next direction. A product far below the others would make
    that direction huge, so it is raised.
    """
    for j in range(slack.size):
        s, z = slack[j], dual[j]
        dz = (smu + second[j] - z * ds[j]) / s - z
        z = max(z + direction_z * dz, KEPT * z)
        s = max(s + direction_x * ds[j], KEPT * s)
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
def _answer(
    fleet: Fleet,
    car: CarView,
    here: Linear,
    push: FloatArray,
    G: FloatArray,
    G_session: FloatArray,
    residual: FloatArray,
) -> None:
    """dx, ν and dm that answer a gradient [V, K], a push on the rows and what the balance misses [K].

    The border is taken in by Sherman–Morrison: dx −= K0⁻¹a·weight·(aᵀdx).
    """
    subtract_adjoint(fleet, car.i, push, G, G_session)
    solve(
        fleet,
        car.i,
        car.factor,
        G,
        G_session,
        residual,
        car.dx,
        car.nu_next,
        car.dmissing,
        here.on_missing,
        here.on_lack,
    )
    border = car.border_weight[0]
    if border == 0.0:
        return
    dx = car.dx
    size = duty(fleet, car.i, dx) * border
    for v in range(dx.shape[0]):
        for k in range(dx.shape[1]):
            dx[v, k] -= size * car.border_x[v, k]
    for k in range(dx.shape[1]):
        car.nu_next[k] -= size * car.border_nu[k]
    for s in range(car.dmissing.size):
        car.dmissing[s] -= size * car.border_missing[s]


@kernel
def _direct(fleet: Fleet, car: CarView, here: Linear, y: FloatArray, push: FloatArray) -> None:
    """The direction at prices y [L], with a push on the rows."""
    G, G_session = np.empty(car.x.shape), np.empty(car.missing.size)
    negative_cost(fleet, car.i, y, here.slope, G, G_session)
    _answer(fleet, car, here, push, G, G_session, here.residual)


@kernel
def _add_response(fleet: Fleet, car: CarView, here: Linear, push: FloatArray, outputs: FloatArray) -> None:
    """Add to outputs [L] what a push on the rows alone changes of them."""
    G, G_session, met = np.zeros(car.x.shape), np.zeros(car.missing.size), np.zeros(car.nu.size)
    _answer(fleet, car, here, push, G, G_session, met)
    add_outputs(fleet, car.i, car.dx, outputs)


@kernel
def _take_step(car: CarView, smu: float, direction_x: float, direction_z: float) -> None:
    """Move along the direction that FINISH left."""
    _advance(car.slack, car.dual, car.dslack, car.second, smu, direction_x, direction_z)
    for v in range(car.x.shape[0]):
        for k in range(car.x.shape[1]):
            car.x[v, k] += direction_x * car.dx[v, k]
    for k in range(car.nu.size):
        car.nu[k] += direction_z * (car.nu_next[k] - car.nu[k])
    for s in range(car.missing.size):
        car.missing[s] += direction_x * car.dmissing[s]


@kernel
def _predict(
    fleet: Fleet,
    car: CarView,
    y: FloatArray,
    S: FloatArray,
    one: FloatArray,
    two: FloatArray,
    stat: FloatArray,
) -> None:
    """One car's part of PREDICT; a car on its own (S [0, 0]) needs the factors and its border alone."""
    here = linearise(fleet, car)
    worst = here.worst
    for k in range(here.residual.size):
        worst = max(worst, abs(here.residual[k]))
    stat[COMPLEMENTARITY] += here.complementarity
    stat[INFEASIBLE] = max(stat[INFEASIBLE], worst)
    K = car.nu.size
    on_steps = here.weight[: car.steps].reshape((car.steps // K, K))
    factorise(fleet, car.i, on_steps, here.on_missing, here.on_lack, here.on_end, car.factor)
    _find_border(fleet, car, here)
    if S.shape[0] > 0:
        _direct(fleet, car, here, y, -here.weight * here.lack)
        add_outputs(fleet, car.i, car.dx, one)
        add_outputs(fleet, car.i, car.x, two)
        add_schur(fleet, car.i, car.factor, car.border_x, car.border_weight[0], S)


@kernel
def _find_border(fleet: Fleet, car: CarView, here: Linear) -> None:
    """The answer to the duty's gradient, and its weight: what wear and the V2G limit add to the matrix."""
    bend = here.bend
    if car.limited:
        bend += here.weight[here.weight.size - 1] * fleet.capacity[car.i] * fleet.capacity[car.i]
    car.border_weight[0] = 0.0
    if bend > 0.0:
        G, G_session, met = np.empty(car.x.shape), np.zeros(car.missing.size), np.zeros(car.nu.size)
        _duty_gradient(fleet, car.i, G)
        solve(
            fleet,
            car.i,
            car.factor,
            G,
            G_session,
            met,
            car.border_x,
            car.border_nu,
            car.border_missing,
            here.on_missing,
            here.on_lack,
        )
        car.border_weight[0] = 1.0 / (1.0 / bend + duty(fleet, car.i, car.border_x))


@kernel
def _correct(
    fleet: Fleet,
    car: CarView,
    y: FloatArray,
    mu: float,
    coupled: bool,
    one: FloatArray,
    two: FloatArray,
    stat: FloatArray,
) -> None:
    """One car's part of CORRECT; coupled: whether anyone asks what centring and second order change."""
    here = linearise(fleet, car)
    _direct(fleet, car, here, y, -here.weight * here.lack)
    pairs = car.slack.size
    moved, centring, second = np.empty(pairs), np.empty(pairs), np.empty(pairs)
    apply_rows(fleet, car.i, car.dx, car.dmissing, 0.0, moved)
    reach_x = reach_z = FURTHEST
    for j in range(pairs):
        s, z, d = car.slack[j], car.dual[j], here.lack[j] - moved[j]
        dz = -z * (1.0 + d / s)
        car.second[j] = min(max(-d * dz, -mu), mu)
        stat[BY_X] += d * z
        stat[BY_Z] += s * dz
        stat[BY_BOTH] += d * dz
        centring[j] = 1.0 / s
        second[j] = car.second[j] / s
        if d < 0.0:
            reach_x = min(reach_x, -s / d)
        if dz < 0.0:
            reach_z = min(reach_z, -z / dz)
    car.reach_x[0], car.reach_z[0] = reach_x, reach_z
    if coupled:
        _add_response(fleet, car, here, centring, one)
        _add_response(fleet, car, here, second, two)


@kernel
def _finish(fleet: Fleet, car: CarView, y: FloatArray, mu: float) -> None:
    """One car's part of FINISH."""
    here = linearise(fleet, car)
    pairs = car.slack.size
    push, moved = np.empty(pairs), np.empty(pairs)
    for j in range(pairs):
        push[j] = (mu + car.second[j] - car.dual[j] * here.lack[j]) / car.slack[j]
    _direct(fleet, car, here, y, push)
    apply_rows(fleet, car.i, car.dx, car.dmissing, 0.0, moved)
    reach_x = reach_z = FURTHEST
    for j in range(pairs):
        s, z, d = car.slack[j], car.dual[j], here.lack[j] - moved[j]
        dz = (mu + car.second[j] - z * d) / s - z
        car.dslack[j] = d
        if d < 0.0:
            reach_x = min(reach_x, -s / d)
        if dz < 0.0:
            reach_z = min(reach_z, -z / dz)
    car.reach_x[0], car.reach_z[0] = reach_x, reach_z


@kernel
def _centre(fleet: Fleet, car: CarView, y: FloatArray, mu: float, stat: FloatArray) -> int:
    """A car to its central point for μ at prices y, by predictor and corrector of its own; iterations."""
    alone, nothing = np.zeros((0, 0)), np.zeros(0)
    direction_x = direction_z = towards = 0.0
    for iteration in range(MOST_CENTRING):
        stat[:] = 0.0
        if direction_x > 0.0:
            _take_step(car, towards, direction_x, direction_z)
        _predict(fleet, car, y, alone, nothing, nothing, stat)
        total = stat[COMPLEMENTARITY]
        towards = total / car.slack.size
        if towards <= CENTRED * mu and stat[INFEASIBLE] <= CENTRED_KW:
            return iteration
        _correct(fleet, car, y, towards, alone.size > 0, nothing, nothing, stat)
        ax, az = min(1.0, car.reach_x[0]), min(1.0, car.reach_z[0])
        after = total + ax * stat[BY_X] + az * stat[BY_Z] + ax * az * stat[BY_BOTH]
        towards = max(mu, (max(after, 0.0) / total) ** 3 * towards)
        _finish(fleet, car, y, towards)
        direction_x = min(1.0, STEP_SHARE * car.reach_x[0])
        direction_z = min(1.0, STEP_SHARE * car.reach_z[0])
    return MOST_CENTRING


@kernel
def sweep(
    fleet: Fleet,
    it: Iterate,
    mode: int,
    price: FloatArray,
    direction_x: float,
    direction_z: float,
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
            if fleet.step_start[i] == fleet.step_start[i + 1]:
                continue  # never plugged in
            car = view(fleet, it, i)
            if mode == PREDICT:
                if direction_x > 0.0:
                    _take_step(car, mu, direction_x, direction_z)
                _predict(fleet, car, y, S[chunk], one[chunk], two[chunk], stat)
            elif mode == CORRECT:
                _correct(fleet, car, y, mu, S.shape[1] > 0, one[chunk], two[chunk], stat)
            elif mode == FINISH:
                _finish(fleet, car, y, mu)
            else:
                taken = max(taken, _centre(fleet, car, y, mu, stat))
        stat[TAKEN] = taken
