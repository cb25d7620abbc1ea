"""Where the interior-point method begins (compiled)."""

from __future__ import annotations

import numpy as np

from optimize.fleet.compile import Compiled
from optimize.fleet.kernel import kernel
from optimize.fleet.layout import Fleet, Iterate, variables
from optimize.fleet.newton import factor_rows
from optimize.fleet.passes import FURTHEST
from optimize.fleet.rows import apply_rows, bounds, most_change, most_discharge

LEAST_SLACK = 1e-2


def empty_iterate(compiled: Compiled) -> Iterate:
    """Arrays for a fleet, all zero."""
    fleet = compiled.fleet
    steps, pairs, sessions = int(fleet.step_start[-1]), int(fleet.pair_start[-1]), fleet.first.size
    V = variables(fleet)
    return Iterate(
        x=np.zeros(V * steps),
        nu=np.zeros(steps),
        missing=np.zeros(sessions),
        slack=np.zeros(pairs),
        dual=np.zeros(pairs),
        dx=np.zeros(V * steps),
        nu_next=np.zeros(steps),
        dmissing=np.zeros(sessions),
        dslack=np.zeros(pairs),
        second=np.zeros(pairs),
        factor=np.zeros(factor_rows(fleet) * steps),
        border_x=np.zeros(V * steps),
        border_nu=np.zeros(steps),
        border_missing=np.zeros(sessions),
        border_weight=np.zeros(fleet.capacity.size),
        reach_x=np.full(fleet.capacity.size, FURTHEST),
        reach_z=np.full(fleet.capacity.size, FURTHEST),
    )


@kernel
def start_cars(fleet: Fleet, it: Iterate, mu: float, chunk_from: int, chunk_to: int) -> None:
    """Powers a third of their limits, energies well inside, slacks as they are, multipliers μ/s."""
    V = 3 + fleet.up + fleet.down + fleet.change
    for i in range(fleet.chunk_start[chunk_from], fleet.chunk_start[chunk_to]):
        a, b = fleet.step_start[i], fleet.step_start[i + 1]
        K = b - a
        p0, p1 = fleet.pair_start[i], fleet.pair_start[i + 1]
        x = it.x[V * a : V * b].reshape((V, K))
        k = 0
        for s in range(fleet.session_start[i], fleet.session_start[i + 1]):
            width = fleet.ceiling[s] - fleet.floor[s]
            inside = min(max(fleet.arrival[s], fleet.floor[s] + 0.2 * width), fleet.ceiling[s] - 0.2 * width)
            for t in range(fleet.first[s], fleet.first[s] + fleet.length[s]):
                x[0, k] = 0.3 * fleet.charge_limit[s]
                x[1, k] = 0.3 * most_discharge(fleet.discharge_limit[s], fleet.may_discharge[t])
                x[2, k] = inside
                for j in range(fleet.up + fleet.down):
                    x[3 + j, k] = 0.1 * fleet.charge_limit[s]
                if fleet.change > 0:
                    x[V - 1, k] = most_change(fleet, s) + abs(fleet.previous[a + k]) - 0.5
                k += 1
            it.missing[s] = 0.1 + max(0.0, fleet.target[s] - inside)
        slack = it.slack[p0:p1]
        rows = np.empty(p1 - p0)
        apply_rows(fleet, i, x, it.missing[fleet.session_start[i] : fleet.session_start[i + 1]], 1.0, rows)
        bounds(fleet, i, K, slack)
        for j in range(p1 - p0):
            slack[j] -= rows[j]
            if slack[j] < LEAST_SLACK and j >= 6 * K:
                slack[j] = LEAST_SLACK
            it.dual[p0 + j] = mu / slack[j]
