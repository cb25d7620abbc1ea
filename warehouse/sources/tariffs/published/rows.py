"""Series of an export → rows of prices, each with its zone; a row that cannot be placed is set aside."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from warehouse.errors import CellError, EmptyFileError, OptionError
from warehouse.sources.parsed import Parsed
from warehouse.sources.tariffs.money import Money
from warehouse.sources.tariffs.published.clock import Wall, minutes_of, starts_of

_MOST_UNPLACED = 0.5
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """When the rows of a file are: start (UTC) and minutes of those in `rows` (1-based), in file order."""

    rows: list[int]
    starts: list[dt.datetime]
    minutes: list[int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """Prices of one zone in the publisher's unit, NaN for none, one for each placed row."""

    zone: str
    column: str
    placed: Placed
    prices: pd.Series
    unit: Money
    notes: tuple[str, ...] = field(default=())


def placed(
    rows: Sequence[int],
    texts: Sequence[str],
    walls: Sequence[Wall | None],
    ends: Sequence[Wall | None],
    timezone: ZoneInfo,
    *,
    file: str,
    column: str,
    minutes: int | None = None,
) -> Placed:
    """Place the rows of one series by their local starts and ends; texts: the cells, for what is reported.

    minutes: how long each lasts where no ends are reported. Raises CellError where most of them are no
    intervals.
    """
    starts = starts_of(walls, ends, timezone)
    found: list[tuple[dt.datetime, int] | str] = []
    for index, start in enumerate(starts.times):
        begun = walls[index]
        if start is None or begun is None:
            found.append(starts.faults[index])
            continue
        lasts = minutes or minutes_of(start, begun, ends[index], timezone)
        if lasts is None:
            found.append("does not last 15, 30 or 60 minutes")
        elif minutes is not None and (begun.time.hour * 60 + begun.time.minute) % minutes:
            found.append(f"does not begin on {minutes} full minutes")
        else:
            found.append((start, lasts))
    return resolved(rows, texts, found, file=file, column=column)


def resolved(
    rows: Sequence[int],
    texts: Sequence[str],
    found: Sequence[tuple[dt.datetime, int] | str],
    *,
    file: str,
    column: str,
) -> Placed:
    """Return the rows of one series of which start and minutes were found; the others are left out and
    reported.

    found: of each row these, or why there are none. Raises CellError where most of them have none.
    """
    faults = {index: one for index, one in enumerate(found) if isinstance(one, str)}
    if len(faults) > _MOST_UNPLACED * len(rows):
        first = min(faults)
        raise CellError(faults[first], file=file, row=rows[first], column=column, value=texts[first])
    notes = []
    for why in dict.fromkeys(faults.values()):
        own = [index for index, fault in faults.items() if fault == why]
        shown = ", ".join(f"{rows[index]} ({texts[index][:60]})" for index in own[:_SHOWN])
        more = f" and {len(own) - _SHOWN} more" if len(own) > _SHOWN else ""
        notes.append(f"column {column!r}: {len(own)} rows were left out: row {shown}{more} {why}")
    kept = [(row, *one) for row, one in zip(rows, found, strict=True) if not isinstance(one, str)]
    return Placed(
        rows=[row for row, _, _ in kept],
        starts=[start for _, start, _ in kept],
        minutes=[minutes for _, _, minutes in kept],
        notes=tuple(notes),
    )


def chosen(zones: Sequence[str], options: Mapping[str, object], file: str) -> tuple[str, ...]:
    """Return the zones to read: the one of the option, which has to be in the file, else all of them."""
    wanted = options.get("zone")
    if wanted is None:
        return tuple(zones)
    if wanted not in zones:
        raise OptionError(
            f"is not in the file, which holds {', '.join(zones)[:300]}",
            file=file, column="zone", value=str(wanted),
        )  # fmt: skip
    return (str(wanted),)


def parsed(series: Sequence[Series], file: str, notes: Sequence[str] = ()) -> Parsed:
    """Return the rows of some series in €/kWh, in order of zone and time.

    A row that repeats another is left out, one that contradicts another sessions for the checks. Of several
    zones side by side the rows are numbered on, zone after zone: a price is given by its file and row. Raises
    EmptyFileError where none has a price.
    """
    frames = [
        pd.DataFrame(
            {
                "zone": one.zone,
                "interval_start_utc": pd.Series(one.placed.starts, dtype="datetime64[us, UTC]"),
                "resolution_minutes": np.array(one.placed.minutes, dtype="int64"),
                "price_eur_per_kwh": one.prices.to_numpy(dtype="float64") * one.unit.euros / one.unit.divisor,
                "source_row": np.array(one.placed.rows, dtype="int64") + number * _most_rows(series),
            }
        )
        for number, one in enumerate(series)
    ]
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    stated = tuple(
        dict.fromkeys(note for one in series for note in (*one.unit.notes, *one.placed.notes, *one.notes))
    )
    if frame.empty or not frame["price_eur_per_kwh"].notna().any():
        why = f": {stated[0]}" if stated else ""
        raise EmptyFileError(f"holds no price{why}", file=file)
    names = ["zone", "interval_start_utc", "resolution_minutes", "price_eur_per_kwh"]
    again = frame.duplicated(names)
    repeated = (f"{int(again.sum())} rows that repeat another were left out",) if again.any() else ()
    frame = frame[~again].sort_values(["zone", "interval_start_utc", "source_row"], ignore_index=True)
    units = {(one.column, one.unit.divisor / one.unit.euros) for one in series}
    return Parsed(
        frame=frame,
        spelling={"price_eur_per_kwh": units.pop()} if len(units) == 1 else {},
        notes=(*notes, *stated, *repeated),
    )


def _most_rows(series: Sequence[Series]) -> int:
    """Return by how much the rows of the next zone are numbered on; 0 where no row is of two zones."""
    every = [row for one in series for row in one.placed.rows]
    return max(every) if len(set(every)) < len(every) else 0
