"""Why a whole file is turned away although every cell could be read: ids, zones, days, units.

A wrong unit is never repaired by scaling: the file is refused and the likely unit named.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from warehouse.contracts import Column, TableContract
from warehouse.contracts.sentinels import all_bits
from warehouse.errors import CellError, SourceError, UnitError, UnknownIdError, nearest
from warehouse.sources.units import FOREIGN
from warehouse.zones import ZONES

_EARLIEST, _LATEST = pd.Timestamp("2000-01-01", tz="UTC"), pd.Timestamp("2101-01-01", tz="UTC")
_MOST_IDS = 20
_ABOUT_ZERO = 0.1
"""Share of prices of zero or less from which a file of tiny prices is believed to mean them."""
_LEAST_BESIDE = 3
"""Rows from which one alone is no sign of a wrong unit."""
_MARKET_CAP = 5.0
"""Highest price of a market, €/kWh (the cap of the European day-ahead auction was 4 in 2026, 5 in 2022)."""
_ALL_DAY = 0.5
"""Quantile of |price| that a wrong unit moves and some hours at the market's cap do not."""


def unfit(
    frame: pd.DataFrame,
    contract: TableContract,
    file: str,
    spelling: Mapping[str, tuple[str, float]],
    *,
    published: bool = False,
) -> Iterator[SourceError]:
    """Find what makes a parsed file unfit to be ingested: CellError, UnitError.

    spelling: column → (header in the file, divisor already applied), for columns that the file spells
    differently. published: whether the layout is a publisher's, who states its unit: its low prices are
    believed.
    """
    for column in contract:
        header, divisor = spelling.get(column.name, (column.name, 1.0))
        if column.pattern is not None:
            yield from _ids(frame, column, file, header)
        if column.name == "zone":
            yield from _zones(frame, file, header)
        if column.name == "interval_start_utc" and "resolution_minutes" in contract.names:
            yield from _days(frame, file, header)
        if column.typical is not None:
            yield from _unit(frame[column.name], column, file, header, divisor, published=published)


def require_known(frame: pd.DataFrame, column: str, known_ids: Collection[str], file: str) -> None:
    """Raise UnknownIdError for the first row whose id is not known; null ids are left to the checks."""
    unknown = frame[column].notna() & ~frame[column].isin(list(known_ids))
    if unknown.any():
        value = str(frame.loc[unknown, column].iloc[0])
        hint = nearest(value, known_ids) or "; nothing is declared yet" * (not known_ids)
        raise UnknownIdError(
            f"is not declared ({int(unknown.sum())} such rows){hint}",
            file=file, row=_row(frame, unknown), column=column, value=value,
        )  # fmt: skip


def _ids(frame: pd.DataFrame, column: Column, file: str, header: str) -> Iterator[CellError]:
    """Find ids that are none; of sessions, whose ids others make, single ones are left to the checks."""
    values = frame[column.name]
    distinct = pd.Series(values.dropna().unique(), dtype="str")
    wrong = distinct[~distinct.str.fullmatch(str(column.pattern))]
    if column.name == "session_id" and 2 * int(values.isin(wrong).sum()) <= int(values.notna().sum()):
        return
    for value in wrong.iloc[:_MOST_IDS]:
        yield CellError(
            f"is not an id (must match {column.pattern})",
            file=file, row=_row(frame, values == value), column=header, value=str(value),
        )  # fmt: skip


def _zones(frame: pd.DataFrame, file: str, header: str) -> Iterator[CellError]:
    """Find zones that are unknown, where they are most; single ones are left to the checks."""
    stated = frame["zone"].dropna()
    if 2 * int((~stated.isin(list(ZONES))).sum()) <= len(stated):
        return
    for zone in stated.unique():
        if zone not in ZONES:
            yield CellError(
                f"is not a known bidding zone{nearest(zone, ZONES)}",
                file=file, row=_row(frame, frame["zone"] == zone), column=header, value=zone,
            )  # fmt: skip


def _days(frame: pd.DataFrame, file: str, header: str) -> Iterator[CellError]:
    """Find files most of whose prices are of no day that a market had, or begin next to their grid.

    Single rows like that are left to the checks.
    """
    starts = frame["interval_start_utc"]
    absurd = (starts < _EARLIEST) | (starts >= _LATEST)
    if 2 * absurd.sum() > starts.notna().sum():
        shown = f"{starts[absurd].iloc[0]:%Y-%m-%d %H:%M} UTC"
        yield CellError(
            f"is no day of a market: outside the years {_EARLIEST.year} to {_LATEST.year - 1} "
            f"({int(absurd.sum())} such rows)",
            file=file, row=_row(frame, absurd), column=header, value=shown,
        )  # fmt: skip
    length = frame["resolution_minutes"].astype("float64")
    off_grid = (_local_minutes(frame) % length).fillna(0.0) != 0
    if off_grid.sum() > len(frame) / 2:
        row, first = _row(frame, off_grid), starts[off_grid].iloc[0]
        yield CellError(
            f"begins next to the grid of its {length[off_grid].iloc[0]:g} minutes ({int(off_grid.sum())} "
            f"such "
            "rows): is it the middle or the end of the interval? Export the starts, or shift the times",
            file=file, row=row, column=header, value=f"{first:%Y-%m-%d %H:%M} UTC",
        )  # fmt: skip


def _local_minutes(frame: pd.DataFrame) -> pd.Series:
    """Return the minutes after the hour at which intervals begin, by the clock of each zone that is known."""
    minutes: pd.Series = frame["interval_start_utc"].dt.minute.astype("float64")
    # A site's load has no zone.
    zones = frame["zone"] if "zone" in frame else pd.Series(pd.NA, index=frame.index)
    for zone, own in frame["interval_start_utc"].groupby(zones):
        if zone in ZONES:
            minutes.loc[own.index] = own.dt.tz_convert(ZONES[str(zone)]).dt.minute.astype("float64")
    return minutes


def _unit(
    values: pd.Series, column: Column, file: str, header: str, divisor: float, *, published: bool
) -> Iterator[UnitError]:
    finite = values.to_numpy(dtype="float64", na_value=np.nan)
    finite = finite[np.isfinite(finite)]
    if column.nullable:  # the checks empty such a cell
        finite = finite[~all_bits(finite) & (finite != 0.0)]
    if finite.size == 0 or column.typical is None:
        return
    low, high = column.typical
    price = column.unit == "€/kWh"
    size = float(np.quantile(np.abs(finite), 0.95))
    if low <= size <= high:
        return
    if price and published and size <= (column.maximum or high):
        return
    if _one_alone(finite, column, high):
        return
    if price and (_near_zero(finite, size, low) or _hours_at_the_cap(finite, size, high)):
        return
    as_given = size * divisor
    likely = [
        unit
        for unit, (factor, offset) in FOREIGN.get(column.unit, {}).items()
        if max(low, 1e-12) <= as_given * factor + offset <= high
    ]
    guess = f"; the values look like {' or '.join(likely)}" if likely else ""
    way = f': `unit = "{likely[0]}"` for {column.name} in a mapping would say so' if len(likely) == 1 else ""
    converted = f", that is {size:.4g}{column.after_number}" if divisor != 1.0 else column.after_number
    yield UnitError(
        f"cannot be in its unit: 95 % of |values| reach {as_given:.4g}{converted}, "
        f"plausible is {low:g} to {high:g}{column.after_number}{guess}. Nothing was converted{way}",
        file=file,
        column=header,
    )


def _near_zero(values: NDArray[np.float64], size: float, low: float) -> bool:
    """Whether prices are so low for lying about zero, not for their unit: the checks ask a person then."""
    return size < low and float(np.mean(values <= 0.0)) >= _ABOUT_ZERO


def _one_alone(values: NDArray[np.float64], column: Column, high: float) -> bool:
    """Whether a single row of a short file is off, which the checks set aside: no unit of the column."""
    off = values[np.abs(values) > high]
    least, most = column.minimum, column.maximum
    return (
        values.size >= _LEAST_BESIDE
        and off.size == 1
        and bool((least is not None and off[0] < least) or (most is not None and off[0] > most))
    )


def _hours_at_the_cap(values: NDArray[np.float64], size: float, high: float) -> bool:
    return high < size <= _MARKET_CAP and float(np.quantile(np.abs(values), _ALL_DAY)) <= high


def _row(frame: pd.DataFrame, marked: pd.Series) -> int:
    return int(frame.loc[marked.to_numpy(), "source_row"].iloc[0])
