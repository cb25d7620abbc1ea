"""What the batteries hold when a plan begins, for each mode as it would have left them.

A plan tells of every mode what a car has in store slot by slot; the plan that was followed in a slot is the
newest of those whose knowledge and whose slots hold it. A car that is plugged in holds what it came with
and what a mode has moved since; a mode that was not planned then did what the cars followed, and where no
plan tells of it, it charged as an unplanned one does. A word on what it really holds or came with
(`flows.mapping.measured`) is worth more than what was announced. A session that is announced arrives
with what it says, more or less by as much as the mode left the car above or below its promise; one that is
reported after the car had left says what it really came with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flows.mapping.hashing import hash_values
from flows.mapping.horizon import QUARTER, quarter_hours
from flows.mapping.measured import Walk, Words
from flows.mapping.past import FOLLOWED, Past
from flows.plain import records
from optimize.types import MODES, Mode

Socs = Mapping[str, float]
"""SoC (0–1) at the start of the plan, or at arrival, by session_id; other sessions hold what they say."""


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
_SOON = pd.Timedelta(hours=1)
"""So long after a car has come, what it reports tells what it came with."""
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
            limit = min(limit_kw[battery], row["plug_charge_kw"] or np.inf)
            there = AtPlug(past=past, row=row, start=start, capacity_kwh=kwh, limit_kw=limit)
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
        """What it holds at the start as a mode has left it: what it came with, and what that did since."""
        known = self.past.now.get(str(self.row["battery_id"]), {})
        if mode in known:
            return known[mode]
        if mode == FOLLOWED and words is not None:
            return self._after(mode, words.last.soc * self.capacity_kwh, words.last.at)
        came = self.row["arrival_utc"].ceil(QUARTER)  # as the optimiser lets a car begin
        stated = float(self.row["arrival_soc"]) * self.capacity_kwh
        measured = words is not None and words.first.at - came <= _SOON
        if words is not None and measured:
            stated = words.first.soc * self.capacity_kwh - self._moved(came, words.first.at)
        return self._after(mode, stated + self.past.more_kwh(mode, self.row, measured=measured), came)

    def _after(self, mode: str, kwh: float, since: pd.Timestamp) -> float:
        walk = Walk(
            reported_kw=self.past.moved_kw.get(mode, {}).get(str(self.row["battery_id"]), {}),
            capacity_kwh=self.capacity_kwh,
            limit_kw=self.limit_kw,
            target_kwh=float(self.row["departure_soc"]) * self.capacity_kwh,
        )
        return walk.kwh(kwh, since, self.start)

    def _moved(self, since: pd.Timestamp, until: pd.Timestamp) -> float:
        """kWh that were stored by what was followed."""
        moved = self.past.moved_kw.get(FOLLOWED, {}).get(str(self.row["battery_id"]), {})
        slots = quarter_hours(since, until.ceil(QUARTER))
        hours = [(min(slot + QUARTER, until) - slot) / pd.Timedelta(hours=1) for slot in slots]
        return sum(moved.get(slot, 0.0) * share for slot, share in zip(slots, hours, strict=True))
