"""What the batteries hold when a plan begins, for each mode as it would have left them.

A plan tells of every mode what a car has in store slot by slot; the plan that was followed in a slot is the
newest of those whose knowledge and whose slots hold it. A mode that was not planned then has what the cars
followed. A word on what a car that is plugged in really holds (`flows.mapping.measured`) is worth more than
what was planned; by as much as it came with more or less than planned, it would have in every mode. Without
any plan, it is taken to have charged since arrival as an unplanned one does. A stay that is announced arrives
with what it says, more or less by as much as the mode left the car above or below its promise; one that is
told after the car had left says what it really came with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flows.mapping.hashing import hash_values
from flows.mapping.horizon import QUARTER
from flows.mapping.measured import Walk, Word, Words
from flows.mapping.past import FOLLOWED, Past
from flows.plain import records
from optimize.types import MODES, Mode

Socs = Mapping[str, float]
"""SoC (0–1) at the start of the plan, or at arrival, by session_id; other stays hold what they say."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Carried:
    """SoCs of the cars that follow the plan in force, and of each mode that has a past of its own.

    past: whether a plan tells of any of the cars.
    """

    followed: Socs
    modes: Mapping[Mode, Socs]
    past: bool

    @property
    def digest(self) -> str:
        """Hash of all of it."""
        return hash_values(
            [sorted(self.followed.items()), [sorted(self.modes.get(m, {}).items()) for m in MODES]]
        )

    def of(self, mode: Mode | None) -> Socs:
        """What a mode carries; None and a mode without a past of its own: what the cars do that follow."""
        return self.followed if mode is None else self.modes.get(mode, self.followed)


NOTHING_CARRIED = Carried(followed={}, modes={}, past=False)
NO_WORDS: Mapping[str, Words] = {}


def carried(
    past: Past,
    start: pd.Timestamp,
    sessions: pd.DataFrame,
    batteries: pd.DataFrame,
    capacity_kwh: Mapping[str, float],
    words: Mapping[str, Words] = NO_WORDS,
) -> Carried:
    """What a plan that begins at `start` finds; capacity_kwh: usable energy by battery_id, > 0.

    words: what is known of what the cars hold, by session_id.
    """
    limit_kw = {str(row["battery_id"]): float(row["charge_limit_kw"]) for row in records(batteries)}
    rows = records(sessions.sort_values("arrival_utc"))
    first = {str(row["battery_id"]): row["session_id"] for row in reversed(rows)}
    socs: dict[str, dict[str, float]] = {mode: {} for mode in (FOLLOWED, *MODES)}
    for row in rows:
        battery, session = str(row["battery_id"]), str(row["session_id"])
        if first[battery] != row["session_id"]:
            continue
        kwh = capacity_kwh[battery]
        if row["arrival_utc"] < start:
            there = AtPlug(past=past, row=row, start=start, capacity_kwh=kwh, limit_kw=limit_kw[battery])
            held = {mode: there.held_kwh(mode, words.get(session)) for mode in socs}
        else:
            held = {mode: float(row["arrival_soc"]) * kwh + past.more_kwh(mode, row) for mode in socs}
        for mode, of_mode in socs.items():
            of_mode[session] = float(np.clip(held[mode] / kwh, 0.0, 1.0))
    followed = socs.pop(FOLLOWED)
    return Carried(
        followed=followed,
        modes={mode: socs[mode] for mode in MODES} if past.known else {},
        past=past.known,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AtPlug:
    """A car that is plugged in when a plan begins; row: of core_session."""

    past: Past
    row: Mapping[str, Any]
    start: pd.Timestamp
    capacity_kwh: float
    limit_kw: float

    def held_kwh(self, mode: str, words: Words | None) -> float:
        """What it holds at the start as a mode has left it."""
        battery, arrival_kwh = str(self.row["battery_id"]), float(self.row["arrival_soc"]) * self.capacity_kwh
        held = self.past.now_kwh(mode, battery)
        if mode == FOLLOWED and words is not None:
            return self._after(words.last.soc * self.capacity_kwh, words.last.at)
        if held is None:
            came = self.row["arrival_utc"].ceil(QUARTER)  # as the optimiser lets a car begin
            return self._after(arrival_kwh + self.past.more_kwh(mode, self.row), came)
        return held if words is None else held + self._more_than_planned(words.first)

    def _after(self, kwh: float, since: pd.Timestamp, until: pd.Timestamp | None = None) -> float:
        walk = Walk(
            told=self.past.moved_kw.get(str(self.row["battery_id"]), {}),
            capacity_kwh=self.capacity_kwh,
            limit_kw=self.limit_kw,
            target_kwh=float(self.row["departure_soc"]) * self.capacity_kwh,
        )
        return walk.kwh(kwh, since, until or self.start)

    def _more_than_planned(self, word: Word) -> float:
        """How much more it came with than the newest plan took it to; 0 where that one knew the word."""
        planned = self.past.planned.get(str(self.row["battery_id"]))
        if planned is None or planned.begins > word.at:
            return 0.0
        here = planned.slots.index[planned.slots.index >= self.row["arrival_utc"].floor(QUARTER)]
        if here.empty:
            return 0.0
        at = max(word.at, here[0])
        return self._after(word.soc * self.capacity_kwh, word.at, at) - planned.kwh(at)
