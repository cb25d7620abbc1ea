"""Written checks of telemetry: clock, voltage per cell, jumps, a stuck voltage sensor, file order.

Times in the frame are tz-aware UTC; voltages and currents are pack level.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_checks.types import CheckContext, Positions, RowFinding, ScopeFinding, by_scope

CLOCK_SKEW = pd.Timedelta(minutes=5)
CELL_VOLTAGE_V = (1.5, 4.6)
JUMP_SHARE = 0.10
STUCK_MINUTES = 60.0
STUCK_C_RATE = 1 / 50
NEIGHBOUR_MINUTES = 10.0
"""Samples further apart than this are not neighbours."""


def future_clock(frame: pd.DataFrame, context: CheckContext) -> RowFinding:
    """Find rows stamped more than 5 minutes after `as_of_utc`."""
    limit = pd.Timestamp(context.as_of_utc) + CLOCK_SKEW
    return RowFinding(
        rule="future",
        column="time_utc",
        reason=f"time_utc is more than 5 min after {context.as_of_utc.isoformat()}",
        positions=np.flatnonzero((frame["time_utc"] > limit).to_numpy()),
        rows_checked=len(frame),
    )


def cell_voltage(frame: pd.DataFrame, context: CheckContext) -> RowFinding:
    """Find rows whose voltage over cells in series lies outside 1.5–4.6 V."""
    per_cell = frame["voltage_v"].to_numpy() / _of_battery(frame, context, "cells_series")
    low, high = CELL_VOLTAGE_V
    return RowFinding(
        rule="cell_voltage",
        column="voltage_v",
        reason=f"voltage_v over cells in series is outside {low:g} to {high:g} V",
        positions=np.flatnonzero((per_cell < low) | (per_cell > high)),
        rows_checked=len(frame),
    )


def jumps(frame: pd.DataFrame, usable: NDArray[np.bool_]) -> RowFinding:
    """Find single samples that stand out by > 10 % of pack voltage from both neighbours, to the same side.

    usable: rows that no other rule rejected; only these are judged and serve as neighbours.
    """
    series = _in_time_order(frame, np.flatnonzero(usable))
    voltage = series.voltage_v
    before, after = np.full(voltage.size, np.nan), np.full(voltage.size, np.nan)
    before[1:] = np.where(series.linked[1:], voltage[:-1], np.nan)
    after[:-1] = np.where(series.linked[1:], voltage[1:], np.nan)
    up, down = voltage - before, voltage - after
    spike = (np.sign(up) == np.sign(down)) & (
        np.minimum(np.abs(up), np.abs(down)) > JUMP_SHARE * (before + after) / 2
    )
    return RowFinding(
        rule="jump",
        column="voltage_v",
        reason="voltage_v of this one sample is more than 10 % off both its neighbours",
        positions=np.sort(series.positions[spike]),
        rows_checked=len(frame),
    )


def stuck_voltage(
    frame: pd.DataFrame, usable: NDArray[np.bool_], context: CheckContext
) -> list[ScopeFinding]:
    """Warn of batteries whose voltage keeps its last digit for ≥ 60 min while more than C/50 flows.

    A resting pack's voltage may stand still for hours: only samples under current count.
    """
    series = _in_time_order(frame, np.flatnonzero(usable))
    capacity_ah = _of_battery(frame, context, "nominal_capacity_ah")[series.positions]
    loaded = np.abs(frame["current_a"].to_numpy()[series.positions]) > STUCK_C_RATE * capacity_ah
    same = np.zeros(series.positions.size, dtype=bool)
    same[1:] = series.linked[1:] & (series.voltage_v[1:] == series.voltage_v[:-1]) & loaded[1:] & loaded[:-1]
    first = np.flatnonzero(~same)
    last = np.append(first[1:], same.size)[: first.size] - 1
    long = series.minutes[last] - series.minutes[first] >= STUCK_MINUTES
    owners = frame["battery_id"].to_numpy()[series.positions[first[long]]]
    counts = pd.Series((last - first + 1)[long], dtype="int64").groupby(owners).sum()
    failed = {str(battery): int(count) for battery, count in counts.items()}
    message = "voltage constant to the last digit for ≥ 60 min while more than C/50 flowed"
    return by_scope("stuck", "warning", failed, rows_checked=len(frame), message=message)


def file_order(frame: pd.DataFrame) -> list[ScopeFinding]:
    """Warn of batteries whose times go back within a file."""
    step = frame.groupby(["source_id", "battery_id"], sort=False)["time_utc"].diff()
    back = frame.loc[step < pd.Timedelta(0), "battery_id"].value_counts(sort=False)
    failed = {str(battery): int(count) for battery, count in back.items()}
    return by_scope(
        "monotone", "warning", failed, rows_checked=len(frame), message="times go back in the file"
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Series:
    """Samples by battery and time; linked[i]: same battery as sample i−1 and at most 10 min later."""

    positions: Positions
    voltage_v: NDArray[np.float64]
    minutes: NDArray[np.float64]
    linked: NDArray[np.bool_]


def _in_time_order(frame: pd.DataFrame, positions: Positions) -> _Series:
    codes = pd.factorize(frame["battery_id"])[0][positions]
    microseconds = frame["time_utc"].astype("int64").to_numpy()[positions]
    order = np.lexsort((microseconds, codes))
    codes, minutes = codes[order], microseconds[order] / 60e6
    linked = np.zeros(order.size, dtype=bool)
    linked[1:] = (codes[1:] == codes[:-1]) & (np.diff(minutes) <= NEIGHBOUR_MINUTES)
    ordered = positions[order]
    return _Series(
        positions=ordered,
        voltage_v=frame["voltage_v"].to_numpy(dtype="float64")[ordered],
        minutes=minutes,
        linked=linked,
    )


def _of_battery(frame: pd.DataFrame, context: CheckContext, column: str) -> NDArray[np.float64]:
    """Return a battery's figure for every row; NaN, which no rule rejects, where the battery is not known."""
    if context.batteries is None:
        return np.full(len(frame), np.nan)
    figures = context.batteries.set_index("battery_id")[column]
    return frame["battery_id"].map(figures).to_numpy(dtype="float64", na_value=np.nan)
