"""Written checks of the clock behind a row: one that was never set, or a year that was mistyped."""

import numpy as np
import pandas as pd

from data_checks.types import RowFinding

_EARLIEST = pd.Timestamp("2000-01-01", tz="UTC")
"""Clocks that were never set begin in 1970 or 1980; no car of a fleet is as old."""
_AHEAD = pd.Timedelta(days=3653)
"""So far ahead of its file's arrival nobody knows of a session."""


def unset(frame: pd.DataFrame, column: str) -> RowFinding:
    """Find rows of before the year 2000."""
    return RowFinding(
        rule="clock",
        column=column,
        reason=f"{column} is before the year {_EARLIEST.year}: a clock that was never set?",
        positions=np.flatnonzero((frame[column] < _EARLIEST).to_numpy()),
    )


def far_ahead(frame: pd.DataFrame, column: str) -> RowFinding:
    """Find rows of more than ten years after their file arrived."""
    return RowFinding(
        rule="clock",
        column=column,
        reason=f"{column} is more than ten years after the file arrived: a year mistyped?",
        positions=np.flatnonzero((frame[column] > frame["received_utc"] + _AHEAD).to_numpy()),
    )
