"""The part of a twin's record that is written every day: the state, and the cell's own curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from twin.entries import Matrix, Vector, matrix, moment, number, numbers, optional, part_of, ragged


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveRecord:
    """The cell's own open-circuit curve (`twin.belief.OwnCurve`): its points, what it is off there [V], and
    the covariance of that, a row a point, up to the diagonal; ``moved``: of the state since it was found.
    """

    charge: Vector
    error_v: float
    mean_v: Vector
    covariance: Matrix
    moved: Matrix

    def __post_init__(self) -> None:
        points, lengths = len(self.charge), [len(row) for row in self.covariance]
        if len(self.mean_v) != points or lengths != list(range(1, 1 + points)):
            raise ValueError(f"a curve of {points} points has {len(self.mean_v)} and {lengths} figures")


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRecord:
    """The state's posterior (`twin.belief.StatePrior`), the end of the data in it, and its own moment.

    ``curve``: the cell's own, where a full calibration found it.
    """

    mean: Vector
    covariance: Matrix
    until_utc: pd.Timestamp
    as_of_utc: pd.Timestamp
    curve: CurveRecord | None = None


def state_read(held: Mapping[str, Any]) -> StateRecord:
    """The state of an object of JSON."""
    return StateRecord(
        mean=numbers(held["mean"]),
        covariance=matrix(held["covariance"]),
        until_utc=moment(held["until_utc"]),
        as_of_utc=moment(held["as_of_utc"]),
        curve=optional(held, "curve", _CURVE),
    )


_CURVE = part_of(CurveRecord, charge=numbers, error_v=number, mean_v=numbers, covariance=ragged, moved=matrix)
