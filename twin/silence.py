"""What a battery did while nothing was sent: slept, or was charged or driven unseen.

A gap whose SoC before and after agree is rest. SoC is taken from what the car reports, from cell voltage less
the load's drop, and from the plug-in sessions whose ends lie in the gap, each with its own error; together
they tell by how much it rose or fell. Where none of them can tell, as on a flat voltage curve, silence is
taken for rest: a car that is asleep sends nothing. Only what was under way on both sides of a gap of an hour
or so went on through it, unless SoC says otherwise.

Between two polls that are no silence a short trip may lie as a whole: where a session begins or ends there,
or charging does while no session says that the car stayed. How long it took nobody knows, and so the charge
counted across it is as unsure as that.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from twin.cell import reference_cell
from twin.course import Course, course, silences, spacing_of
from twin.evidence import seconds_of, signal_of
from twin.health import Array
from twin.types import CalibrationRequest

REPORTED_SD = 0.013  # of a difference of two reported SoC: each is reported to 1 % at best
_PROMISED_SD = 0.02  # of a difference of two of the sessions' SoC
_SIGMAS, _LEAST = 3.0, 0.012  # what agrees
_AT_REST = 0.2  # of the spread of what was compared: most silence that agrees is rest
_MOST_SD = 0.02
# Of the open-circuit voltage: relaxation, as a share of the load's drop, of the curve as the cell ages.
_VOLTAGE_SD_V, _DROP_SD, _CURVE_SD = 8e-3, 0.5, 0.15
_OHM_AH, _OHM_AH_RANGE, _SLOWLY = 0.07, (0.02, 0.2), 0.06  # at once, and by diffusion
_MEMORY_S = 1200.0
_STEP_C = 0.03
_UNDER_WAY_C, _UNDER_WAY_S, _UNDER_WAY_SD = 0.02, 5400.0, 0.3  # a trip or charge that goes on over a gap
_LEAST_SD = 3e-3
_AGED_PER_YEAR = 0.02
_UNKNOWN = 1e3


def course_of(request: CalibrationRequest, telemetry: pd.DataFrame) -> Course | None:
    """The course of the battery's current through ``telemetry``; None with fewer than two samples."""
    if len(telemetry) < 2:
        return None
    signal = signal_of(telemetry, request.battery)
    at, unseen = silences(signal.time_s), _unseen_trips(request.sessions, signal.time_s, signal.c_rate)
    if not len(at):
        return course(signal.time_s, signal.c_rate, unseen=unseen)
    share = likely_share(request)
    stated = [
        _by_voltage(request, signal.time_s, signal.voltage_v, signal.c_rate, at, share),
        _by_reports(telemetry, at),
        _by_sessions(request.sessions, signal.time_s[at], signal.time_s[at + 1]),
    ]
    values, weights = np.array([value for value, _ in stated]), np.array([sd**-2.0 for _, sd in stated])
    rise, sd = (values * weights).sum(axis=0) / weights.sum(axis=0), weights.sum(axis=0) ** -0.5
    went_on = _went_on(signal.time_s, signal.c_rate, at)
    off = np.abs(rise * share - went_on) / np.maximum(sd * share, 1e-9)
    under_way = (went_on != 0) & (off <= _SIGMAS)
    resting = ~under_way & (np.abs(rise) <= np.maximum(_LEAST, _SIGMAS * sd))
    moved = np.where(under_way, went_on, rise * share)
    sd = np.where(under_way, np.minimum(sd * share, _UNDER_WAY_SD * np.abs(went_on)), sd * share)
    sd = np.where(resting, _AT_REST * np.minimum(sd, _MOST_SD), sd)
    return course(signal.time_s, signal.c_rate, moved=moved, moved_sd=sd, resting=resting, unseen=unseen)


def _unseen_trips(sessions: pd.DataFrame, time_s: Array, c_rate: Array) -> Array:
    """Between each sample and the next, the mean square of what a whole trip may have taken [(C·h)²].

    A trip at the mean current of those that were seen, of any length that fits.
    """
    hours, driving = np.diff(time_s) / 3600, c_rate < -_UNDER_WAY_C
    if not driving.any():
        return np.zeros(len(hours))
    charging = c_rate > _UNDER_WAY_C
    starts, ends = (np.sort(seconds_of(sessions[name])) for name in ("arrival_utc", "departure_utc"))
    came, left = (np.searchsorted(moments, time_s, side="right") for moments in (starts, ends))
    moved_on = (np.diff(came) > 0) | (np.diff(left) > 0)
    stayed = ~moved_on & (came > left)[:-1]
    may = (moved_on | ((np.diff(charging.astype(int)) != 0) & ~stayed)) & ~driving[:-1] & ~driving[1:]
    return np.where(may, (float(c_rate[driving].mean()) * hours) ** 2 / 3, 0.0)


def _went_on(time_s: Array, c_rate: Array, at: npt.NDArray[np.intp]) -> Array:
    """Charge moved over each gap if what was under way on both sides went on [C·h]; 0 where nothing was."""
    before, after, length = c_rate[at], c_rate[at + 1], time_s[at + 1] - time_s[at]
    same = (before * after > 0) & (np.minimum(np.abs(before), np.abs(after)) > _UNDER_WAY_C)
    return np.where(same & (length <= _UNDER_WAY_S), 0.5 * (before + after) * length / 3600, 0.0)


def likely_share(request: CalibrationRequest) -> float:
    """Usable capacity, of nominal, as it is known before telemetry is looked at."""
    battery = request.battery
    if len(request.checkups):
        last = request.checkups.sort_values("time_utc")["capacity_ah"].iloc[-1]
        share = float(last) / battery.nominal_capacity_ah
    elif request.previous is not None:
        share = request.previous.soh
    else:
        years = (request.as_of_utc - battery.commissioned_utc).total_seconds() / (365.25 * 86400)
        share = 1 - _AGED_PER_YEAR * years
    return float(np.clip(share, 0.6, 1.1))


def _by_voltage(
    request: CalibrationRequest,
    time_s: Array,
    voltage_v: Array,
    c_rate: Array,
    at: npt.NDArray[np.intp],
    share: float,
) -> tuple[Array, Array]:
    """Rise of SoC over each gap and its spread, by cell voltage without load."""
    cell = reference_cell(request.battery.chemistry)
    socs = np.linspace(0, 1, 201)
    curve = cell.circuit.voltage(*cell.circuit.window(cell.fresh.scaled(share)).at(socs))
    # What diffusion takes off the voltage outlasts the load by some time: the mean current just before tells.
    flow, ohm_ah = course(time_s, c_rate), _ohm_ah(time_s, voltage_v, c_rate)
    moved = flow.charge_at(time_s) - flow.charge_at(time_s - _MEMORY_S)
    values, spreads = [], []
    for ends in (at, at + 1):
        drop = ohm_ah * c_rate[ends] + _SLOWLY * moved[ends] * 3600 / _MEMORY_S
        open_v, off = voltage_v[ends] - drop, _VOLTAGE_SD_V + _DROP_SD * np.abs(drop)
        low, soc, high = (np.interp(open_v + side * off, curve, socs) for side in (-1, 0, 1))
        values.append(soc)
        spreads.append(0.5 * (high - low) + _LEAST_SD)
    rise = values[1] - values[0]
    return rise, np.hypot(np.hypot(*spreads), _CURVE_SD * np.abs(rise))


def _ohm_ah(time_s: Array, voltage_v: Array, c_rate: Array) -> float:
    """How the voltage answers a step of the current [Ω·Ah of the cell]."""
    moved = np.diff(c_rate)
    use = (np.abs(moved) > _STEP_C) & (np.diff(time_s) < 2 * spacing_of(time_s))
    if use.sum() < 10:
        return _OHM_AH
    return float(np.clip(np.median(np.diff(voltage_v)[use] / moved[use]), *_OHM_AH_RANGE))


def _by_reports(telemetry: pd.DataFrame, at: npt.NDArray[np.intp]) -> tuple[Array, Array]:
    """The same by the SoC that the car reports."""
    nothing = np.zeros(len(at)), np.full(len(at), _UNKNOWN)
    if "soc_reported" not in telemetry:
        return nothing
    ordered = telemetry.sort_values("time_utc", kind="stable")
    soc = ordered["soc_reported"].to_numpy(dtype=float)
    rise = soc[at + 1] - soc[at]
    known = np.isfinite(rise)
    sd = max(REPORTED_SD, _resolution(soc))
    return np.where(known, rise, 0.0), np.where(known, sd, _UNKNOWN)


def _resolution(soc: Array) -> float:
    values = np.unique(np.round(soc[np.isfinite(soc)], 5))
    return float(np.median(np.diff(values))) if len(values) > 2 else 1.0


def _by_sessions(sessions: pd.DataFrame, begin_s: Array, end_s: Array) -> tuple[Array, Array]:
    """The same by the sessions: gaps in which one is left and another (or the next) is entered."""
    rise, sd = np.zeros(len(begin_s)), np.full(len(begin_s), _UNKNOWN)
    if len(sessions) < 2:
        return rise, sd
    ordered = sessions.sort_values("arrival_utc")
    arrival, departure = (seconds_of(ordered[name]) for name in ("arrival_utc", "departure_utc"))
    arrival_soc, departure_soc = (
        ordered[name].to_numpy(dtype=float) for name in ("arrival_soc", "departure_soc")
    )
    left = np.searchsorted(arrival, begin_s, side="right") - 1
    entered = np.searchsorted(arrival, end_s, side="right") - 1
    begun = np.maximum(left, 0)
    # Left in the gap what was plugged in before it, and plugged in again by its end.
    text = (left >= 0) & (departure[begun] > begin_s) & (departure[begun] <= end_s) & (entered > left)
    text &= departure[entered] > end_s
    change = arrival_soc[entered] - departure_soc[begun]
    return np.where(text, change, rise), np.where(text, _PROMISED_SD, sd)
