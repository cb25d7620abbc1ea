"""The order in which calibrations were made."""

from __future__ import annotations

import pandas as pd

ORDER = ("calibration_id", "previous_calibration_id", "as_of_utc")
"""The columns of out_calibration that `oldest_first` needs."""


def oldest_first(rows: pd.DataFrame) -> pd.DataFrame:
    """Calibrations by `as_of_utc`; of two as of one moment, the one that started from the other is last."""
    started = rows["calibration_id"].isin(rows["previous_calibration_id"])
    ordered = rows.assign(last=~started).sort_values(["as_of_utc", "last"], kind="stable")
    return ordered.drop(columns="last")
