"""Prices and emissions of OpenADR 3: a file holds an event or a list of them, with programs or without.

`prices` reads PRICE, `tariffs` PRICE (import) and EXPORT_PRICE (export), `co2` GHG. Units and currency are
those of the payload descriptor of the event, or of its program in the same file: KWH and a currency have to
be named, GHG is g/kWh. The zone is the option's: an event has none. Of two values at a time the one of the
event with the higher priority counts.
"""

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from warehouse.errors import CellError, EmptyFileError, UnitError
from warehouse.openadr import (
    PACKED,
    EventError,
    EventInterval,
    descriptor,
    intervals,
    parts,
    priority,
    targets,
)
from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.answer import zone_of
from warehouse.sources.tariffs.money import Money, money
from warehouse.sources.tariffs.payload import json_of
from warehouse.sources.tariffs.published.lasting import quarters
from warehouse.sources.tariffs.published.rows import Placed, parsed

PROVIDER = "an OpenADR 3 VTN"
OPTIONS = frozenset({"zone", "rate"})
_KINDS: Mapping[str, Mapping[str, str]] = {
    "prices": {"PRICE": ""}, "tariffs": {"PRICE": "import", "EXPORT_PRICE": "export"}, "co2": {"GHG": ""},
}  # fmt: skip
_LENGTHS = (60, 30, 15, 5)
_LONGEST = dt.timedelta(days=366)
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
Event = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """What holds in [begin, end): row is the interval's number in the file, from 1."""

    row: int
    begin: dt.datetime
    end: dt.datetime
    value: float
    rank: float


def parse(dataset: str, file: RawFile, options: Mapping[str, object]) -> Parsed:
    """Return rows of `prices`, `tariffs` (€/kWh), `co2` (kg/kWh); options: zone, rate. Raises SourceError."""
    zone, kinds = zone_of(options, file.name), _KINDS[dataset]
    events, programs = _events(file)
    found: dict[str, list[_Value]] = {kind: [] for kind in kinds}
    units: dict[str, Money] = {}
    others: dict[str, None] = {}
    told = set[tuple[object, tuple[str, ...]]]()
    for row, place, event, one in _numbered(events, file):
        for payload in one.payloads:
            kind = str(payload.get("type"))
            if kind not in kinds:
                others[kind[:40]] = None
                continue
            told.add((event.get("programID"), targets(event)))
            program = programs.get(str(event.get("programID")))
            unit = _unit(kind, descriptor(event, kind, program), options, f"{place}.{kind}", file.name)
            if units.setdefault(kind, unit) != unit:
                raise UnitError("is in several currencies", file=file.name, row=row, column=kind)
            found[kind] += _values(payload.get("values"), kind, row, one, _rank(event, place, file), file)
    if len(told) > 1:
        who = "; ".join(
            sorted(f"program {program}, for {', '.join(names) or 'all'}" for program, names in told)
        )
        raise CellError(f"are for several: {who[:300]}. Give those of one", file=file.name, column="targets")
    notes = [f"{kind} is no part of {dataset} and was left out" for kind in others]
    if not any(found.values()):
        wanted = " or ".join(kinds)
        raise EmptyFileError(f"holds no {wanted}{': ' + '; '.join(notes) if notes else ''}", file=file.name)
    if dataset == "prices":
        notes.append("PRICE was taken as the price before taxes and fees; with them it is `tariffs`")
    frames: list[pd.DataFrame] = []
    stated: list[str] = list(notes)
    for kind, values in found.items():
        if values:
            own = _read(kind, values, zone, units[kind], file)
            stated += own.notes
            frames.append(_framed(own.frame, dataset, kinds[kind]))
    return Parsed(frame=pd.concat(frames, ignore_index=True), notes=tuple(dict.fromkeys(stated)))


def _events(file: RawFile) -> tuple[list[tuple[str, Event]], dict[str, Event]]:
    """Return the events of a file, each with its place in it, and the programs by their id."""
    answer = json_of(file)
    events: list[tuple[str, Event]] = []
    programs: dict[str, Event] = {}
    for number, one in enumerate(answer if isinstance(answer, list) else [answer], start=1):
        if isinstance(one, dict) and (one.get("objectType") == "PROGRAM" or "programName" in one):
            programs[str(one.get("id"))] = one
        elif isinstance(one, dict) and isinstance(one.get("intervals"), list):
            events.append((f"event {number}", one))
        else:
            raise CellError("is no event of OpenADR 3: it has no intervals", file=file.name, row=number)
    return events, programs


def _numbered(
    events: Sequence[tuple[str, Event]], file: RawFile
) -> Iterator[tuple[int, str, Event, EventInterval]]:
    row = 0
    for place, event in events:
        try:
            found = intervals(event)
        except EventError as error:
            raise CellError(str(error), file=file.name, row=row + 1, column=place) from error
        for one in found:
            row += 1
            yield row, place, event, one


def _rank(event: Event, place: str, file: RawFile) -> float:
    try:
        return priority(event)
    except EventError as error:
        raise CellError(str(error), file=file.name, column=place) from error


def _unit(
    kind: str, stated: Mapping[str, object], options: Mapping[str, object], column: str, file: str
) -> Money:
    """Return the unit of a type's values, of GHG as kg of kg/kWh; nothing that is not named is supposed."""
    units, currency = stated.get("units"), stated.get("currency")
    if kind == "GHG":
        if units not in (None, "GHG"):
            raise UnitError(f"is in {units!s:.40}, not GHG (g/kWh)", file=file, column=column)
        return Money(divisor=1000.0)
    if units != "KWH":
        what = (
            f"is in {units!s:.40}, not KWH"
            if units
            else "has no units in its payload descriptor: KWH is read"
        )
        raise UnitError(what, file=file, column=column)
    if not isinstance(currency, str) or len(currency) != 3 or not currency.isalpha():
        what = (
            f"has currency {currency!s:.40}, no code of ISO 4217"
            if currency
            else "has no currency in its payload descriptor"
        )
        raise UnitError(what, file=file, column=column)
    return money(currency, 1.0, options, file)


def _values(
    stated: object, kind: str, row: int, one: EventInterval, rank: float, file: RawFile
) -> Iterator[_Value]:
    """The values of a payload, which share its interval; raises CellError."""
    if one.randomized is not None:
        raise CellError("when it begins is not certain", file=file.name, row=row, column="randomizeStart",
                        value=one.randomized)  # fmt: skip
    if not isinstance(stated, list) or not stated:
        raise CellError("has no values", file=file.name, row=row, column=kind)
    if one.end - one.begin > _LONGEST or one.end <= one.begin:
        raise CellError("does not last from a moment to a later one within a year", file=file.name, row=row,
                        column=kind, value=f"{one.begin.isoformat()}/{one.end.isoformat()}")  # fmt: skip
    for value, (begin, end) in zip(stated, parts(one, len(stated) if kind in PACKED else 1), strict=True):
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or (kind == "GHG" and value < 0):
            least = " of 0 or more" if kind == "GHG" else ""
            raise CellError(
                f"is no number{least}", file=file.name, row=row, column=kind, value=str(value)[:40]
            )
        yield _Value(row=row, begin=begin, end=end, value=float(value), rank=rank)


def _read(kind: str, values: Sequence[_Value], zone: str, unit: Money, file: RawFile) -> Parsed:
    """The rows of one type, as long as the shortest of its values, five minutes as means of quarter-hours."""
    minutes = min(_length(one, kind, file) for one in values)
    step = dt.timedelta(minutes=minutes)
    held: dict[dt.datetime, _Value] = {}
    for one in values:
        at = one.begin
        while at < one.end:
            before = held.get(at)
            if before is not None and before.rank == one.rank and before.value != one.value:
                raise CellError(
                    f"is {before.value:g} (row {before.row}) and {one.value:g} at "
                    f"{at:%Y-%m-%d %H:%M} UTC, with one priority", file=file.name, row=one.row, column=kind,
                )  # fmt: skip
            if before is None or one.rank < before.rank:
                held[at] = one
            at += step
    starts = sorted(held)
    placed = Placed(rows=[held[at].row for at in starts], starts=starts, minutes=[minutes] * len(starts))
    return parsed([quarters(zone, kind, placed, [held[at].value for at in starts], unit)], file.name)


def _length(one: _Value, kind: str, file: RawFile) -> int:
    """Return the longest known length that an interval is made of, from full ones on."""
    for minutes in _LENGTHS:
        step = dt.timedelta(minutes=minutes)
        if not (one.end - one.begin) % step and not (one.begin - _EPOCH) % step:
            return minutes
    raise CellError("is not made of full quarter-hours or five minutes", file=file.name, row=one.row,
                    column=kind, value=f"{one.begin.isoformat()}/{one.end.isoformat()}")  # fmt: skip


def _framed(frame: pd.DataFrame, dataset: str, direction: str) -> pd.DataFrame:
    if dataset == "co2":
        return frame.rename(columns={"price_eur_per_kwh": "co2_kg_per_kwh"})
    if dataset == "tariffs":
        return frame.assign(direction=direction, demand_charge_eur_per_kw=None)
    return frame
