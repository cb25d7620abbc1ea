"""The slow state of a cell: what ageing changes."""

from __future__ import annotations

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
