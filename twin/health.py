"""The slow state of a cell: what ageing changes, and the shapes that it is computed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Slow state of a reference cell; every field a float or an array of one common shape.

    ``sei_m``: SEI thickness [m]; ``eps_n``, ``eps_p``: active material volume fractions [-];
    ``lithium_ah``: cyclable lithium in both electrodes [Ah].
    """

    sei_m: Any
    eps_n: Any
    eps_p: Any
    lithium_ah: Any

    @classmethod
    def of(cls, vector: Array) -> Health:
        """The health whose fields lie on the first axis of ``vector``, in their order: views, no copies."""
        sei_m, eps_n, eps_p, lithium_ah = vector
        return cls(sei_m=sei_m, eps_n=eps_n, eps_p=eps_p, lithium_ah=lithium_ah)

    def vector(self) -> Array:
        """The fields in their order on a new first axis."""
        return np.stack([np.asarray(value, dtype=float) for value in self._values()])

    def each(self, change: Callable[[Any], Any]) -> Health:
        """``change`` done to every field."""
        sei_m, eps_n, eps_p, lithium_ah = map(change, self._values())
        return Health(sei_m=sei_m, eps_n=eps_n, eps_p=eps_p, lithium_ah=lithium_ah)

    def at(self, index: Any) -> Health:
        """The healths at an index, a slice or a tuple of them, as arrays are asked."""
        return self.each(lambda value: value[index])

    def first(self) -> Health:
        """The first of the healths, in floats."""
        return self.each(lambda value: float(np.ravel(value)[0]))

    def row(self) -> Health:
        """A health in floats as an array of one."""
        return self.each(lambda value: np.array([value]))

    def scaled(self, share: Array | float) -> Health:
        """That of a cell with ``share`` of the electrodes and the lithium, under as thick a film."""
        of = np.asarray(share, dtype=float)
        return Health(
            sei_m=np.full(of.shape, self.sei_m),
            eps_n=of * self.eps_n,
            eps_p=of * self.eps_p,
            lithium_ah=of * self.lithium_ah,
        )

    def moved(self, changes: Any, sei_m: Any) -> Health:
        """This one after ``changes`` as `changes` tells them, which say nothing of the film's thickness."""
        ln_n, ln_p, lithium = changes
        return Health(
            sei_m=sei_m,
            eps_n=self.eps_n * np.exp(ln_n),
            eps_p=self.eps_p * np.exp(ln_p),
            lithium_ah=self.lithium_ah * lithium,
        )

    def changes(self, since: Health) -> tuple[Any, Any, Any]:
        """What voltage sees of ageing ``since``: ln of eps_n and of eps_p over theirs, share of lithium."""
        return (
            np.log(self.eps_n / since.eps_n),
            np.log(self.eps_p / since.eps_p),
            self.lithium_ah / since.lithium_ah,
        )

    def _values(self) -> tuple[Any, Any, Any, Any]:
        return self.sei_m, self.eps_n, self.eps_p, self.lithium_ah
