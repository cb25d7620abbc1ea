"""Written checks of telemetry: sensors that stand still while charge flows.

A resting pack's voltage may stand still for hours, and a charger may hold a full pack's: only what stands
still to the last digit while a good part of the capacity passes is stuck. The first sample of a stretch is
still believed; those that repeat it are not.
"""

import numpy as np
import pandas as pd

from data_checks.cells import CELL_BOUNDS
from data_checks.owners import Owners
from data_checks.packs import Floats, Packs
from data_checks.series import Series, unchanged
from data_checks.types import Mask, Positions, RowFinding, ScopeFinding

LOADED_C_RATE = 1 / 50
VOLTAGE_HOURS = 1 / 3
FEWEST = 4
"""Samples of a stretch: fewer repeat a coarse display."""
TEMPERATURE_HOURS, TEMPERATURE_CHARGE = 24.0, 0.5


def stuck_voltage(frame: pd.DataFrame, packs: Packs, series: Series) -> RowFinding:
    """Find samples that repeat a voltage under ≥ 20 min of current > C/50, while ≥ 5 % (LFP 30 %) passes."""
    volts, c_rate = series.values(frame["voltage_v"]), _c_rate(frame, packs, series)
    runs = series.runs(unchanged(volts))
    loaded = np.abs(c_rate) > LOADED_C_RATE
    loaded[1:] &= loaded[:-1]
    hours = runs.sums(np.where(loaded, series.hours, 0.0))
    passed = runs.sums(series.charge(np.abs(c_rate)))
    flat, full = _flat_and_full(len(frame), packs)
    per_cell = volts / series.values(packs.figure("cells_series"))
    start = runs.first
    stuck = (
        (hours >= VOLTAGE_HOURS)
        & (runs.size >= FEWEST)
        & (passed >= series.values(flat)[start])
        & (per_cell[start] < series.values(full)[start])
    )
    return _finding(
        "voltage_v", series, runs.spread(stuck), start,
        "voltage_v repeats the last one to the last digit while ≥ 5 % (LFP: 30 %) of the capacity flowed",
    )  # fmt: skip


def constant_temperature(
    frame: pd.DataFrame, owners: Owners, packs: Packs, series: Series
) -> list[ScopeFinding]:
    """Warn of batteries whose temperature stands still for ≥ 24 h while half the capacity passes."""
    runs = series.runs(unchanged(series.values(frame["temperature_degc"])))
    hours = runs.sums(series.hours)
    passed = runs.sums(series.charge(np.nan_to_num(np.abs(_c_rate(frame, packs, series)))))
    stuck = runs.spread((hours >= TEMPERATURE_HOURS) & (passed >= TEMPERATURE_CHARGE))
    message = "temperature_degc stands still for ≥ 24 h in use: a constant, not a sensor?"
    return owners.outcomes("constant", "warning", series.positions[stuck], message)


def _c_rate(frame: pd.DataFrame, packs: Packs, series: Series) -> Floats:
    return series.values(frame["current_a"]) / series.values(packs.figure("nominal_capacity_ah"))


def _flat_and_full(rows: int, packs: Packs) -> tuple[Floats, Floats]:
    flat, full = np.full(rows, np.nan), np.full(rows, np.nan)
    for chemistry, own in packs.chemistries().items():
        bounds = CELL_BOUNDS.get(chemistry)
        if bounds is not None:
            flat[own], full[own] = bounds.flat, bounds.full_v
    return flat, full


def _finding(column: str, series: Series, stuck: Mask, first: Positions, reason: str) -> RowFinding:
    repeated = stuck.copy()
    repeated[first] = False
    return RowFinding(
        rule="stuck", column=column, reason=reason, positions=np.sort(series.positions[repeated])
    )
