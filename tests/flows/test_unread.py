"""Whose meter is asked for at once: once a step, only where a limit could be exceeded, never all together."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ocpp.messages import get_validator

from flows.dispatch.gateway.follow import SETTLES
from flows.dispatch.gateway.meters import ASKED_FOR, ask_reading
from flows.dispatch.gateway.unread import SOON, Doing, Unread
from flows.dispatch.station import VERSIONS, Version
from tests.flows.depots import START, folders, made_desk, made_plan, station

SOON_S = SOON.total_seconds()
NOW = 1_800_000_000.0


def car(number: int, asked_kw: float = 0.0, *, most_kw: float = 11.0, site: str = "depot") -> Doing:
    return Doing(
        number=number, chain=(site,), asked_kw=asked_kw, drawn_kw=asked_kw, fed_kw=-asked_kw,
        most_drawn_kw=most_kw, most_fed_kw=0.0,
    )  # fmt: skip


def room(kw: float, fed_kw: float = math.inf) -> dict[str, tuple[float, float]]:
    return {"depot": (kw, fed_kw)}


def asked(
    unread: Unread, cars: list[Doing], limits: Mapping[str, tuple[float, float]], begin: int, end: int
) -> dict[int, list[int]]:
    """Who was asked when, by seconds after NOW, looking every second."""
    found = {second: unread.due(cars, limits, NOW + second) for second in range(begin, end)}
    return {second: numbers for second, numbers in found.items() if numbers}


def test_a_step_is_asked_for_once_and_not_before_a_car_can_have_done_it() -> None:
    unread, cars = Unread(), [car(1), car(2)]
    ((second, numbers),) = asked(unread, cars, room(15.0), 0, 900).items()
    assert SOON_S < second <= SOON_S + 10
    assert numbers == [1, 2]
    cars = [car(1, 6.0), car(2)]
    ((second, numbers),) = asked(unread, cars, room(15.0), 900, 1800).items()
    assert (900 + SOON_S < second <= 910 + SOON_S, numbers) == (True, [1])
    assert asked(unread, [car(1, 6.3), car(2)], room(15.0), 1800, 2700) == {}, "a meter would not tell"


def test_nobody_is_asked_where_no_limit_could_be_exceeded() -> None:
    unread = Unread()
    assert asked(unread, [car(1), car(2)], room(22.1), 0, 60) == {}
    assert asked(unread, [car(1), car(2, site="yard")], room(11.1), 60, 120) == {}, "its site has none"
    assert asked(Unread(), [car(1, -3.0, most_kw=0.0)], room(math.inf, 5.0), 0, 60) == {}
    feeds = Doing(
        number=1, chain=("depot",), asked_kw=0.0, drawn_kw=0.0, fed_kw=0.0, most_drawn_kw=0.0, most_fed_kw=9.0
    )
    assert len(asked(Unread(), [feeds], room(math.inf, 5.0), 0, 60)) == 1, "it could feed back too much"


def test_who_could_draw_most_is_asked_first_and_what_some_have_shown_makes_others_needless() -> None:
    unread, cars, limits = Unread(), [car(3, most_kw=4.0), car(1), car(2)], room(10.0)
    ((_, numbers),) = asked(unread, cars, limits, 0, 900).items()
    assert numbers == [1, 2, 3]
    unread = Unread()
    unread.due(cars, limits, NOW)
    for number in (1, 2):
        unread.shown(number)
    assert asked(unread, cars, limits, 1, 900) == {}


def test_a_thousand_that_step_together_are_not_asked_together() -> None:
    unread, cars = Unread(), [car(number) for number in range(1000)]
    found = asked(unread, cars, room(500.0), 0, 900)
    assert sum(map(len, found.values())) == 1000
    assert max(map(len, found.values())) <= 25
    assert max(found) < 90
    assert unread.next_s(NOW + 900) is None


def test_a_profile_that_is_taken_later_is_asked_for_later_and_one_that_changes_nothing_is_not() -> None:
    unread, cars = Unread(), [car(1)]
    assert len(asked(unread, cars, room(5.0), 0, 40)) == 1
    unread.given[1] = NOW + 40  # the station was silent, and has it now
    ((second, _),) = asked(unread, cars, room(5.0), 41, 900).items()
    assert 40 + SOON_S < second <= 50 + SOON_S
    unread.shown(1)
    unread.given[1] = NOW + 900
    assert asked(unread, cars, room(5.0), 901, 1800) == {}


def test_a_car_that_does_not_follow_yet_is_asked_again_when_it_should_have() -> None:
    unread, cars = Unread(), [car(1)]
    assert len(asked(unread, cars, room(5.0), 0, 30)) == 1
    unread.slow(1)
    ((second, _),) = asked(unread, cars, room(5.0), 30, 900).items()
    assert SETTLES.total_seconds() < second <= SETTLES.total_seconds() + 10
    unread.slow(1)
    assert asked(unread, cars, room(5.0), 900, 1800) == {}, "and then no more"


def test_it_is_known_when_to_look_again() -> None:
    unread = Unread()
    unread.due([car(1)], room(5.0), NOW)
    due_s = unread.next_s(NOW)
    assert due_s is not None
    assert SOON_S < due_s <= SOON_S + 10
    assert unread.due([car(1)], room(5.0), NOW + due_s) == [1]
    assert unread.next_s(NOW + due_s) is None
    unread.keep(())
    assert unread.due([], room(5.0), NOW + 100) == []


class AnsweringLink:
    """A link whose station answers as it is told to."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.answer, self.calls = answer, list[tuple[str, Mapping[str, Any]]]()

    async def call(self, action: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        self.calls.append((action, payload))
        return self.answer


@pytest.mark.parametrize("version", VERSIONS)
def test_what_goes_out_is_of_the_schema_and_what_comes_back_is_said(version: Version) -> None:
    validator = get_validator(2, "TriggerMessage", version)
    for message in ASKED_FOR[version]:
        for answer, why in (
            ({"status": "Accepted"}, None), ({"status": "NotImplemented"}, "NotImplemented"), ({}, "None")
        ):  # fmt: skip
            link = AnsweringLink(answer)
            assert asyncio.run(ask_reading(link, version, 2, message)) == why  # type: ignore[arg-type]
            ((action, payload),) = link.calls
            assert action == "TriggerMessage"
            assert validator.is_valid(json.loads(json.dumps(payload)))
            assert payload["requestedMessage"] == message
            assert payload.get("connectorId", payload.get("evse")) in (2, {"id": 2})


def test_a_reading_on_request_is_of_our_time_where_a_clock_is_two_hours_behind(tmp_path: Path) -> None:
    """What 2.x sends of a session as it happens is moved by the same; of 1.6 all is believed alike."""
    folders(tmp_path, made_plan({1: [4.0] * 8}))
    desk = made_desk(tmp_path, [1], lambda: START + timedelta(minutes=1))
    behind = (START - timedelta(hours=2)).isoformat()

    def metered(wh: float, at: str) -> list[dict[str, Any]]:
        sample = {"value": wh, "measurand": "Energy.Active.Import.Register", "context": "Trigger"}
        return [{"timestamp": at, "sampledValue": [sample]}]

    desk.take(station(1), "2.1", "TransactionEvent", {
        "eventType": "Started", "timestamp": behind, "seqNo": 0, "triggerReason": "Authorized",
        "transactionInfo": {"transactionId": "t"}, "evse": {"id": 1}, "meterValue": metered(100.0, behind),
        "idToken": {"idToken": "CAR1", "type": "Local"},
    })  # fmt: skip
    came, _ = desk.take(station(1), "2.1", "MeterValues", {"evseId": 1, "meterValue": metered(200.0, behind)})
    assert came is not None
    (one,) = desk.book.running
    now = desk.now_s()
    assert (one.start, [reading.at for reading in came.readings]) == (now, [now])
    assert one.metered_kwh == pytest.approx(0.1)
    assert [alert["kind"] for alert in desk.alerts.newest] == ["clock off"]
