"""Sessions that a solution says miss more than they do: the next would begin with energy of nobody.

In the model a session begins with what the one before it left and missed. What is missing has its price, so
that no best plan states more of it than there is; a plan whose binaries are not the best may, where that is
the only way for it to keep a rule later on. Such a plan is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optimize.arrays import BoolArray, FloatArray
from optimize.highs import HighsProgram
from optimize.model.assembly import IntArray
from optimize.model.day import DayModel
from optimize.switches import TOLERANCE, Powers


@dataclass(slots=True)
class Overstated:
    """The sessions with slots that others carry on from, and how what they miss is held to what they do."""

    day: DayModel
    sessions: IntArray = field(init=False)
    columns: IntArray = field(init=False)
    held: bool = False

    def __post_init__(self) -> None:
        carried = self.day.pairs.carried
        self.sessions = np.unique(carried[carried >= 0])
        self.columns = self.day.missing[self.sessions]

    def any(self, powers: Powers) -> bool:
        """Whether a solution states more missing than there is."""
        return bool(self._wrong(powers).any())

    def hold(self, program: HighsProgram, powers: Powers) -> None:
        """Bound what is stated by what there is, of each car's first such session; then solve again.

        What comes before it is as stated, so that it can be reached; what comes after it may change.
        """
        wrong = np.flatnonzero(self._wrong(powers))
        cars = [self.day.windows[s].car for s in self.sessions[wrong].tolist()]
        first = wrong[np.unique(cars, return_index=True)[1]]
        program.bound_columns(self.columns[first], self._missing_kwh(powers)[first])
        self.held = True

    def release(self, program: HighsProgram) -> None:
        """Undo `hold`."""
        if self.held:
            program.bound_columns(self.columns, self.day.programme.upper[self.columns])
        self.held = False

    def _wrong(self, powers: Powers) -> BoolArray:
        stated: FloatArray = powers.values[self.columns]
        return np.asarray(stated > self._missing_kwh(powers) + TOLERANCE)

    def _missing_kwh(self, powers: Powers) -> FloatArray:
        last = self.day.pairs.last[self.sessions]
        targets = np.array([self.day.windows[s].target_kwh for s in self.sessions.tolist()])
        return np.maximum(targets - powers.energy[last], 0.0)
