"""The Shapley value: the mean, over all orders in which players may come, of what each adds.

φ_i = Σ_{S∌i} |S|!·(n−1−|S|)!/n! · (v(S ∪ i) − v(S))          (Shapley 1953)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from scipy.stats import t as student

from optimize.arrays import FloatArray
from optimize.errors import ProblemError
from optimize.market.fair.game import Game, members

LEVEL = 0.9
LEAST_ORDERS = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampledShares:
    """Of each player [n], €: the mean over the orders drawn, and its 90 % interval by Student's t.

    The means sum to what all earn together, whatever was drawn. orders: how many were.
    """

    mean_eur: FloatArray
    low_eur: FloatArray
    high_eur: FloatArray
    orders: int


def shapley(game: Game) -> FloatArray:
    """The value of each player [n], €, from all coalitions."""
    n = len(game.players)
    inside, numbers = members(n), np.arange(2**n)
    size = inside.sum(axis=1)
    weight = np.array([factorial(k) * factorial(n - 1 - k) / factorial(n) for k in range(n)])
    shares = np.empty(n)
    for i in range(n):
        without = numbers[~inside[:, i]]
        added = game.value_eur[without | (1 << i)] - game.value_eur[without]
        shares[i] = weight[size[without]] @ added
    return shares


def sampled_shapley(
    players: int, value_eur: Callable[[int], float], *, orders: int, seed: int
) -> SampledShares:
    """The same from so many random orders, at most players·orders values; same seed, same answer.

    value_eur: of a coalition, that of 0 is 0. Raises ProblemError for fewer than two orders.
    """
    if orders < LEAST_ORDERS:
        raise ProblemError("Shapley value", "orders", orders, f"must be >= {LEAST_ORDERS}")
    rng = np.random.default_rng(seed)
    added = np.empty((orders, players))
    for row in added:
        coalition, before = 0, 0.0
        for i in rng.permutation(players).tolist():
            coalition |= 1 << i
            after = value_eur(coalition)
            row[i], before = after - before, after
    mean = added.mean(axis=0)
    half = student.ppf(0.5 + LEVEL / 2, orders - 1) * added.std(axis=0, ddof=1) / np.sqrt(orders)
    return SampledShares(mean_eur=mean, low_eur=mean - half, high_eur=mean + half, orders=orders)
