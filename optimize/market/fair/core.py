"""Allocations that no coalition leaves: the core, the least core, the nucleolus.

An allocation x of v(N) gives coalition S the excess v(S) − x(S): what it would gain by leaving. In the core
no excess is above 0. The least core makes the largest excess ε as small as it can be: ε* ≤ 0 where the core
is not empty, and above 0 it says what somebody always gains by leaving. The nucleolus goes on: of these it
makes the second largest small, and so on (Schmeidler 1969; by linear programmes in turn, Kopelowitz 1967).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from optimize.arrays import BoolArray, FloatArray
from optimize.errors import ProblemError, SolverError
from optimize.market.fair.game import Game, members

_TIGHT = 1e-7
"""A dual above this says that its row is tight in every optimum; those of a programme sum to 1."""
_NOTHING = 1e-9
"""Less than this, next to 1 or the game's scale, is nothing."""
_FEASIBLE = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeastCore:
    """epsilon_eur: the least largest excess, −inf for one player; allocation_eur: one that has it, [n]."""

    epsilon_eur: float
    allocation_eur: FloatArray


def least_core(game: Game) -> LeastCore:
    """The least core by a linear programme over all coalitions. Raises SolverError."""
    if len(game.players) == 1:
        return LeastCore(epsilon_eur=-np.inf, allocation_eur=np.array([game.all_eur]))
    inside = members(len(game.players)).astype(np.float64)
    rows = inside[1:-1], game.value_eur[1:-1]
    found = _least_excess(game, *rows, inside[-1:], game.value_eur[-1:], None)
    return LeastCore(epsilon_eur=found.epsilon_eur, allocation_eur=found.allocation_eur)


def least_core_of_needed(game: Game, needed: int) -> LeastCore:
    """The least core in closed form where a player is needed by all and nobody ever lessens what is earned.

    With D(T) = v(N) − v(N∖T), what T adds last, over the coalitions T of the others:
        ε* = −min_T D(T)/(|T| + 1)      x_i = −ε*, the least that each of the others can have in it
    For x_i ≥ −ε* is what each asks for alone, x(T) ≤ D(T) + ε* what the needed player asks for with the rest,
    and the least of the first breaks the fewest of the second. Where T adds at least what its members add one
    by one ("big boss", Muto et al. 1988), |T| = 1 decides: ε* = −min_i D(i)/2.
    Raises ProblemError for another player or game.
    """
    n = len(game.players)
    if needed not in game.needed() or n == 1:
        raise ProblemError("game", "needed player", needed, "must be one without whom nothing is earned")
    inside, everybody = members(n), 2**n - 1
    left = np.flatnonzero(~inside[:, needed])[1:]
    adds = game.all_eur - game.value_eur[everybody ^ left]
    if adds.min() < -_NOTHING * game.scale_eur:
        raise ProblemError(
            "game", "what some add last, €", float(adds.min()), "must be >= 0 for the closed form"
        )
    least = float((np.maximum(adds, 0.0) / (inside[left].sum(axis=1) + 1)).min())
    allocation = np.full(n, least)
    allocation[needed] = game.all_eur - least * (n - 1)
    return LeastCore(epsilon_eur=0.0 - least, allocation_eur=allocation)


def nucleolus(game: Game) -> FloatArray:
    """The nucleolus [n], €: in the core where there is one.

    Nobody gets less than alone; where even that cannot be, it is the pre-nucleolus. Raises SolverError.
    """
    n = len(game.players)
    inside = members(n).astype(np.float64)
    alone = game.value_eur[1 << np.arange(n)]
    floor = alone if alone.sum() <= game.all_eur else None
    held, worth = inside[-1:], game.value_eur[-1:]
    free = np.arange(1, 2**n - 1)
    while len(held) < n:
        free = free[~_spanned(inside[free], held)]
        found = _least_excess(game, inside[free], game.value_eur[free], held, worth, floor)
        before = len(held)
        for k in np.argsort(-found.tight)[: np.count_nonzero(found.tight > _TIGHT)].tolist():
            if not _spanned(inside[free[[k]]], held)[0]:
                held = np.vstack([held, inside[free[k]]])
                worth = np.append(worth, game.value_eur[free[k]] - found.epsilon_eur)
        if len(held) == before:
            raise SolverError("nucleolus", "no coalition is held", f"{free.size} coalitions")
    return np.asarray(np.linalg.solve(held, worth))


def _spanned(rows: FloatArray, held: FloatArray) -> BoolArray:
    """Whether what coalitions get follows from what those that are held get."""
    basis = np.linalg.qr(held.T)[0]
    return np.asarray(np.abs(rows - rows @ basis @ basis.T).max(axis=1) < _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Least:
    """The least largest excess of some rows, an allocation [n] that has it, the rows' duals, ≥ 0."""

    epsilon_eur: float
    allocation_eur: FloatArray
    tight: FloatArray


def _least_excess(
    game: Game,
    rows: FloatArray,
    value_eur: FloatArray,
    held: FloatArray,
    worth_eur: FloatArray,
    floor_eur: FloatArray | None,
) -> _Least:
    """min ε with x(S) + ε ≥ v(S) of the rows, x(S) = worth of those held, x ≥ floor; solved in the scale."""
    scale, n = game.scale_eur, rows.shape[1]
    least: list[float] = [-np.inf] * n if floor_eur is None else (floor_eur / scale).tolist()
    found = linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=-np.column_stack([rows, np.ones(len(rows))]),
        b_ub=-value_eur / scale,
        A_eq=np.column_stack([held, np.zeros(len(held))]),
        b_eq=worth_eur / scale,
        bounds=[(low, np.inf) for low in [*least, -np.inf]],
        method="highs",
        options={"primal_feasibility_tolerance": _FEASIBLE, "dual_feasibility_tolerance": _FEASIBLE},
    )
    if found.status != 0:
        raise SolverError("least core", str(found.message), f"{len(rows)} coalitions")
    x = np.asarray(found.x, dtype=np.float64) * scale
    tight = -np.asarray(found.ineqlin.marginals, dtype=np.float64)
    return _Least(epsilon_eur=float(x[-1]), allocation_eur=x[:-1], tight=tight)
