"""What each car was asked for, what its plug counted, and what that cost, by quarter-hour.

What a station took is noted when it took it. When a quarter-hour's energy is known, or known better, a row
goes to following/DAY.jsonl (UTC): of a battery and quarter-hour the last one counts. Money is at the prices
of the newest plan that spans the quarter-hour, wear not counted. Kept for `KEPT_DAYS`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from flows.dispatch.gateway.book import KEPT_S, Book, Transaction
from flows.dispatch.gateway.journal import Record, records_of
from flows.dispatch.gateway.metering import QUARTER_S, Quarters
from flows.dispatch.gateway.plans import PlanFolder
from flows.dispatch.gateway.wanted import Wanted
from flows.dispatch.plan_file import QUARTER
from warehouse.files import FILE_MODE, make_folder, write_whole

FOLDER = "following"
KEPT_DAYS = 31
_ASKED = "asked.jsonl"
_LARGE_BYTES = 16_000_000
_WHOLE_S = QUARTER_S - 1.0
_COUNTED = ("quarter_hours", "asked_whole")
_SUMMED = ("asked_kwh", "done_kwh", "off_kwh", "abs_off_kwh", "cost_eur", "off_cost_eur")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a session's station took: powers at the plug from moments on (s since 1970, kW), until it ends."""

    number: int
    battery_id: str
    session_id: str
    station: str
    evse: int
    plan_id: str | None
    since: float
    until: float | None
    steps: list[list[float]]


class Following:
    """The notes and rows of a gateway, in a folder of its state."""

    def __init__(self, state: Path) -> None:
        self._folder = make_folder(state / FOLDER)
        self._asked: dict[str, list[Asked]] = {}
        self._prices: dict[float, tuple[float, float] | None] = {}
        self._edition: object = None
        for record in _lines(self._folder / _ASKED):
            with suppress(TypeError):
                self._add(Asked(**record))

    def note(self, one: Transaction, wanted: Wanted, now: float) -> None:
        """Take that a station has taken a session's profile."""
        if one.car.get("battery_id") is None:
            return
        until = wanted.profile.get("validTo")
        asked = Asked(
            number=one.number, battery_id=str(one.car["battery_id"]), session_id=str(one.car["session_id"]),
            station=one.station, evse=one.evse, plan_id=wanted.plan_id, since=now,
            until=None if until is None else datetime.fromisoformat(until).timestamp(),
            steps=[[at.timestamp(), kw] for at, kw in wanted.powers(datetime.fromtimestamp(now, UTC))],
        )  # fmt: skip
        self._add(asked)
        _append(self._folder / _ASKED, [asdict(asked)])

    def write(self, quarters: Quarters, book: Book, plans: PlanFolder) -> None:
        """Add a row for each quarter-hour that is about to be reported; raises OSError."""
        by_day: dict[str, list[dict[str, Any]]] = {}
        for battery, begin in sorted(quarters.changed):
            drawn, fed = quarters.energies[battery][begin]
            row = self._row(battery, begin, drawn, fed, book, self._price(plans, begin))
            by_day.setdefault(row["interval_start_utc"][:10], []).append(row)
        for day, rows in by_day.items():
            _append(self._folder / f"{day}.jsonl", rows)

    def tidy(self, now: float) -> None:
        """Drop what has long been over."""
        first = datetime.fromtimestamp(now, UTC) - timedelta(days=KEPT_DAYS)
        with suppress(OSError):
            for file in self._folder.glob("????-??-??.jsonl"):
                if file.stem < f"{first:%Y-%m-%d}":
                    file.unlink()
            kept = {car: [one for one in own if one.since > now - KEPT_S] for car, own in self._asked.items()}
            self._asked = {car: own for car, own in kept.items() if own}
            notes = self._folder / _ASKED
            if notes.exists() and notes.stat().st_size > _LARGE_BYTES:
                records = [asdict(one) for own in self._asked.values() for one in own]
                write_whole(notes, "".join(json.dumps(one) + "\n" for one in records))

    def _add(self, asked: Asked) -> None:
        self._asked.setdefault(asked.battery_id, []).append(asked)

    def _row(
        self,
        battery: str,
        begin: float,
        drawn: float,
        fed: float,
        book: Book,
        price: tuple[float, float] | None,
    ) -> dict[str, Any]:
        notes = [one for one in self._asked.get(battery, ()) if one.since < begin + QUARTER_S]
        into, out, seconds = _asked_between(notes, begin, begin + QUARTER_S, book)
        last = notes[-1] if seconds else None
        cost = None if price is None else drawn * price[0] - fed * price[1]
        asked_cost = None if price is None else into * price[0] - out * price[1]
        whole = seconds >= _WHOLE_S
        apart = None if cost is None or asked_cost is None or not whole else cost - asked_cost
        return {
            "interval_start_utc": datetime.fromtimestamp(begin, UTC).isoformat().replace("+00:00", "Z"),
            "battery_id": battery, "session_id": None if last is None else last.session_id,
            "station": None if last is None else last.station, "evse": None if last is None else last.evse,
            "plan_id": None if last is None else last.plan_id, "asked_s": round(seconds, 1),
            "asked_kwh": round(into - out, 6), "done_kwh": round(drawn - fed, 6),
            "import_kwh": round(drawn, 6), "export_kwh": round(fed, 6),
            "off_kwh": round(drawn - fed - into + out, 6) if whole else None,
            "asked_cost_eur": _rounded(asked_cost if whole else None), "cost_eur": _rounded(cost),
            "off_cost_eur": _rounded(apart),
        }  # fmt: skip

    def _price(self, plans: PlanFolder, begin: float) -> tuple[float, float] | None:
        """€/kWh drawn and fed back in a quarter-hour, by the newest plan that has it; else None."""
        if self._edition is not plans.edition:
            self._prices, self._edition = {}, plans.edition
        if begin not in self._prices:
            self._prices[begin] = _price_of(plans, datetime.fromtimestamp(begin, UTC))
        return self._prices[begin]


def followed(state: Path, day: str) -> list[dict[str, Any]]:
    """The rows of a day (UTC, YYYY-MM-DD), the last of each battery and quarter-hour."""
    rows = _lines(state / FOLDER / f"{day}.jsonl")
    last = {(row["interval_start_utc"], row["battery_id"]): dict(row) for row in rows if "battery_id" in row}
    return [last[key] for key in sorted(last)]


def summed(rows: Iterable[Mapping[str, Any]], by: str) -> list[dict[str, Any]]:
    """Rows added up by battery_id or interval_start_utc; what is off: of those asked for throughout."""
    sums: dict[str, dict[str, Any]] = {}
    for row in rows:
        empty = {by: row[by], **dict.fromkeys(_COUNTED, 0), **dict.fromkeys(_SUMMED, 0.0)}
        own = sums.setdefault(str(row[by]), empty)
        own["quarter_hours"] += 1
        own["asked_whole"] += row["off_kwh"] is not None
        for name in _SUMMED:
            own[name] += abs(row["off_kwh"] or 0.0) if name == "abs_off_kwh" else row[name] or 0.0
    return [sums[name] for name in sorted(sums)]


def _asked_between(notes: list[Asked], begin: float, end: float, book: Book) -> tuple[float, float, float]:
    """kWh asked to be drawn and to be fed back in a span, and for how many seconds of it any was."""
    into = out = seconds = 0.0
    for place, one in enumerate(notes):
        later = (other.since for other in notes[place + 1 :] if other.number == one.number)
        over = book.transactions[one.number].end if one.number in book.transactions else None
        ends = [end, next(later, None), one.until, over]
        stop = min(moment for moment in ends if moment is not None)
        for (at, kw), (until, _) in pairwise([*one.steps, [stop, 0.0]]):
            length = min(until, stop) - max(at, begin)
            if length > 0:
                into += max(kw, 0.0) * length / 3600.0
                out += max(-kw, 0.0) * length / 3600.0
                seconds += length
    return into, out, seconds


def _price_of(plans: PlanFolder, slot: datetime) -> tuple[float, float] | None:
    for plan in plans.plans:
        for stay in plan.stays:
            place = (slot - stay.first_slot) // QUARTER
            if 0 <= place < len(stay.slots.power_kw):
                return float(stay.slots.import_price[place]), float(stay.slots.export_price[place])
    return None


def _append(file: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Add lines; a line that a kill had cut stays alone, and is passed over."""
    file.touch(FILE_MODE)
    with file.open("a", encoding="utf-8") as stream:
        stream.write("\n" + "".join(json.dumps(one) + "\n" for one in records))


def _lines(file: Path) -> Iterator[Record]:
    return records_of(file) if file.exists() else iter(())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
