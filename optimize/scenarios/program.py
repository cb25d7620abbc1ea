"""One scenario's day as matrices, from the room's one formulation, and what its columns mean to a promise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from optimize import most_duty
from optimize.arrays import FloatArray
from optimize.model import build_day
from optimize.model.assembly import LinearProgramme
from optimize.types import DayProblem, WearPrice
from optimize.windows import session_windows
from optimize.worth import reach


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScenarioProgram:
    """A day in mode "v2g", binaries relaxed.

    energy_kwh: [T, columns], what the columns make of the metered energy of all sites, besides base_kwh [T];
    bids: [B, columns] picks the bids. wear: (column of duty, column of wear, price) of each car with a duty.
    """

    programme: LinearProgramme
    energy_kwh: csr_array
    base_kwh: FloatArray
    bids: csr_array
    wear: tuple[tuple[int, int, WearPrice], ...]

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.programme.cost.size

    @classmethod
    def of(cls, problem: DayProblem, broken_eur_per_kwh: float, weight: float) -> ScenarioProgram:
        """Put a day together.

        broken_eur_per_kwh: what a kWh may save besides by keeping a promise. weight: the share of the goal
        that the day has: one that counts little may wear for what others gain.
        """
        windows = session_windows(problem)
        most = most_duty.most_worth_eur(problem, windows)
        most += broken_eur_per_kwh * float(reach(problem, windows).moved_kwh.sum())
        day = build_day(problem, windows, "v2g", most_duty.duty_at_worth_efc(problem, most / weight))
        width, slots, blocks = day.programme.cost.size, len(problem.slots), len(problem.reserves)
        energy = (
            problem.slot_hours * day.power.coefficient,
            (day.pairs.slot[day.power.instance], day.power.column),
        )
        return cls(
            programme=day.programme,
            energy_kwh=csr_array(energy, shape=(slots, width)),
            base_kwh=problem.slot_hours
            * sum(
                (site.base_load_kw for site in problem.sites if site.base_load_kw is not None),
                np.zeros(slots),
            ),
            bids=csr_array((np.ones(blocks), (np.arange(blocks), day.sites.bid)), shape=(blocks, width)),
            wear=tuple(
                (int(x), int(w), problem.cars[i].wear.over(problem.duty_days))
                for i, x, w in zip(day.wearing.tolist(), day.duty, day.wear, strict=True)
            ),
        )

    def wear_error_eur(self, values: FloatArray) -> float:
        """By how much the tangents understate the wear of a solution [columns], €."""
        return sum(max(0.0, wear.cost_eur(float(values[x])) - float(values[w])) for x, w, wear in self.wear)
