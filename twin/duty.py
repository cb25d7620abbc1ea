"""Duty: what a day asks of a battery, as a piecewise-constant current.

A *standard day* begins at departure: a trip, a session, a trip, ordinary charging on plug-in, rest until the
next departure. A *V2G day* is the same day with N discharges of depth DOD, each recharged at once, after that
charging. Both hold the same charging policy, so that the life with V2G is compared with a life that differs
in V2G alone. Currents are C-rates of nominal capacity, + = charge; depths are shares of usable capacity at
the time of planning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from twin.course import OBSERVED, UNSEEN, Course, course
from twin.errors import TwinError
from twin.health import Array

DAY_S = 86400.0
MAX_SEGMENTS = 16
_HOURS = 3600.0
_MOVING_C_RATE = 1 / 200  # below this a pack rests
_LONGEST = 0.6  # the most of its charge that an ordinary day drives
_COARSE = 0.02  # of the charge driven: samples that count it no better are held against the sessions
_SOC_SD, _PROMISE_SD = 0.01, 0.02  # of a difference of two SoC of sessions; of their mean, relative
_FEWEST_DRIVES = 3
_STRANGE = 3.0  # standard deviations apart: sessions that tell of other drives
_PLATING_C = (0.2, 0.5)  # below the first charging plates nothing, from the second on all that is known of


def plating_share(charge_c_rate: float) -> float:
    """Of the plating that fast charging brings, how much charging at this rate [1/h] does.

    The slower, the less (Schuster et al., J. Energy Storage 1, 2015), and none at a wallbox or at rest.
    """
    low, high = _PLATING_C
    return float(np.clip((charge_c_rate - low) / (high - low), 0.0, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A day's current: step starts [s], C-rates [1/h, + = charge], first SoC [0–1].

    C-rates are of nominal capacity, or of today's with ``of_usable``: a cell that is cycled between two
    voltages moves less charge as it ages.
    """

    start_s: Array
    c_rate: Array
    start_soc: float
    temperature_degc: float
    of_usable: bool = False

    def __post_init__(self) -> None:
        if (
            len(self.start_s) != len(self.c_rate)
            or self.start_s[0] != 0
            or (np.diff(self.start_s) <= 0).any()
        ):
            raise TwinError("a profile's steps must start at 0 and ascend, one current each")
        if self.start_s[-1] >= DAY_S:
            raise TwinError("a profile's last step must start before the day ends")


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardDuty:
    """A battery's ordinary day.

    ``trip_efc``: daily driving discharge as a share of nominal capacity; ``trip_c_rate``, ``charge_c_rate``
    [1/h]; ``plugged_hours``: time at the charger a day; ``target_soc``: SoC at departure [0–1];
    ``temperature_degc``: mean cell temperature; ``source``: where the figures come from.
    """

    trip_efc: float
    trip_c_rate: float
    charge_c_rate: float
    plugged_hours: float
    target_soc: float
    temperature_degc: float
    source: str

    def __post_init__(self) -> None:
        if not 0 < self.trip_efc < self.target_soc <= 1:
            raise TwinError(
                f"daily driving of {self.trip_efc:.3f} does not fit a target SoC of {self.target_soc:.3f}"
            )
        if self.trip_c_rate <= 0 or self.charge_c_rate <= 0:
            raise TwinError("trip and charge C-rates must be positive")
        if self.trip_efc / self.trip_c_rate + self.plugged_hours > 24:
            raise TwinError("driving and plugged time exceed a day")
        if self.trip_efc / self.charge_c_rate > self.plugged_hours:
            raise TwinError(f"ordinary charging does not fit into {self.plugged_hours:.1f} h at the charger")

    @property
    def spare_hours(self) -> float:
        """Hours at the charger that ordinary charging leaves free."""
        return self.plugged_hours - self.trip_efc / self.charge_c_rate

    def v2g_limit(self) -> float:
        """The most V2G discharge that fits into a day, as a share of nominal capacity (0.8 at most)."""
        return min(0.8, 0.45 * self.spare_hours * self.charge_c_rate)

    def profile(
        self, *, v2g_ah_share: float = 0.0, cycles: int = 0, v2g_c_rate: float | None = None
    ) -> Profile:
        """The day's current with ``cycles`` V2G discharges of ``v2g_ah_share`` of nominal capacity each.

        V2G runs at ``v2g_c_rate``, at that of ordinary charging if None.
        """
        v2g_rate = self.charge_c_rate if v2g_c_rate is None else v2g_c_rate
        half_trip = self.trip_efc / 2 / self.trip_c_rate
        away = 24 - self.plugged_hours
        steps = [
            (half_trip, -self.trip_c_rate),
            (away - 2 * half_trip, 0.0),
            (half_trip, -self.trip_c_rate),
            (self.trip_efc / self.charge_c_rate, self.charge_c_rate),
        ]
        swing = v2g_ah_share / v2g_rate
        steps += [(swing, -v2g_rate), (swing, v2g_rate)] * cycles
        rest = 24 - sum(hours for hours, _ in steps)
        if rest < 0:
            raise TwinError(
                f"{cycles} V2G cycles of {v2g_ah_share:.2f} do not fit into {self.spare_hours:.1f} h"
            )
        steps = [(hours, rate) for hours, rate in [*steps, (rest, 0.0)] if hours > 1e-6]
        hours = np.array([step[0] for step in steps])
        return Profile(
            start_s=np.concatenate([[0.0], np.cumsum(hours)[:-1]]) * _HOURS,
            c_rate=np.array([step[1] for step in steps]),
            start_soc=self.target_soc,
            temperature_degc=self.temperature_degc,
        )


# The duty that the nominal ageing rates of every chemistry are tuned at, and the one assumed where nothing is
# known.
REFERENCE_DUTY = StandardDuty(
    trip_efc=0.2,
    trip_c_rate=0.2,
    charge_c_rate=1 / 6,
    plugged_hours=13.0,
    target_soc=0.8,
    temperature_degc=25.0,
    source="reference",
)


def derive_duty(
    telemetry: pd.DataFrame,
    sessions: pd.DataFrame,
    *,
    nominal_ah: float,
    charge_c_rate: float,
    climate_degc: float | None = None,
    flow: Course | None = None,
    usable_share: float = 1.0,
) -> StandardDuty:
    """A battery's standard duty from its own history.

    ``telemetry``: time_utc, current_a (pack, + = charge), temperature_degc; ``sessions``: arrival_utc,
    departure_utc, arrival_soc, departure_soc. Discharge while plugged in is V2G and no part of the standard
    day. What neither table tells is taken from `REFERENCE_DUTY`; ``charge_c_rate`` is the charger's limit,
    used where no charging was seen; ``climate_degc``: temperature of its typical year, where one is known,
    instead of that of ``telemetry``. ``flow``: the course of the current, silence included, by which the day
    is wall time; that of ``telemetry`` with silence as rest if None. ``usable_share``: capacity today, of
    nominal, by which SoC turns into charge.
    """
    reference = REFERENCE_DUTY
    plugged, target, source = reference.plugged_hours, reference.target_soc, "reference"
    trip_efc, trip_rate, charge_rate = reference.trip_efc, reference.trip_c_rate, min(charge_c_rate, 1.0)
    temperature = reference.temperature_degc
    if len(sessions):
        source = "sessions"
        hours = (sessions["departure_utc"] - sessions["arrival_utc"]).dt.total_seconds() / _HOURS
        days = sessions["arrival_utc"].dt.floor("D").nunique()
        # The median: a first or last session that history cuts off says nothing of an ordinary day.
        plugged = float(hours.median() * len(sessions) / days)
        target = float(sessions["departure_soc"].mean())
        trip_efc = float((sessions["departure_soc"] - sessions["arrival_soc"]).clip(lower=0).sum() / days)
    if len(telemetry):
        source = "telemetry"
        use = use_of((flow or course_through(telemetry, nominal_ah)).whole_days(), sessions)
        driving, charging = use.driving, use.observed & (use.c_rate > _MOVING_C_RATE)
        observed_days = use.step_h.sum() / 24
        if driving.any() and observed_days > 0.5:
            driven = float(-use.charge[driving].sum())
            sd = float(np.sqrt(use.variance[driving].sum()))
            trip_efc = _driven(driven, sd, observed_days, telemetry, sessions, usable_share)
            if (observed := driving & use.observed).any():
                trip_rate = float(-use.charge[observed].sum() / use.step_h[observed].sum())
        if charging.any():
            charge_rate = float(use.charge[charging].sum() / use.step_h[charging].sum())
        if telemetry["temperature_degc"].notna().any():
            temperature = float(telemetry["temperature_degc"].mean())
    if climate_degc is not None:
        temperature = climate_degc
    return manageable(
        trip_efc=trip_efc,
        trip_c_rate=trip_rate,
        charge_c_rate=charge_rate,
        plugged_hours=plugged,
        target_soc=target,
        temperature_degc=temperature,
        source=source,
    )


def _driven(
    counted: float,
    counted_sd: float,
    days: float,
    telemetry: pd.DataFrame,
    sessions: pd.DataFrame,
    usable_share: float,
) -> float:
    """Charge driven a day, of nominal: as ``counted`` over ``days``, by sessions too where that is coarse.

    Both are weighed by their errors; sessions that contradict the count are another car's, or promises.
    """
    by_count, sd = counted / days, counted_sd / days
    if sd < _COARSE * by_count or len(sessions) <= _FEWEST_DRIVES:
        return by_count
    ordered = sessions.sort_values("arrival_utc")
    leave, back = _seconds(ordered["departure_utc"])[:-1], _seconds(ordered["arrival_utc"])[1:]
    soc = ordered["departure_soc"].to_numpy(dtype=float)[:-1]
    left = ordered["arrival_soc"].to_numpy(dtype=float)[1:]
    time_s = _seconds(telemetry["time_utc"])
    inside = (leave >= time_s.min()) & (back <= time_s.max())
    drives = int(inside.sum())
    if drives < _FEWEST_DRIVES:
        return by_count
    stated = float(np.clip((soc - left)[inside], 0.0, None).sum()) * usable_share
    # From one departure to the next: as many days as drives, whatever the record begins and ends with.
    known_days = float(np.ptp(leave[inside])) / DAY_S * drives / (drives - 1)
    by_sessions = stated / max(known_days, 1e-9)
    known_sd = float(
        np.hypot(_PROMISE_SD * by_sessions, _SOC_SD * np.sqrt(drives) * usable_share / known_days)
    )
    if abs(by_sessions - by_count) > _STRANGE * float(np.hypot(sd, known_sd)):
        return by_count
    weight, other = sd**-2, known_sd**-2
    return (weight * by_count + other * by_sessions) / (weight + other)


def manageable(
    *,
    trip_efc: float,
    trip_c_rate: float,
    charge_c_rate: float,
    plugged_hours: float,
    target_soc: float,
    temperature_degc: float,
    source: str,
) -> StandardDuty:
    """The day of these figures, or what of it an aged battery still manages: rarer, longer trips are not
    ordinary."""
    plugged, target = float(np.clip(plugged_hours, 2.0, 22.0)), float(np.clip(target_soc, 0.3, 1.0))
    driven = float(np.clip(trip_efc, 0.01, min(_LONGEST * target, 0.9 * plugged * charge_c_rate)))
    return StandardDuty(
        trip_efc=driven,
        trip_c_rate=max(trip_c_rate, driven / (0.8 * (24 - plugged))),
        charge_c_rate=charge_c_rate,
        plugged_hours=plugged,
        target_soc=target,
        temperature_degc=temperature_degc,
        source=source,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a battery did, stretch by stretch: begin [s since 1970], hours, C-rate [1/h, + = charge], variance
    of the charge, whether it drives, and whether that was seen."""

    begin_s: Array
    step_h: Array
    c_rate: Array
    variance: Array
    driving: npt.NDArray[np.bool_]
    observed: npt.NDArray[np.bool_]

    @property
    def charge(self) -> Array:
        """Charge moved [C·h]."""
        return np.asarray(self.c_rate * self.step_h)


def course_through(telemetry: pd.DataFrame, nominal_ah: float) -> Course:
    """The course of the current alone; silence is rest. Columns as of `derive_duty`."""
    time_s = _seconds(telemetry["time_utc"])
    order = np.argsort(time_s, kind="stable")
    return course(time_s[order], telemetry["current_a"].to_numpy(dtype=float)[order] / nominal_ah)


def use_of(flow: Course, sessions: pd.DataFrame) -> Use:
    """How a battery was used; ``sessions`` as of `derive_duty`.

    Discharge that was not seen is driving, unless the car was plugged in all the while.
    """
    unseen = flow.kind == UNSEEN
    moving = flow.c_rate < np.where(unseen, 0.0, -_MOVING_C_RATE)
    plugged = np.where(
        unseen,
        _plugged(flow.begin_s, sessions, until_s=flow.end_s),
        _plugged(0.5 * (flow.begin_s + flow.end_s), sessions),
    )
    return Use(
        begin_s=flow.begin_s,
        step_h=flow.hours,
        c_rate=flow.c_rate,
        variance=flow.variance,
        driving=moving & ~plugged,
        observed=flow.kind == OBSERVED,
    )


def _seconds(times: pd.Series) -> Array:
    milliseconds = times.dt.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    return np.asarray(milliseconds / 1000.0)


def _plugged(times_s: Array, sessions: pd.DataFrame, until_s: Array | None = None) -> npt.NDArray[np.bool_]:
    """Which times (up to ``until_s``) lie within a plug-in session; sessions of a battery do not overlap."""
    if not len(sessions):
        return np.zeros(len(times_s), dtype=bool)
    ordered = sessions.sort_values("arrival_utc")
    arrival, departure = _seconds(ordered["arrival_utc"]), _seconds(ordered["departure_utc"])
    last = np.searchsorted(arrival, times_s, side="right") - 1
    within = times_s if until_s is None else until_s
    return np.asarray((last >= 0) & (within < departure[np.maximum(last, 0)]))
