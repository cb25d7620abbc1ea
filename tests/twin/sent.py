"""A synthetic battery's record as ten senders would have sent it: every minute to SoC and power alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from twin.synthetic import Truth
from twin.types import BatterySpec, CalibrationRequest

_MOVING_C = 0.01
_AWAKE_S = 120.0  # before and after it moves


def minute(truth: Truth, battery: BatterySpec, seed: int) -> pd.DataFrame:
    """As it was simulated."""
    return truth.telemetry


def _polled(truth: Truth, seconds: float, seed: int) -> pd.DataFrame:
    """Snapshots every so many seconds, of any phase: the last reading before each."""
    frame = truth.telemetry
    time_s = _seconds(frame)
    first = np.random.default_rng([41, seed]).uniform(0, seconds)
    return _at(frame, np.arange(time_s[0] + first, time_s[-1], seconds))


def _at(frame: pd.DataFrame, asked_s: np.ndarray) -> pd.DataFrame:
    """The readings at the times asked for; none where the record has a gap."""
    time_s = _seconds(frame)
    at = np.searchsorted(time_s, asked_s, side="right") - 1
    fresh = asked_s - time_s[at] < 90
    return frame.iloc[np.unique(at[fresh])].reset_index(drop=True)


def five_minutes(truth: Truth, battery: BatterySpec, seed: int) -> pd.DataFrame:
    return _polled(truth, 300, seed)


def odd_seconds(truth: Truth, battery: BatterySpec, seed: int) -> pd.DataFrame:
    """Every 302 s, as loggers do that wait for five minutes and then read for two seconds."""
    return _polled(truth, 302, seed)


def ten_minutes(truth: Truth, battery: BatterySpec, seed: int) -> pd.DataFrame:
    return _polled(truth, 600, seed)


def quarter_hours(truth: Truth, battery: BatterySpec, seed: int) -> pd.DataFrame:
    return _polled(truth, 900, seed)


def random_polls(truth: Truth, battery: BatterySpec, seed: int) -> pd.DataFrame:
    """From one to fifteen minutes apart."""
    time_s = _seconds(truth.telemetry)
    steps = np.random.default_rng([42, seed]).uniform(60, 900, int(np.ptp(time_s) / 400))
    asked = time_s[0] + np.cumsum(steps)
    return _at(truth.telemetry, asked[asked < time_s[-1]])


def nightly_outage(truth: Truth, battery: BatterySpec, seed: int) -> pd.DataFrame:
    """Nothing from some hour of the evening to some hour of the night."""
    frame = truth.telemetry
    rng = np.random.default_rng([43, seed])
    begin = frame["time_utc"].dt.floor("D").drop_duplicates() + pd.Timedelta(hours=float(rng.uniform(17, 22)))
    out = np.zeros(len(frame), dtype=bool)
    for start in begin:
        hours = pd.Timedelta(hours=float(rng.uniform(3, 8)))
        out |= ((frame["time_utc"] >= start) & (frame["time_utc"] < start + hours)).to_numpy()
    return frame[~out].reset_index(drop=True)


def asleep_when_parked(truth: Truth, battery: BatterySpec, seed: int) -> pd.DataFrame:
    """Only while it is driven or charged, and two minutes on either side."""
    frame = truth.telemetry
    time_s = _seconds(frame)
    moving = time_s[frame["current_a"].abs().to_numpy() > _MOVING_C * battery.nominal_capacity_ah]
    at = np.searchsorted(moving, time_s)
    before = np.abs(time_s - moving[np.maximum(at - 1, 0)])
    after = np.abs(moving[np.minimum(at, len(moving) - 1)] - time_s)
    return frame[np.minimum(before, after) <= _AWAKE_S].reset_index(drop=True)


def charging_only(truth: Truth, battery: BatterySpec, seed: int) -> pd.DataFrame:
    """A charger's own log: the car's readings while it charges."""
    frame = truth.telemetry
    charging = frame["current_a"] > _MOVING_C * battery.nominal_capacity_ah
    return frame[charging].reset_index(drop=True)


def soc_and_power(truth: Truth, battery: BatterySpec, seed: int) -> pd.DataFrame:
    """What most clouds give, every five minutes: SoC in whole per cents, power, no voltage and no current."""
    frame = _polled(truth, 300, seed)
    reference = pd.concat(
        [
            truth.sessions[["arrival_utc", "arrival_soc"]].set_axis(["time_utc", "soc"], axis=1),
            truth.sessions[["departure_utc", "departure_soc"]].set_axis(["time_utc", "soc"], axis=1),
        ]
    ).sort_values("time_utc")
    every = truth.telemetry
    hours = every["time_utc"].diff().dt.total_seconds().to_numpy() / 3600
    bias = every["current_a"][every["current_a"].abs() < _MOVING_C * battery.nominal_capacity_ah].median()
    moved = np.nancumsum((every["current_a"].to_numpy() - bias) * np.nan_to_num(hours))
    share = truth.hidden["usable_capacity_ah"]
    since = np.interp(_stamps(reference["time_utc"]), _stamps(every["time_utc"]), moved)
    # The car's own reckoning, set right at every plug-in and plug-out.
    last = np.searchsorted(_stamps(reference["time_utc"]), _stamps(every["time_utc"]), side="right") - 1
    base = np.maximum(last, 0)
    soc = reference["soc"].to_numpy()[base] + (moved - since[base]) / share
    stated = pd.Series(np.clip(np.round(soc, 2), 0, 1), index=every["time_utc"])
    kilowatt = frame["voltage_v"] * frame["current_a"] / 1000
    return pd.DataFrame(
        {
            "battery_id": battery.battery_id,
            "time_utc": frame["time_utc"],
            "soc_reported": stated.reindex(frame["time_utc"]).to_numpy(),
            "power_kw": kilowatt.round(2),
            "temperature_degc": np.nan,
        }
    )


COARSE = "SoC and power"
WAYS = {
    "1 min": minute,
    "5 min": five_minutes,
    "302 s": odd_seconds,
    "10 min": ten_minutes,
    "15 min": quarter_hours,
    "random polls": random_polls,
    "nightly outage": nightly_outage,
    "asleep when parked": asleep_when_parked,
    "charging only": charging_only,
    COARSE: soc_and_power,
}


def _seconds(frame: pd.DataFrame) -> np.ndarray:
    return _stamps(frame["time_utc"])


def _stamps(times: pd.Series) -> np.ndarray:
    return (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy()


def asked(made: CalibrationRequest, way: str, sent: pd.DataFrame) -> CalibrationRequest:
    """The request with what was sent, of whatever kind it is."""
    if way == COARSE:
        return replace(made, telemetry=made.telemetry[:0], coarse=sent)
    return replace(made, telemetry=sent)
