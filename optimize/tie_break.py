"""Among equally good plans, the steady one: steady power over neighbouring slots of equal price.

Where prices do not change and nobody comes or goes, a linear programme cares only about the energy of the
whole block, and its vertex solutions switch on and off at random within it. Replacing each car's power by its
mean over the block costs nothing: energies at the block's ends, metered energy, money and wear stay, powers
and site powers are means of allowed ones, and stored energy runs straight between two allowed values. Days
with anything that does care about the course within a block are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from optimize.rulebook import edges, indifferent
from optimize.tree import site_tree
from optimize.types import DayProblem, FloatArray
from optimize.windows import SessionWindow


def break_ties(
    problem: DayProblem, windows: Sequence[SessionWindow], charge_kw: FloatArray, discharge_kw: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The same plan with mean powers over each block; [n, T] battery-side kW in and out.

    A block in which some car both charges and discharges is left alone: its mean would do both at once.
    """
    mean_charge, mean_discharge = charge_kw.copy(), discharge_kw.copy()
    if not indifferent(problem):
        return mean_charge, mean_discharge
    for sessions in _by_root(problem, windows):
        rows = sorted({session.car for session in sessions})
        for block in _blocks(problem, sessions):
            part = np.ix_(rows, block)
            charge, discharge = charge_kw[part], discharge_kw[part]
            if (charge.any(axis=1) & discharge.any(axis=1)).any():
                continue
            mean_charge[part] = charge.mean(axis=1, keepdims=True)
            mean_discharge[part] = discharge.mean(axis=1, keepdims=True)
    return mean_charge, mean_discharge


def _by_root(problem: DayProblem, windows: Sequence[SessionWindow]) -> list[list[SessionWindow]]:
    """Stays that share limits: those below one root; all together if a car stays below several."""
    root = [path[-1] for path in site_tree(problem).paths]
    groups: dict[int, list[SessionWindow]] = {}
    home: dict[int, int] = {}
    for window in windows:
        groups.setdefault(root[window.site], []).append(window)
        if home.setdefault(window.car, root[window.site]) != root[window.site]:
            return [list(windows)]
    return list(groups.values())


def _blocks(problem: DayProblem, sessions: Sequence[SessionWindow]) -> Iterator[range]:
    """Runs of two slots and more in which every rule says the same and no session begins or ends."""
    count = len(problem.slots)
    ends = (
        {0, count}
        | edges(problem)
        | {session.first for session in sessions}
        | {session.end for session in sessions}
    )
    return (range(first, end) for first, end in pairwise(sorted(ends)) if end > first + 1)
