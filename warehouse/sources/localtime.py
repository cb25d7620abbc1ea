"""Local times → UTC, through the night in autumn that has an hour twice."""

import numpy as np
import pandas as pd

from warehouse.sources.cells import Cells

_LEAST_BACK = pd.Timedelta(minutes=30)
"""A clock put back an hour goes back this far at least from one reading to the next; jitter does not."""


def utc_of(
    cells: Cells, wall: pd.Series, zone: str, owner: pd.Series | None
) -> tuple[pd.Series, tuple[str, ...]]:
    """Return UTC times of a zone's local ones, and notes on the hour that a night has twice.

    owner: whose row each is, where the rows are a series: that hour is then read in the order of the rows if
    each owner's times go back exactly once in it, and missing if not. None: it refuses the file, as an hour
    that there never was does. Raises CellError.
    """
    local = wall.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    doubtful = (wall.notna() & local.isna()).to_numpy(copy=True)
    notes: tuple[str, ...] = ()
    if doubtful.any() and owner is not None:
        summer = wall.dt.tz_localize(zone, ambiguous=np.ones(len(wall), dtype=bool), nonexistent="NaT")
        twice = doubtful & summer.notna().to_numpy()
        if twice.any():
            read, first = _by_order(wall, twice, owner.reset_index(drop=True))
            local = wall.dt.tz_localize(zone, ambiguous=first, nonexistent="NaT").where(~twice | read)
            notes = _told(cells, wall, zone, twice, read)
        doubtful &= ~twice
    cells.refuse_first(
        pd.Series(doubtful),
        f"is an hour that {zone} has twice or never on that day; export the file in UTC",
    )
    return pd.Series(local.dt.tz_convert("UTC"), dtype="datetime64[us, UTC]"), notes


def _by_order(wall: pd.Series, twice: np.ndarray, owner: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows of the doubled hour can be told apart, and which of all lie before the change."""
    read, first = np.zeros(len(wall), dtype=bool), np.ones(len(wall), dtype=bool)
    positions = pd.Series(np.flatnonzero(twice))
    nights = [owner[twice].to_numpy(), wall[twice].dt.normalize().to_numpy()]
    backwards = {name: _runs_backwards(wall[owner == name]) for name in owner[twice].dropna().unique()}
    for (name, _), rows in positions.groupby(nights):
        order = rows.to_numpy()[::-1] if backwards[name] else rows.to_numpy()
        steps = wall.iloc[order].diff().iloc[1:]
        back = np.flatnonzero(steps < pd.Timedelta(0))
        if back.size == 1 and steps.iloc[back[0]] <= -_LEAST_BACK:
            read[order] = True
            first[order[back[0] + 1 :]] = False
    return read, first


def _runs_backwards(wall: pd.Series) -> bool:
    """Whether a series is told with its newest row first."""
    steps = wall.dropna().diff().iloc[1:]
    return bool((steps < pd.Timedelta(0)).sum() > (steps > pd.Timedelta(0)).sum())


def _told(cells: Cells, wall: pd.Series, zone: str, twice: np.ndarray, read: np.ndarray) -> tuple[str, ...]:
    notes = []
    for chosen, words in (
        (read, "was read in the order of the rows"),
        (twice & ~read, "cannot be told apart by the order of the rows and was set aside"),
    ):
        if chosen.any():
            times, row = wall[chosen], cells.row(int(chosen.argmax()))
            notes.append(
                f"column {cells.column!r}: an hour that {zone} has twice, {times.min():%Y-%m-%d %H:%M} to "
                f"{times.max():%H:%M}, {int(chosen.sum())} rows from row {row} on, {words}"
            )
    return tuple(notes)
