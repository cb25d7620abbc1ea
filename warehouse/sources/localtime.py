"""Local times → UTC, through the night in autumn that has an hour twice."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from warehouse.sources.cells import Cells
from warehouse.sources.twice import put_back, runs_backwards

SAMPLES_BACK = np.timedelta64(30, "m")
"""A clock put back an hour goes back this far at least from one reading to the next; jitter does not."""
INTERVALS_BACK = np.timedelta64(0, "m")
"""Of intervals, whose starts do not come again, two alike tell the change too."""
_Marks = NDArray[np.bool_]


def utc_of(
    cells: Cells,
    wall: pd.Series,
    zone: str,
    owner: pd.Series | None = None,
    *,
    least_back: np.timedelta64 = SAMPLES_BACK,
    singly: bool = False,
) -> tuple[pd.Series, tuple[str, ...]]:
    """Return UTC times of a zone's local ones, and notes on the hour that a night has twice.

    owner: whose row each is, where the rows are a series: that hour is then read in the order of the rows if
    each owner's times go back exactly once in it, and missing if not. singly: whether a time that was twice
    or never costs its own row; else the first refuses the file. Raises CellError.
    """
    local = wall.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    doubtful = (wall.notna() & local.isna()).to_numpy(copy=True)
    notes: tuple[str, ...] = ()
    if doubtful.any() and owner is not None:
        summer = wall.dt.tz_localize(zone, ambiguous=np.ones(len(wall), dtype=bool), nonexistent="NaT")
        twice = doubtful & summer.notna().to_numpy()
        if twice.any():
            read, first = _by_order(wall, twice, owner.reset_index(drop=True), least_back)
            local = wall.dt.tz_localize(zone, ambiguous=first, nonexistent="NaT").where(~twice | read)
            notes = _stated(cells, wall, zone, twice, read)
        doubtful &= ~twice
    problem = f"is an hour that {zone} has twice or never on that day; export the file in UTC"
    if singly and doubtful.any():
        notes = (*notes, cells.set_aside(np.flatnonzero(doubtful), problem))
    elif doubtful.any():
        cells.refuse_first(pd.Series(doubtful), problem)
    return pd.Series(local.dt.tz_convert("UTC"), dtype="datetime64[us, UTC]"), notes


def _by_order(
    wall: pd.Series, twice: _Marks, owner: pd.Series, least_back: np.timedelta64
) -> tuple[_Marks, _Marks]:
    """Return which rows of the doubled hour can be distinguished, and which of all lie before the change."""
    read, first = np.zeros(len(wall), dtype=bool), np.ones(len(wall), dtype=bool)
    times = wall.to_numpy()
    positions = pd.Series(np.flatnonzero(twice))
    nights = [owner[twice].to_numpy(), wall[twice].dt.normalize().to_numpy()]
    backwards = {
        name: runs_backwards(times[(owner == name).to_numpy()]) for name in owner[twice].dropna().unique()
    }
    for (name, _), rows in positions.groupby(nights):
        order = rows.to_numpy()[::-1] if backwards[name] else rows.to_numpy()
        change = put_back(times[order], least_back)
        if change is not None:
            read[order] = True
            first[order[change:]] = False
    return read, first


def _stated(cells: Cells, wall: pd.Series, zone: str, twice: _Marks, read: _Marks) -> tuple[str, ...]:
    notes = []
    for chosen, words in (
        (read, "was read in the order of the rows"),
        (twice & ~read, "cannot be distinguished by the order of the rows and was set aside"),
    ):
        if chosen.any():
            times, row = wall[chosen], cells.row(int(chosen.argmax()))
            notes.append(
                f"column {cells.column!r}: an hour that {zone} has twice, {times.min():%Y-%m-%d %H:%M} to "
                f"{times.max():%H:%M}, {int(chosen.sum())} rows from row {row} on, {words}"
            )
    return tuple(notes)
