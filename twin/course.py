"""The current over wall time: what was sent, and what happened while nothing was.

A sample holds from half way to the one before to half way to the one after, which moves the charge of the
trapezoid rule. Where nothing was sent for long, the pack rested (current 0: a car asleep sends nothing), or
it moved a charge that SoC or voltage on both sides tell (`twin.silence`): that much is known, not when.

Where the current changed between two samples, the change lies anywhere between them: a charge of sd
|ΔI|·Δt/√12, which is the error of counting charge by snapshots; what a whole trip between them may have taken
comes on top (``unseen``). Currents are C-rates of nominal capacity,
charge is in C·h (shares of nominal capacity), + = charge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from twin.health import Array

LONG_GAP_S = 1200.0
_LONG_GAP_SPACINGS = 3.0  # a poll or two that failed are no silence
OBSERVED, REST, UNSEEN = 0, 1, 2
_DAY_S = 86400.0
_PAUSE_H, _OFTEN_SILENT, _OFF_DAY = 2.0, 0.2, 0.1  # hours, of wall time, days


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Stretches of constant current that follow each other without a gap, in seconds since 1970.

    ``c_rate``: mean current; ``variance``: of the charge moved [(C·h)²]; ``kind``: `OBSERVED`, `REST`
    (silent, and taken for at rest) or `UNSEEN` (silent, and charge was moved).
    """

    begin_s: Array
    end_s: Array
    c_rate: Array
    variance: Array
    kind: npt.NDArray[np.int8]

    @property
    def hours(self) -> Array:
        """Length of each stretch [h]."""
        return np.asarray((self.end_s - self.begin_s) / 3600)

    @property
    def silent_share(self) -> float:
        """Share of wall time during which nothing was sent."""
        hours = self.hours
        return float(hours[self.kind != OBSERVED].sum() / max(float(hours.sum()), 1e-9))

    def charge_at(self, times_s: Array) -> Array:
        """Charge moved since the beginning [C·h]."""
        return self._summed(self.c_rate * self.hours, times_s)

    def variance_at(self, times_s: Array) -> Array:
        """Variance of `charge_at`."""
        return self._summed(self.variance, times_s)

    def _summed(self, parts: Array, times_s: Array) -> Array:
        edges = np.append(self.begin_s, self.end_s[-1])
        return np.asarray(np.interp(times_s, edges, np.concatenate([[0.0], np.cumsum(parts)])))

    def whole_days(self) -> Course:
        """The part that counts days fairly: from the middle of one silence to that of another.

        What is sent on waking begins and ends with a trip or a charge, so that its first and last day count
        one too many. A record that hardly pauses is left as it is.
        """
        middles = 0.5 * (self.begin_s + self.end_s)[(self.kind != OBSERVED) & (self.hours > _PAUSE_H)]
        if self.silent_share < _OFTEN_SILENT or len(middles) < 2:
            return self
        days = np.subtract.outer(middles, middles).T / _DAY_S
        days[np.abs(days - np.round(days)) > _OFF_DAY] = 0.0
        first, last = np.unravel_index(int(np.argmax(days)), days.shape)
        if days[first, last] < 0.5 * (self.end_s[-1] - self.begin_s[0]) / _DAY_S:
            return self
        return self.between(float(middles[first]), float(middles[last]))

    def between(self, begin_s: float, end_s: float) -> Course:
        """The part between two times."""
        begin, end = np.clip(self.begin_s, begin_s, end_s), np.clip(self.end_s, begin_s, end_s)
        kept = end > begin
        share = ((end - begin) / np.maximum(self.end_s - self.begin_s, 1e-9))[kept]
        return Course(
            begin_s=begin[kept],
            end_s=end[kept],
            c_rate=self.c_rate[kept],
            variance=self.variance[kept] * share,
            kind=self.kind[kept],
        )

    def by_day(self) -> Course:
        """The same with silence cut at midnight (UTC), so that each stretch lies in one day."""
        midnights = np.arange(np.ceil(self.begin_s[0] / _DAY_S), self.end_s[-1] // _DAY_S + 1) * _DAY_S
        at = np.searchsorted(self.begin_s, midnights, side="right") - 1
        inside = (at >= 0) & (midnights > self.begin_s[at]) & (midnights < self.end_s[at])
        at, cuts = at[inside], midnights[inside]
        begin = np.insert(self.begin_s, at + 1, cuts)
        end = np.append(begin[1:], self.end_s[-1])
        of = np.insert(np.arange(len(self.begin_s)), at + 1, at)
        share = (end - begin) / np.maximum((self.end_s - self.begin_s)[of], 1e-9)
        return Course(
            begin_s=begin,
            end_s=end,
            c_rate=self.c_rate[of],
            variance=self.variance[of] * share,
            kind=self.kind[of],
        )


def spacing_of(time_s: Array) -> float:
    """How often samples are sent when any are [s]."""
    steps = np.diff(time_s)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else 60.0


def silences(time_s: Array) -> npt.NDArray[np.intp]:
    """The samples after which nothing was sent for long."""
    longest = max(LONG_GAP_S, _LONG_GAP_SPACINGS * spacing_of(time_s))
    return np.flatnonzero(np.diff(time_s) > longest)


def course(
    time_s: Array,
    c_rate: Array,
    *,
    moved: Array | None = None,
    moved_sd: Array | None = None,
    resting: npt.NDArray[np.bool_] | None = None,
    unseen: Array | None = None,
) -> Course:
    """The course of at least two samples in order of time.

    For each of `silences`: the charge that was ``moved`` from the sample before to the one after [C·h], its
    standard deviation, and whether that is ``resting``. Without them, silence is rest. ``unseen``: for each
    sample but the last, the variance of what a trip before the next may have taken [(C·h)²]; none if None.
    """
    at, spacing = silences(time_s), spacing_of(time_s)
    if moved is None or moved_sd is None or resting is None:
        moved, moved_sd, resting = np.zeros(len(at)), np.zeros(len(at)), np.ones(len(at), dtype=bool)
    step = np.diff(time_s)
    half_after, half_before = step / 2, step / 2
    half_after[at] = half_before[at] = spacing / 2
    begin = np.concatenate([time_s[:1], time_s[1:] - half_before])
    end = np.concatenate([time_s[:-1] + half_after, time_s[-1:]])
    jump = np.diff(c_rate) ** 2
    wandering = jump * (step / 3600) ** 2 / 12 + (0.0 if unseen is None else unseen)
    wandering[at] = 0.0
    apart = np.append(wandering, 0.0)
    edges = (c_rate[at] ** 2 + c_rate[at + 1] ** 2) * (spacing / 3600) ** 2 / 12
    hours = (begin[at + 1] - end[at]) / 3600
    held = (c_rate[at] + c_rate[at + 1]) * spacing / 7200
    silent_rate = np.where(resting, 0.0, (moved - held) / hours)
    silent_variance = moved_sd**2 + np.where(resting, edges, 0.0)
    place = at + 1
    return Course(
        begin_s=np.insert(begin, place, end[at]),
        end_s=np.insert(end, place, begin[at + 1]),
        c_rate=np.insert(c_rate.astype(float), place, silent_rate),
        variance=np.insert(apart, place, silent_variance),
        kind=np.insert(np.full(len(time_s), OBSERVED, dtype=np.int8), place, np.where(resting, REST, UNSEEN)),
    )
