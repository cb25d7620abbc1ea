"""Telemetry as series: the samples of a battery in one file, in time order, for whole frames at once."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_checks.owners import Owners
from data_checks.packs import Floats
from data_checks.types import Mask, Positions

NEIGHBOUR_MINUTES = 10.0
"""Samples further apart than this are not neighbours, unless their series is coarser as a rule."""
COARSEST_MINUTES = 60.0
USUAL_STEPS = 2.5
"""Of a coarser series, samples are neighbours up to so many of its usual steps, and the coarsest at most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runs:
    """Stretches of a series: where each begins and how many samples it has."""

    first: Positions
    size: Positions

    @property
    def last(self) -> Positions:
        """The last sample of every run."""
        return self.first + self.size - 1

    def sums(self, steps: Floats) -> Floats:
        """Sum steps[i] (from sample i−1 to i) over every run; the step into its first does not count."""
        total = np.concatenate(([0.0], np.cumsum(steps)))
        return np.asarray(total[self.first + self.size] - total[self.first + 1])

    def spread(self, chosen: Mask) -> Mask:
        """Return for every sample whether its run is chosen."""
        return np.repeat(chosen, self.size)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """Samples by file, battery and time.

    positions: their rows in the frame. group: number of the (file, battery). minutes: time.
    linked[i]: sample i−1 is of the same group and near enough: 10 min, in a series that is coarser as a rule
    2.5 times its median step, an hour at most.
    hours[i]: time since sample i−1; 0 where not linked.
    """

    positions: Positions
    group: Positions
    minutes: Floats
    linked: Mask
    hours: Floats

    @classmethod
    def of(cls, frame: pd.DataFrame, owners: Owners) -> "Series":
        """Take every row of a telemetry frame; those without a battery or a time come first."""
        group = owners.group
        minutes = frame["time_utc"].astype("int64").to_numpy() / 60e6
        order = np.arange(group.size)
        if not _sorted(group, minutes):
            order = np.lexsort((minutes, group))
        return cls._linked(order, group[order], minutes[order])

    @classmethod
    def _linked(cls, positions: Positions, group: Positions, minutes: Floats) -> "Series":
        linked, hours = np.zeros(positions.size, dtype=bool), np.zeros(positions.size)
        step = np.diff(minutes)
        same = group[1:] == group[:-1]
        linked[1:] = same & (step <= NEIGHBOUR_MINUTES)
        for number, most in _coarse(group, step, same, linked[1:]):
            linked[1:] |= same & (group[1:] == number) & (step <= most)
        hours[1:] = np.where(linked[1:], step / 60.0, 0.0)
        return cls(positions=positions, group=group, minutes=minutes, linked=linked, hours=hours)

    def only(self, rows: Mask) -> "Series":
        """Return the series of some rows of the frame: neighbours are what is left next to each other."""
        if rows.all():
            return self
        kept = rows[self.positions]
        return self._linked(self.positions[kept], self.group[kept], self.minutes[kept])

    def values(self, column: pd.Series | Floats) -> Floats:
        """Return a column of the frame, or figures a row of it, in the order of the series."""
        return np.asarray(column, dtype="float64")[self.positions]

    def runs(self, onward: Mask) -> Runs:
        """Cut the series where a link fails or sample i does not go on from sample i−1."""
        first = np.flatnonzero(~(onward & self.linked))
        return Runs(first=first, size=np.diff(np.append(first, onward.size)))

    def charge(self, c_rate: Floats) -> Floats:
        """Return the charge that flowed from sample i−1 to i, over the nominal capacity (trapezium)."""
        steps = np.zeros(c_rate.size)
        steps[1:] = 0.5 * (c_rate[1:] + c_rate[:-1]) * self.hours[1:]
        return steps


def _coarse(group: Positions, step: Floats, same: Mask, linked: Mask) -> list[tuple[int, float]]:
    """Return the groups most of whose steps are longer than 10 min, and how far their neighbours may be."""
    far = group[1:][same & ~linked]
    if far.size == 0 or far.max() < 0:
        return []
    own = group[1:][same]
    least = int(own.min(initial=0))
    apart, steps = (np.bincount(one - least) for one in (far, own))
    found = []
    for number in np.flatnonzero(apart > 0.5 * steps[: apart.size]) + least:
        usual = float(np.median(step[same & (group[1:] == number)]))
        if usual <= COARSEST_MINUTES:
            found.append((int(number), min(COARSEST_MINUTES, USUAL_STEPS * usual)))
    return found


def unchanged(values: Floats) -> Mask:
    """Return where a value is the one before it to the last digit."""
    same = np.zeros(values.size, dtype=bool)
    same[1:] = values[1:] == values[:-1]
    return same


def _sorted(group: Positions, minutes: Floats) -> bool:
    step = np.diff(group)
    return bool(np.all((step > 0) | ((step == 0) & (np.diff(minutes) >= 0))))
