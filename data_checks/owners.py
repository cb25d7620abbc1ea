"""Whose row is whose: the battery, zone or site of every row, and the file that tells of it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_checks.types import EVERYTHING, Positions, ScopeFinding, Severity


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Owners:
    """Rows by owner.

    codes: an owner's number a row, −1 where the row names none. names: the owners by number.
    group: a number for owner and file, −1 likewise. A row is judged by the other rows of its group: another
    file may be of another opinion, and a verdict must not depend on what else waits for its check.
    """

    codes: Positions
    names: tuple[str, ...]
    group: Positions

    @classmethod
    def of(cls, frame: pd.DataFrame, column: str) -> "Owners":
        """Take the column that names the owner."""
        codes, names = pd.factorize(frame[column])
        files = pd.factorize(frame["source_id"])[0]
        return cls(
            codes=codes,
            names=tuple(str(name) for name in names),
            group=np.where((codes < 0) | (files < 0), -1, files * max(len(names), 1) + codes),
        )

    def apart(self, numbers: Positions) -> "Owners":
        """Return the same owners, each group cut by a number (≥ 0) a row."""
        if not numbers.any():
            return self
        wide = self.group * (int(numbers.max()) + 1) + numbers
        group = np.where(self.group < 0, -1, pd.factorize(wide, sort=True)[0])
        return Owners(codes=self.codes, names=self.names, group=group)

    def count(self, judged: NDArray[np.bool_]) -> Positions:
        """Count a group's rows, by its number."""
        own = self.group[judged & (self.group >= 0)]
        return np.bincount(own, minlength=int(self.group.max(initial=-1)) + 1)

    def rows_of(self, groups: NDArray[np.bool_]) -> Positions:
        """Return the rows of the chosen groups (a truth value by number)."""
        return np.flatnonzero(np.append(groups, False)[self.group])

    def outcomes(self, rule: str, severity: Severity, bad: Positions, message: str) -> list[ScopeFinding]:
        """Return a finding for everything and one for each owner of a bad row."""
        sizes, failed = self._sizes(self.codes), self._sizes(self.codes[bad])
        stated = [(EVERYTHING, self.codes.size, bad.size)]
        stated += [(self.names[i], int(sizes[i]), int(failed[i])) for i in np.flatnonzero(failed)]
        return [
            ScopeFinding(
                rule=rule, severity=severity, scope=scope, rows_checked=rows, rows_failed=count,
                message=message if count else "",
            )
            for scope, rows, count in stated
        ]  # fmt: skip

    def sizes(self) -> dict[str, int]:
        """Return how many rows each owner has."""
        return dict(zip(self.names, self._sizes(self.codes).tolist(), strict=True))

    def _sizes(self, codes: Positions) -> Positions:
        return np.bincount(codes[codes >= 0], minlength=len(self.names))
