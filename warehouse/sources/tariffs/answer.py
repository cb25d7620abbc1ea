"""Intervals of an answer → rows of prices: in order, each once, none covering another."""

import datetime as dt
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from warehouse.errors import CellError, OptionError, ProviderError
from warehouse.sources.parsed import Parsed
from warehouse.sources.tariffs.money import Money
from warehouse.zones import BUILT_IN, ZONES

RESOLUTIONS = (15, 30, 60)


class Interval(NamedTuple):
    """A price in the provider's unit for [start, start + minutes); row counts the answer's items from 1."""

    row: int
    start: dt.datetime
    minutes: int
    price: float | None

    @property
    def end(self) -> dt.datetime:
        """End of the half-open interval."""
        return self.start + dt.timedelta(minutes=self.minutes)


def minutes_between(start: dt.datetime, end: dt.datetime, file: str, row: int, column: str) -> int:
    """Return the length of an interval; CellError if it is not 15, 30 or 60 minutes."""
    minutes = (end - start).total_seconds() / 60
    if minutes not in RESOLUTIONS:
        raise CellError(
            f"ends {minutes:g} minutes after its start; 15, 30 or 60 are known",
            file=file, row=row, column=column, value=end.isoformat(),
        )  # fmt: skip
    return int(minutes)


def zone_of(options: Mapping[str, object], file: str, stated: str | None = None) -> str:
    """Return the zone that an answer tells, else the option; OptionError if they differ or are missing."""
    given = options.get("zone")
    if stated is None and given is None:
        raise OptionError("is needed: the answer does not name its zone", file=file, column="zone")
    if stated is not None and given is not None and given != stated:
        raise OptionError(
            f"contradicts the answer, which is of {stated}", file=file, column="zone", value=str(given)
        )
    return str(stated or given)


def own_zone(options: Mapping[str, object], file: str, own: str) -> str:
    """Return the zone of a publisher of one, or one of the workspace's own by the same clock; OptionError."""
    given = str(options.get("zone") or own)
    if given != own and (given in BUILT_IN or ZONES.get(given) != ZONES[own]):
        raise OptionError(f"contradicts the source, which is of {own}", file=file, column="zone", value=given)
    return given


def lengthen(
    starts: Sequence[dt.datetime],
    file: str,
    column: str,
    prices: Sequence[float | None],
    rows: Sequence[int] | None = None,
) -> list[Interval]:
    """Return intervals from their starts alone: each lasts to the next, the last as long as the one before.

    rows: their numbers in the answer, from 1 on where none are given.

    A step that is longer than its neighbours is a gap: the interval before it is as long as the one before
    that, or after it. Raises CellError for times that go back and for steps that are no 15, 30 or 60 minutes.
    """
    rows = rows or range(1, len(starts) + 1)
    steps = [(later - earlier).total_seconds() / 60 for earlier, later in itertools.pairwise(starts)]
    if not steps:
        raise CellError("has one value: how long it holds is not reported", file=file, row=1, column=column)
    lengths: list[int] = []
    for index, start in enumerate(starts):
        before = steps[index - 1] if index else None
        step = steps[index] if index < len(steps) else None
        after = steps[index + 1] if index + 1 < len(steps) else None
        stated = step is not None and (step in (before, after) or _shorter(step, before, after))
        minutes = step if stated else lengths[-1] if lengths else after
        if minutes not in RESOLUTIONS:
            raise CellError(
                f"is {minutes:g} minutes from its neighbour; 15, 30 or 60 are known",
                file=file, row=rows[index], column=column, value=start.isoformat(),
            )  # fmt: skip
        lengths.append(int(minutes))
    return [
        Interval(row, start, minutes, price)
        for row, start, minutes, price in zip(rows, starts, lengths, prices, strict=True)
    ]


def _shorter(step: float, before: float | None, after: float | None) -> bool:
    return all(step < other for other in (before, after) if other is not None)


def prices_of(
    intervals: Sequence[Interval],
    *,
    file: str,
    zone: str,
    unit: Money,
    column: str,
    notes: Sequence[str] = (),
    licence: str | None = None,
    to_eur_per_kwh: Callable[[Interval, float], float] | None = None,
) -> Parsed:
    """Return the rows of an answer in order of time, in €/kWh; an item that repeats another is left out.

    column: what the provider calls its price. to_eur_per_kwh: where the unit alone does not tell it. Raises
    ProviderError for no intervals, CellError for two prices of one time or intervals that overlap.
    """
    if not intervals:
        raise ProviderError("holds no prices", file=file)
    rows = _once(sorted(intervals, key=lambda item: (item.start, item.minutes, item.row)), file, column)
    convert = to_eur_per_kwh or (lambda _, price: unit.per_kwh(price))
    frame = pd.DataFrame(
        {
            "zone": zone,
            "interval_start_utc": pd.Series([item.start for item in rows], dtype="datetime64[us, UTC]"),
            "resolution_minutes": [item.minutes for item in rows],
            "price_eur_per_kwh": pd.Series(
                [float("nan") if item.price is None else convert(item, item.price) for item in rows],
                dtype="float64",
            ),
            "source_row": [item.row for item in rows],
        }
    )
    left_out = len(intervals) - len(rows)
    repeated = (f"{left_out} items that repeat another were left out",) if left_out else ()
    return Parsed(
        frame=frame,
        spelling={"price_eur_per_kwh": (column, unit.divisor / unit.euros)},
        notes=(*unit.notes, *notes, *repeated),
        licence=licence,
    )


def _once(ordered: Sequence[Interval], file: str, column: str) -> list[Interval]:
    kept: list[Interval] = []
    for item in ordered:
        last = kept[-1] if kept else None
        if last is None or item.start >= last.end:
            kept.append(item)
        elif item[1:] != last[1:]:
            raise CellError(
                f"covers {item.start:%Y-%m-%d %H:%M} UTC, as row {last.row} does with {last.price}",
                file=file, row=item.row, column=column, value=str(item.price),
            )  # fmt: skip
    return kept
