"""What cars at the plug are known to hold: the last word on it, and what has been charged since.

A word is what a session says it came with, if it was given after the car had come, or what the car reported
since then. From there on a car does what the plan says that was followed in each quarter-hour, and charges on
plug-in where none tells of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from flows.mapping.horizon import QUARTER, quarter_hours
from flows.plain import records
from warehouse.known import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """SoC (0–1) of a car at a moment of its session."""

    at: pd.Timestamp
    soc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The first and the last of a session."""

    first: Word
    last: Word


def words_of(known: Known, start: pd.Timestamp, sessions: pd.DataFrame) -> dict[str, Words]:
    """What is known of sessions that began before `start`, by session_id; others have no word."""
    there = sessions[(sessions["arrival_utc"] < start) & (sessions["departure_utc"] > start)]
    came = dict(zip(there["battery_id"].astype(str), there["arrival_utc"], strict=True))
    reported = {str(row["battery_id"]): row for row in records(known.reported_soc(came))}
    found: dict[str, Words] = {}
    for row in records(there):
        words: list[Word] = []
        if row["received_utc"] >= row["arrival_utc"]:
            words.append(Word(at=row["arrival_utc"].ceil(QUARTER), soc=float(row["arrival_soc"])))
        if (said := reported.get(str(row["battery_id"]))) is not None:
            words += [Word(at=said[f"{end}_utc"], soc=float(said[f"{end}_soc"])) for end in ("first", "last")]
        if words:
            found[row["session_id"]] = Words(first=words[0], last=words[-1])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A car that does as it was reported. reported_kw: kW in store by slot; without a word it charges to
    target_kwh."""

    reported_kw: Mapping[pd.Timestamp, float]
    capacity_kwh: float
    limit_kw: float
    target_kwh: float

    def kwh(self, held_kwh: float, since: pd.Timestamp, until: pd.Timestamp) -> float:
        """What it holds at `until` if it holds so much at `since`."""
        for slot in quarter_hours(since.floor(QUARTER), until):
            hours = (min(slot + QUARTER, until) - max(slot, since)) / pd.Timedelta(hours=1)
            if slot in self.reported_kw:
                held_kwh += self.reported_kw[slot] * hours
            else:
                held_kwh += min(self.limit_kw * hours, max(0.0, self.target_kwh - held_kwh))
            held_kwh = min(max(held_kwh, 0.0), self.capacity_kwh)
        return held_kwh
