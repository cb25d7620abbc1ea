"""What a sensor or its bus says when it has nothing to say: all bits set."""

import numpy as np
from numpy.typing import NDArray

ALL_BITS = tuple(
    round(bits * scale, 6)
    for bits in (0xFF, 0xFFFE, 0xFFFF, 0xFFFFFFFF)
    for scale in (1.0, 0.5, 0.1, 0.01, 1e-3, 1e-4)
    if bits > 0xFF or scale >= 0.01
)
"""0xFF, 0xFFFE, 0xFFFF and 0xFFFFFFFF in the scales of buses: 65.535 is 0xFFFF in millivolts."""


def all_bits(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which values are nothing but set bits; whether that is a value too, the column's bounds tell."""
    return np.isin(np.round(values, 6), ALL_BITS)
