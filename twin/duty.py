"""Duty: what a day asks of a battery, as a piecewise-constant current.

A *standard day* begins at departure: a trip, a stay, a trip, ordinary charging on plug-in, rest until the
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

from twin.errors import TwinError
from twin.health import Array

DAY_S = 86400.0
MAX_SEGMENTS = 16
_HOURS = 3600.0
_MOVING_C_RATE = 1 / 200  # below this a pack rests
_LONGEST = 0.6  # the most of its charge that an ordinary day drives


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
) -> StandardDuty:
    """A battery's standard duty from its own history.

    ``telemetry``: time_utc, current_a (pack, + = charge), temperature_degc; ``sessions``: arrival_utc,
    departure_utc, arrival_soc, departure_soc. Discharge while plugged in is V2G and no part of the standard
    day. What neither table tells is taken from `REFERENCE_DUTY`; ``charge_c_rate`` is the charger's limit,
    used where no charging was seen; ``climate_degc``: temperature of its typical year, where one is known,
    instead of that of ``telemetry``.
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
        use = use_of(telemetry, sessions, nominal_ah=nominal_ah)
        step_h, rate, driving = use.step_h, use.c_rate, use.driving
        charging = rate > _MOVING_C_RATE
        observed_days = step_h.sum() / 24
        if driving.any() and observed_days > 0.5:
            driven = float(-(rate * step_h)[driving].sum())
            trip_efc = driven / observed_days
            trip_rate = driven / float(step_h[driving].sum())
        if charging.any():
            charge_rate = float((rate * step_h)[charging].sum() / step_h[charging].sum())
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
    """Telemetry sample by sample: hours that each stands for, C-rate [1/h, + = charge], whether it drives."""

    step_h: Array
    c_rate: Array
    driving: npt.NDArray[np.bool_]


def use_of(telemetry: pd.DataFrame, sessions: pd.DataFrame, *, nominal_ah: float) -> Use:
    """How a battery was used; columns as of `derive_duty`."""
    times = telemetry["time_utc"]
    rate = telemetry["current_a"].to_numpy(dtype=float) / nominal_ah
    return Use(
        step_h=times.diff().dt.total_seconds().shift(-1).fillna(0).clip(0, 900).to_numpy() / _HOURS,
        c_rate=rate,
        driving=(rate < -_MOVING_C_RATE) & ~_inside(times, sessions),
    )


def _inside(times: pd.Series, sessions: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which times lie within a plug-in session; sessions of one battery do not overlap."""
    if not len(sessions):
        return np.zeros(len(times), dtype=bool)
    ordered = sessions.sort_values("arrival_utc")
    last = np.searchsorted(ordered["arrival_utc"].to_numpy(), times.to_numpy(), side="right") - 1
    departure = ordered["departure_utc"].to_numpy()[np.maximum(last, 0)]
    return (last >= 0) & (times.to_numpy() < departure)
