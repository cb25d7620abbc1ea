"""What the battery table says of the pack behind every row of a frame."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_checks.owners import Owners
from data_checks.types import CheckContext, Mask, Positions

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packs:
    """Figures by row; NaN, which no rule rejects, where the battery is not known.

    codes: the battery's number a row, −1 = none. table: the battery table by number, last a row of nulls.
    """

    codes: Positions
    table: pd.DataFrame

    @classmethod
    def of(cls, owners: Owners, context: CheckContext) -> "Packs":
        """Look up the batteries of a frame."""
        known = context.batteries if context.batteries is not None else pd.DataFrame({"battery_id": []})
        return cls(codes=owners.codes, table=known.set_index("battery_id").reindex([*owners.names, None]))

    def figure(self, column: str) -> Floats:
        """Return a number of the battery table for every row."""
        if column not in self.table:
            return np.full(self.codes.size, np.nan)
        figures: Floats = self.table[column].to_numpy(dtype="float64", na_value=np.nan)[self.codes]
        return figures

    def chemistries(self) -> dict[str, Mask]:
        """Return the rows of each known chemistry."""
        if "chemistry" not in self.table:
            return {}
        kinds, names = pd.factorize(self.table["chemistry"])
        by_row = kinds[self.codes]
        return {str(name): by_row == number for number, name in enumerate(names)}
