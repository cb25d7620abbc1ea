"""Written checks of single telemetry samples: clock, power, spikes; and the order of a file's times.

Times in the frame are tz-aware UTC; voltages and currents are pack level.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_checks.cells import SAG_V_PER_C
from data_checks.owners import Owners
from data_checks.packs import Floats, Packs
from data_checks.series import NEIGHBOUR_MINUTES, Series
from data_checks.types import CheckContext, RowFinding, ScopeFinding

CLOCK_SKEW = pd.Timedelta(minutes=5)
POWER_PER_ENERGY = 15.0
"""Largest plausible power of a pack, kW a kWh: small packs of hybrids reach it, charging never does."""
SPIKE_SHARE = 0.10
"""Of the neighbours' voltage."""
SPIKE_DEGC = 10.0
ZONE_HOURS = 0.2
"""By which a step back may miss whole hours, for the samples on both sides of it."""


def future_clock(frame: pd.DataFrame, context: CheckContext) -> RowFinding:
    """Find rows stamped more than 5 minutes after their file arrived, or after `as_of_utc`."""
    return RowFinding(
        rule="future",
        column="time_utc",
        reason="time_utc is more than 5 min after the file arrived",
        positions=np.flatnonzero((frame["time_utc"] > arrived(frame, context) + CLOCK_SKEW).to_numpy()),
    )


def arrived(frame: pd.DataFrame, context: CheckContext) -> pd.Series:
    """Return when each row's file arrived, `as_of_utc` at the latest."""
    as_of = pd.Timestamp(context.as_of_utc).as_unit("us")
    return frame["received_utc"].where(frame["received_utc"] < as_of, as_of)


def power(frame: pd.DataFrame, packs: Packs) -> RowFinding:
    """Find rows whose voltage times current is beyond 15 kW per kWh of the pack and 1.5 times its charger."""
    kilowatts = np.abs(frame["voltage_v"].to_numpy() * frame["current_a"].to_numpy()) / 1000.0
    charger = np.fmax(packs.figure("charge_limit_kw"), packs.figure("discharge_limit_kw"))
    limit = np.fmax(POWER_PER_ENERGY * packs.figure("nominal_energy_kwh"), 1.5 * charger)
    return RowFinding(
        rule="power",
        column="current_a",
        reason=f"voltage_v times current_a is more than {POWER_PER_ENERGY:g} kW per kWh of the pack",
        positions=np.flatnonzero(kilowatts > limit),
    )


def spikes(frame: pd.DataFrame, packs: Packs, series: Series) -> Iterator[RowFinding]:
    """Find single samples that stand out from both neighbours to the same side, column by column.

    A voltage may follow its current: 0.4 V a cell and C on top.
    """
    volts = series.values(frame["voltage_v"])
    c_rate = series.values(frame["current_a"]) / series.values(packs.figure("nominal_capacity_ah"))
    sag = SAG_V_PER_C * series.values(packs.figure("cells_series")) * _steps(c_rate, series).largest
    steps = _steps(volts, series)
    height = SPIKE_SHARE * steps.neighbours + np.nan_to_num(sag)
    yield _spikes("voltage_v", f"{100 * SPIKE_SHARE:g} %", steps, height, series)
    steps = _steps(series.values(frame["temperature_degc"]), series)
    yield _spikes("temperature_degc", f"{SPIKE_DEGC:g}", steps, np.full(volts.size, SPIKE_DEGC), series)


def file_order(frame: pd.DataFrame, owners: Owners) -> list[ScopeFinding]:
    """Warn of batteries whose times go back within a file; whole hours are named as what does that."""
    order = np.argsort(owners.group, kind="stable")
    group, moment = owners.group[order], frame["time_utc"].astype("int64").to_numpy()[order]
    known = frame["time_utc"].notna().to_numpy()[order] & (group >= 0)
    back = (group[1:] == group[:-1]) & (moment[1:] < moment[:-1]) & known[1:] & known[:-1]
    hours = (moment[:-1] - moment[1:])[back] / 3.6e9
    zones = back.any() and bool(np.all((hours > 0.75) & (np.abs(hours - np.round(hours)) <= ZONE_HOURS)))
    message = "times go back in the file"
    if zones:
        message += " by whole hours: a clock that crossed a time zone, or was set back in autumn?"
    return owners.outcomes("monotone", "warning", order[1:][back], message)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Steps:
    """From a sample's neighbours to the sample: signed and NaN where one lacks; mean of both neighbours.

    Neighbours are 10 min away at most, in a coarser series too: what happens in between is no spike.
    """

    up: Floats
    down: Floats
    neighbours: Floats

    @property
    def largest(self) -> Floats:
        return np.asarray(np.fmax(np.abs(self.up), np.abs(self.down)))


def _steps(values: Floats, series: Series) -> _Steps:
    up, down = np.full(values.size, np.nan), np.full(values.size, np.nan)
    near = series.linked[1:] & (series.hours[1:] <= NEIGHBOUR_MINUTES / 60.0 + 1e-9)
    up[1:] = np.where(near, np.diff(values), np.nan)
    down[:-1] = -up[1:]
    return _Steps(up=up, down=down, neighbours=values - 0.5 * (up + down))


def _spikes(column: str, words: str, steps: _Steps, height: Floats, series: Series) -> RowFinding:
    least = np.minimum(np.abs(steps.up), np.abs(steps.down))
    spike = (np.sign(steps.up) == np.sign(steps.down)) & (least > height)
    return RowFinding(
        rule="jump",
        column=column,
        reason=f"{column} of this one sample is more than {words} off both its neighbours",
        positions=np.sort(series.positions[spike]),
    )
