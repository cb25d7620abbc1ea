"""What the start page asks somebody to look at, from tables of the status written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.mapping.attention import Notice, attention

NOW = datetime(2026, 6, 15, 13, 0, tzinfo=ZoneInfo("Europe/Berlin"))
QUIET: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "days": [
        {"market_date": "2026-06-16", "source": "prices", "state": "ok", "deadline_utc": "2026-06-15 12:00"}
    ],
    "plans": [{"market_date": "2026-06-16", "plan_source": "published", "note": None}],
    "calibrations": [{"battery_id": "a", "quality": "calibrated", "as_of_utc": "2026-06-15 01:00"}],
    "calibrated": [{"never": 0, "cars": 1, "failed": ""}],
    "data": [
        {"dataset": "telemetry", "newest_utc": "2026-06-14 23:45"},
        {"dataset": "awards", "newest_utc": None},
    ],
    "quarantine": [],
    "last runs": [{"stage": "plan", "exit_code": 0, "status": "ok", "message": "done"}],
}


def notices(
    departures: Sequence[Mapping[str, Any]] = (), **changed: Sequence[Mapping[str, Any]]
) -> list[Notice]:
    return attention({**QUIET, **changed}, departures, NOW, "2026-06-16/index.html")


def test_a_quiet_fleet_asks_for_nothing() -> None:
    assert (
        notices([{"battery_id": "a", "readiness": "ready"}, {"battery_id": "b", "readiness": "tight"}]) == []
    )


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        (
            {
                "days": [
                    {
                        "market_date": "2026-06-16",
                        "source": "prices",
                        "state": "missing",
                        "deadline_utc": "2026-06-15 10:45",
                    }
                ]
            },
            "act",
            "2026-06-16: prices missing, due 2026-06-15 12:45.",
        ),
        (
            {
                "days": [
                    {"market_date": "2026-06-16", "source": "plan", "state": "outdated", "deadline_utc": None}
                ]
            },
            "act",
            "withdrawn",
        ),
        (
            {"plans": [{"market_date": "2026-06-16", "plan_source": "charge_only", "note": None}]},
            "act",
            "no prices",
        ),
        (
            {"plans": [{"market_date": "2026-06-16", "plan_source": "published", "note": "left out: b"}]},
            "look",
            "left out: b",
        ),
        (
            {"calibrations": [{"battery_id": "a", "quality": "disputed", "as_of_utc": "2026-06-15 01:00"}]},
            "look",
            "a: telemetry is disputed",
        ),
        (
            {"calibrations": [{"battery_id": "a", "quality": "calibrated", "as_of_utc": "2026-06-12 11:00"}]},
            "look",
            "newest calibration is 3 days old",
        ),
        ({"calibrated": [{"never": 2, "cars": 3, "failed": ""}]}, "look", "2 of 3 cars are not calibrated"),
        ({"calibrated": [{"never": 0, "cars": 3, "failed": "a: NaN"}]}, "act", "a: NaN"),
        (
            {"data": [{"dataset": "telemetry", "newest_utc": "2026-01-01 11:00"}]},
            "look",
            "telemetry are 165 days old",
        ),
        (
            {
                "quarantine": [
                    {"dataset": "telemetry", "rule": "range", "size": 6},
                    {"dataset": "telemetry", "rule": "stuck", "size": 13_797},
                ]
            },
            "look",
            "13,803 rows of telemetry are in quarantine: stuck 13,797, range 6",
        ),
        (
            {"last runs": [{"stage": "plan", "exit_code": 5, "status": "failed", "message": "no cars"}]},
            "act",
            "plan ended with exit code 5: no cars",
        ),
    ],
    ids=lambda case: next(iter(case)) if isinstance(case, dict) else None,
)
def test_each_thing_that_is_wrong_is_told_once(
    changed: Mapping[str, Sequence[Mapping[str, Any]]], level: str, words: str
) -> None:
    (one,) = notices(**changed)
    assert one.level == level and words in one.text


def test_a_run_that_went_well_since_takes_the_word_of_the_one_before_away() -> None:
    failed = {"stage": "plan", "exit_code": 5, "status": "failed", "message": "no cars"}
    assert notices(**{"last runs": [failed, {**failed, "exit_code": 0, "status": "ok"}]}) == []


def gateway(at: str, *alerts: Mapping[str, Any]) -> list[Notice]:
    return attention(QUIET, [], NOW, "", {"at_utc": at, "alerts": alerts})


def test_what_chargers_did_against_their_plan_is_told_by_kind_while_it_is_news() -> None:
    told = {
        "station": "S1",
        "battery_id": "a",
        "site_id": None,
        "last_utc": None,
        "at_utc": "2026-06-15T10:00+00:00",
    }
    found = gateway(
        "2026-06-15T10:59:30+00:00",
        {**told, "kind": "not following"},
        {**told, "kind": "not following", "battery_id": "b"},
        {**told, "kind": "silent", "battery_id": None},
        {**told, "kind": "let go"},
        {**told, "kind": "fault", "at_utc": "2026-06-14T10:00+00:00"},
        {**told, "kind": "fault", "at_utc": "2026-06-15T12:00+00:00"},  # later than the moment of the page
    )
    assert [one.text for one in found] == [
        "At the chargers, not following: a, b.",
        "At the chargers, silent: S1.",
    ]


def test_a_gateway_that_says_nothing_more_is_missed() -> None:
    (one,) = gateway("2026-06-15T08:00:00+00:00")
    assert (one.level, one.text) == ("act", "The gateway has said nothing for 3 hours.")


def test_what_is_lost_without_help_comes_first_and_many_cars_are_counted() -> None:
    short = [{"battery_id": f"c{number}", "readiness": "short"} for number in (*range(8), 0)]
    stale = [{"battery_id": "a", "quality": "stale", "as_of_utc": "2026-06-15 01:00"}]
    first, second = notices(short, calibrations=stale)
    assert (first.level, second.level) == ("act", "look")
    assert first.text == "By the plan c0, c1, c2, c3, c4, c5 and 2 more will leave with less than promised."
    assert first.page == "2026-06-16/index.html"
