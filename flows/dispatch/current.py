"""What is planned at a moment: a car's session among several plans, and its powers from then on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from flows.dispatch.merge import SessionPowers
from flows.dispatch.plan_file import QUARTER, PlanFile, PlanSession

_EARLY = timedelta(hours=2)
"""So long before it was expected a car is the one that a connector waits for."""
_ROWS = (
    "power_kw", "least_kw", "most_kw", "import_price", "export_price", "energy_kwh", "least_kwh", "most_kwh",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """A session and the plan that it is of."""

    plan: PlanFile
    session: PlanSession


def newest_first(plans: Iterable[PlanFile]) -> list[PlanFile]:
    """Plans, what rests on the newest knowledge first."""
    return sorted(plans, key=lambda one: (one.as_of, one.sequence), reverse=True)


def planned_now(
    plans: Iterable[PlanFile], battery_id: str | None, charger_id: str | None, now: datetime
) -> Found | None:
    """What is planned now for a car, wherever it is plugged in, or for whichever one a charger waits for.

    plans: the newest first. Of sessions that have begun the newest plan's, else the one that begins next.
    battery_id: None where nobody knows the car; a car that is known has none but its own.
    """
    sessions = [one for one in _sessions(plans, battery_id, charger_id) if one.session.departure > now]
    begun = [one for one in sessions if one.session.first_slot <= now]
    if begun:
        return begun[0]
    coming = [one for one in sessions if one.session.first_slot <= now + _EARLY]
    return min(coming, key=lambda one: one.session.first_slot, default=None)


def powers_from(session: PlanSession, moment: datetime) -> tuple[datetime, SessionPowers]:
    """Return a session's powers from the quarter-hour of a moment on: a rest before its plan begins.

    The first of the two is where they begin.
    """
    first_slot, slots = session.first_slot, session.slots
    shift = (moment - first_slot) // QUARTER  # quarter-hours after its begin, negative: before
    if shift >= 0:
        late = min(shift, len(slots.power_kw) - 1)
        cut = {name: getattr(slots, name)[late:] for name in _ROWS}
        return first_slot + late * QUARTER, replace(slots, **cut)
    early: dict[str, Any] = {
        name: np.concatenate([np.full(-shift, getattr(slots, name)[0]), getattr(slots, name)])
        for name in _ROWS
    }
    early["power_kw"][:-shift] = 0.0
    early["least_kw"][:-shift] = early["most_kw"][:-shift] = 0.0
    return first_slot + shift * QUARTER, replace(slots, **early)


def _sessions(plans: Iterable[PlanFile], battery_id: str | None, charger_id: str | None) -> Iterator[Found]:
    for plan in plans:
        for session in plan.stays:
            mine = (
                session.battery_id == battery_id
                if battery_id
                else charger_id and session.charger_id == charger_id
            )
            if mine:
                yield Found(plan=plan, session=session)
