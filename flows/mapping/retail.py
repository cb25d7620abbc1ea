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


def spread(rows: pd.DataFrame, slots: pd.DatetimeIndex) -> Prices:
    """Price of each slot by the intervals received last; NaN where none, several or no number covers it.

    An hour may be told again in quarter-hours, or the other way round, and the rows of both are there: the
    later answer holds. Where one answer covers a slot twice, nobody knows which holds.
    """
    quarters = rows["resolution_minutes"].to_numpy(dtype=np.int64) // 15
    step = np.arange(quarters.sum()) - np.repeat(np.cumsum(quarters) - quarters, quarters)
    told = pd.DataFrame(
        {
            "start": pd.DatetimeIndex(rows["interval_start_utc"]).repeat(quarters) + step * _QUARTER,
            "received": pd.DatetimeIndex(rows["received_utc"]).repeat(quarters),
            "price": quarter_prices(rows),
        }
    )
    last = told[told["received"] == told.groupby("start")["received"].transform("max")]
    price = last.set_index("start")["price"]
    once = price[~price.index.duplicated(keep=False)].reindex(slots)
    price_of = np.asarray(once, dtype=np.float64)
    return np.where(np.isfinite(price_of), price_of, np.nan)


def quarter_prices(rows: pd.DataFrame) -> Prices:
    """The price of every quarter-hour of the rows, one after the other."""
    quarters = rows["resolution_minutes"].to_numpy(dtype=np.int64) // 15
    return np.repeat(rows["price_eur_per_kwh"].to_numpy(dtype=np.float64), quarters)
