"""What logs told of transactions that none of them tells whole, held for the log that tells the rest.

A log is cut where it is rotated. The messages of a transaction that lacks its start, its end or its car are
held with the file, and those that were joined from several files, so that one more may come between. Readings
that change nothing are let go of: what is held of a stay does not grow with how often its meter was read.
"""

import datetime as dt
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from warehouse.sources.ocpp_frames import Part, Reading, Told
from warehouse.sources.ocpp_readings import can_rise

STAYS = ("session_id", "battery_id", "charger_id", "arrival_utc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """What was told of one transaction.

    station: whose log it is, None where nobody named it. session_id, battery_id: of the session that was made
    of it, None where none was. files: SHA-256 of the logs that told it. told: their messages; row: of the
    first of them that is in the file at hand.
    """

    transaction_id: str
    station: str | None
    session_id: str | None
    battery_id: str | None
    files: frozenset[str]
    told: tuple[Told, ...]

    @property
    def start(self) -> Told | None:
        """The message that began it, if it was told."""
        return next((one for one in self.told if one.part is Part.START), None)

    @property
    def digest(self) -> str:
        """A word for what it tells."""
        return hashlib.sha256(as_text([self]).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What earlier logs of a source hold: fragments, and the stays of the cars (columns STAYS)."""

    fragments: tuple[Fragment, ...] = ()
    stays: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(STAYS)))

    def and_of(self, unfinished: str | None, sessions: pd.DataFrame) -> "Begun":
        """Return it with what one more log told, in part and of sessions."""
        stays = [one for one in (self.stays, sessions[list(STAYS)]) if not one.empty]
        return Begun(
            fragments=tuple(dict.fromkeys((*self.fragments, *(from_text(unfinished) if unfinished else [])))),
            stays=pd.concat(stays, ignore_index=True) if stays else self.stays,
        )


def times_of(told: Iterable[Told]) -> list[dt.datetime]:
    """Return every time that messages name."""
    return [
        time
        for one in told
        for time in ([one.time] if one.time else []) + [reading.time for reading in one.readings]
    ]


def thinned(told: Sequence[Told]) -> tuple[Told, ...]:
    """Return messages that tell the same in fewer words.

    Starts and ends stay as they are. Of what was metered meanwhile the first and the last reading stay, and
    those between that differ in more than growing: a register that falls or jumps, a state of charge of 0.
    """
    ends = [one for one in told if one.part is not Part.METER]
    said: dict[tuple[str | None, str | None, bool | None], Told] = {}
    readings: dict[Reading, None] = {}
    for one in told:
        if one.part is Part.METER:
            said.setdefault((one.place, one.token, one.refused), one)
            readings.update(dict.fromkeys(one.readings))
    words = [replace(one, readings=()) for one in said.values()]
    if words:
        words[-1] = replace(words[-1], readings=_telling(list(readings)))
    begins = [one for one in ends if one.part is Part.START]
    return (*begins, *words, *(one for one in ends if one.part is Part.STOP))


def _telling(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """Return the readings that a stay's energy and states of charge rest on, in order of time."""
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
    """Return fragments as JSON."""
    return json.dumps([_object(one) for one in fragments], sort_keys=True, separators=(",", ":"))


def from_text(text: str) -> list[Fragment]:
    """Return the fragments that `as_text` was given."""
    return [
        Fragment(
            transaction_id=one["transaction_id"], station=one["station"], session_id=one["session_id"],
            battery_id=one["battery_id"], files=frozenset(one["files"]),
            told=tuple(_message(one["transaction_id"], told) for told in one["told"]),
        )
        for one in json.loads(text)
    ]  # fmt: skip


def _object(fragment: Fragment) -> dict[str, Any]:
    return {
        "transaction_id": fragment.transaction_id, "station": fragment.station,
        "session_id": fragment.session_id, "battery_id": fragment.battery_id,
        "files": sorted(fragment.files),
        "told": [
            {
                "part": one.part.value, "time": one.time and one.time.isoformat(), "token": one.token,
                "place": one.place, "refused": one.refused,
                "readings": [[it.time.isoformat(), it.soc, it.energy_wh] for it in one.readings],
            }
            for one in fragment.told
        ],
    }  # fmt: skip


def _message(transaction_id: str, told: dict[str, Any]) -> Told:
    return Told(
        part=Part(told["part"]), row=1, transaction_id=transaction_id,
        time=dt.datetime.fromisoformat(told["time"]) if told["time"] else None,
        token=told["token"], place=told["place"], refused=told["refused"],
        readings=tuple(
            Reading(time=dt.datetime.fromisoformat(time), soc=soc, energy_wh=energy_wh)
            for time, soc, energy_wh in told["readings"]
        ),
    )  # fmt: skip
