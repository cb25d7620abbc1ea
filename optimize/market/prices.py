"""What a plan is given of a tariff book: the price of a kWh drawn and of one fed back, by quarter-hour.

With VAT v_c on what bears it (1 + VAT, else 1), s_t the spot price and f_min as in `refund.py`:

    import_t = v_energy·(a·s_t + b_t) + v_grid_fee·g_t + v_taxes·Σ taxes
    export_t = v_feed_in·(a'·s_t + b'_t + premium) + f_min

What a plan pays by these prices, with the demand charge and what is due each month, is what the bill says,
but for the refund (bounded in `refund.py`) and a minimum, which a whole month alone knows.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd

from optimize.arrays import FloatArray
from optimize.market.book import EnergyPrice, TariffBook
from optimize.market.refund import least_fee


def prices(
    book: TariffBook, slots: pd.DatetimeIndex, spot_eur_per_kwh: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Import and export price of each UTC quarter-hour, €/kWh at the meter, [T].

    spot_eur_per_kwh: [T], NaN where it is not known, as is then what depends on it; None: known nowhere, and
    what depends on it is 0.
    """
    local = slots.tz_convert(book.timezone)
    fee = [window.eur_per_kwh for window in book.grid_fee.at(local)]
    taxes = sum(book.taxes.values(), Decimal(0)) * book.with_vat("taxes")
    around = np.array([float(one * book.with_vat("grid_fee") + taxes) for one in fee])
    bought, sold = (
        _energy(price, local, spot_eur_per_kwh, book.with_vat(part), premium)
        for part, price, premium in (
            ("energy", book.energy, Decimal(0)),
            ("feed_in", book.feed_in, book.premium_eur_per_kwh),
        )
    )
    return bought + around, sold + float(least_fee(book, fee))


def demand_charge_eur_per_kw(book: TariffBook) -> float:
    """What a kW of the month's largest quarter-hour costs, VAT included."""
    return float(book.demand_eur_per_kw * book.with_vat("demand"))


def _energy(
    price: EnergyPrice, local: pd.DatetimeIndex, spot: FloatArray | None, vat: Decimal, premium: Decimal
) -> FloatArray:
    if price.by_spot and spot is None:
        return np.zeros(len(local))
    fixed = np.array([float((window.eur_per_kwh + premium) * vat) for window in price.schedule.at(local)])
    if spot is None or not price.by_spot:
        return fixed
    return fixed + float(price.factor * vat) * spot
