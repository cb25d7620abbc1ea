"""Usable capacity by ways that need no model of the cell: what a battery rests on where none fits it.

sessions' SoC   charge counted between plug-ins and plug-outs (`twin.energy.counted`)
own SoC         charge counted against the SoC that the car sends next to its current
metered energy  at the plug, against SoC (`twin.metered`); only where the chemistry, whose voltage turns kWh
                into charge, is not in doubt itself
rests           charge counted from one rest to another against open-circuit voltage, where nobody tells SoC.
                Which curve the cell has is what is in doubt, so all chemistries that reach those voltages are
                asked alike, and how far they are apart is the interval. From full to empty that is little,
                over a part of a curve it may be too much to tell anything. A voltage that does not follow
                the current either tells nothing

The surest counts: two that rest on one display are not of two minds.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from twin.cell import ReferenceCell, reference_cell
from twin.chemistry import CHEMISTRIES
from twin.course import UNSEEN, Course
from twin.energy import EnergyFit, counted, fit_energy, legs_of, slope
from twin.evidence import Signal, balance_of, signal_of
from twin.expected import expected_health
from twin.health import Array
from twin.metered import by_meter
from twin.past import present
from twin.silence import course_of
from twin.types import CalibrationRequest

_STILL_C, _RELAXED_S = 0.01, 600.0  # of a rest: what flows, and since when
_REST_V = 8e-3  # of a voltage that has settled for that long
_BEYOND_V = 0.02  # of a curve's own limits: what rests further out is no such cell
_FEWEST_CURVES, _LEAST_SHARE = 2, 0.3
_WIDEST = 0.12  # of capacity: what is less sure tells no more than a battery's age does
_SENSOR_SD = 0.01  # of capacity: the current sensor's gain, what a cell's balance adds
_SOCS = np.linspace(0.0, 1.0, 401)


def capacity_counted(
    request: CalibrationRequest, age_days: float, *, chemistry_doubted: bool = False, followed: bool = True
) -> EnergyFit | None:
    """The surest of the capacities that no model of the cell is needed for; None where nothing tells one.

    ``chemistry_doubted``: it may be another than the declared one; ``followed``: the voltage follows the
    current, as long as its open-circuit curve is left free.
    """
    flow = course_of(request, request.telemetry)
    if flow is None:
        return None
    sessions = present(request.sessions, request.as_of_utc).sort_values("arrival_utc")
    signal = signal_of(request.telemetry, request.battery)
    balance = balance_of(signal, sessions) if len(sessions) else None
    found = [None if balance is None else counted(balance), _by_own_soc(request.telemetry, flow)]
    if not chemistry_doubted:
        found.append(by_meter(request.telemetry, sessions, flow, request.battery)[1])
    if followed:
        found.append(between_rests(signal, flow, age_days, request.battery.chemistry))
    stated = [one for one in found if one is not None and one.sd < _WIDEST * one.share]
    return min(stated, key=lambda one: one.sd / one.share) if stated else None


def _by_own_soc(telemetry: pd.DataFrame, flow: Course) -> EnergyFit | None:
    if "soc_reported" not in telemetry:
        return None
    rows = telemetry.dropna(subset=["soc_reported"]).sort_values("time_utc", kind="stable")
    found = fit_energy(rows, flow) if len(rows) > 1 else None
    return None if found is None else replace(found, by="charge counted against the car's own SoC")


def between_rests(signal: Signal, flow: Course, age_days: float, declared: str) -> EnergyFit | None:
    """Charge counted against open-circuit voltage, by the curves of all chemistries that it may be of.

    Those are the ``declared`` one and such as many packs have, as far as they reach the voltages seen.
    """
    at = _rests(signal, flow)
    if len(at) < 2:
        return None
    time_s, voltage_v = signal.time_s[at], signal.voltage_v[at]
    asked = partial(_by_curve, time_s, voltage_v, flow)
    found: list[list[EnergyFit]] = []
    likely = [name for name, spec in CHEMISTRIES.items() if name == declared or not spec.rare]
    for cell in map(reference_cell, likely):
        low, high = cell.circuit.v_min - _BEYOND_V, cell.circuit.v_max + _BEYOND_V
        if low <= voltage_v.min() and voltage_v.max() <= high:
            # Lithium lost shifts a curve: as new, and as old as it is.
            curves = (_curve(cell, None), _curve(cell, age_days))
            found.append([one for one in map(asked, curves) if one is not None])
    of_each = [fits for fits in found if fits]
    if len(of_each) < _FEWEST_CURVES:
        return None
    share = float(np.mean([np.mean([one.share for one in fits]) for fits in of_each]))
    apart = float(np.std([np.mean([one.share for one in fits]) for fits in of_each], ddof=1))
    within = float(np.mean([np.var([one.share for one in fits]) for fits in of_each])) ** 0.5
    observed = float(np.mean([one.sd for fits in of_each for one in fits]))
    if share < _LEAST_SHARE:
        return None
    return EnergyFit(
        share=share,
        sd=float(np.linalg.norm([apart, within, observed, _SENSOR_SD * share])),
        legs=of_each[0][0].legs,
        swing=float(np.mean([one.swing for fits in of_each for one in fits])),
        by="charge counted between rests, by their voltage",
    )


def _curve(cell: ReferenceCell, age_days: float | None) -> Array:
    health = cell.fresh if age_days is None else expected_health(cell, age_days)
    return cell.circuit.voltage(*cell.circuit.window(health).at(_SOCS))


def _rests(signal: Signal, flow: Course) -> np.ndarray:
    """The last sample of each rest that has lasted for long enough."""
    moving = (np.abs(flow.c_rate) > _STILL_C) | (flow.kind == UNSEEN)
    ends = flow.end_s[moving]
    before = np.searchsorted(flow.begin_s[moving], signal.time_s) - 1
    since = np.where(before < 0, np.inf, signal.time_s - ends[np.maximum(before, 0)]) if len(ends) else np.inf
    relaxed = (since >= _RELAXED_S) & (signal.time_s >= signal.time_s[0] + _RELAXED_S)
    return np.flatnonzero(relaxed & ~np.append(relaxed[1:], False))


def _by_curve(time_s: Array, voltage_v: Array, flow: Course, curve: Array) -> EnergyFit | None:
    low, soc, high = (np.interp(voltage_v + side * _REST_V, curve, _SOCS) for side in (-1, 0, 1))
    legs = legs_of(time_s, soc, flow)
    if legs is None:
        return None
    variance = (0.5 * (high - low)) ** 2
    apart = variance[legs.first] + variance[legs.last]
    share, sd = slope(legs.moved, legs.rise, legs.variance, apart, legs.hours)
    return EnergyFit(share=share, sd=sd, legs=len(legs.moved), swing=float(np.abs(legs.rise).sum()))
