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

FEWEST_ROWS = 20
HOT_PACK_DEGC = 55.0
PRICE_LEVEL = (1 / 30, 10.0)
"""Level of new prices over that of the weeks around them; a factor of 100 or 1000 is a unit."""
LEVEL_DAYS = 45
_LEVEL_ROWS = 12


def implausible_units(frame: pd.DataFrame, contract: TableContract, owners: Owners) -> Iterator[RowFinding]:
    """Find all rows of an owner in a file of which a column cannot be in its unit.

    Its values are too large if more than half of them lie above the contract's typical range, too small if
    95 % of them lie below it; fewer than 20 values tell nothing.
    """
    for column in contract:
        if column.typical is not None:
            size = np.abs(frame[column.name].to_numpy(dtype="float64"))
            reason = f"{column.name} of this file cannot be in {column.unit}"
            yield _most(column.name, reason, owners, size, *column.typical)
    if contract.name == "telemetry":
        degc = frame["temperature_degc"].to_numpy(dtype="float64")
        reason = f"temperature_degc of this file is above {HOT_PACK_DEGC:g} °C most of the time: °F?"
        yield _most("temperature_degc", reason, owners, degc, -np.inf, HOT_PACK_DEGC)


def price_level(frame: pd.DataFrame, context: CheckContext, owners: Owners) -> RowFinding:
    """Find all prices of a zone in a file whose level is far off what is known of the weeks around them.

    Level: 95th percentile of |price|; far off: outside 1/30 to 10 times.
    """
    wrong = np.zeros(len(frame), dtype=bool)
    known = context.known_prices
    if known is not None and not known.empty:
        for number in np.unique(owners.group[owners.group >= 0]):
            own = owners.group == number
            wrong[own] = _off_level(frame[own], known)
    return RowFinding(
        rule="unit",
        column="price_eur_per_kwh",
        reason="price_eur_per_kwh of this file is 10 times above, or 30 times below, the prices around it",
        positions=np.flatnonzero(wrong),
        whole=True,
    )


def _off_level(new: pd.DataFrame, known: pd.DataFrame) -> bool:
    times, around = new["interval_start_utc"], pd.Timedelta(days=LEVEL_DAYS)
    near = known[
        (known["zone"] == new["zone"].iloc[0])
        & (known["interval_start_utc"] >= times.min() - around)
        & (known["interval_start_utc"] <= times.max() + around)
    ]
    levels = [_level(rows["price_eur_per_kwh"]) for rows in (new, near)]
    low, high = PRICE_LEVEL
    return bool(np.isfinite(levels).all() and not low * levels[1] <= levels[0] <= high * levels[1])


def _level(prices: pd.Series) -> float:
    values = prices.to_numpy(dtype="float64")
    values = np.abs(values[np.isfinite(values)])
    return float(np.quantile(values, 0.95)) if values.size >= _LEVEL_ROWS else np.nan


def _most(
    column: str, reason: str, owners: Owners, values: NDArray[np.float64], low: float, high: float
) -> RowFinding:
    with np.errstate(invalid="ignore"):
        rows, above, below = (
            owners.count(mask) for mask in (np.isfinite(values), values > high, values < low)
        )
    wrong = (rows >= FEWEST_ROWS) & ((above > 0.5 * rows) | (below > 0.95 * rows))
    return RowFinding(rule="unit", column=column, reason=reason, positions=owners.rows_of(wrong), whole=True)
