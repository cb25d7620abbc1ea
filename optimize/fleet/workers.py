"""A fleet's cars spread over Dask workers: every sweep runs where the cars are, only sums travel.

Sums are added up in the order of the parts, so that the plan depends on their number but not on who is first.
`distributed` is an optional dependency, imported by whoever makes the client.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from optimize.fleet.arrays import FleetArrays
from optimize.fleet.compile import Compiled
from optimize.fleet.coupling import Coupling
from optimize.fleet.layout import FloatArray
from optimize.fleet.part import Part


class Scattered:
    """Cars in `parts` actors of a Dask client; see `engine.Cars`."""

    def __init__(
        self, client: Any, arrays: FleetArrays, compiled: Compiled, coupling: Coupling, mu: float, parts: int
    ) -> None:
        cuts = np.linspace(0, arrays.cars, parts + 1).astype(int)
        self._actors = [
            client.submit(
                Part, arrays.subset(compiled.order[begin:end]), coupling, mu, 1, actor=True, pure=False
            )
            for begin, end in pairwise(cuts.tolist())
            if end > begin
        ]
        self._actors = [future.result() for future in self._actors]
        self._pairs = sum(self._ask("count_pairs"))

    @property
    def pairs(self) -> int:
        """Number of inequalities."""
        return int(self._pairs)

    def predict(
        self, y: FloatArray, direction_x: float, direction_z: float, smu: float
    ) -> tuple[FloatArray, FloatArray, FloatArray, float, float]:
        """Take a step; Schur complement, predictor outputs, present outputs, Σ s·z, largest residual."""
        S, one, two, gap, worst = zip(*self._ask("predict", y, direction_x, direction_z, smu), strict=True)
        return _sum(S), _sum(one), _sum(two), float(sum(gap)), max(worst)

    def centre(self, y: FloatArray, mu: float) -> int:
        """Let every car alone find its central point for μ at fixed prices; the iterations it took."""
        return int(max(self._ask("centre", y, mu)))

    def correct(self, y: FloatArray, mu: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Outputs of a unit of centring and of the second order; Σ Δs·z, Σ s·Δz, Σ Δs·Δz; the reaches."""
        one, two, sums, reaches = zip(*self._ask("correct", y, mu), strict=True)
        return _sum(one), _sum(two), _sum(sums), np.concatenate(reaches, axis=1)

    def finish(self, y: FloatArray, smu: float) -> FloatArray:
        """Find the direction; the reaches."""
        return np.concatenate(self._ask("finish", y, smu), axis=1)

    def bound(self, y: FloatArray) -> float:
        """The least that the cars can cost at prices y, €."""
        return float(sum(self._ask("bound", y)))

    def point(self) -> tuple[FloatArray, FloatArray]:
        """x and ν of the iterate, all cars in the order of the whole."""
        x, nu = zip(*self._ask("point"), strict=True)
        return np.concatenate(x), np.concatenate(nu)

    def _ask(self, method: str, *arguments: Any) -> list[Any]:
        return [future.result() for future in [getattr(actor, method)(*arguments) for actor in self._actors]]


def _sum(parts: tuple[FloatArray, ...]) -> FloatArray:
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
