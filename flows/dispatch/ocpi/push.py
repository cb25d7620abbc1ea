"""Profiles for all sessions that match, each on its own: what one of them runs into costs no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.dispatch.merge import MergeError
from flows.dispatch.ocpi.client import CentralSystemError, OcpiClient
from flows.dispatch.ocpi.match import Match
from flows.dispatch.ocpi.objects import ChargingProfileResponse, ObjectError
from flows.dispatch.ocpi.profile import Offer, profile_of
from flows.dispatch.ocpi.receiver import Receiver

_AT_ONCE = 4
ACCEPTED = "ACCEPTED"
Ask = Callable[[str], ChargingProfileResponse]
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a request: status "accepted" by the station, or which way it was not, and why.

    active: what the station says that it is going to do, where that was asked for.
    """

    status: str
    reason: str = ""
    active: Mapping[str, Any] | None = None

    @property
    def good(self) -> bool:
        """Whether the station has it."""
        return self.status == "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A request whose result is to come until a moment (monotonic, s)."""

    response_url: str
    wait_s: float
    until: float


def offers_of(
    matches: Sequence[Match], now: datetime, most_periods: int
) -> tuple[list[tuple[Match, Offer]], list[Mapping[str, Any]]]:
    """Return the profiles of sessions, and those that have none, each with its reason."""
    made: list[tuple[Match, Offer]] = []
    left_out: list[Mapping[str, Any]] = []
    for one in matches:
        try:
            made.append((one, profile_of(one.found, now, most_periods)))
        except MergeError as error:
            left_out.append(
                {"session_id": one.session.id, "battery_id": one.battery_id, "reason": str(error)}
            )
    return made, left_out


def push(
    client: OcpiClient,
    receiver: Receiver,
    offers: Sequence[tuple[Match, Offer]],
    most_wait_s: float,
    report: Report,
) -> list[Outcome]:
    """Send all profiles, and wait for what the stations say of each; in the order of the offers."""

    def sent(item: tuple[Match, Offer]) -> Outcome | Awaited:
        match, offer = item
        return send(
            lambda url: client.put_profile(match.session.id, offer.profile, url), receiver, most_wait_s
        )

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers: list[Outcome | Awaited] = []
        for one in pool.map(sent, offers):
            answers.append(one)
            report("sent", len(answers), len(offers))
    outcomes: list[Outcome] = []
    for one in answers:
        outcomes.append(one if isinstance(one, Outcome) else awaited(one, receiver))
        report("answered", len(outcomes), len(offers))
    return outcomes


def send(ask: Ask, receiver: Receiver, most_wait_s: float) -> Outcome | Awaited:
    """Ask one thing. Its result is waited for as long as is answered, not longer than most_wait_s."""
    url = receiver.expect()
    try:
        answer = ask(url)
    except (CentralSystemError, ObjectError) as error:
        return Outcome(status="failed", reason=str(error))
    if answer.result != ACCEPTED:
        return Outcome(status="refused", reason=f"the central system answers {answer.result}")
    wait_s = min(float(answer.timeout), most_wait_s)
    return Awaited(response_url=url, wait_s=wait_s, until=time.monotonic() + wait_s)


def awaited(one: Awaited, receiver: Receiver) -> Outcome:
    """Wait for a result."""
    result = receiver.result(one.response_url, one.until)
    if result is None:
        reason = f"accepted, but no result came within {one.wait_s:g} s"
        return Outcome(status="unanswered", reason=reason)
    active = None if result.profile is None else result.profile.model_dump(mode="json", exclude_none=True)
    if result.result != ACCEPTED:
        return Outcome(status="rejected", reason=f"the station answers {result.result}", active=active)
    return Outcome(status="accepted", active=active)


def row_of(match: Match, offer: Offer, outcome: Outcome) -> dict[str, Any]:
    """What is told of a session's profile."""
    return {
        "session_id": match.session.id, "battery_id": match.battery_id, "evse_uid": match.session.evse_uid,
        "plan_id": match.found.plan.plan_id, "planned_session_id": match.found.session.session_id,
        "status": outcome.status, "reason": outcome.reason, "periods": offer.periods,
        "merge_cost_eur": offer.merge_cost_eur, "not_fed_back_kwh": offer.not_fed_back_kwh,
        "not_fed_back_eur": offer.not_fed_back_eur, "profile": offer.profile,
    }  # fmt: skip
