"""The client of OCPI ChargingProfiles, against a central system on loopback that knows the specification."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from flows.dispatch.ocpi.client import CentralSystemError, OcpiClient, UnansweredError
from flows.dispatch.ocpi.config import OcpiConfig
from flows.dispatch.ocpi.match import Matches, matched
from flows.dispatch.ocpi.profile import profile_of
from flows.dispatch.ocpi.push import Outcome, awaited, offers_of, push, send
from flows.dispatch.ocpi.receiver import Receiver
from flows.dispatch.plan_file import QUARTER
from flows.errors import UsageError
from tests.flows.central_system import CALLBACK, TOKEN, CentralSystem, running, session_object
from tests.flows.depots import START, made_plan

CHARGES = [8.0, 4.0, 0.0, 6.0]
FEEDS = [8.0, -6.0, 0.0, 4.0]


def config_of(system: CentralSystem, **other: Any) -> OcpiConfig:
    fields = {
        "versions_url": f"{system.base}/ocpi/versions", "from_party": "DE*V2G", "to_party": "NL*TNM",
        "listen": "127.0.0.1:0",
    }  # fmt: skip
    return OcpiConfig(**(fields | other))


def stated(*cars: str, **other: Any) -> list[dict[str, Any]]:
    """A session a car, whose id and token name it."""
    return [session_object(f"at-{car}", car, START, **other) for car in cars]


def pushed(
    system: CentralSystem, powers: Mapping[int, list[float]], now: datetime = START, **config: Any
) -> tuple[dict[str, Outcome], Matches]:
    """Ask the system for its sessions, push the plan; what became of each session."""
    plan = made_plan(powers)
    client = OcpiClient(config_of(system, **config), TOKEN, wait_s=0.01)
    client.connect()
    matches = matched(client.sessions(now - timedelta(days=14)), {}, [plan], now)
    offers, left_out = offers_of(matches.planned, now, 24)
    assert not left_out
    with Receiver(config_of(system), CALLBACK) as receiver:
        outcomes = push(client, receiver, offers, 20.0, lambda *_: None)
    client.close()
    return {match.session.id: one for (match, _), one in zip(offers, outcomes, strict=True)}, matches


def powers_of(profile: Mapping[str, Any], size: int) -> list[float]:
    """What a profile allows, quarter-hour by quarter-hour from its start, kW."""
    periods: Sequence[Mapping[str, Any]] = profile["charging_profile_period"]
    return [
        [one["limit"] for one in periods if one["start_period"] <= 900 * place][-1] / 1000.0
        for place in range(size)
    ]


def test_a_plan_reaches_each_session_and_its_station_answers() -> None:
    cars = dict.fromkeys(range(1, 6), CHARGES)
    with running(CentralSystem(stated(*(f"CAR{number}" for number in cars)))) as system:
        outcomes, _ = pushed(system, cars)
        assert {one.status for one in outcomes.values()} == {"accepted"}
        assert len(outcomes) == len(system.profiles) == 5, "over three pages"
        assert system.faults == []
        assert {answer.json()["status_code"] for answer in system.receipts} == {1000}
        assert all("data" not in answer.json() for answer in system.receipts)
        assert {answer.headers["X-Request-ID"] for answer in system.receipts} == {"r-1"}
    profile = system.profiles["at-CAR1"]
    assert powers_of(profile, 4) == CHARGES
    assert profile["start_date_time"] == "2026-06-16T16:00:00Z"
    assert profile["duration"] == 3600


def test_a_profile_that_is_newly_created_there_is_one_that_was_taken() -> None:
    with running(CentralSystem(stated("CAR1"), {"at-CAR1": "created"})) as system:
        outcomes, _ = pushed(system, {1: CHARGES})
        assert {one.status for one in outcomes.values()} == {"accepted"}
        assert len(system.profiles) == 1


def test_of_a_session_that_comes_twice_what_was_updated_last_counts() -> None:
    """Pages move while they are read: a session that ended meanwhile is on two of them."""
    over = stated("CAR1", status="COMPLETED", last_updated="2026-06-16T16:30:00Z")
    for both in ([*stated("CAR1"), *over], [*over, *stated("CAR1")]):
        matches = matched(both, {}, [made_plan({1: CHARGES})], START)
        assert matches.planned == []
        assert matches.absent == ["CAR1"]


def test_what_nobody_asks_for_may_be_anything() -> None:
    plan = made_plan({1: CHARGES})
    assert matched(stated("CAR1", kwh=None, currency=7), {}, [plan], START).left_out == []


def test_what_cannot_be_fed_back_is_counted_and_the_car_rests() -> None:
    plan = made_plan({1: FEEDS})
    (match,) = matched(stated("CAR1"), {}, [plan], START).planned
    offer = profile_of(match.found, START, 24)
    assert powers_of(offer.profile, 4) == [8.0, 0.0, 0.0, 4.0]
    assert offer.not_fed_back_kwh == pytest.approx(1.5)
    assert offer.not_fed_back_eur == pytest.approx(0.15), "1.5 kWh at 0.10"
    later = profile_of(match.found, START + 2 * QUARTER, 24)
    assert later.not_fed_back_kwh == 0.0, "what is over can no longer be lost"


def test_a_profile_begins_with_the_quarter_hour_of_now() -> None:
    plan = made_plan({1: CHARGES})
    now = START + timedelta(minutes=20)
    (match,) = matched(stated("CAR1"), {}, [plan], now).planned
    profile = profile_of(match.found, now, 24).profile
    assert profile["start_date_time"] == "2026-06-16T16:15:00Z"
    assert powers_of(profile, 3) == CHARGES[1:]
    assert profile["duration"] == 2700


def test_a_car_that_came_early_rests_until_its_plan_begins() -> None:
    plan = made_plan({1: CHARGES})
    now = START - timedelta(minutes=25)
    (match,) = matched(stated("CAR1"), {}, [plan], now).planned
    profile = profile_of(match.found, now, 24).profile
    assert profile["start_date_time"] == "2026-06-16T15:30:00Z"
    assert powers_of(profile, 6) == [0.0, 0.0, *CHARGES]


def test_a_plan_that_makes_room_by_feeding_back_is_merged_all_the_same() -> None:
    """The battery's bounds are those of the plan; without what was fed back the car is full, and stops."""
    powers = np.where(np.arange(48) % 2, -7.0, np.linspace(8.0, 8.7, 48)).tolist()
    plan = made_plan({1: powers})
    slots = plan.stays[0].slots
    tight = replace(slots, least_kwh=slots.energy_kwh - 0.3, most_kwh=slots.energy_kwh + 0.3)
    plan = replace(plan, stays=(replace(plan.stays[0], slots=tight),))
    (match,) = matched(stated("CAR1"), {}, [plan], START).planned
    offer = profile_of(match.found, START, 12)
    assert offer.periods == 12
    charged = sum(max(power, 0.0) for power in powers)
    assert sum(powers_of(offer.profile, 48)) == pytest.approx(charged, abs=48e-3)


def test_a_whole_fleet_may_answer_at_once() -> None:
    """More than a listener's usual five wait while none is accepted."""
    config = OcpiConfig(
        versions_url="http://127.0.0.1/v", from_party="DE*V2G", to_party="NL*TNM", listen="127.0.0.1:0"
    )
    body, token = b'{"result": "ACCEPTED"}', base64.b64encode(CALLBACK.encode()).decode()
    receiver = Receiver(config, CALLBACK)
    urls = [receiver.expect() for _ in range(64)]
    lines = []
    for url in urls:
        lines.append(HTTPConnection(urlsplit(url).netloc, timeout=5))
        lines[-1].request("POST", urlsplit(url).path, body, {"Authorization": f"Token {token}"})
    with receiver:
        assert {line.getresponse().status for line in lines} == {200}
        assert all(receiver.result(url, 0.0) for url in urls)


def test_limits_are_merged_and_never_rounded_up() -> None:
    powers = (np.random.default_rng(3).uniform(0.1, 2.5, 48) + 1e-4).tolist()
    plan = made_plan({1: powers})
    (match,) = matched(stated("CAR1"), {}, [plan], START).planned
    offer = profile_of(match.found, START, 12)
    assert offer.periods == 12
    told = powers_of(offer.profile, 48)
    assert 0.0 <= sum(powers) - sum(told) < 48e-3
    whole = profile_of(match.found, START, 48)
    assert all(said <= planned for said, planned in zip(powers_of(whole.profile, 48), powers, strict=True))


def test_the_least_that_a_charger_charges_with_is_told() -> None:
    plan = made_plan({1: CHARGES})
    plan = replace(plan, plugs=tuple(replace(one, least_kw=4.14) for one in plan.plugs))
    (match,) = matched(stated("CAR1"), {}, [plan], START).planned
    assert profile_of(match.found, START, 24).profile["min_charging_rate"] == 4140


@pytest.mark.parametrize(
    ("kind", "status", "why"),
    [
        ("rejected by station", "rejected", "the station answers REJECTED"),
        ("refused", "refused", "REJECTED"),
        ("too often", "refused", "TOO_OFTEN"),
        ("silent", "unanswered", "within 1 s"),
        ("http 500", "failed", "HTTP 500 (asked 4 times)"),
        ("garbage", "failed", "no envelope of OCPI"),
        ("http 503 once", "accepted", ""),
        ("ocpi 3000 once", "accepted", ""),
    ],
)
def test_one_bad_session_never_costs_the_others(kind: str, status: str, why: str) -> None:
    with running(CentralSystem(stated("CAR1", "CAR2", "CAR3"), {"at-CAR2": kind})) as system:
        outcomes, _ = pushed(system, dict.fromkeys((1, 2, 3), CHARGES))
    assert outcomes["at-CAR2"].status == status
    assert why in outcomes["at-CAR2"].reason
    assert [outcomes[f"at-CAR{number}"].status for number in (1, 3)] == ["accepted", "accepted"]
    assert system.faults == []


def test_a_session_that_ended_in_the_meantime_is_told() -> None:
    with running(CentralSystem(stated("CAR1", "CAR2"))) as system:
        plan = made_plan({1: CHARGES, 2: FEEDS})
        offers, _ = offers_of(matched(system.sessions, {}, [plan], START).planned, START, 24)
        system.sessions.pop()
        client = OcpiClient(config_of(system), TOKEN)
        client.connect()
        with Receiver(config_of(system), CALLBACK) as receiver:
            outcomes = push(client, receiver, offers, 20.0, lambda *_: None)
    assert [one.status for one in outcomes] == ["accepted", "refused"]
    assert "UNKNOWN_SESSION" in outcomes[1].reason


def test_sessions_that_are_none_or_nobodys_or_twice_are_named() -> None:
    plan = made_plan({1: CHARGES, 2: CHARGES, 3: CHARGES})
    broken = session_object("no-time", "CAR3", START)
    del broken["start_date_time"]
    listed = [
        *stated("CAR1"), session_object("stuck", "car1", START - timedelta(days=2)),
        session_object("guest", "DE-XYZ", START), session_object("over", "CAR2", START, status="COMPLETED"),
        broken, session_object("x" * 37, "CAR3", START), "no object",
    ]  # fmt: skip
    found = matched(listed, {}, [plan], START)
    assert [one.session.id for one in found.planned] == ["at-CAR1"]
    reasons = {one["session_id"]: one["reason"] for one in found.left_out}
    assert "start_date_time" in reasons["no-time"]
    assert "at most 36" in reasons["x" * 36]
    assert "at-CAR1, another ACTIVE session of CAR1" in reasons["stuck"]
    assert "no Session of OCPI" in reasons["session 6"]
    assert [one["session_id"] for one in found.strangers] == ["guest"]
    assert found.absent == ["CAR2", "CAR3"]


def test_a_token_says_whose_car_it_is_else_the_evse_does() -> None:
    plan = made_plan({1: CHARGES, 2: CHARGES})
    cars = {"04A2B3": "CAR2", "NL*TNM*E1": "CAR1"}
    by_token = [session_object("a", "04a2b3", START, evse_uid="NL*TNM*E1")]
    by_place = [session_object("b", "app-user", START, evse_uid="nl*tnm*e1")]
    assert [one.battery_id for one in matched(by_token, cars, [plan], START).planned] == ["CAR2"]
    assert [one.battery_id for one in matched(by_place, cars, [plan], START).planned] == ["CAR1"]


def test_a_car_without_a_plan_now_is_left_out_by_name() -> None:
    late = START + timedelta(hours=2)
    (one,) = matched(stated("CAR1"), {}, [made_plan({1: CHARGES})], late).left_out
    assert (one["battery_id"], one["reason"]) == ("CAR1", "no plan has a session of it now")


def test_active_profiles_are_asked_for_pushed_and_cleared() -> None:
    with running(CentralSystem(stated("CAR1"))) as system:
        pushed(system, {1: CHARGES})
        config = config_of(system)
        client = OcpiClient(config, TOKEN)
        client.connect()
        with Receiver(config, CALLBACK) as receiver:
            base = receiver.expect().rsplit("/results/", 1)[0]

            def outcome(ask: Any) -> Outcome:
                sent = send(ask, receiver, 20.0)
                return sent if isinstance(sent, Outcome) else awaited(sent, receiver)

            told = outcome(lambda url: client.get_profile("at-CAR1", 1800, url))
            assert told.active is not None
            assert powers_of(told.active["charging_profile"], 4) == [6.0, 4.0, 0.0, 6.0]
            assert system.push_active(base, "at-CAR1").json()["status_code"] == 1000
            periods = receiver.pushed["at-CAR1"].charging_profile.charging_profile_period
            assert [one.limit for one in periods] == [6000, 4000, 0, 6000]
            assert outcome(lambda url: client.delete_profile("at-CAR1", url)).good
            again = outcome(lambda url: client.delete_profile("at-CAR1", url))
            assert (again.status, again.reason) == ("rejected", "the station answers UNKNOWN")
        assert system.faults == []


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running(CentralSystem([])) as system, Receiver(config_of(system), CALLBACK) as one:
        yield one


def called(url: str, body: bytes, *, token: str | None = CALLBACK, method: str = "POST") -> httpx.Response:
    headers = {} if token is None else {"Authorization": "Token " + base64.b64encode(token.encode()).decode()}
    return httpx.request(method, url, content=body, headers=headers, timeout=5)


@pytest.mark.parametrize("token", [None, "another-token"])
def test_whoever_has_not_the_callback_token_tells_nothing(receiver: Receiver, token: str | None) -> None:
    url = receiver.expect()
    assert called(url, b'{"result": "ACCEPTED"}', token=token).status_code == 401
    assert receiver.result(url, 0.0) is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"result": "FINE"}', b"[" * 50_000, b"\xff"])
def test_what_is_no_result_is_refused_and_nothing_ends(receiver: Receiver, body: bytes) -> None:
    url = receiver.expect()
    answer = called(url, body)
    assert (answer.status_code, answer.json()["status_code"]) == (200, 2001)
    assert called(url, b'{"result": "REJECTED"}').json()["status_code"] == 1000
    result = receiver.result(url, 0.0)
    assert result is not None
    assert result.result == "REJECTED"


def test_nothing_is_taken_that_was_not_asked_for(receiver: Receiver) -> None:
    url = receiver.expect()
    assert called(url[:-1] + "?", b'{"result": "ACCEPTED"}').status_code == 404
    assert called(url, b"x" * 1_000_001).status_code == 413


def test_without_a_callback_token_the_secret_address_lets_results_in_and_nothing_else() -> None:
    with running(CentralSystem([])) as system, Receiver(config_of(system), None) as one:
        url = one.expect()
        assert called(url, b'{"result": "ACCEPTED"}', token=None).json()["status_code"] == 1000
        base = url.rsplit("/results/", 1)[0]
        assert called(f"{base}/chargingprofiles/s", b"{}", token=None, method="PUT").status_code == 401


def test_other_machines_are_listened_to_with_a_token_alone() -> None:
    config = OcpiConfig(
        versions_url="http://127.0.0.1/v", from_party="DE*V2G", to_party="NL*TNM", listen="0.0.0.0:0",
        callback_url="https://us.example/ocpi",
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"a callback token is needed to listen on 0\.0\.0\.0"):
        Receiver(config, None)


def test_a_central_system_that_cannot_serve_says_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with running(CentralSystem([])) as system:
        with pytest.raises(CentralSystemError, match="HTTP 401"):
            OcpiClient(config_of(system), "a-wrong-token").connect()
        system.modules = []
        client = OcpiClient(config_of(system), TOKEN)
        client.connect()
        with pytest.raises(CentralSystemError, match=r"no chargingprofiles \(RECEIVER\) of 2.2.1"):
            client.delete_profile("s", "http://127.0.0.1/r")
        system.versions = ["2.1.1"]
        with pytest.raises(CentralSystemError, match=r"offers 2.1.1, not 2.2.1"):
            OcpiClient(config_of(system), TOKEN).connect()
        gone = config_of(system)
    with pytest.raises(UnansweredError, match="asked 4 times"):
        OcpiClient(gone, TOKEN, wait_s=0.01).connect()
    secrets = [base64.b64encode(one.encode()).decode() for one in ("a-wrong-token", TOKEN)]
    assert not any(one in caplog.text for one in [*secrets, TOKEN, "a-wrong-token"])


def test_no_token_goes_over_a_plain_line_to_another_machine() -> None:
    with running(CentralSystem(stated("CAR1"))) as system:
        config = config_of(system)
        system.base = "http://cpo.example"
        with pytest.raises(CentralSystemError, match="https is needed for another machine"):
            OcpiClient(config, TOKEN).connect()


def test_the_next_page_is_not_looked_for_on_another_host() -> None:
    with running(CentralSystem(stated("CAR1", "CAR2", "CAR3"))) as system:
        client = OcpiClient(config_of(system), TOKEN)
        client.connect()
        system.next_page = "https://elsewhere.example/sessions"
        with pytest.raises(CentralSystemError, match="another host"):
            list(client.sessions(START))


def test_profiles_are_json_of_whole_watts() -> None:
    (match,) = matched(stated("CAR1"), {}, [made_plan({1: [7.36, 3.3333]})], START).planned
    text = json.dumps(profile_of(match.found, START, 24).profile)
    assert '"limit": 7360}' in text
    assert '"limit": 3333}' in text
