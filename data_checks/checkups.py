"""Written checks of check-ups: a capacity and a resistance that a pack of its size can have."""

import numpy as np
import pandas as pd

from data_checks.owners import Owners
from data_checks.packs import Packs
from data_checks.types import Mask, RowFinding, ScopeFinding

CAPACITY_SHARE = (0.3, 1.2)
LARGE_SHARE = 1.05
"""Of the nominal capacity: new packs exceed it by a few per cent."""
DROP_V = (0.002, 1.0)
"""Voltage that a cell drops at 1 C, V; healthy cells lie between 0.02 and 0.2."""


def implausible_capacity(frame: pd.DataFrame, packs: Packs) -> RowFinding:
    """Find check-ups whose capacity lies outside 0.3–1.2 of the pack's nominal capacity."""
    low, high = CAPACITY_SHARE
    share = frame["capacity_ah"].to_numpy() / packs.figure("nominal_capacity_ah")
    return RowFinding(
        rule="capacity",
        column="capacity_ah",
        reason=f"capacity_ah is outside {low:g} to {high:g} of the nominal capacity",
        positions=np.flatnonzero((share < low) | (share > high)),
    )


def large_capacity(frame: pd.DataFrame, owners: Owners, packs: Packs, usable: Mask) -> list[ScopeFinding]:
    """Warn of batteries with a usable check-up above 1.05 of the nominal capacity."""
    share = frame["capacity_ah"].to_numpy() / packs.figure("nominal_capacity_ah")
    large = np.flatnonzero((share > LARGE_SHARE) & usable)
    text = f"capacity_ah is above {LARGE_SHARE:g} of the nominal capacity: is that the pack's?"
    return owners.outcomes("large_capacity", "warning", large, text)


def implausible_resistance(frame: pd.DataFrame, packs: Packs) -> RowFinding:
    """Find check-ups by whose resistance a cell would drop less than 2 mV or more than 1 V at 1 C."""
    low, high = DROP_V
    drop = frame["resistance_ohm"].to_numpy() * packs.figure("nominal_capacity_ah")
    drop = drop / packs.figure("cells_series")
    return RowFinding(
        rule="resistance",
        column="resistance_ohm",
        reason=f"resistance_ohm is outside {low:g} to {high:g} V per cell at 1 C: mΩ, or of one cell?",
        positions=np.flatnonzero((drop < low) | (drop > high)),
    )
