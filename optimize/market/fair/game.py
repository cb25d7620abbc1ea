"""A game with transferable utility: what each coalition of players earns, €.

A coalition is a number: bit i says whether player i is in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimize.arrays import BoolArray, FloatArray, checked_array
from optimize.errors import ProblemError
from optimize.validation import require_unique

MOST_PLAYERS = 12
"""Of so many at most all coalitions are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Game:
    """value_eur [2^n]: of each coalition, that of nobody is 0.

    Raises ProblemError for none or more than MOST_PLAYERS, one twice, or a value that is no number.
    """

    players: tuple[str, ...]
    value_eur: FloatArray

    def __post_init__(self) -> None:
        require_unique("game", "player", list(self.players))
        if not 0 < len(self.players) <= MOST_PLAYERS:
            raise ProblemError("game", "players", len(self.players), f"must be 1 … {MOST_PLAYERS}")
        value = checked_array("game", "value_eur", self.value_eur, (2 ** len(self.players),))
        if value[0] != 0.0:
            raise ProblemError("game", "value of nobody", value[0], "must be 0")
        object.__setattr__(self, "value_eur", value)

    @property
    def all_eur(self) -> float:
        """What all of them earn together."""
        return float(self.value_eur[-1])

    @property
    def scale_eur(self) -> float:
        """The largest value, or 1 € where it is less: what is negligible is so next to it."""
        return max(1.0, float(np.abs(self.value_eur).max()))

    def needed(self) -> tuple[int, ...]:
        """The players without whom no coalition earns anything (veto players)."""
        inside = members(len(self.players))
        return tuple(i for i in range(len(self.players)) if not self.value_eur[~inside[:, i]].any())

    def excess_eur(self, allocation_eur: FloatArray) -> FloatArray:
        """What each coalition [2^n] would gain by leaving: its value less what its members are given."""
        return np.asarray(self.value_eur - members(len(self.players)) @ allocation_eur)

    def most_excess_eur(self, allocation_eur: FloatArray) -> float:
        """The largest excess of a coalition that is neither nobody nor all; −inf for one player.

        An allocation of all that is earned is in the core where this is not above 0.
        """
        return float(self.excess_eur(allocation_eur)[1:-1].max(initial=-np.inf))


def members(players: int) -> BoolArray:
    """Who is in each coalition, [2^n, n]."""
    return np.asarray((np.arange(2**players)[:, None] >> np.arange(players)) & 1, dtype=np.bool_)


def with_needed(of_others: Game, name: str) -> Game:
    """The game with one more player, the last, without whom the others earn nothing."""
    nothing = np.zeros_like(of_others.value_eur)
    return Game(players=(*of_others.players, name), value_eur=np.concatenate([nothing, of_others.value_eur]))
