"""Every car on its own central path at fixed prices, by predictor and corrector of its own (compiled)."""

from __future__ import annotations

import numpy as np

from optimize.fleet.kernel import kernel
from optimize.fleet.layout import Fleet, FloatArray, IntArray, Iterate
from optimize.fleet.passes import (
    BY_BOTH,
    BY_X,
    BY_Z,
    COMPLEMENTARITY,
    CORRECT,
    FINISH,
    INFEASIBLE,
    PREDICT,
    STATISTICS,
    sweep_car,
)

MOST_SETTLING = 60
SETTLED = 1.5
SETTLED_KW = 1e-3
STEP_SHARE = 0.995


@kernel
def settle(
    fleet: Fleet, it: Iterate, mu: float, price: FloatArray, taken: IntArray, chunk_from: int, chunk_to: int
) -> None:
    """Every car finds its central point for μ at prices [groups, L]; taken [chunks]: the most iterations."""
    alone, nothing, stat = np.zeros((0, 0)), np.zeros(0), np.zeros(STATISTICS)
    for chunk in range(chunk_from, chunk_to):
        y = price[fleet.chunk_group[chunk]]
        taken[chunk] = 0
        for i in range(fleet.chunk_start[chunk], fleet.chunk_start[chunk + 1]):
            pairs = fleet.pair_start[i + 1] - fleet.pair_start[i]
            step_x = step_z = target = 0.0
            for iteration in range(MOST_SETTLING):
                taken[chunk] = max(taken[chunk], iteration)
                stat[:] = 0.0
                sweep_car(fleet, it, i, PREDICT, y, step_x, step_z, target, alone, nothing, nothing, stat)
                total = stat[COMPLEMENTARITY]
                present = total / pairs
                if present <= SETTLED * mu and stat[INFEASIBLE] <= SETTLED_KW:
                    break
                sweep_car(fleet, it, i, CORRECT, y, 0.0, 0.0, present, alone, nothing, nothing, stat)
                step_x, step_z = min(1.0, it.reach_x[i]), min(1.0, it.reach_z[i])
                after = total + step_x * stat[BY_X] + step_z * stat[BY_Z] + step_x * step_z * stat[BY_BOTH]
                target = max(mu, (max(after, 0.0) / total) ** 3 * present)
                sweep_car(fleet, it, i, FINISH, y, 0.0, 0.0, target, alone, nothing, nothing, stat)
                step_x = min(1.0, STEP_SHARE * it.reach_x[i])
                step_z = min(1.0, STEP_SHARE * it.reach_z[i])
