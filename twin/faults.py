"""A sensor fault found and named, from what `twin.evidence` gathered and what is known of the battery.

Nine kinds are distinguished. Each leaves a trace of its own, so the order below matters: a signal that is no
signal first, then what turns or delays it, then whose signal it is, then its scale and offset.

stuck_voltage, quantised_voltage   the values themselves
flipped_current, shifted_clock     how the voltage's steps answer the current's, and the sessions
swapped_battery                    sessions that do not go together with the sessions at any shift; another
state wrong_cell_count                   voltage at a known SoC; capacity off by a ratio of whole strings
current_bias, current_gain         charge that the SoC never saw; Ah per SoC against check-ups
temperature_offset                 against the cars of the same site

A voltage that does not follow the current for none of these reasons is no fault with a name: its fit is in
dispute (`twin.dispute`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from twin.evidence import Answer, Balance, Clock, Evidence, Signal, balance_of, sign_by_day
from twin.health import Health
from twin.opencircuit import OpenCircuit
from twin.types import BatterySpec, CalibrationRequest, FleetContext

FaultKind = Literal[
    "stuck_voltage",
    "quantised_voltage",
    "flipped_current",
    "shifted_clock",
    "swapped_battery",
    "wrong_cell_count",
    "current_bias",
    "current_gain",
    "temperature_offset",
]

_OF_VOLTAGE = ("stuck_voltage", "quantised_voltage", "wrong_cell_count")
_OF_CURRENT = ("flipped_current", "current_bias", "current_gain", "shifted_clock")
BIAS_LIMIT_C = 6e-3
_LEAST_ANSWER = 0.05  # correlation
_SNAPSHOT_S, _TURNED_SHARE = 240.0, 0.2
_RESOLUTION_LIMIT_V = 0.012  # 1 V of a pack of 84 cells; beyond, means of bins are off by some mV
_STUCK_LIMIT = 0.02
_GAIN_LIMIT, _GAIN_SIGMAS = 0.045, 3.0
_PREVIOUS_SD, _DISPLAY_SD = 0.02, 0.02  # of capacity: as the last calibration had it, as a car displays it
_VOLTAGE_LIMIT = 0.04  # less may be another open-circuit curve
_STRINGS_LIMIT = 0.15
_NEAR_RATIO = 0.06
_MISPLACED_LIMIT, _OWN_LIMIT = 0.08, 0.05  # shares of all charge
_SEARCH_S, _SEARCH_STEP_S = 3600.0, 600.0
_SPREAD_LEAST = 0.025  # less variety from day to day than that tells no two cars apart
_TEMPERATURE_LIMIT_K = 7.0
_YOUNG_DAYS = 400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFault:
    """What is wrong with a battery's sensors, and the evidence in words with its figures."""

    kind: FaultKind
    evidence: str

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')}: {self.evidence}"

    @property
    def verdict(self) -> str:
        """What is refused, and why: sensors, but where the nameplate is what is wrong."""
        return f"{'wrong pack data' if self.kind == 'wrong_cell_count' else 'sensors refused'} ({self})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a battery besides its telemetry.

    ``circuit``: its cell's electrode balance; ``health``: where the prior puts it; ``expected_share``: its
    capacity by that prior, of nominal; ``measured_share`` ± ``measured_sd``: capacity today by check-ups or
    the last calibration, None without; ``young_share``: that of a check-up when it was new.
    """

    circuit: OpenCircuit
    health: Health
    expected_share: float
    measured_share: float | None
    measured_sd: float
    young_share: float | None


def known_capacity(
    ages_days: np.ndarray,
    shares: np.ndarray,
    age_days: float,
    previous_share: float | None,
    previous_sd: float = 0.0,
) -> tuple[float | None, float, float | None]:
    """Capacity today by the last check-up or calibration, its spread, and that when it was young."""
    young = float(shares[0]) if len(shares) and ages_days[0] <= _YOUNG_DAYS else None
    if len(shares):
        # It fades on at most as fast as it did so far, which is not known better than by half.
        rate = max(0.0, 1.0 - float(shares[-1])) / max(float(ages_days[-1]), 180.0)
        since = age_days - float(ages_days[-1])
        return float(shares[-1]) - 0.5 * rate * since, 0.007 + 0.5 * rate * since, young
    return previous_share, float(np.hypot(_PREVIOUS_SD, previous_sd)), young


def believable(request: CalibrationRequest, fault: SensorFault) -> CalibrationRequest:
    """The request with what a fault leaves to be believed: a voltage says nothing against current and warmth,
    nor a current against warmth, nor a thermometer against current, for which its site's then stands.
    """
    if fault.kind in _OF_VOLTAGE:
        return request
    if fault.kind == "temperature_offset" and request.fleet is not None:
        stated = request.telemetry.assign(temperature_degc=request.fleet.temperature_degc)
        return replace(request, telemetry=stated, climate=request.climate[:0])
    nothing = replace(request, telemetry=request.telemetry[:0], coarse=request.coarse[:0])
    if fault.kind in _OF_CURRENT:
        return nothing
    return replace(nothing, climate=request.climate[:0])


def find_fault(
    signal: Signal,
    sessions: pd.DataFrame,
    evidence: Evidence,
    battery: BatterySpec,
    known: Known,
    fleet: FleetContext | None,
) -> SensorFault | None:
    """The first fault that the evidence shows; None for sensors that can be believed so far."""
    return (
        _no_signal(evidence)
        or _wrong_answer(signal, evidence.answer)
        or _wrong_place(signal, sessions, evidence, known)
        or _wrong_level(evidence, battery, known)
        or _wrong_zero(evidence)
        or _wrong_scale(evidence.balance, battery, known)
        or _wrong_temperature(evidence, fleet)
    )


def _no_signal(evidence: Evidence) -> SensorFault | None:
    if evidence.stuck_share > _STUCK_LIMIT:
        share = 100 * evidence.stuck_share
        return SensorFault(
            kind="stuck_voltage",
            evidence=f"the voltage stood still under a moving current {share:.0f} % of the time",
        )
    if evidence.resolution_v > _RESOLUTION_LIMIT_V:
        step = 1000 * evidence.resolution_v
        return SensorFault(
            kind="quantised_voltage", evidence=f"the voltage comes in steps of {step:.0f} mV a cell"
        )
    return None


def _wrong_answer(signal: Signal, answer: Answer | None) -> SensorFault | None:
    if answer is None or abs(answer.correlation) < _LEAST_ANSWER:
        return None
    if answer.lag_s != 0 and abs(answer.correlation) > 2 * abs(answer.at_zero):
        return SensorFault(
            kind="shifted_clock",
            evidence=f"the voltage answers the current {answer.lag_s:+.0f} s late (correlation "
            f"{answer.correlation:.2f} there, {answer.at_zero:.2f} at none)",
        )
    # At another delay snapshots may well answer the other way: what ends a charge follows what began it.
    if answer.at_zero < -_LEAST_ANSWER:
        return SensorFault(
            kind="flipped_current",
            evidence=f"the voltage falls where the current charges (correlation {answer.at_zero:.2f})",
        )
    turned, days = sign_by_day(signal)
    # Of snapshots a day has few steps, and one day may go against the rule.
    if turned and (signal.spacing_s < _SNAPSHOT_S or turned > max(1.0, _TURNED_SHARE * days)):
        return SensorFault(
            kind="flipped_current",
            evidence=f"the voltage falls where the current charges on {turned} of {days} days",
        )
    return None


def _wrong_place(
    signal: Signal, sessions: pd.DataFrame, evidence: Evidence, known: Known
) -> SensorFault | None:
    clock, balance = evidence.clock, evidence.balance
    if clock is None or clock.misplaced - clock.remaining < _MISPLACED_LIMIT:
        own = clock is not None and clock.misplaced < _OWN_LIMIT
        return _swapped(clock, balance) if _strangers(balance) and not own else None
    if clock.remaining >= _OWN_LIMIT:
        # Discharge to the grid lies in the sessions at any shift; the sessions tell whose they are.
        if _agrees(balance, 0.75):
            return None
        best = 0.0
        for step in np.arange(-_SEARCH_S, _SEARCH_S + 1, _SEARCH_STEP_S):
            shift_s = clock.shift_s + float(step)
            moved = balance_of(replace(signal, time_s=signal.time_s - shift_s), sessions)
            if moved is None or not (_agrees(moved, 0.85) and _plausible(moved, known)):
                continue
            if moved.agreement > best:
                best, found = moved.agreement, replace(clock, shift_s=shift_s)
        if best == 0.0:
            return _swapped(clock, balance)
        clock = found
    return SensorFault(
        kind="shifted_clock",
        evidence=f"driving and charging fit the sessions {clock.shift_s / 3600:+.2f} h off "
        f"(misplaced {clock.remaining:.2f} of the charge there, {clock.misplaced:.2f} as it is)",
    )


def _agrees(balance: Balance | None, least: float) -> bool:
    """Whether counted charge goes with what was reported, session by session, at one capacity."""
    return (
        balance is not None
        and balance.agreement >= least
        and 0 < balance.capacity_sd < 0.08 * balance.capacity_share
    )


def _plausible(balance: Balance, known: Known) -> bool:
    return abs(float(np.log(balance.capacity_share / known.expected_share))) < 0.4


def _strangers(balance: Balance | None) -> bool:
    """Whether counted and reported charge vary from session to stay without each other."""
    return (
        balance is not None
        and balance.stretches >= 8
        and balance.spread > _SPREAD_LEAST
        and balance.agreement < 0.6
    )


def _swapped(clock: Clock | None, balance: Balance | None) -> SensorFault:
    parts = []
    if balance is not None:
        parts.append(
            f"charge counted and SoC reported correlate by {balance.agreement:.2f} over "
            f"{balance.stretches} stretches"
        )
    if clock is not None:
        parts.append(f"at best {clock.remaining:.2f} of the charge is misplaced")
    return SensorFault(kind="swapped_battery", evidence="not this car's sessions: " + ", ".join(parts))


def _wrong_level(evidence: Evidence, battery: BatterySpec, known: Known) -> SensorFault | None:
    circuit, points = known.circuit, evidence.rest_points
    if len(points) >= 3:
        x, y = circuit.window(known.health).at(points[:, 0])
        ratio = float(np.median(points[:, 1] / circuit.voltage(x, y)))
        text = f"{len(points)} rests at a reported SoC"
    elif evidence.highest_v > circuit.v_max + 0.15:
        ratio, text = evidence.highest_v / circuit.v_max, "the highest voltage"
    elif evidence.highest_v < 0.93 * float(circuit.voltage(*circuit.window(known.health).at(0.3))):
        ratio = evidence.highest_v / float(circuit.voltage(*circuit.window(known.health).at(0.8)))
        text = "the highest voltage"
    else:
        return None
    count = round(ratio * battery.cells_series)
    if abs(ratio - 1) < _VOLTAGE_LIMIT or count == battery.cells_series:
        return None
    return SensorFault(
        kind="wrong_cell_count",
        evidence=f"{text} fit {count} cells in series, not {battery.cells_series} "
        f"(voltage ratio {ratio:.3f})",
    )


def _wrong_zero(evidence: Evidence) -> SensorFault | None:
    rest, balance = evidence.rest_c, evidence.balance
    if rest is None or abs(rest) < BIAS_LIMIT_C:
        return None
    text = f"{rest:+.4f} C flow at rest"
    if balance is not None:
        # A drain that is real takes the SoC along.
        if abs(balance.drift_c - rest) > max(0.4 * abs(rest), 4 * balance.drift_sd_c):
            return None
        text += f", {balance.drift_c:+.4f} C more than the SoC knows of"
    return SensorFault(kind="current_bias", evidence=text)


def _wrong_scale(balance: Balance | None, battery: BatterySpec, known: Known) -> SensorFault | None:
    counted = None
    if balance is not None and balance.capacity_sd < 0.1 and balance.capacity_share > 0.1:
        counted = balance.capacity_share
    strings = _wrong_strings(counted, battery, known)
    if strings is not None or balance is None or counted is None or known.measured_share is None:
        return strings
    counted_sd = float(np.hypot(balance.capacity_sd / counted, _DISPLAY_SD))
    return gain_fault(counted, counted_sd, known.measured_share, known.measured_sd, "the sessions' SoC")


def gain_fault(
    counted: float, counted_sd: float, measured: float, measured_sd: float, stated: str
) -> SensorFault | None:
    """Whether capacity by counted charge (share of nominal, relative spread) belies what was measured."""
    gain = counted / measured
    spread = float(np.hypot(counted_sd, measured_sd))
    if abs(np.log(gain)) < max(_GAIN_LIMIT, _GAIN_SIGMAS * spread):
        return None
    return SensorFault(
        kind="current_gain",
        evidence=f"{stated} make it {counted:.3f} of nominal capacity where {measured:.3f} ± "
        f"{measured_sd:.3f} "
        f"is known: the current reads {gain:.2f} times what it is",
    )


def _wrong_strings(counted: float | None, battery: BatterySpec, known: Known) -> SensorFault | None:
    """Nominal capacity off by a ratio of whole strings: by a check-up when new, or by telemetry alone."""
    if known.young_share is not None:
        ratio, text = known.young_share, "a check-up when new"
    elif counted is not None and known.measured_share is None:
        ratio, text = counted / known.expected_share, "telemetry"
    elif known.measured_share is not None:
        ratio, text = known.measured_share / known.expected_share, "check-ups"
    else:
        return None
    least = _STRINGS_LIMIT if ratio > 1 or known.young_share is not None else 2 * _STRINGS_LIMIT
    count = max(1, round(ratio * battery.cells_parallel))
    off = ratio * battery.cells_parallel / count - 1
    if abs(ratio - 1) < least or count == battery.cells_parallel or abs(off) > _NEAR_RATIO:
        return None
    return SensorFault(
        kind="wrong_cell_count",
        evidence=f"{text} gives {ratio:.2f} of the capacity that is to be expected: "
        f"{count} cells in parallel, not {battery.cells_parallel}",
    )


def _wrong_temperature(evidence: Evidence, fleet: FleetContext | None) -> SensorFault | None:
    if fleet is None or fleet.cars < 3:
        return None
    off = evidence.temperature_degc - fleet.temperature_degc
    if abs(off) < max(_TEMPERATURE_LIMIT_K, 4 * fleet.temperature_spread_k):
        return None
    return SensorFault(
        kind="temperature_offset",
        evidence=f"{evidence.temperature_degc:.1f} °C where {fleet.cars} cars of the site have "
        f"{fleet.temperature_degc:.1f} ± {fleet.temperature_spread_k:.1f} °C",
    )
