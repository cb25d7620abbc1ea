"""Written checks of chargers: currents of one charger that have to fit one another."""

import numpy as np
import pandas as pd

from data_checks.types import RowFinding


def least_above_most(frame: pd.DataFrame) -> list[RowFinding]:
    """Find chargers whose least current is above the largest that they give, or would feed back."""
    findings = []
    for column, way in (("max_current_a", "charging"), ("max_discharge_current_a", "discharging")):
        most = frame[column]
        able = most > 0.0  # null and 0: none at all
        findings.append(
            RowFinding(
                rule="least_above_most",
                column="min_current_a",
                reason=f"min_current_a is above {column}: {way}, it could never be on",
                positions=np.flatnonzero((able & (frame["min_current_a"] > most)).to_numpy()),
            )
        )
    return findings
