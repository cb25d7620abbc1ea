"""What a contract itself says that a kWh costs and earns: it stands before market price and settings."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Prices = npt.NDArray[np.float64]
_QUARTER = pd.Timedelta(minutes=15)


def retail_rows(rows: pd.DataFrame, direction: Literal["import", "export"]) -> pd.DataFrame:
    """The rows of core_tariff of what is bought ("import") or sold."""
    return rows[rows["direction"] == direction]


def spread(
    rows: pd.DataFrame, slots: pd.DatetimeIndex, value: str = "price_eur_per_kwh", *, least: bool = False
) -> Prices:
    """A value of each slot (the price unless given) by the intervals received last.

    NaN where none, several or no number covers it.

    An hour may be reported again in quarter-hours, or the other way round, and the rows of both are there:
    the later answer holds. Where one answer covers a slot twice, nobody knows which holds; of limits the
    least does.
    """
    if rows.empty:
        return np.full(len(slots), np.nan)
    quarters = rows["resolution_minutes"].to_numpy(dtype=np.int64) // 15
    step = np.arange(quarters.sum()) - np.repeat(np.cumsum(quarters) - quarters, quarters)
    frame = pd.DataFrame(
        {
            "start": pd.DatetimeIndex(rows["interval_start_utc"]).repeat(quarters) + step * _QUARTER,
            "received": pd.DatetimeIndex(rows["received_utc"]).repeat(quarters),
            "value": np.repeat(rows[value].to_numpy(dtype=np.float64), quarters),
        }
    )
    last = frame[frame["received"] == frame.groupby("start")["received"].transform("max")]
    of_slot = last.set_index("start")["value"]
    once = of_slot.groupby(level=0).min() if least else of_slot[~of_slot.index.duplicated(keep=False)]
    values = np.asarray(once.reindex(slots), dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)
