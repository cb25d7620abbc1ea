"""What a contract itself says that a kWh costs and earns: it stands before market price and settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from warehouse.known import Known

Prices = npt.NDArray[np.float64]
_QUARTER = pd.Timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetailPrices:
    """Prices at the plug of a day's quarter-hours, fees and taxes included, €/kWh; [T] or None.

    A direction whose tariff does not cover the whole day has none. week_eur_per_kwh: what a kWh cost in the
    days before, by quarter-hour. rows: the rows of core_tariff behind them.
    """

    import_eur_per_kwh: Prices | None
    export_eur_per_kwh: Prices | None
    week_eur_per_kwh: Prices
    rows: pd.DataFrame


def retail_prices(known: Known, zone: str, slots: pd.DatetimeIndex, days_before: int) -> RetailPrices:
    """The retail tariff of a zone on a market day and the import prices of the days before it."""
    first = slots[0] - pd.Timedelta(days=days_before)
    rows = known.read("core_tariff", where={"zone": zone}, start=first, end=slots[-1] + _QUARTER)
    own = rows[rows["interval_start_utc"] >= slots[0]]
    bought, sold = (spread(own[own["direction"] == direction], slots) for direction in ("import", "export"))
    before = rows[(rows["interval_start_utc"] < slots[0]) & (rows["direction"] == "import")]
    buys, sells = not np.isnan(bought).any(), not np.isnan(sold).any()
    used = own[own["direction"].isin(["import"] * buys + ["export"] * sells)]
    return RetailPrices(
        import_eur_per_kwh=bought if buys else None,
        export_eur_per_kwh=sold if sells else None,
        week_eur_per_kwh=quarter_prices(before),
        rows=pd.concat([before, used]) if buys else used,
    )


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
