"""What logs reported of transactions, held for those that tell more of them.

A log is cut where it is rotated, and may tell less of a transaction than another. The messages of each are
held with the file. Readings that change nothing are let go of: what is held of a session does not grow with
how often its meter was read.
"""

import datetime as dt
import hashlib
import itertools
import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pandas as pd

from warehouse.sources.ocpp_frames import Message, Part, Reading
from warehouse.sources.ocpp_readings import can_rise
from warehouse.sources.parsed import Parsed

SESSIONS = ("session_id", "battery_id", "charger_id", "arrival_utc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """What was reported of one transaction.

    station: whose log it is, None where nobody named it. session_id, battery_id: of the session that was made
    of it, None where none was. files: SHA-256 of the logs that reported it. messages: their messages.
    received: when the last of these logs was, None of one that is not ingested yet.
    """

    transaction_id: str
    station: str | None
    session_id: str | None
    battery_id: str | None
    files: frozenset[str]
    messages: tuple[Message, ...]
    received: dt.datetime | None = field(default=None, compare=False)

    @property
    def start(self) -> Message | None:
        """The message that began it, if it was given."""
        return next((one for one in self.messages if one.part is Part.START), None)

    @property
    def digest(self) -> str:
        """A word for what it tells."""
        return hashlib.sha256(as_text([self]).encode()).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What earlier logs of a source hold.

    held: JSON objects of `as_text` in the order of their receipt, and when that was. sessions: of those logs,
    columns STAYS, in the order of their receipt. sources: the source_ids of the logs. withdrawn: what a
    person has withdrawn of a log: its SHA-256, how it was read, and session_id.
    """

    held: tuple[tuple[dt.datetime | None, Mapping[str, Any]], ...] = ()
    sessions: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(SESSIONS)))
    sources: frozenset[str] = frozenset()
    withdrawn: frozenset[tuple[str, str | None, str]] = frozenset()

    def and_of(self, source_id: str, transactions: str | None, sessions: pd.DataFrame) -> "Begun":
        """Return it with what one more log reported."""
        stays = [one for one in (self.sessions, sessions[list(SESSIONS)]) if not one.empty]
        return Begun(
            held=(*self.held, *((None, one) for one in json.loads(transactions or "[]"))),
            sessions=pd.concat(stays, ignore_index=True) if stays else self.sessions,
            sources=self.sources | {source_id},
            withdrawn=self.withdrawn,
        )

    def without_withdrawn(self, parsed: Parsed, sha256: str, options: str | None) -> Parsed:
        """Return what a log tells but for what was withdrawn of it, whatever else is held."""
        names = parsed.frame["session_id"]
        gone = {str(name) for name in names if (sha256, options, str(name)) in self.withdrawn}
        if not gone:
            return parsed
        held = [one for one in json.loads(parsed.transactions or "[]") if one["session_id"] not in gone]
        messages = (f"session {name} is withdrawn (`v2g withdraw … --undo`)" for name in sorted(gone))
        return replace(
            parsed,
            frame=parsed.frame[~names.isin(gone)].reset_index(drop=True),
            notes=(*parsed.notes, *messages),
            transactions=json.dumps(held) if held else None,
        )

    @cached_property
    def cars(self) -> Mapping[str, str]:
        """Of each session the car that was reported last."""
        return dict(zip(self.sessions["session_id"], self.sessions["battery_id"], strict=True))

    def of(self, transaction_ids: Container[str], places: Container[str | None]) -> list[Fragment]:
        """Return what is held of transactions of these ids, or at these places."""
        return list(
            dict.fromkeys(
                _fragment(one, received)
                for received, one in self.held
                if one["transaction_id"] in transaction_ids or one["place"] in places
            )
        )


def times_of(messages: Iterable[Message]) -> list[dt.datetime]:
    """Return every time that messages name."""
    return [
        time
        for one in messages
        for time in ([one.time] if one.time else []) + [reading.time for reading in one.readings]
    ]


def thinned(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return messages that tell the same in fewer words.

    Starts and ends stay as they are. Of what was metered meanwhile the first and the last reading stay, and
    those between that differ in more than growing: a register that falls or jumps, a state of charge of 0.
    """
    ends = [one for one in messages if one.part is not Part.METER]
    said: dict[tuple[str | None, str | None, bool | None], Message] = {}
    readings: dict[Reading, None] = {}
    for one in messages:
        if one.part is Part.METER:
            said.setdefault((one.place, one.token, one.refused), one)
            readings.update(dict.fromkeys(one.readings))
    words = [replace(one, readings=()) for one in said.values()]
    if words:
        words[-1] = replace(words[-1], readings=_telling(list(readings)))
    begins = [one for one in ends if one.part is Part.START]
    return (*begins, *words, *(one for one in ends if one.part is Part.STOP))


def _telling(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """Return the readings that a session's energy and states of charge rest on, in order of time."""
    in_time = sorted(readings, key=lambda one: one.time)
    socs = _turning([one for one in in_time if one.soc is not None], _charged)
    registers = _turning([one for one in in_time if one.energy_wh is not None], can_rise)
    return (*socs, *registers)


def _charged(low: Reading, high: Reading) -> bool:
    return bool(low.soc and high.soc)


def _turning(readings: Sequence[Reading], plain: Callable[[Reading, Reading], bool]) -> list[Reading]:
    """Return the first, the last, and what is not plain after the one before it or before the next."""
    kept = [number in (0, len(readings) - 1) for number in range(len(readings))]
    for number, (low, high) in enumerate(itertools.pairwise(readings)):
        if not plain(low, high):
            kept[number] = kept[number + 1] = True
    return [one for one, stays in zip(readings, kept, strict=True) if stays]


def as_text(fragments: Iterable[Fragment]) -> str:
    """Return fragments as JSON, a list of objects."""
    return json.dumps([_object(one) for one in fragments], sort_keys=True, separators=(",", ":"))


def _fragment(one: Mapping[str, Any], received: dt.datetime | None) -> Fragment:
    return Fragment(
        transaction_id=one["transaction_id"], station=one["station"], session_id=one["session_id"],
        battery_id=one["battery_id"], files=frozenset(one["files"]), received=received,
        messages=tuple(_message(one["transaction_id"], messages) for messages in one["told"]),
    )  # fmt: skip


def _object(fragment: Fragment) -> dict[str, Any]:
    return {
        "transaction_id": fragment.transaction_id, "station": fragment.station,
        "session_id": fragment.session_id, "battery_id": fragment.battery_id,
        "files": sorted(fragment.files),
        "place": next((one.place for one in fragment.messages if one.place), None),
        "told": [
            {
                "part": one.part.value, "time": one.time and one.time.isoformat(), "token": one.token,
                "place": one.place, "refused": one.refused,
                "readings": [[it.time.isoformat(), it.soc, it.energy_wh] for it in one.readings],
            }
            for one in fragment.messages
        ],
    }  # fmt: skip


def _message(transaction_id: str, messages: Mapping[str, Any]) -> Message:
    return Message(
        part=Part(messages["part"]), row=1, transaction_id=transaction_id,
        time=dt.datetime.fromisoformat(messages["time"]) if messages["time"] else None,
        token=messages["token"], place=messages["place"], refused=messages["refused"],
        readings=tuple(
            Reading(time=dt.datetime.fromisoformat(time), soc=soc, energy_wh=energy_wh)
            for time, soc, energy_wh in messages["readings"]
        ),
    )  # fmt: skip
