"""The hour that a night in autumn has twice: which rows of a series lie after the clock was put back."""

import numpy as np
from numpy.typing import NDArray

_NONE = np.timedelta64(0, "us")
Times = NDArray[np.datetime64]


def put_back(times: Times, least: np.timedelta64 = _NONE) -> int | None:
    """Return the place of the first of a series' local times after the change, None where none tells it.

    It is reported where they go back exactly once, and by `least` at least. 0: of intervals, each of which
    begins but once, two alike are a step back too.
    """
    steps = np.diff(times)
    back = np.flatnonzero(steps < _NONE if least > _NONE else steps <= _NONE)
    if back.size != 1 or steps[back[0]] > -least:
        return None
    return int(back[0]) + 1


def runs_backwards(times: Times) -> bool:
    """Whether a series is reported with its newest row first; NaT counts for nothing."""
    steps = np.diff(times[~np.isnat(times)])
    return bool((steps < _NONE).sum() > (steps > _NONE).sum())
