"""One car's part of the iterate, and its inequalities where that stands (compiled)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from optimize.fleet.kernel import kernel
from optimize.fleet.layout import Fleet, FloatArray, Iterate
from optimize.fleet.newton import factor_rows
from optimize.fleet.rows import apply_rows, balance_residual, bounds, duty, wear_slopes


class CarView(NamedTuple):
    """Car i's own stretch of every array of `layout.Iterate`, to read and to write.

    x, dx, border_x are [V, K], factor [rows, K], nu, nu_next, border_nu [K], missing, dmissing,
    border_missing [sessions], slack, dual, dslack, second [pairs]; border_weight, reach_x, reach_z hold one
    number. steps: how many of the pairs are of its steps; limited: whether the last one is a V2G limit.
    """

    i: int
    steps: int
    limited: bool
    x: FloatArray
    nu: FloatArray
    missing: FloatArray
    slack: FloatArray
    dual: FloatArray
    dx: FloatArray
    nu_next: FloatArray
    dmissing: FloatArray
    dslack: FloatArray
    second: FloatArray
    factor: FloatArray
    border_x: FloatArray
    border_nu: FloatArray
    border_missing: FloatArray
    border_weight: FloatArray
    reach_x: FloatArray
    reach_z: FloatArray


@kernel
def view(fleet: Fleet, it: Iterate, i: int) -> CarView:
    """The view of a car that is plugged in at all."""
    V, rows = 3 + fleet.up + fleet.down + fleet.change, factor_rows(fleet)
    a, b = fleet.step_start[i], fleet.step_start[i + 1]
    p0, p1 = fleet.pair_start[i], fleet.pair_start[i + 1]
    s0, s1 = fleet.session_start[i], fleet.session_start[i + 1]
    K, limited = b - a, math.isfinite(fleet.v2g_limit[i])
    return CarView(
        i,
        p1 - p0 - 2 * (s1 - s0) - (1 if limited else 0),
        limited,
        it.x[V * a : V * b].reshape((V, K)),
        it.nu[a:b],
        it.missing[s0:s1],
        it.slack[p0:p1],
        it.dual[p0:p1],
        it.dx[V * a : V * b].reshape((V, K)),
        it.nu_next[a:b],
        it.dmissing[s0:s1],
        it.dslack[p0:p1],
        it.second[p0:p1],
        it.factor[rows * a : rows * b].reshape((rows, K)),
        it.border_x[V * a : V * b].reshape((V, K)),
        it.border_nu[a:b],
        it.border_missing[s0:s1],
        it.border_weight[i : i + 1],
        it.reach_x[i : i + 1],
        it.reach_z[i : i + 1],
    )


class Linear(NamedTuple):
    """What every Newton system of a car shares at its iterate.

    lack = b − A·x − s and weight = z/s of the pairs, residual of the energy balance [K], slope and bend of
    wear, weights of the sessions' pairs (on_missing, on_lack, which takes in what sessions without slots that
    carry on lack) and both together as the end energy feels them (on_end). complementarity = Σ s·z; worst:
    the largest |lack|.
    """

    lack: FloatArray
    weight: FloatArray
    residual: FloatArray
    slope: float
    bend: float
    on_missing: FloatArray
    on_lack: FloatArray
    on_end: FloatArray
    complementarity: float
    worst: float


@kernel
def linearise(fleet: Fleet, car: CarView) -> Linear:
    """Read a car's rows, wear and balance at its iterate."""
    pairs, sessions, K = car.slack.size, car.missing.size, car.nu.size
    lack, weight, held = np.empty(pairs), np.empty(pairs), np.empty(pairs)
    apply_rows(fleet, car.i, car.x, car.missing, 1.0, held)
    bounds(fleet, car.i, K, lack)
    worst = total = 0.0
    for j in range(pairs):
        lack[j] -= held[j] + car.slack[j]
        weight[j] = car.dual[j] / car.slack[j]
        total += car.slack[j] * car.dual[j]
        worst = max(worst, abs(lack[j]))
    residual = np.empty(K)
    balance_residual(fleet, car.i, car.x, car.missing, residual)
    slope, bend = wear_slopes(fleet, car.i, duty(fleet, car.i, car.x))
    on_missing, on_lack, on_end = np.empty(sessions), np.empty(sessions), np.empty(sessions)
    first = fleet.session_start[car.i]
    for s in range(sessions):
        on_missing[s] = weight[car.steps + 2 * s]
        on_lack[s] = weight[car.steps + 2 * s + 1]
    for s in range(sessions - 1, -1, -1):
        on_end[s] = on_missing[s] * on_lack[s] / (on_missing[s] + on_lack[s])
        behind = fleet.behind[first + s]
        if behind >= 0 and fleet.length[first + s] == 0:  # what it lacks, the one behind it should leave
            on_lack[behind - first] += on_end[s]
    return Linear(lack, weight, residual, slope, bend, on_missing, on_lack, on_end, total, worst)
