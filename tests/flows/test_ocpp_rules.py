"""Rules of charging profiles: each broken one is given by its number, and what stations accept breaks
none."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from flows.dispatch.conflicts import check_together
from flows.dispatch.message import Request, request_of
from flows.dispatch.rules import check_message
from flows.dispatch.station import Station
from tests.flows.ocpp_messages import BROKEN, GOOD, KNOWN, START, default, profile, request
from tests.warehouse.builders import SHARED_DATA

EVEREST = SHARED_DATA / "protocols" / "ocpp_profiles_everest"


@pytest.mark.parametrize("name", GOOD)
def test_what_keeps_the_rules_breaks_none(name: str) -> None:
    assert check_message(GOOD[name]) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_given_by_its_number_and_no_other(name: str) -> None:
    rule, *message_and_station = BROKEN[name]
    assert {breach.rule for breach in check_message(*message_and_station)} == {rule}


def test_more_than_sixty_rules_are_broken_here() -> None:
    assert len(BROKEN) >= 60
    assert len({rule for rule, *_ in BROKEN.values()}) >= 40


OLD = {
    "TxDefaultProfile_401.json": "schema", "TxDefaultProfile_402.json": "schema",
    "TXDefaultProfile_25_Watt.json": "schema", "Recurring_Daily_301.json": "schema",
    "Recurring_Daily_302_phase_limit.json": "schema", "Relative_302_phase_limit.json": "schema",
    "ChargingStationMaxProfile_24_Ampere.json": "schema",  # a schedule of 1.6 has no id
    "TxDefaultProfile_no_chargingRateUnit.json": "schema",
    "TxProfile_02.json": "K01.FR.03", "TxProfile_03_Absolute.json": "K01.FR.03",
    "TxProfile_grid.json": "K01.FR.03",
}  # fmt: skip
NEW = {
    "ChargingStationExternalConstraintProfile_grid_hourly.json": "K01.FR.22",
    "ProfileA.json": "ChargingProfileType.transactionId",
}


@pytest.mark.skipif(not EVEREST.exists(), reason="no shared data with profiles of EVerest")
@pytest.mark.parametrize(("folder", "version"), [("v16", "1.6"), ("v2", "2.0.1"), ("v2", "2.1")])
def test_profiles_of_another_project_are_read_right_or_refused_with_the_reason(
    folder: str, version: Any
) -> None:
    wrong = OLD if folder == "v16" else NEW
    files = sorted((EVEREST / folder).rglob("*.json"))
    assert len(files) in (19, 41)
    for file in files:
        found = {one.rule for one in check_message(json.loads(file.read_text()), Station(version=version))}
        assert found == ({wrong[file.name]} if file.name in wrong else set()), file.name


TOGETHER = {
    "K01.FR.05": (request(profile()), request(profile(stackLevel=3))),
    "K01.FR.39": (request(profile()), request(profile(id=101))),
    "K01.FR.52": (request(default(), 0), request(default(id=101), 1)),
    "K01.FR.53": (request(default(), 1), request(default(id=101), 0)),
    "K01.FR.06": (request(default(), 1), request(default(id=101), 1)),
}


def read(*stated: Any) -> list[Request]:
    found = [request_of(one, "2.1") for one in stated]
    assert all(isinstance(one, Request) for one in found)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("rule", TOGETHER)
def test_profiles_that_claim_one_place_are_reported(rule: str) -> None:
    assert [one.rule for one in check_together(read(*TOGETHER[rule]))] == [rule]


def test_profiles_one_after_the_other_or_above_each_other_are_none() -> None:
    night = default(validFrom=START, validTo="2026-06-17T06:00:00Z")
    next_night = default(id=101, validFrom="2026-06-17T06:00:00Z", validTo="2026-06-18T06:00:00Z")
    assert (
        check_together(read(*(request(one) for one in (night, next_night, default(id=7, stackLevel=0)))))
        == []
    )


def test_whatever_comes_over_the_wire_ends_in_an_answer() -> None:
    """10,000 frames damaged at random: no exception, and what is let through is a request."""
    rng = random.Random(20)  # noqa: S311
    scraps = [
        None,
        True,
        -1,
        0,
        1e308,
        float("nan"),
        "",
        "9" * 40,
        [],
        {},
        [[]],
        {"id": 1},
        START,
        "Idle",
        "W",
    ]
    passed = 0
    for _ in range(10_000):
        message = copy.deepcopy(rng.choice([*GOOD.values()]))
        for _ in range(rng.randint(1, 3)):
            damage(message, rng, scraps)
        passed += (
            check_message(
                message, rng.choice((Station(), KNOWN, Station(version="1.6"), Station(version="2.0.1")))
            )
            == []
        )
    assert 0 < passed < 9_000


def damage(value: Any, rng: random.Random, scraps: list[Any]) -> None:
    """Replace, drop or add something somewhere in a JSON value."""
    while isinstance(value, dict | list) and value:
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        if not isinstance(value[key], dict | list) or rng.random() < 0.2:
            if rng.random() < 0.3:
                del value[key]
            else:
                value[key] = rng.choice(scraps)
            return
        value = value[key]


def test_the_command_reads_a_file_and_names_the_rules(tmp_path: Path) -> None:
    import subprocess
    import sys

    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(GOOD["a frame"]))
    bad.write_text(json.dumps(BROKEN["backwards"][1]))
    run = [sys.executable, "-m", "flows.cli", "--json", "ocpp", "check"]
    done = subprocess.run([*run, str(good)], capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"messages": 1, "broken": []})
    done = subprocess.run([*run, str(good), str(bad)], capture_output=True, text=True)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["messages"], [one["rule"] for one in answer["broken"]]) == (
        4,
        2,
        ["K01.FR.35"],
    )
    done = subprocess.run([*run, str(tmp_path / "none.json")], capture_output=True, text=True)
    assert done.returncode == 2
