"""Several readings of one stamp: one row of their mean where they agree within noise.

A logger that stamps whole seconds sends many rows a stamp. What differs by more than noise is a contradiction
and stays one, for `duplicates` to find.
"""

import numpy as np
import pandas as pd

from data_checks.owners import Owners
from data_checks.packs import Floats, Packs
from data_checks.types import Mask, Positions
from warehouse.contracts import TableContract

CELL_V, SHARE_V = 0.005, 0.002
"""Noise of a pack's voltage: V a cell, or of the voltage where the pack is not known."""
C_RATE, AMPS = 0.01, 1.0
"""Noise of a current: a share of 1 C, or A where the pack is not known."""
NOISE = {
    "temperature_degc": 0.5,
    "soc_reported": 0.01,
    "cell_voltage_min_v": 0.01,
    "cell_voltage_max_v": 0.01,
}
FAST_SECONDS, FAST_V, FAST_C_RATE = 2.0, 0.05, 1.0
"""Where stamps are so near on both sides, a car that drives moves so much within one: share of V, and C."""


def averaged(
    rows: pd.DataFrame, contract: TableContract, owners: Owners, packs: Packs, rivals: Positions
) -> tuple[pd.DataFrame, Mask]:
    """Return rows with the mean in the first of each stamp's readings, and which rows are in another by that.

    rivals: rows whose key their file tells again.
    """
    merged = np.zeros(len(rows), dtype=bool)
    numbers = [column.name for column in contract if column.name not in contract.key]
    values = rows[numbers].to_numpy(dtype="float64")[rivals]
    stated = rows.iloc[rivals]
    stamp = stated.groupby([*contract.key, "source_id", "received_utc"], sort=False).ngroup().to_numpy()
    known = (stamp >= 0) & np.isfinite(values[:, :2]).all(axis=1) & ~np.isinf(values).any(axis=1)
    frame = pd.DataFrame(values, columns=numbers)
    by_stamp = frame.groupby(stamp)
    noise = _noise(rows, packs, rivals, numbers, _fast(rows, owners, rivals))
    spread = (by_stamp.transform("max") - by_stamp.transform("min")).to_numpy()
    agree = ~(spread > noise).any(axis=1) & known
    agree = pd.Series(agree).groupby(stamp).transform("all").to_numpy() & (stamp >= 0)
    size = pd.Series(stamp).groupby(stamp).transform("size").to_numpy()
    agree &= size > 1
    if not agree.any():
        return rows, merged
    first = agree & ~pd.Series(stamp).duplicated().to_numpy()
    merged[rivals[agree & ~first]] = True
    means = by_stamp.transform("mean").to_numpy()
    changed = {}
    for number, name in enumerate(numbers):
        column = rows[name].to_numpy(dtype="float64", copy=True)
        column[rivals[first]] = means[first, number]
        changed[name] = column
    return rows.assign(**changed), merged


def _noise(rows: pd.DataFrame, packs: Packs, rivals: Positions, numbers: list[str], fast: Mask) -> Floats:
    volts, capacity = rows["voltage_v"].to_numpy()[rivals], packs.figure("nominal_capacity_ah")[rivals]
    noise = np.empty((rivals.size, len(numbers)))
    for number, name in enumerate(numbers):
        if name == "voltage_v":
            usual = CELL_V * packs.figure("cells_series")[rivals]
            usual = np.where(np.isnan(usual), SHARE_V * np.abs(volts), usual)
            noise[:, number] = np.where(fast, np.fmax(usual, FAST_V * np.abs(volts)), usual)
        elif name == "current_a":
            usual = np.where(np.isnan(capacity), AMPS, C_RATE * capacity)
            noise[:, number] = np.where(fast, np.fmax(usual, FAST_C_RATE * capacity), usual)
        else:
            noise[:, number] = NOISE[name]
    # Means and digits of the file are rounded: what is as large as the noise is noise.
    return noise * (1 + 1e-9)


def _fast(rows: pd.DataFrame, owners: Owners, rivals: Positions) -> Mask:
    """Return which of some rows are of a stamp whose neighbours are both at most two seconds away."""
    seconds = rows["time_utc"].astype("int64").to_numpy() / 1e6
    order = np.lexsort((seconds, owners.group))
    group, moment = owners.group[order], seconds[order]
    new = np.flatnonzero(np.diff(group, prepend=-2) | (np.diff(moment, prepend=-np.inf) > 0))
    place = np.searchsorted(new, np.arange(order.size), side="right") - 1
    near = np.zeros(new.size + 1, dtype=bool)
    near[1:-1] = (np.diff(moment[new]) <= FAST_SECONDS) & (np.diff(group[new]) == 0)
    both = near[:-1] & near[1:]
    fast = np.zeros(len(rows), dtype=bool)
    fast[order] = both[place]
    return fast[rivals]
