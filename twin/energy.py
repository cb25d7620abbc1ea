"""Usable capacity by energy against SoC, for cars that tell SoC and power alone.

Power over the voltage that the chemistry has at that SoC is a current, and a current counted against the SoC
that is displayed is a capacity. Both have errors: SoC comes in steps of the display, power in snapshots. So
the capacity is the one by which charge and SoC of all legs, from one turning point to the next, agree best,
each leg weighed by both errors (errors in variables with known variances; York, Can. J. Phys. 44, 1966). What
no leg shows stays in the interval: the voltage of this cell against its chemistry's, what the car holds back
above and below what it displays, its power meter.

To the ageing fit this is one measurement of the state: along capacity it is as good as it says, along
everything else it says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from twin.cell import ReferenceCell, reference_cell
from twin.course import UNSEEN, Course, spacing_of
from twin.evidence import Balance, seconds_of
from twin.health import Array, Health
from twin.state import StateFit, StatePrior
from twin.types import BatterySpec, CalibrationRequest

COLUMNS = ("time_utc", "soc_reported", "power_kw", "temperature_degc")
LOAD_OHM_AH = 0.1  # of a cell under a load that lasts, diffusion included
_TURN = 0.03  # of charge: less is no turning point
_LEAST_LEG = 0.05  # of charge
_DRIFT_SD_C = 2e-3
# Between two snapshots a charge begins or ends at most (ΔI²/12); a drive changes all the time (ΔI²/2).
_DRIVEN = 6.0
_OFTEN_S, _POLLED_SD_PER_H = 300.0, 0.12  # of capacity: drives that lie between two snapshots
_FEWEST_LEGS, _LEAST_SWING = 2, 0.25
_DISPLAY_SD = 0.021  # of capacity: what the display leaves out 2 %, current sensor 0.5 %
_AGREEMENT, _LEAST_SHARE, _WIDEST = 0.5, 0.3, 0.08
_SYSTEMATIC_SD = 0.025  # of capacity: voltage level 1 %, what the display leaves out 2 %, power meter 1 %
_SHARES = np.linspace(0.4, 1.4, 2001)
_GRADIENT_STEP = 1e-3
# Of what capacity does not tell: ln eps_n, ln eps_p, lithium, resistance, bias, as before any voltage.
_FREE_SD = np.array([0.1, 0.1, 0.12, 0.1, 2e-3])


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyFit:
    """``share``: usable capacity, of nominal, ± ``sd``; over ``legs`` that moved ``swing`` of SoC in all."""

    share: float
    sd: float
    legs: int
    swing: float
    by: str = "energy against SoC"

    @property
    def said(self) -> str:
        """What a calibration rests on, in words."""
        over = f" over {self.legs} charges and drives" if self.legs else ""
        return f"capacity by {self.by}: {self.share:.3f} ± {self.sd:.3f} of nominal{over}"


def counted(balance: Balance) -> EnergyFit | None:
    """The capacity by which the charge counted agrees with the sessions' SoC; None where they do not."""
    agree = balance.agreement > _AGREEMENT and balance.capacity_share > _LEAST_SHARE
    if not (agree and balance.capacity_sd < _WIDEST * balance.capacity_share):
        return None
    return EnergyFit(
        share=balance.capacity_share,
        sd=float(np.hypot(balance.capacity_sd, _DISPLAY_SD * balance.capacity_share)),
        legs=balance.stretches,
        swing=balance.spread * balance.stretches,
        by="charge counted against the sessions' SoC",
    )


def with_capacity(state: StateFit, cell: ReferenceCell, found: EnergyFit) -> StateFit:
    """The state with capacity measured besides, as one more observation of it."""
    sei_m = state.health.sei_m
    changes = state.posterior.mean[:3]
    gradient, share = _gradient(partial(_share_at, cell, sei_m), changes), _share_at(cell, sei_m, changes)
    covariance = state.posterior.covariance
    along = covariance[:, :3] @ gradient
    gain = along / (float(gradient @ along[:3]) + found.sd**2)
    mean = state.posterior.mean + gain * (found.share - share)
    return replace(
        state,
        health=cell.fresh.moved(mean[:3], sei_m).first(),
        information=state.information + np.outer(gradient, gradient) / found.sd**2,
        posterior=StatePrior(mean=mean, covariance=covariance - np.outer(gain, along)),
    )


def by_energy(request: CalibrationRequest) -> CalibrationRequest:
    """The request with SoC and power as its telemetry where it has no other; without them where it has."""
    if not len(request.coarse):
        return request
    if len(request.telemetry):
        return replace(request, coarse=request.coarse[:0])
    return replace(request, telemetry=as_telemetry(request.coarse, request.battery))


def as_telemetry(coarse: pd.DataFrame, battery: BatterySpec) -> pd.DataFrame:
    """SoC and power as telemetry: the current that power is at the chemistry's voltage.

    ``coarse``: `COLUMNS`, temperature NaN where it is not reported. Rows without SoC or power are left out.
    """
    known = coarse.dropna(subset=["soc_reported", "power_kw"]).sort_values("time_utc", kind="stable")
    circuit = reference_cell(battery.chemistry).circuit
    soc = known["soc_reported"].to_numpy(dtype=float)
    fresh = reference_cell(battery.chemistry).fresh
    open_v = circuit.voltage(*circuit.window(fresh).at(soc))
    watt_per_ah = known["power_kw"].to_numpy(dtype=float) * 1000 / battery.cells_series
    watt_per_ah = watt_per_ah / battery.nominal_capacity_ah
    # P = (U + R·I)·I, of a cell and by the ampere-hour.
    root = np.sqrt(np.maximum(open_v**2 + 4 * LOAD_OHM_AH * watt_per_ah, (0.5 * open_v) ** 2))
    c_rate = (root - open_v) / (2 * LOAD_OHM_AH)
    return pd.DataFrame(
        {
            "time_utc": known["time_utc"].to_numpy(),
            "voltage_v": (open_v + LOAD_OHM_AH * c_rate) * battery.cells_series,
            "current_a": c_rate * battery.nominal_capacity_ah,
            "temperature_degc": known["temperature_degc"].to_numpy(dtype=float),
            "soc_reported": soc,
        }
    )


def fit_energy(telemetry: pd.DataFrame, flow: Course) -> EnergyFit | None:
    """The capacity by which charge and SoC agree; None where too little was charged or driven.

    ``telemetry``: as of `as_telemetry`; ``flow``: its course.
    """
    time_s, soc = seconds_of(telemetry["time_utc"]), telemetry["soc_reported"].to_numpy(dtype=float)
    legs = legs_of(time_s, soc, flow)
    if legs is None:
        return None
    step = display_step(soc)
    # Both ends of a leg are off by up to half a step; a display may lag by another.
    soc_variance = 2 * step**2 / 12 + (0.5 * step) ** 2
    share, sd = slope(legs.moved, legs.rise, legs.variance, soc_variance, legs.hours)
    polled = _POLLED_SD_PER_H * max(0.0, spacing_of(time_s) - _OFTEN_S) / 3600
    return EnergyFit(
        share=share,
        sd=float(np.hypot(sd, np.hypot(_SYSTEMATIC_SD, polled) * share)),
        legs=len(legs.moved),
        swing=float(np.abs(legs.rise).sum()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Legs:
    """Charges and drives, one an element: the samples that they lie between, charge moved [C·h] and its
    variance, rise of SoC, hours."""

    first: npt.NDArray[np.intp]
    last: npt.NDArray[np.intp]
    moved: Array
    rise: Array
    variance: Array
    hours: Array


def legs_of(time_s: Array, soc: Array, flow: Course) -> Legs | None:
    """What moved from one turning point of the charge counted to the next, where SoC is known at
    ``time_s``; None where too little was charged or driven."""
    charge = flow.charge_at(time_s)
    turns = turning_points(charge, _TURN)
    moved, rise = np.diff(charge[turns]), np.diff(soc[turns])
    unseen = np.interp(time_s[turns], flow.end_s, np.cumsum(flow.kind == UNSEEN))
    variance = np.diff(flow.variance_at(time_s[turns]))
    variance = np.where(moved < 0, _DRIVEN, 1.0) * variance
    hours = np.diff(time_s[turns]) / 3600
    # By both, for a choice by either alone prefers the legs in which that one errs upwards.
    use = (np.abs(moved) + np.abs(rise) > 2 * _LEAST_LEG) & (np.diff(unseen) < 0.5) & (moved * rise > 0)
    if use.sum() < _FEWEST_LEGS or np.abs(rise[use]).sum() < _LEAST_SWING:
        return None
    return Legs(
        first=turns[:-1][use],
        last=turns[1:][use],
        moved=moved[use],
        rise=rise[use],
        variance=variance[use],
        hours=hours[use],
    )


def slope(
    moved: Array, rise: Array, variance: Array, soc_variance: Array | float, hours: Array
) -> tuple[float, float]:
    """Charge moved over rise of SoC, both with errors, and its standard deviation; one leg an element.

    ``variance``, ``soc_variance``: of charge and of rise; ``hours``: of each leg, for a current that SoC
    never sees.
    """
    spread = _SHARES[:, None] ** 2 * soc_variance + variance
    apart = moved - _SHARES[:, None] * rise
    # What the power meter shows at rest, which SoC knows nothing of.
    drift = (apart * hours / spread).sum(axis=1) / ((hours**2 / spread).sum(axis=1) + _DRIFT_SD_C**-2)
    off = (apart - drift[:, None] * hours) ** 2 / spread
    scale = max(1.0, float(np.median(off[int(np.argmin(np.sum(off, axis=1)))])) / 0.45)
    misfit = np.sum(off, axis=1) / scale + (drift / _DRIFT_SD_C) ** 2
    log_density = -0.5 * np.sum(np.log(spread), axis=1) - 0.5 * misfit
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    share = float(weight @ _SHARES)
    return share, float(np.sqrt(weight @ (_SHARES - share) ** 2))


def display_step(soc: Array) -> float:
    """The step in which SoC is displayed."""
    values = np.unique(np.round(soc[np.isfinite(soc)], 5))
    return float(np.clip(np.min(np.diff(values)), 1e-3, 0.2)) if len(values) > 1 else 0.2


def turning_points(values: Array, least: float) -> npt.NDArray[np.intp]:
    """Indices of the first, the last, and the turning points between that are more than ``least`` apart."""
    turns, low, high, way = [0], 0, 0, 0
    for i, value in enumerate(values):
        low = i if value < values[low] else low
        high = i if value >= values[high] else high
        if way <= 0 and value > values[low] + least:
            turns.append(low)
            way, high, low = 1, i, i
        elif way >= 0 and value < values[high] - least:
            turns.append(high)
            way, high, low = -1, i, i
    return np.unique([*turns, len(values) - 1])


def state_of(found: EnergyFit, cell: ReferenceCell, expected: Health) -> StateFit:
    """The measurement as a state: that of ``expected`` as far as capacity tells."""
    share_at = partial(_share_at, cell, expected.sei_m)
    changes = np.array(expected.changes(cell.fresh), dtype=float)
    gradient = _gradient(share_at, changes)
    # Along the gradient, weighed by how far each may be off, to where the capacity is what was measured.
    free = np.diag(_FREE_SD[:3] ** 2)
    for _ in range(3):
        way = free @ gradient
        changes = changes + way * (found.share - share_at(changes)) / float(gradient @ way)
        gradient = _gradient(share_at, changes)
    information = np.outer(gradient, gradient) / found.sd**2
    covariance = np.diag(_FREE_SD**2)
    covariance[:3, :3] = np.linalg.inv(information + np.diag(_FREE_SD[:3] ** -2))
    return StateFit(
        health=cell.fresh.moved(changes, expected.sei_m).first(),
        information=information,
        posterior=StatePrior(mean=np.array([*changes, 0.05, 0.0]), covariance=covariance),
        bias_c=0.0,
        chi2_per_n=0.0,
        model_voltage_v=np.zeros(0),
        used=np.zeros(0, dtype=bool),
    )


def _share_at(cell: ReferenceCell, sei_m: float, changes: Array) -> float:
    """Usable capacity as a share of a new cell's, after ``changes``."""
    circuit, health = cell.circuit, cell.fresh.moved(changes, sei_m).first()
    return float(circuit.window(health).capacity_ah) / circuit.fresh_capacity_ah


def _gradient(share_at: Callable[[Array], float], changes: Array) -> Array:
    values = []
    for i in range(len(changes)):
        step = np.zeros(len(changes))
        step[i] = _GRADIENT_STEP
        values.append((share_at(changes + step) - share_at(changes - step)) / (2 * _GRADIENT_STEP))
    return np.array(values)
