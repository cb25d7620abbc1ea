"""Which session of the central system is which car's, and what is planned for it now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flows.dispatch.current import Found, planned_now
from flows.dispatch.ocpi.objects import ObjectError, Session, read
from flows.dispatch.plan_file import PlanFile


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Match:
    """A session there with the plan of its car."""

    session: Session
    battery_id: str
    found: Found


@dataclass(slots=True, kw_only=True)
class Matches:
    """All that are ACTIVE: with a plan, of nobody that is known, and those that cannot be served, each why.

    absent: cars that are planned to be plugged in now, and have no session there.
    """

    planned: list[Match] = field(default_factory=list)
    strangers: list[Mapping[str, Any]] = field(default_factory=list)
    left_out: list[Mapping[str, Any]] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def matched(
    stated: Iterable[Any], cars: Mapping[str, str], plans: Sequence[PlanFile], now: datetime
) -> Matches:
    """Put sessions next to plans.

    stated: Session objects as they were received, of any status. cars: token or EVSE, in capitals, →
    battery_id; a token that is itself a battery_id is that car's. plans: the newest first. Of a session that
    comes twice what was updated last counts: pages move while they are read. Of several ACTIVE sessions of
    one car the one that began last is served: a car is plugged in once.
    """
    matches, of_car, newest = Matches(), dict[str, list[Session]](), dict[str, Session]()
    known = {car.battery_id.upper(): car.battery_id for plan in plans for car in plan.cars}
    for place, one in enumerate(stated):
        try:
            session = read(Session, one)
        except ObjectError as error:
            matches.left_out.append({"session_id": _id(one, place), "battery_id": None, "reason": str(error)})
            continue
        if session.id not in newest or session.last_updated >= newest[session.id].last_updated:
            newest[session.id] = session
    for session in newest.values():
        if session.status != "ACTIVE":
            continue
        uid, evse = session.cdr_token.uid.upper(), session.evse_uid.upper()
        battery = cars.get(uid) or cars.get(evse) or known.get(uid)
        if battery is None:
            matches.strangers.append({"session_id": session.id, "evse_uid": session.evse_uid})
        else:
            of_car.setdefault(battery, []).append(session)
    for battery, sessions in of_car.items():
        _choose(matches, battery, sessions, plans, now)
    for battery in sorted({stay.battery_id for plan in plans for stay in plan.stays} - of_car.keys()):
        due = planned_now(plans, battery, None, now)
        if due is not None and due.session.first_slot <= now:
            matches.absent.append(battery)
    return matches


def _choose(
    matches: Matches, battery: str, sessions: list[Session], plans: Sequence[PlanFile], now: datetime
) -> None:
    newest = max(sessions, key=lambda one: (one.start_date_time, one.id))
    for other in sorted({one.id for one in sessions} - {newest.id}):
        reason = f"{newest.id}, another ACTIVE session of {battery}, began later"
        matches.left_out.append({"session_id": other, "battery_id": battery, "reason": reason})
    found = planned_now(plans, battery, None, now)
    if found is None:
        reason = "no plan has a session of it now"
        matches.left_out.append({"session_id": newest.id, "battery_id": battery, "reason": reason})
    else:
        matches.planned.append(Match(session=newest, battery_id=battery, found=found))


def _id(one: Any, place: int) -> str:
    stated = one.get("id") if isinstance(one, dict) else None
    return str(stated)[:36] if stated else f"session {place}"
