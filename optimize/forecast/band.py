"""How far a forecast may be off: bands from its own past errors, slot by slot, that learn from each miss.

Split-conformal quantiles of the last absolute errors, with the level moved after every day by what came
(adaptive conformal inference: Gibbs, Candès 2021): after days outside the band it widens, after days inside
it narrows, so that in the long run it holds its share whatever the market does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optimize.arrays import FloatArray
from optimize.errors import ProblemError

_STEP = 0.02
_MEMORY_DAYS = 182
_LEAST_DAYS = 20


@dataclass(slots=True, eq=False)
class ErrorBand:
    """Half-widths of bands that hold `share` (0–1) of what comes, by slot; `slots` of them a day."""

    slots: int
    share: float = 0.9
    _errors: list[FloatArray] = field(default_factory=list)
    _missing: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise ProblemError("error band", "share", self.share, "must lie between 0 and 1")
        self._missing = np.full(self.slots, 1.0 - self.share)

    def half_width(self) -> FloatArray | None:
        """By slot, in the unit of the errors; None before it has seen twenty days."""
        if len(self._errors) < _LEAST_DAYS:
            return None
        observed = np.sort(np.abs(np.array(self._errors)), axis=0)
        place = np.ceil((1.0 - self._missing) * (len(observed) + 1)).astype(int) - 1
        return np.asarray(observed[np.clip(place, 0, len(observed) - 1), np.arange(self.slots)])

    def learn(self, error: FloatArray) -> None:
        """Take up how far a day's forecast was off, [slots]; raises ProblemError for another shape."""
        if error.shape != (self.slots,) or not np.isfinite(error).all():
            raise ProblemError("error band", "error", error.shape, f"must be {self.slots} finite numbers")
        width = self.half_width()
        if width is not None:
            outside = np.abs(error) > width
            self._missing = np.clip(self._missing + _STEP * (1.0 - self.share - outside), 0.001, 0.999)
        self._errors = [*self._errors, error][-_MEMORY_DAYS:]
