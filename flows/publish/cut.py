"""Tables that are cut: a page stays small, and says what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cut:
    """The first rows of a table, and of how many."""

    rows: Sequence[Row]
    of: int

    @property
    def is_cut(self) -> bool:
        """Whether some are left out."""
        return len(self.rows) < self.of


def first_of(rows: Sequence[Row], most: int) -> Cut:
    """The first `most` rows at most."""
    return Cut(rows[:most], len(rows))
