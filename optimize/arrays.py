"""Arrays that travel with the room's dataclasses: their types, and checked read-only copies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from optimize.errors import ProblemError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
CodeArray = npt.NDArray[np.int8]
IntArray = npt.NDArray[np.int64]


def checked_array(
    subject: str, field: str, value: npt.ArrayLike, shape: tuple[int, ...], *, gaps: bool = False
) -> FloatArray:
    """A read-only float copy of `value`; refuses another shape, infinities and, unless `gaps`, NaN."""
    array: FloatArray = np.array(value, dtype=np.float64)
    if array.shape != shape:
        raise ProblemError(subject, f"shape of {field}", array.shape, f"must be {shape}")
    bad = np.argwhere(np.isinf(array) if gaps else ~np.isfinite(array))
    if bad.size:
        place = tuple(bad[0].tolist())
        raise ProblemError(f"{subject}, {field}{list(place)}", field, array[place], "must be a finite number")
    array.setflags(write=False)
    return array


def checked_flags(subject: str, field: str, value: npt.ArrayLike, shape: tuple[int, ...]) -> BoolArray:
    """A read-only copy of `value`; refuses another shape and what is no truth value."""
    array = np.array(value)
    if array.shape != shape:
        raise ProblemError(subject, f"shape of {field}", array.shape, f"must be {shape}")
    if array.dtype != np.bool_:
        raise ProblemError(subject, field, array.dtype, "must hold true or false")
    flags: BoolArray = array
    flags.setflags(write=False)
    return flags
