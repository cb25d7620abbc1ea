"""What telemetry says of its own sensors, before any cell model: steps, rests, clocks and the charge balance.

Everything here is arithmetic on samples and plug-in sessions. `twin.faults` turns it into a verdict. Currents
are C-rates of nominal capacity, voltages are per cell, + = charge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from twin.health import Array
from twin.types import BatterySpec

_GRID_S = 60.0
_LONGEST_LAG_S = 12 * 3600.0
_CLOCK_GRID_S = 300.0
_MOVING_C = 0.01  # beyond the current at rest: the pack is driven or charged
_STILL_V = 1.5e-3  # voltage at rest moves less in a quarter of an hour
_LONG_GAP_S = 1200.0
_STUCK_S = 1200.0
_EITHER_WAY, _NO_REST_C = 0.005, 0.03  # a rest lies between driving and charging, or is hardly a current
_STUCK_SPAN_C = 0.05
_STEP_C = 0.03
_SURE = 4.0  # standard deviations
_SOC_NOISE = 0.013  # of a difference of two reported SoC: each is reported to 1 % at best
_LEAST_OHM_AH = 0.02  # no cell answers a current more faintly


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Telemetry as arrays in time order: seconds, cell voltage, C-rate, temperature [°C], sample spacing."""

    time_s: Array
    voltage_v: Array
    c_rate: Array
    temperature_degc: Array
    spacing_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How the voltage's steps answer the current's.

    ``lag_s``: the delay of the voltage at which they go together best, + = voltage late; ``correlation``:
    there, with its sign; ``at_zero``: at no delay; ``steps``: how many steps the current made.
    """

    lag_s: float
    correlation: float
    at_zero: float
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How driving and charging lie in the plug-in sessions.

    ``misplaced``: share of all charge that was charged while away or discharged while plugged in;
    ``shift_s``: the shift of telemetry against sessions, + = late, with the least left; ``remaining``: that.
    """

    misplaced: float
    shift_s: float
    remaining: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Charge counted between plug-ins and plug-outs against the SoC reported there.

    ``capacity_share``: Ah of nominal capacity that 100 % of SoC holds, ± ``capacity_sd``; ``drift_c``: the
    constant current that the SoC never saw, ± ``drift_sd_c``; ``agreement``: correlation, session by session,
    of what was counted with what was reported, and ``spread`` the reported figures' standard deviation.
    """

    capacity_share: float
    capacity_sd: float
    drift_c: float
    drift_sd_c: float
    agreement: float
    spread: float
    stretches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it; parts are None where the data do not reach.

    ``resolution_v``: step between the voltages reported, 0 where they are fine; ``stuck_share``: time during
    which the voltage stood still while the current did not; ``rest_c``: current of a resting pack;
    ``rest_points``: (SoC by sessions, cell voltage) at rest just before plug-out, one a row.
    """

    resolution_v: float
    stuck_share: float
    rest_c: float | None
    answer: Answer | None
    clock: Clock | None
    balance: Balance | None
    rest_points: Array
    lowest_v: float
    highest_v: float
    temperature_degc: float


def signal_of(telemetry: pd.DataFrame, battery: BatterySpec) -> Signal:
    """The telemetry of a battery, its clock in seconds since 1970."""
    time_s = seconds_of(telemetry["time_utc"])
    order = slice(None) if (np.diff(time_s) >= 0).all() else np.argsort(time_s, kind="stable")
    return Signal(
        time_s=time_s[order],
        voltage_v=telemetry["voltage_v"].to_numpy(dtype=float)[order] / battery.cells_series,
        c_rate=telemetry["current_a"].to_numpy(dtype=float)[order] / battery.nominal_capacity_ah,
        temperature_degc=telemetry["temperature_degc"].to_numpy(dtype=float)[order],
        spacing_s=float(np.median(np.diff(time_s))) if len(time_s) > 1 else _GRID_S,
    )


def seconds_of(times: pd.Series) -> Array:
    """Seconds since 1970 of a column of UTC times."""
    milliseconds = times.dt.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    return np.asarray(milliseconds / 1000.0)


def gather(signal: Signal, sessions: pd.DataFrame, history: Signal | None = None) -> Evidence:
    """Everything that ``signal`` (not empty) and ``sessions`` tell; charge is counted over ``history``."""
    resolution = _resolution(signal.voltage_v)
    rest_c = _rest_current(signal)
    ordered = sessions.sort_values("arrival_utc")
    clock = balance = None
    points = np.zeros((0, 2))
    if len(ordered) and rest_c is not None:
        arrival, departure = (seconds_of(ordered[name]) for name in ("arrival_utc", "departure_utc"))
        clock = _clock(signal, rest_c, arrival, departure)
        balance = balance_of(history or signal, ordered)
        points = _rest_points(signal, rest_c, departure, ordered["departure_soc"].to_numpy(dtype=float))
    low, high = np.quantile(signal.voltage_v, [0.001, 0.999])
    return Evidence(
        resolution_v=resolution,
        stuck_share=_stuck_share(signal, resolution),
        rest_c=rest_c,
        answer=_answer(signal),
        clock=clock,
        balance=balance,
        rest_points=points,
        lowest_v=float(low),
        highest_v=float(high),
        temperature_degc=float(np.median(signal.temperature_degc)),
    )


def _resolution(voltage_v: Array) -> float:
    """Step of a coarse voltage reading [V]; 0 where values hardly repeat."""
    values = np.unique(np.round(voltage_v, 6))
    if len(values) < 2 or len(voltage_v) < 5 * len(values):
        return 0.0
    return float(np.median(np.diff(values)))


def _stuck_share(signal: Signal, resolution_v: float) -> float:
    """Share of the time during which voltage is one and the same value under a current that moves."""
    edges = np.flatnonzero(np.diff(signal.voltage_v) != 0) + 1
    first = np.concatenate([[0], edges])
    last = np.concatenate([edges, [len(signal.voltage_v)]]) - 1
    # Readings alike before and after a silence are no sensor that stands still in it.
    step_s = np.diff(signal.time_s)
    held = np.concatenate([[0.0], np.cumsum(np.where(step_s > _STUCK_S, 0.0, step_s))])
    length = held[last] - held[first]
    least = max(_STUCK_SPAN_C, 3 * resolution_v / _LEAST_OHM_AH)
    stuck = 0.0
    for a, b, seconds in zip(first, last, length, strict=True):
        if seconds >= _STUCK_S and b - a >= 2 and np.ptp(signal.c_rate[a : b + 1]) > least:
            stuck += seconds
    return float(stuck / max(signal.time_s[-1] - signal.time_s[0], 1.0))


def _rest_current(signal: Signal) -> float | None:
    """Current while the voltage stands still: the commonest there; None where the pack hardly rests."""
    discrepancy_growth = max(1, round(450 / signal.spacing_s))
    if len(signal.time_s) < 4 * discrepancy_growth:
        return None
    moved = np.abs(signal.voltage_v[2 * discrepancy_growth :] - signal.voltage_v[: -2 * discrepancy_growth])
    middle = signal.c_rate[discrepancy_growth:-discrepancy_growth]
    # Across a silence, nobody saw whether it stood still.
    near_in_time = (
        signal.time_s[2 * discrepancy_growth :] - signal.time_s[: -2 * discrepancy_growth]
        <= 4 * discrepancy_growth * signal.spacing_s
    )
    still = middle[(moved < _STILL_V) & (np.abs(middle) < 0.2) & near_in_time]
    if len(still) < 20:
        return None
    counts, edges = np.histogram(still, bins=np.arange(-0.2005, 0.2015, 0.001))
    # Neighbouring bins count together: a reading at the edge of two is no weaker.
    best = int(np.argmax(np.convolve(counts, [1, 1, 1], mode="same")))
    centre = 0.5 * (edges[best] + edges[best + 1])
    near = still[np.abs(still - centre) < 0.0025]
    if len(near) < max(20, 0.1 * len(middle)):
        return None
    rest = float(np.median(near))
    # A pack that is sent charging or driving alone never shows its rest, and a flat curve stands still there.
    lower, higher = ((signal.c_rate - rest) * side > _MOVING_C for side in (-1, 1))
    alone = min(lower.sum(), higher.sum()) < _EITHER_WAY * len(signal.c_rate)
    return None if alone and abs(rest) > _NO_REST_C else rest


def _answer(signal: Signal) -> Answer | None:
    """Cross-correlation of the steps of voltage and current on a common grid; gaps answer nothing."""
    grid_s = max(_GRID_S, signal.spacing_s)
    voltage, rate = (_binned(signal.time_s, values, grid_s) for values in (signal.voltage_v, signal.c_rate))
    steps, moves = _steps(rate), np.nan_to_num(np.diff(voltage))
    count = int(np.count_nonzero(steps))
    scale = float(np.sqrt((steps**2).sum() * (moves**2).sum()))
    if count < 6 or scale == 0:
        return None
    size = 2 ** int(np.ceil(np.log2(2 * len(steps))))
    product = np.fft.irfft(np.conj(np.fft.rfft(steps, size)) * np.fft.rfft(moves, size), size)
    discrepancy_growth = min(int(_LONGEST_LAG_S / grid_s), len(steps) - 1)
    lags = np.arange(-discrepancy_growth, discrepancy_growth + 1)
    correlation = product[lags] / scale
    best = int(np.argmax(np.abs(correlation)))
    return Answer(
        lag_s=float(lags[best] * grid_s),
        correlation=float(correlation[best]),
        at_zero=float(correlation[discrepancy_growth]),
        steps=count,
    )


def sign_by_day(signal: Signal) -> tuple[int, int]:
    """Days on which the voltage's steps go against the current's, and days with steps enough to tell."""
    grid_s = max(_GRID_S, signal.spacing_s)
    voltage, rate = (_binned(signal.time_s, values, grid_s) for values in (signal.voltage_v, signal.c_rate))
    steps, moves = _steps(rate), np.nan_to_num(np.diff(voltage))
    day = (np.arange(len(steps)) * grid_s // 86400).astype(np.int64)
    noise = 1.48 * float(np.median(np.abs(moves))) + 1e-6
    power = np.sqrt(np.bincount(day, weights=steps**2))
    score = np.bincount(day, weights=steps * moves) / np.maximum(power * noise, 1e-12)
    return int((score < -_SURE).sum()), int((np.abs(score) > _SURE).sum())


def _steps(rate: Array) -> Array:
    """Changes of the current that are more than noise; 0 elsewhere and across gaps."""
    steps = np.nan_to_num(np.diff(rate))
    return np.where(np.abs(steps) > _STEP_C, steps, 0.0)


def _binned(time_s: Array, values: Array, grid_s: float) -> Array:
    """Means over bins of ``grid_s`` from the first sample on; NaN where there is none."""
    index = ((time_s - time_s[0]) // grid_s).astype(np.int64)
    count = np.bincount(index)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.bincount(index, weights=values) / count)


def _clock(signal: Signal, rest_c: float, arrival_s: Array, departure_s: Array) -> Clock | None:
    """Where charging and driving lie against the sessions, at every shift of the two up to half a day."""
    inside = (signal.time_s >= arrival_s[0]) & (signal.time_s < departure_s[-1])
    if inside.sum() < 100:
        return None
    time_s = signal.time_s[inside]
    rate = _binned(time_s, signal.c_rate[inside] - rest_c, _CLOCK_GRID_S)
    rate = np.where(np.abs(np.nan_to_num(rate)) < _MOVING_C, 0.0, np.nan_to_num(rate))
    total, charged = float(np.abs(rate).sum()), float(rate[rate > 0].sum())
    if total == 0:
        return None
    discrepancy_growth = int(_LONGEST_LAG_S / _CLOCK_GRID_S)
    # Whether the car is plugged in, on the same grid and beyond both ends by the longest shift.
    grid = time_s[0] + (np.arange(-discrepancy_growth, len(rate) + discrepancy_growth) + 0.5) * _CLOCK_GRID_S
    last = np.searchsorted(arrival_s, grid, side="right") - 1
    plugged = (last >= 0) & (grid < departure_s[np.maximum(last, 0)])
    shifts = np.arange(-discrepancy_growth, discrepancy_growth + 1)
    placed = np.correlate(plugged.astype(float), rate, mode="valid")[::-1]
    misplaced = (charged - placed) / total
    good = misplaced <= misplaced.min() + 0.01
    nearest = int(np.flatnonzero(good)[np.argmin(np.abs(shifts[good]))])
    return Clock(
        misplaced=float(misplaced[discrepancy_growth]),
        shift_s=float(shifts[nearest] * _CLOCK_GRID_S),
        remaining=float(misplaced[nearest]),
    )


def balance_of(signal: Signal, sessions: pd.DataFrame) -> Balance | None:
    """Regression of counted charge on reported SoC over the stretches, plugged in or away, without gaps.

    ``sessions`` in order of arrival. None with fewer than six such stretches.
    """
    if len(signal.time_s) < 100:
        return None
    ends = [seconds_of(sessions[name]) for name in ("arrival_utc", "departure_utc")]
    edges = np.column_stack(ends).reshape(-1)
    socs = sessions[["arrival_soc", "departure_soc"]].to_numpy(dtype=float)
    step_s = np.diff(signal.time_s, append=signal.time_s[-1] + signal.spacing_s)
    held = np.minimum(step_s, max(_LONG_GAP_S, 2 * signal.spacing_s))
    counted = np.concatenate([[0.0], np.cumsum(signal.c_rate * held / 3600)])
    gaps = np.concatenate([[0], np.cumsum(step_s > max(_LONG_GAP_S, 2 * signal.spacing_s))])
    at = np.searchsorted(signal.time_s, edges)
    known = (edges > signal.time_s[0]) & (edges < signal.time_s[-1])
    hours, charge = np.diff(edges) / 3600, np.diff(counted[at])
    rise = np.diff(socs.reshape(-1))
    use = known[:-1] & known[1:] & (np.diff(gaps[at]) == 0) & (hours > 0.25)
    if use.sum() < 6:
        return None
    hours, charge, rise = hours[use], charge[use], rise[use]
    plugged = (np.flatnonzero(use) % 2) == 0
    # The SoC is the noisy side (reported to 1 %, promised, not reached), so it is regressed on the charge.
    design = np.column_stack([charge, hours])
    weight = np.ones(len(charge))
    for _ in range(5):
        root = np.sqrt(weight)[:, None]
        solution, *_ = np.linalg.lstsq(design * root, rise * root[:, 0], rcond=None)
        error = rise - design @ solution
        scale = max(1.48 * float(np.median(np.abs(error))), _SOC_NOISE)
        weight = np.minimum(1.0, 2 * scale / np.maximum(np.abs(error), 1e-9))
    # Each reported SoC ends one stretch and begins the next: half as many are independent.
    spreads = scale * np.sqrt(2 * np.diag(np.linalg.pinv(design.T @ (weight[:, None] * design))))
    slope = float(solution[0]) if abs(solution[0]) > 1e-3 else 1e-3
    centred_rise, centred_charge = rise.copy(), charge.copy()
    for kind in (plugged, ~plugged):
        if kind.any():
            centred_rise[kind] -= np.median(rise[kind])
            centred_charge[kind] -= np.median(charge[kind])
    spread = float(centred_rise.std())
    both = float(np.sqrt((centred_rise**2).sum() * (centred_charge**2).sum()))
    return Balance(
        capacity_share=1 / slope,
        capacity_sd=float(spreads[0]) / slope**2,
        drift_c=-float(solution[1]) / slope,
        drift_sd_c=float(spreads[1]) / abs(slope),
        agreement=float((centred_rise * centred_charge).sum() / both) if both > 0 else 0.0,
        spread=spread,
        stretches=int(use.sum()),
    )


def _rest_points(signal: Signal, rest_c: float, departure_s: Array, departure_soc: Array) -> Array:
    """SoC promised and cell voltage of the last samples before plug-out, where the pack was at rest."""
    rows = []
    for leave_s, soc in zip(departure_s, departure_soc, strict=True):
        first, last = np.searchsorted(signal.time_s, [leave_s - 1800, leave_s - 120])
        if last - first >= 2 and np.abs(signal.c_rate[first:last] - rest_c).max() < _MOVING_C:
            rows.append((soc, float(np.median(signal.voltage_v[first:last]))))
    return np.array(rows).reshape(-1, 2)
