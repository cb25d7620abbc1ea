"""Readings of one meter's registers → what was counted in each quarter-hour.

A quarter-hour's energy is the sum of differences between readings that lie within it. Between the end of a
transaction and the next beginning nothing is counted; a difference over several quarter-hours is signed as a
sum, and is never split (but for 0, which is 0 in each).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

from warehouse.sources.ocmf_record import Reading, SignedRecord, Way

QUARTER = dt.timedelta(minutes=15)
SNAP = dt.timedelta(seconds=10)
"""A reading so near to a quarter-hour is of it: a meter's clock is some seconds off."""
_EVER = (dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, tzinfo=dt.UTC))
_Span = tuple[dt.datetime, dt.datetime]


@dataclass(slots=True, kw_only=True)
class SlotCount:
    """What is known of a way's quarter-hour: energy, the spans that were counted, and by which records."""

    kwh: Decimal = Decimal(0)
    spans: list[_Span] = field(default_factory=list)
    records: list[SignedRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A quarter-hour that is counted in full, kWh, and the records that it rests on."""

    start: dt.datetime
    import_kwh: Decimal
    export_kwh: Decimal
    records: tuple[SignedRecord, ...]


@dataclass(slots=True)
class _Way:
    """One way of a meter: its quarter-hours, when it was idle, what could not be counted."""

    slots: dict[dt.datetime, SlotCount] = field(default_factory=dict)
    idle: list[_Span] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def whole(self, start: dt.datetime) -> bool:
        """Whether all of a quarter-hour is counted, or lies between transactions."""
        end, reached = start + QUARTER, start
        spans = self.slots[start].spans if start in self.slots else []
        for first, last in sorted([*spans, *self.idle]):
            if first <= reached < last:
                reached = last
        return reached >= end


def count(records: Sequence[SignedRecord]) -> tuple[list[Counted], list[str]]:
    """The quarter-hours of one meter that its records count in full, and what is to be said of the others."""
    ways = {way: _counted(records, way) for way in ("import", "export")}
    drawn, fed = ways["import"], ways["export"]
    notes = [note for way in ways.values() if way is not None for note in way.notes]
    if drawn is None:
        return [], [*notes, "no register of energy drawn: nothing is counted"]
    if fed is None:
        notes.append("no register of energy fed back: taken as none")
    found, partial = list[Counted](), list[dt.datetime]()
    for start in sorted({*drawn.slots, *(fed.slots if fed else ())}):
        if not drawn.whole(start) or (fed is not None and not fed.whole(start)):
            partial.append(start)
            continue
        both = [way.slots[start] for way in (drawn, fed) if way is not None and start in way.slots]
        by = {one.row: one for slot in both for one in slot.records}
        kwh = [way.slots[start].kwh if way and start in way.slots else Decimal(0) for way in (drawn, fed)]
        found.append(
            Counted(
                start=start, import_kwh=kwh[0], export_kwh=kwh[1], records=tuple(by[n] for n in sorted(by))
            )
        )
    if partial:
        notes.append(
            f"{len(partial)} quarter-hours are signed in part and are left out, the first from "
            f"{partial[0]:%Y-%m-%d %H:%M} UTC"
        )
    return found, notes


def _counted(records: Sequence[SignedRecord], way: Way) -> _Way | None:
    """What is counted of a way; None where no record has a register of it."""
    every = [(one, record) for record in records for one in record.readings if one.way == way]
    if not every:
        return None
    rank = min(one.rank for one, _ in every)
    # A transaction that begins when another ends has a reading of its own: its register may begin at 0.
    at: dict[tuple[dt.datetime, bool], list[tuple[Reading, SignedRecord]]] = {}
    for one, record in every:
        if one.rank == rank:
            at.setdefault((_snapped(one.time_utc), one.begins), []).append((one, record))
    found = _Way()
    chain = [_Point.of(when, at[when, begins], found.notes) for when, begins in sorted(at)]
    points = [one for one in chain if one is not None]
    if points and points[0].begins:
        found.idle.append((_EVER[0], points[0].when))
    if points and points[-1].ends:
        found.idle.append((points[-1].when, _EVER[1]))
    for before, after in pairwise(points):
        if after.begins:
            found.idle.append((before.when, after.when))
        else:
            _add(found, before, after, way)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A register at a moment, by all records that tell of it."""

    when: dt.datetime
    kwh: Decimal
    begins: bool
    ends: bool
    records: tuple[SignedRecord, ...]

    @classmethod
    def of(
        cls, when: dt.datetime, told: Iterable[tuple[Reading, SignedRecord]], notes: list[str]
    ) -> _Point | None:
        readings = sorted(told, key=lambda one: one[0].kwh)
        if readings[0][0].kwh != readings[-1][0].kwh:
            names = " and ".join(dict.fromkeys(record.named for _, record in readings))
            notes.append(f"{names} contradict each other at {when:%Y-%m-%d %H:%M:%S} UTC: neither counts")
            return None
        return cls(
            when=when,
            kwh=readings[0][0].kwh,
            begins=any(one.begins for one, _ in readings),
            ends=any(one.ends for one, _ in readings),
            records=tuple(record for _, record in readings),
        )


def _add(found: _Way, before: _Point, after: _Point, way: Way) -> None:
    kwh = after.kwh - before.kwh
    records = [*before.records, *after.records]
    names = " and ".join(dict.fromkeys(record.named for record in records))
    first, last = _slot(before.when), _slot(after.when - dt.timedelta(microseconds=1))
    span = f"from {before.when:%Y-%m-%d %H:%M:%S} to {after.when:%Y-%m-%d %H:%M:%S} UTC"
    if kwh < 0:
        found.notes.append(f"{names}: the register of {way} falls by {-kwh} kWh {span}: not counted")
        return
    if kwh and first < last:
        slots = (last - first) // QUARTER + 1
        found.notes.append(
            f"{names}: {kwh} kWh of {way} {span} are signed as a sum over {slots} quarter-hours: not split"
        )
        return
    start = first
    while start <= last:
        slot = found.slots.setdefault(start, SlotCount())
        slot.spans.append((max(start, before.when), min(start + QUARTER, after.when)))
        slot.records += records
        slot.kwh += kwh if first == last else Decimal(0)
        start += QUARTER


def _slot(when: dt.datetime) -> dt.datetime:
    return when - (when - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) % QUARTER


def _snapped(when: dt.datetime) -> dt.datetime:
    near = _slot(when + SNAP)
    return near if abs(when - near) <= SNAP else when
