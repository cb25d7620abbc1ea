"""Written checks of the charge that a car reports; what is wrong of it is emptied, its row stays.

A car may tell none (0 for ever), an old one (a cloud that repeats it through a charge) or for some samples
another's. V, I and T of such a row are as good as before.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from data_checks.cells import soc_voltage
from data_checks.emptied import CellFinding
from data_checks.owners import Owners
from data_checks.packs import Floats, Packs
from data_checks.series import Series, unchanged
from data_checks.types import Mask, Positions

FEWEST_ROWS = 10
ZERO_CHARGE = 0.03
"""Share of the capacity that flows in a file whose SoC is 0 for ever although the car does not tell it."""
STALE_SAMPLES, STALE_CHARGE = 4, 0.15
"""A repeated SoC is stale from so many samples, and so much of the capacity in or out, on."""
STALE_PASSED = 0.002
"""From here on it is no longer the charge that was there when the stretch began."""
LONGEST_JUMP = 10
"""Samples; what stays away for longer is another reckoning, not a jump."""
JUMP, JUMP_UNKNOWN = 0.05, 0.1
"""Change of SoC that no charge explains; where the pack is not known, any."""


def wrong_soc(
    frame: pd.DataFrame, owners: Owners, packs: Packs, series: Series, usable: Mask
) -> Iterator[CellFinding]:
    """Find the cells of soc_reported that cannot be right, each for the first reason found."""
    left = usable & frame["soc_reported"].notna().to_numpy()
    if not left.any():
        yield from (_finding(rule, reason, np.empty(0, dtype=np.intp)) for rule, reason in _REASONS.items())
        return
    positions = _never_reported(frame, owners, packs, series.only(left), left)
    for rule, reason in _REASONS.items():
        if rule == "stale":
            positions = _stale(frame, packs, series.only(left))
        elif rule == "soc_jump":
            positions = _jumps(frame, packs, series.only(left))
        elif rule == "soc_voltage":
            positions = np.flatnonzero(soc_voltage(frame, packs) & left)
        left[positions] = False
        yield _finding(rule, reason, positions)


_REASONS = {
    "no_soc": "soc_reported is 0 in the whole file, as of a car that does not tell it",
    "stale": "soc_reported is stale, it repeats itself while ≥ 15 % of the capacity flowed",
    "soc_jump": "soc_reported jumps away for some samples and back, though no such charge flowed",
    "soc_voltage": "soc_reported cannot be with this voltage in this chemistry",
}


def _never_reported(
    frame: pd.DataFrame, owners: Owners, packs: Packs, series: Series, left: Mask
) -> Positions:
    """Return the cells of batteries that are empty for ever by their SoC, but not by voltage or charge."""
    rows = owners.count(left)
    zero = left & (frame["soc_reported"].to_numpy() == 0.0)
    empty = (rows >= FEWEST_ROWS) & (owners.count(zero) == rows)
    if not empty.any():
        return np.empty(0, dtype=np.intp)
    doubted = owners.count(soc_voltage(frame, packs) & left) > 0
    passed = np.cumsum(series.charge(np.nan_to_num(_c_rate(frame, packs, series))))
    first = np.flatnonzero(np.diff(series.group, prepend=-2))
    moved = np.maximum.reduceat(passed, first) - np.minimum.reduceat(passed, first)
    doubted[series.group[first][moved >= ZERO_CHARGE]] = True
    return np.flatnonzero(np.isin(owners.group, np.flatnonzero(empty & doubted)) & left)


def _stale(frame: pd.DataFrame, packs: Packs, series: Series) -> Positions:
    soc = series.values(frame["soc_reported"])
    runs = series.runs(unchanged(soc))
    if runs.first.size == 0:
        return runs.first
    total = np.cumsum(series.charge(np.nan_to_num(_c_rate(frame, packs, series))))
    since = np.abs(total - np.repeat(total[runs.first], runs.size))
    stale = (runs.size >= STALE_SAMPLES) & (np.maximum.reduceat(since, runs.first) >= STALE_CHARGE)
    found = [
        np.arange(first + int((since[first : first + size] > STALE_PASSED).argmax()), first + size)
        for first, size in zip(runs.first[stale], runs.size[stale], strict=True)
    ]
    return np.sort(series.positions[np.concatenate([np.empty(0, dtype=np.intp), *found])])


def _jumps(frame: pd.DataFrame, packs: Packs, series: Series) -> Positions:
    """Return samples between a step that no charge explains and the step back, on the shorter side."""
    soc, c_rate = series.values(frame["soc_reported"]), _c_rate(frame, packs, series)
    least = np.where(np.isnan(c_rate), JUMP_UNKNOWN, JUMP)
    c_rate, move = np.nan_to_num(c_rate), np.zeros(soc.size)
    move[1:] = np.where(series.linked[1:], np.diff(soc) - series.charge(c_rate)[1:], 0.0)
    # What flowed between two snapshots is known no better than to what either shows.
    least[1:] += np.maximum(np.abs(c_rate[1:]), np.abs(c_rate[:-1])) * series.hours[1:]
    steps = np.flatnonzero(np.abs(move) > least)
    if steps.size < 2:
        return np.empty(0, dtype=np.intp)
    starts = np.flatnonzero(~series.linked)
    piece = np.searchsorted(starts, steps, side="right") - 1
    ends = np.append(starts[1:], soc.size)[piece]
    before = steps - np.maximum(starts[piece], np.append(0, steps[:-1]))
    after = np.minimum(ends, np.append(steps[1:], soc.size)) - steps
    total = np.cumsum(move)
    net = np.abs(total[steps[1:]] - total[steps[:-1] - 1])
    least_step = np.minimum(np.abs(move[steps[1:]]), np.abs(move[steps[:-1]]))
    size = np.diff(steps)
    away = (piece[1:] == piece[:-1]) & (move[steps[1:]] * move[steps[:-1]] < 0) & (net <= 0.5 * least_step)
    away &= (size <= LONGEST_JUMP) & (size < np.maximum(before[:-1], after[1:]))
    found = [np.arange(steps[i], steps[i + 1]) for i in np.flatnonzero(away)]
    return np.sort(series.positions[np.concatenate([np.empty(0, dtype=np.intp), *found])])


def _c_rate(frame: pd.DataFrame, packs: Packs, series: Series) -> Floats:
    return series.values(frame["current_a"]) / series.values(packs.figure("nominal_capacity_ah"))


def _finding(rule: str, reason: str, positions: Positions) -> CellFinding:
    return CellFinding(rule=rule, column="soc_reported", reason=reason, positions=positions)
