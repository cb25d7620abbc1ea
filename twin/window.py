"""The stretch of telemetry that stage A replays: chosen, binned, and its current cut into steps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from twin.course import Course, spacing_of
from twin.duty import course_through
from twin.evidence import seconds_of
from twin.health import Array
from twin.pieces import pieces_window
from twin.replay import BIN_S, MAX_STEPS, Replay
from twin.types import BatterySpec

WINDOW_H = 36.0
DAILY_WINDOW_H = 20.0  # what a day's new telemetry holds, the night's gap spared
_RESTING_C, _RESTING_V = 0.04, 1.5e-3  # a biased sensor shows a current at rest; the voltage stands still
_STEP_C = 0.004  # currents that differ by less are one step, as long as the steps are few enough
_FEWEST_SAMPLES = 30
_DENSE_S = BIN_S / 2  # a bin of fewer than two samples is a snapshot
_MOVING_C = 0.01
_MOST_RUNS = 1.5  # a bin


def select_window(
    telemetry: pd.DataFrame,
    battery: BatterySpec,
    *,
    hours: float = WINDOW_H,
    flow: Course | None = None,
) -> Replay | None:
    """The window of ``hours`` of samples that holds the widest swing of charge; None where there is none.

    A gap-free one where there is any, else one of pieces, by ``flow``: the course of the current, silence
    included (that of ``telemetry`` with silence as rest if None).
    """
    if len(telemetry) < _FEWEST_SAMPLES:
        return None
    if spacing_of(np.sort(seconds_of(telemetry["time_utc"]))) <= _DENSE_S:
        whole = _gap_free(_bins(telemetry, battery), hours)
        if whole is not None:
            return whole
    points = _bins(telemetry, battery, apart=True)
    flow = flow or course_through(telemetry, battery.nominal_capacity_ah)
    return pieces_window(points, flow, _resting(points), hours)


def _resting(binned: pd.DataFrame) -> npt.NDArray[np.bool_]:
    still = np.abs(np.diff(binned["voltage_v"].to_numpy(), prepend=np.nan)) < _RESTING_V
    return np.asarray(still & (np.abs(binned["c_rate"].to_numpy()) < _RESTING_C))


def _gap_free(binned: pd.DataFrame, hours: float) -> Replay | None:
    size = int(hours * 3600 / BIN_S)
    if len(binned) < size:
        return None
    charge = (binned["c_rate"].cumsum() * BIN_S / 3600).to_numpy()
    index = binned["bin"].to_numpy()
    resting = _resting(binned)
    best, best_score = None, 0.0
    for first in range(0, len(binned) - size + 1, max(1, size // 12)):
        last = first + size - 1
        if index[last] - index[first] != size - 1 or not resting[first : first + 3].all():
            continue
        swing = float(np.ptp(charge[first:last]))
        # Later is better at equal swing: the state is wanted as of today.
        score = swing * (1 + 0.02 * first / len(binned))
        if score > best_score:
            best, best_score = first, score
    return None if best is None else _replay(binned.iloc[best : best + size])


def _bins(telemetry: pd.DataFrame, battery: BatterySpec, *, apart: bool = False) -> pd.DataFrame:
    """Means of bins over time; with ``apart``, rest, charge and discharge in a bin apart, in its order."""
    seconds = seconds_of(telemetry["time_utc"])
    frame = pd.DataFrame(
        {
            "bin": np.floor(seconds / BIN_S).astype(np.int64),
            "time_s": seconds,
            "voltage_v": telemetry["voltage_v"].to_numpy() / battery.cells_series,
            "c_rate": telemetry["current_a"].to_numpy() / battery.nominal_capacity_ah,
            "temperature_degc": telemetry["temperature_degc"].to_numpy(),
        }
    )
    if not apart:
        return _over_time(frame)
    frame = frame.sort_values("time_s", kind="stable")
    frame["way"] = np.sign(frame["c_rate"]) * (frame["c_rate"].abs() > _MOVING_C)
    run = ((frame["way"].diff() != 0) | (frame["bin"].diff() != 0)).cumsum()
    if run.iloc[-1] > _MOST_RUNS * frame["bin"].nunique():  # stop and go: its bins are means as before
        run = frame["bin"]
    return frame.groupby(run.to_numpy(), as_index=False).mean()


def _over_time(frame: pd.DataFrame) -> pd.DataFrame:
    """Means of bins in which each sample counts for as long as it holds: a logger's pace may change."""
    frame = frame.sort_values("time_s", kind="stable")
    half = np.minimum(np.diff(frame["time_s"].to_numpy()), BIN_S) / 2
    held = np.concatenate([half, half[-1:]]) + np.concatenate([half[:1], half])
    held = np.maximum(held, 1e-3)  # of samples of one stamp, each counts
    weighed = frame.drop(columns="bin").mul(held, axis=0).groupby(frame["bin"].to_numpy()).sum()
    whole = pd.Series(held).groupby(frame["bin"].to_numpy()).sum()
    means = weighed.div(whole, axis=0)
    means.insert(0, "bin", means.index.to_numpy())
    return means.reset_index(drop=True)


def _replay(binned: pd.DataFrame) -> Replay:
    rate, first_bin = binned["c_rate"].to_numpy(), int(binned["bin"].iloc[0])
    tolerance = _STEP_C
    while True:
        starts = _segment(rate, tolerance)
        if len(starts) <= MAX_STEPS:
            break
        tolerance *= 1.5
    edges = [*starts, len(rate)]
    level = np.array([rate[a:b].mean() for a, b in pairwise(edges)])
    times = np.arange(len(rate), dtype=np.float64) * BIN_S + 0.5 * BIN_S
    return Replay(
        begin_utc=pd.Timestamp(first_bin * BIN_S, unit="s", tz="UTC"),
        start_s=np.asarray(starts, dtype=np.float64) * BIN_S,
        c_rate=level,
        times_s=times,
        voltage_v=binned["voltage_v"].to_numpy(),
        temperature_degc=float(binned["temperature_degc"].mean()),
    )


def _segment(rate: Array, tolerance: float) -> list[int]:
    """Starts of runs in which the current stays within ``tolerance`` of the run's mean."""
    starts, mean, count = [0], rate[0], 1
    for i, value in enumerate(rate[1:], start=1):
        if abs(value - mean) > tolerance:
            starts.append(i)
            mean, count = value, 1
        else:
            mean, count = (mean * count + value) / (count + 1), count + 1
    return starts
