"""Written checks of units: what is plausible row by row and still cannot be right as a whole.

A wrong unit is never repaired by scaling: all rows of its owner (a battery, a zone) in that file are
rejected, and the owner is named.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_checks.owners import Owners
from data_checks.types import CheckContext, RowFinding
from warehouse.contracts import TableContract
from warehouse.contracts.sentinels import all_bits

FEWEST_ROWS = 20
HOT_PACK_DEGC = 55.0
PRICE_LEVEL = (1 / 200, 20.0)
"""Level of new prices over that of the weeks around them: real days reached 1/60 and 8 (Finland, 2023–24)."""
LEVEL_DAYS = 45
OUTLIER_EUR_PER_KWH, OUTLIER_TIMES = 2.0, 20.0
MARKET_CAP_EUR_PER_KWH = 5.0
"""Up to here a price is possible for hours, however high next to others (the cap was 4 in 2026, 5 in
2022)."""
_WHOLE_HIGH = 0.5
"""Quantile of |price| that has to be high as well: a day may hold hours at the cap, a unit holds always."""
_LEVEL_ROWS = 12


ABOUT_ZERO = 0.1
"""Share of prices of zero or less from which tiny ones with a stated unit are believed to mean it."""


def implausible_units(
    frame: pd.DataFrame, contract: TableContract, owners: Owners, context: CheckContext
) -> Iterator[RowFinding]:
    """Find all rows of an owner in a file of which a column cannot be in its unit.

    Its values are too large if more than half of them lie above the contract's typical range, too small if
    95 % of them lie below it; fewer than 20 values tell nothing. Prices about zero are believed of a source
    that states its unit: see `near_zero`.
    """
    believed = near_zero(frame, contract, owners, context)
    for column in contract:
        if column.typical is not None:
            size = np.abs(frame[column.name].to_numpy(dtype="float64"))
            if column.nullable:
                size = np.where(all_bits(size) | (size == 0.0), np.nan, size)
            unit = f"in {column.unit}" if column.after_number else "a share of 1"
            reason = f"{column.name} of this file cannot be {unit}"
            if column.unit == "€/kWh":
                reason += ", or it is near zero all the time: release it if that is right"
            found = _most(column.name, reason, owners, size, *column.typical)
            yield found.only(~believed[found.positions]) if column.unit == "€/kWh" else found
    if contract.name == "telemetry":
        degc = frame["temperature_degc"].to_numpy(dtype="float64")
        reason = f"temperature_degc of this file is above {HOT_PACK_DEGC:g} °C most of the time: °F?"
        yield _most("temperature_degc", reason, owners, degc, -np.inf, HOT_PACK_DEGC)


def near_zero(
    frame: pd.DataFrame, contract: TableContract, owners: Owners, context: CheckContext
) -> NDArray[np.bool_]:
    """Return the prices of zones and files that lie below any usual price, and whose unit is stated.

    One that the publisher states is believed as it is; one that a header states only where a tenth of the
    prices is zero or less: a wrong unit keeps the signs of ordinary days.
    """
    chosen = np.zeros(len(frame), dtype=bool)
    typical = contract.column("price_eur_per_kwh").typical if "price_eur_per_kwh" in contract.names else None
    if typical is None or not context.unit_stated:
        return chosen
    prices = frame["price_eur_per_kwh"].to_numpy(dtype="float64")
    stated = frame["source_id"].isin(list(context.unit_stated)).to_numpy()
    published = frame["source_id"].isin(list(context.unit_published)).to_numpy()
    for own in _zones(owners):
        values = prices[own][np.isfinite(prices[own])]
        if values.size and np.quantile(np.abs(values), 0.95) < typical[0] and stated[own].all():
            chosen[own] = published[own].all() or float(np.mean(values <= 0.0)) >= ABOUT_ZERO
    return chosen


def price_level(
    frame: pd.DataFrame, context: CheckContext, owners: Owners, believed: NDArray[np.bool_]
) -> RowFinding:
    """Find all prices of a zone in a file whose level is far off what is known of the weeks around them.

    Level: 95th percentile of |price|; far off: outside 1/200 to 20 times. believed: of `near_zero`.
    """
    low, high = PRICE_LEVEL
    wrong = np.zeros(len(frame), dtype=bool)
    for own in _zones(owners):
        new, usual = _level(frame[own]), _level(_around(frame[own], context))
        wrong[own] = np.isfinite([new, usual]).all() and (
            (new < low * usual and not believed[own].all())
            or (new > high * usual and _level(frame[own], _WHOLE_HIGH) > usual)
        )
    return RowFinding(
        rule="unit",
        column="price_eur_per_kwh",
        reason="price_eur_per_kwh of this file is 20 times above, or 200 times below, the prices around it",
        positions=np.flatnonzero(wrong),
        whole=True,
    )


def price_outliers(frame: pd.DataFrame, context: CheckContext, owners: Owners) -> RowFinding:
    """Find single prices above a market's cap and 20 times the level of file and weeks around it."""
    prices = frame["price_eur_per_kwh"].to_numpy(dtype="float64")
    wrong = np.zeros(len(frame), dtype=bool)
    for own in _zones(owners):
        level = _level(pd.concat([frame[own], _around(frame[own], context)]))
        wrong[own] = np.abs(prices[own]) > max(MARKET_CAP_EUR_PER_KWH, OUTLIER_TIMES * level)
    return RowFinding(
        rule="outlier",
        column="price_eur_per_kwh",
        reason=f"price_eur_per_kwh is more than {OUTLIER_TIMES:g} times the prices around it: ct, not €?",
        positions=np.flatnonzero(wrong),
    )


def _zones(owners: Owners) -> Iterator[NDArray[np.bool_]]:
    for number in np.unique(owners.group[owners.group >= 0]):
        yield owners.group == number


def _around(new: pd.DataFrame, context: CheckContext) -> pd.DataFrame:
    """Return the known prices of a zone within 45 days of some new ones."""
    known, times, around = context.known_prices, new["interval_start_utc"], pd.Timedelta(days=LEVEL_DAYS)
    if known is None or known.empty:
        return new.iloc[:0]
    near: pd.DataFrame = known[
        (known["zone"] == new["zone"].iloc[0])
        & (known["interval_start_utc"] >= times.min() - around)
        & (known["interval_start_utc"] <= times.max() + around)
    ]
    return near


def _level(rows: pd.DataFrame, quantile: float = 0.95) -> float:
    """Return the 95th percentile of |price|, or another; NaN of less than 12 prices."""
    values = rows["price_eur_per_kwh"].to_numpy(dtype="float64")
    values = np.abs(values[np.isfinite(values)])
    return float(np.quantile(values, quantile)) if values.size >= _LEVEL_ROWS else np.nan


def _most(
    column: str, reason: str, owners: Owners, values: NDArray[np.float64], low: float, high: float
) -> RowFinding:
    with np.errstate(invalid="ignore"):
        rows, above, below = (
            owners.count(mask) for mask in (np.isfinite(values), values > high, values < low)
        )
    wrong = (rows >= FEWEST_ROWS) & ((above > 0.5 * rows) | (below > 0.95 * rows))
    return RowFinding(rule="unit", column=column, reason=reason, positions=owners.rows_of(wrong), whole=True)
