"""The least that a pool of cars has plugged in over a block of hours: what a bidder can count on.

Cars are not independent: a holiday, rain or the end of a term keeps many away at once. So the pool's own
days are asked, all cars together, and no single car. Days count less the longer ago they are (half after
HALF_DAYS) and more where they are of the same weekday; workdays, weekends and holidays are kinds of their
own, and of a holiday, or a day between holidays, days of every kind say something. The level moves after
every day by what came (adaptive conformal inference: Gibbs, Candès 2021), kind by kind and block by block,
so that in the long run what is foreseen is there as often as it says, whatever the pool does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimize.arrays import BoolArray, FloatArray, checked_array
from optimize.errors import ProblemError
from optimize.forecast.day_kind import HOLIDAY, WEEKEND, WORKDAY, day_kinds
from optimize.forecast.weighted import Weighted

HALF_DAYS, MEMORY_DAYS, LEAST_DAYS = 20.0, 182, 10
SAME_WEEKDAY = 3.0
OF_HOLIDAYS = {HOLIDAY: 1.0, WEEKEND: 0.3, WORKDAY: 0.1}
"""What a day of each kind counts for a holiday."""
_STEP, _LEAST_LEVEL, _MOST_LEVEL = 0.02, 0.002, 0.3
_UNRECORDED = 7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolMinimum:
    """By block of a day: what is there with the share asked, and as often as not; in the pool's unit.

    days: past days that it rests on.
    """

    least: FloatArray
    median: FloatArray
    days: int


def block_minima(begins: FloatArray, ends: FloatArray, sizes: FloatArray, edges: FloatArray) -> FloatArray:
    """The least sum of sizes that is plugged in at once in each block, [blocks].

    begins, ends, sizes: of each session, [n]; edges: where blocks begin, and the last one's end, [blocks +
    1], in the same unit of time. Half-open: a session that ends when a block begins is not in it. Raises
    ProblemError for edges that do not increase.
    """
    edges = np.asarray(edges, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0.0).all():
        raise ProblemError("pool", "edges", edges, "must be two or more that increase")
    times = np.unique(np.concatenate([begins, ends, edges]))
    steps = np.zeros(len(times))
    np.add.at(steps, np.searchsorted(times, begins), sizes)
    np.add.at(steps, np.searchsorted(times, ends), -np.asarray(sizes))
    level = np.cumsum(steps)
    at = np.searchsorted(times, edges)
    found = np.minimum.reduceat(level[: at[-1]], at[:-1])
    return np.asarray(np.where(np.abs(found) < 1e-9, 0.0, found))


def recorded_days(came: BoolArray) -> BoolArray:
    """Which days somebody recorded, [days]: a week or more without any session, before others, nobody did."""
    found = np.ones(len(came), dtype=np.bool_)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~came, [False]])))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        found[begin:end] = end - begin < _UNRECORDED or end == len(came)
    return found


def pool_minimum(
    minima: FloatArray,
    days: npt.NDArray[np.int64],
    target: int,
    holidays: Collection[int] = (),
    share: float = 0.95,
) -> PoolMinimum | None:
    """What a pool has plugged in on a day to come, from its minima by block of days before.

    minima: [n, blocks] of the recorded days before, whole ones; days: their numbers, increasing, and target
    the day asked, after them (`optimize.forecast.day_kind`). None where fewer than LEAST_DAYS of its kind (of
    any kind, for a holiday) are known. Raises ProblemError for another shape or order, or a share not
    within 0 and 1.
    """
    if not 0.0 < share < 1.0:
        raise ProblemError("pool", "share", share, "must lie between 0 and 1")
    if len(days) and (int(days[-1]) >= target or (np.diff(days) <= 0).any()):
        raise ProblemError("pool", "days", days, f"must increase and lie before {target}")
    minima = checked_array("pool", "minima", minima, (len(days), minima.shape[1]))
    kept = days >= target - 2 * MEMORY_DAYS
    of = _Past(minima[kept], days[kept], day_kinds(np.append(days[kept], target), holidays), share)
    return of.foreseen(target)


@dataclass(frozen=True, slots=True, eq=False)
class _Past:
    minima: FloatArray
    days: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    """Of the days, and of the day asked."""
    share: float

    def foreseen(self, target: int) -> PoolMinimum | None:
        """The level is what the days before would have made of it, each foreseen as long before as this."""
        count = len(self.days)
        if not count:
            return None
        ahead, kind = target - int(self.days[-1]), int(self.kinds[-1])
        level = np.full(self.minima.shape[1], 1.0 - self.share)
        for row in np.flatnonzero((self.kinds[:-1] == kind) & (self.days >= target - MEMORY_DAYS)):
            day = int(self.days[row])
            found = self._by(np.flatnonzero(self.days <= day - ahead), day, kind, level)
            if found is not None:
                missed = self.minima[row] < found.least - 1e-9
                level = np.clip(level + _STEP * (1.0 - self.share - missed), _LEAST_LEVEL, _MOST_LEVEL)
        return self._by(np.arange(count), target, kind, level)

    def _by(self, rows: npt.NDArray[np.int64], day: int, kind: int, level: FloatArray) -> PoolMinimum | None:
        rows = rows[self.days[rows] >= day - MEMORY_DAYS]
        kinds, age = self.kinds[rows], day - self.days[rows]
        like = (kinds == kind).astype(np.float64)
        if kind == HOLIDAY:
            like = np.array([OF_HOLIDAYS[one] for one in kinds.tolist()])
        if (like > 0.0).sum() < LEAST_DAYS:
            return None
        weights = like * 0.5 ** (age / HALF_DAYS) * np.where(age % 7 == 0, SAME_WEEKDAY, 1.0)
        each = [Weighted(column, weights) for column in self.minima[rows].T]
        return PoolMinimum(
            least=np.array([one.quantile(low) for one, low in zip(each, level, strict=True)]),
            median=np.array([one.quantile(0.5) for one in each]),
            days=int((like > 0.0).sum()),
        )
