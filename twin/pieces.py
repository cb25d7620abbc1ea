"""A window of telemetry that was not sent all the time: pieces, with what happened between them held.

Its current is that of `twin.course` over wall time: measured where samples were sent, 0 while the pack slept,
the mean of an unobserved charge or trip where SoC reported of one. Voltage is compared where it was sent
alone, and not until the pack has settled after what nobody saw. How far the charge counted may be off by then
goes with the window, for the fit to reckon with.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from twin.course import OBSERVED, REST, UNSEEN, Course, spacing_of
from twin.health import Array
from twin.replay import BIN_S, MAX_STEPS, Replay

_LONGEST_H = 120.0  # of wall time
_RELAXED_S = 1800.0  # after an unobserved charge or trip
_UNSEEN_SD = 0.05  # of charge: what an unobserved trip took is not what its voltage after it is fitted to
_REST_S = 3600.0  # silence after which a piece may begin
_STARTS = 40
_MOST_UNSEEN = 1  # what is reported of more adds up to charges that no electrode holds
_FEWEST = 16  # points of voltage
_LEAST_SWING = 0.03
_STEP_C = 0.004


def pieces_window(
    points: pd.DataFrame, flow: Course, resting: npt.NDArray[np.bool_], hours: float
) -> Replay | None:
    """The window with the widest swing of charge that holds at most ``hours`` of samples; None without one.

    ``points``: means of samples sent close together: time_s, voltage_v, c_rate, temperature_degc;
    ``resting``: where a rest is seen.
    """
    time_s = points["time_s"].to_numpy()
    if len(time_s) < _FEWEST:
        return None
    charge = flow.charge_at(time_s)
    observed_h = np.cumsum(np.where(flow.kind == OBSERVED, flow.hours, 0.0))
    observed_h = np.interp(time_s, flow.end_s, observed_h)
    woken = np.concatenate([[True], np.diff(time_s) > _REST_S])
    starts = np.flatnonzero(resting | woken)
    starts = starts[:: max(1, len(starts) // _STARTS)]
    best, best_score = None, 0.0
    unseen = np.cumsum(flow.kind == UNSEEN)
    unseen = unseen[np.searchsorted(flow.begin_s, time_s, side="right") - 1]
    for first in np.union1d(starts, np.flatnonzero(woken)[-_STARTS:]):
        last = int(
            min(
                np.searchsorted(observed_h, observed_h[first] + hours, side="right"),
                np.searchsorted(time_s, time_s[first] + _LONGEST_H * 3600, side="right"),
                np.searchsorted(unseen, unseen[first] + _MOST_UNSEEN, side="right"),
            )
        )
        if last - first < _FEWEST:
            continue
        stated = min(1.0, float(observed_h[last - 1] - observed_h[first]) / hours)
        # Later is better at equal swing: the state is wanted as of today.
        score = float(np.ptp(charge[first:last])) * stated**0.5 * (1 + 0.02 * first / len(time_s))
        if np.ptp(charge[first:last]) > _LEAST_SWING and score > best_score:
            best, best_score = (int(first), last), score
    return None if best is None else _replay(points.iloc[best[0] : best[1]], flow)


def _replay(points: pd.DataFrame, flow: Course) -> Replay:
    time_s = points["time_s"].to_numpy()
    spacing = max(spacing_of(time_s), BIN_S)
    begin, end = time_s[0] - spacing / 2, time_s[-1] + BIN_S / 2
    silent = (flow.kind != OBSERVED) & (flow.end_s > time_s[0]) & (flow.begin_s < time_s[-1])
    gaps = np.column_stack([flow.begin_s[silent], flow.end_s[silent]])
    middles = 0.5 * (time_s[1:] + time_s[:-1])
    if len(gaps):
        at = np.searchsorted(gaps[:, 0], middles, side="right") - 1
        middles = middles[(at < 0) | (middles >= gaps[np.maximum(at, 0), 1])]
    # Edges that differ by rounding alone are one.
    edges = np.unique(np.round(np.concatenate([[begin], middles, gaps.reshape(-1), [end]]), 3))
    hours, kind = np.diff(edges) / 3600, _kind(flow, 0.5 * (edges[1:] + edges[:-1]))
    rate = np.where(kind == REST, 0.0, np.diff(flow.charge_at(edges)) / hours)
    # Beyond either end of the course its first or last sample holds.
    outside = np.clip(flow.begin_s[0] - edges[0], 0, None), np.clip(edges[-1] - flow.end_s[-1], 0, None)
    if outside[0]:
        rate[0] = points["c_rate"].iloc[0]
    if outside[1]:
        rate[-1] = points["c_rate"].iloc[-1]
    starts = _merged(rate, hours, kind)
    spans = list(pairwise([*starts, len(rate)]))
    relaxed = _relaxed(time_s, flow)
    return Replay(
        begin_utc=pd.Timestamp(begin, unit="s", tz="UTC").floor("s"),
        start_s=edges[starts] - begin,
        c_rate=np.array([np.average(rate[a:b], weights=hours[a:b]) for a, b in spans]),
        times_s=(time_s - begin)[relaxed],
        voltage_v=points["voltage_v"].to_numpy()[relaxed],
        temperature_degc=float(points["temperature_degc"].mean()),
        silent=kind[starts] != OBSERVED,
        charge_variance=_wandering(time_s, flow)[relaxed],
    )


def _wandering(time_s: Array, flow: Course) -> Array:
    """Variance of the charge counted since the first point; hardly known across what nobody saw."""
    free = np.where(flow.kind == UNSEEN, _UNSEEN_SD**2, 0.0)
    of = Course(
        begin_s=flow.begin_s,
        end_s=flow.end_s,
        c_rate=flow.c_rate,
        variance=flow.variance + free,
        kind=flow.kind,
    )
    return np.asarray(of.variance_at(time_s) - of.variance_at(time_s[:1]))


def _kind(flow: Course, at_s: Array) -> npt.NDArray[np.int8]:
    """What kind of stretch each time lies in."""
    at = np.searchsorted(flow.begin_s, at_s, side="right") - 1
    return np.asarray(flow.kind[np.clip(at, 0, len(flow.kind) - 1)])


def _relaxed(time_s: Array, flow: Course) -> npt.NDArray[np.bool_]:
    """Which points do not follow an unobserved charge or trip too closely to be compared."""
    ends = flow.end_s[flow.kind == UNSEEN]
    if not len(ends):
        return np.ones(len(time_s), dtype=bool)
    at = np.searchsorted(ends, time_s, side="right") - 1
    return np.asarray((at < 0) | (time_s - ends[np.maximum(at, 0)] >= _RELAXED_S))


def _merged(rate: Array, hours: Array, kind: npt.NDArray[np.int8]) -> list[int]:
    """Starts of runs of like current, few enough for the model; silence is apart from what was seen."""
    tolerance = _STEP_C
    while True:
        starts, mean, length = [0], rate[0], hours[0]
        for i in range(1, len(rate)):
            same = kind[i] == kind[i - 1] and (kind[i] == REST or abs(rate[i] - mean) <= tolerance)
            if same:
                mean = (mean * length + rate[i] * hours[i]) / (length + hours[i])
                length += hours[i]
            else:
                starts.append(i)
                mean, length = rate[i], hours[i]
        if len(starts) <= MAX_STEPS:
            return starts
        tolerance *= 1.5
