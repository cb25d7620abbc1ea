"""What a battery lived through: the ordinary day of its past, where sessions go further back than now.

Check-ups tell the sum of a life, so a past of more driving than today's, taken for like today, would be read
as a battery that ages faster. Plug-in sessions are few and kept for long; what they tell of the past is taken
against what they tell of now, so that how they count cancels. C-rates of the past they do not tell: those are
today's. Of temperature a typical year is taken, for the past as for the days to come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from twin.climate import typical_degc
from twin.duty import StandardDuty, derive_duty, manageable
from twin.silence import course_of, likely_share
from twin.types import CalibrationRequest

PRESENT_DAYS = 30.0  # what counts as now
_BLOCK_DAYS = 30.0  # a stretch of so many days without a session tells nothing, rather than of no driving
_FEWEST_SESSIONS = 4
_LEAST_DRIVEN = 1e-3  # of capacity a day


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """``duty``: the mean day of the life so far; ``known_share``: the share of that life that data tell
    of."""

    duty: StandardDuty
    known_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Habit:
    """Of some sessions: charge taken a day (share of capacity), mean target SoC, hours plugged in a day."""

    driven: float
    target_soc: float
    plugged_hours: float


def present(sessions: pd.DataFrame, as_of_utc: pd.Timestamp) -> pd.DataFrame:
    """The sessions of now, and those ahead."""
    return sessions[sessions["departure_utc"] >= as_of_utc - pd.Timedelta(days=PRESENT_DAYS)]


def ordinary_day(request: CalibrationRequest) -> StandardDuty:
    """The battery's standard duty: trips and charging of now, the climate of a typical year."""
    return derive_duty(
        request.telemetry,
        present(request.sessions, request.as_of_utc),
        nominal_ah=request.battery.nominal_capacity_ah,
        charge_c_rate=request.battery.charge_c_rate,
        climate_degc=typical_degc(request.climate),
        flow=course_of(request, request.telemetry),
        usable_share=likely_share(request),
    )


def lived_through(
    duty: StandardDuty,
    telemetry: pd.DataFrame,
    sessions: pd.DataFrame,
    *,
    commissioned_utc: pd.Timestamp,
    as_of_utc: pd.Timestamp,
) -> Lived:
    """The mean day of a battery whose ordinary day is now ``duty``; columns as of `twin.duty.derive_duty`."""
    age_days = (as_of_utc - commissioned_utc).total_seconds() / 86400
    if age_days <= 0:
        return Lived(duty=duty, known_share=1.0)
    observed_days = 0.0
    if len(telemetry):
        times = telemetry["time_utc"]
        observed_days = (times.max() - times.min()).total_seconds() / 86400
    done = sessions[(sessions["arrival_utc"] >= commissioned_utc) & (sessions["departure_utc"] <= as_of_utc)]
    block = np.floor((as_of_utc - done["departure_utc"]).dt.total_seconds() / 86400 / _BLOCK_DAYS)
    now, before = done[block == 0], done[block > 0]
    if len(now) < _FEWEST_SESSIONS or len(before) < _FEWEST_SESSIONS:
        return Lived(duty=duty, known_share=min(1.0, observed_days / age_days))
    past_days = min(float(block[block > 0].nunique()) * _BLOCK_DAYS, age_days)
    ours, theirs = _habit(now, PRESENT_DAYS), _habit(before, past_days)
    share = past_days / (past_days + PRESENT_DAYS)
    mean = manageable(
        trip_efc=duty.trip_efc * (1 + share * (theirs.driven / max(ours.driven, _LEAST_DRIVEN) - 1)),
        trip_c_rate=duty.trip_c_rate,
        charge_c_rate=duty.charge_c_rate,
        plugged_hours=duty.plugged_hours + share * (theirs.plugged_hours - ours.plugged_hours),
        target_soc=duty.target_soc + share * (theirs.target_soc - ours.target_soc),
        temperature_degc=duty.temperature_degc,
        source="sessions",
    )
    return Lived(duty=mean, known_share=min(1.0, (past_days + max(observed_days, PRESENT_DAYS)) / age_days))


def _habit(sessions: pd.DataFrame, days: float) -> _Habit:
    session = (sessions["departure_utc"] - sessions["arrival_utc"]).dt.total_seconds() / 3600
    return _Habit(
        driven=float((sessions["departure_soc"] - sessions["arrival_soc"]).clip(lower=0).sum()) / days,
        target_soc=float(sessions["departure_soc"].mean()),
        plugged_hours=float(session.sum()) / days,
    )
