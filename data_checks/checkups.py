"""Written checks of check-ups: a capacity that a pack of its size can have."""

import numpy as np
import pandas as pd

from data_checks.types import CheckContext, RowFinding

CAPACITY_SHARE = (0.3, 1.3)


def implausible_capacity(frame: pd.DataFrame, context: CheckContext) -> RowFinding:
    """Find check-ups whose capacity lies outside 0.3–1.3 of the pack's nominal capacity."""
    low, high = CAPACITY_SHARE
    positions = np.empty(0, dtype=np.intp)
    if context.batteries is not None:
        nominal = frame["battery_id"].map(context.batteries.set_index("battery_id")["nominal_capacity_ah"])
        share = frame["capacity_ah"] / nominal
        positions = np.flatnonzero(((share < low) | (share > high)).to_numpy())
    return RowFinding(
        rule="capacity",
        column="capacity_ah",
        reason=f"capacity_ah is outside {low:g} to {high:g} of the nominal capacity",
        positions=positions,
        rows_checked=len(frame),
    )
