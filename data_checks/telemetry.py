"""Written checks of single telemetry samples: clock, power, spikes; and the order of a file's times.

Times in the frame are tz-aware UTC; voltages and currents are pack level.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from data_checks.owners import Owners
from data_checks.packs import Packs
from data_checks.series import Series
from data_checks.types import CheckContext, RowFinding, ScopeFinding

CLOCK_SKEW = pd.Timedelta(minutes=5)
POWER_PER_ENERGY = 15.0
"""Largest plausible power of a pack, kW a kWh: small packs of hybrids reach it, charging never does."""
SPIKES = {"voltage_v": ("10 %", 0.10, True), "temperature_degc": ("10 °C", 10.0, False),
          "soc_reported": ("0.1", 0.1, False)}  # fmt: skip
"""Column → how far off both neighbours a sample stands: in words, as a number, of their mean or not."""


def future_clock(frame: pd.DataFrame, context: CheckContext) -> RowFinding:
    """Find rows stamped more than 5 minutes after their file arrived, or after `as_of_utc`."""
    as_of = pd.Timestamp(context.as_of_utc).as_unit("us")
    arrived = frame["received_utc"].where(frame["received_utc"] < as_of, as_of)
    return RowFinding(
        rule="future",
        column="time_utc",
        reason="time_utc is more than 5 min after the file arrived",
        positions=np.flatnonzero((frame["time_utc"] > arrived + CLOCK_SKEW).to_numpy()),
    )


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


def spikes(frame: pd.DataFrame, series: Series) -> Iterator[RowFinding]:
    """Find single samples that stand out from both neighbours to the same side, column by column."""
    for column in SPIKES:
        yield _spikes(frame, series, column)


def file_order(frame: pd.DataFrame, owners: Owners) -> list[ScopeFinding]:
    """Warn of batteries whose times go back within a file."""
    order = np.argsort(owners.group, kind="stable")
    group, moment = owners.group[order], frame["time_utc"].astype("int64").to_numpy()[order]
    known = frame["time_utc"].notna().to_numpy()[order] & (group >= 0)
    back = (group[1:] == group[:-1]) & (moment[1:] < moment[:-1]) & known[1:] & known[:-1]
    return owners.outcomes("monotone", "warning", order[1:][back], "times go back in the file")


def _spikes(frame: pd.DataFrame, series: Series, column: str) -> RowFinding:
    words, size, of_mean = SPIKES[column]
    values = series.values(frame[column])
    step = np.where(series.linked[1:], np.diff(values), np.nan)
    up, down = np.full(values.size, np.nan), np.full(values.size, np.nan)
    up[1:], down[:-1] = step, -step
    height = np.minimum(np.abs(up), np.abs(down))
    scale = np.abs(values - 0.5 * (up + down)) if of_mean else 1.0  # the mean of both neighbours
    spike = (np.sign(up) == np.sign(down)) & (height > size * scale)
    return RowFinding(
        rule="jump",
        column=column,
        reason=f"{column} of this one sample is more than {words} off both its neighbours",
        positions=np.sort(series.positions[spike]),
    )
