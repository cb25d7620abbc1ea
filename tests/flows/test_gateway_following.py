"""What was asked for, done and paid, by quarter-hour: of simulated stations, and by hand."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows import cli
from flows.dispatch.gateway import STATE_FOLDER
from flows.dispatch.gateway.following import FOLDER, Following, followed, summed
from flows.dispatch.gateway.wanted import Wanted
from flows.dispatch.simulator.fleet import drive, stations_of
from flows.dispatch.simulator.station import Fault, Setup
from flows.dispatch.station import VERSIONS, Version
from tests.flows.depots import PASSWORD, START, folders, made_desk, made_plan, serving, station

HOUR = [8.0, -6.0, 0.0, 4.0]
SLOTS = [START + n * timedelta(minutes=15) for n in range(4)]
DAY = "2026-06-16"


def run_day(root: Path, version: Version, faults: frozenset[Fault] = frozenset()) -> list[dict[str, Any]]:
    """An hour of one station at 450 times the speed; the rows that its gateway wrote."""

    async def hour() -> None:
        plan = made_plan({1: HOUR})
        folders(root, plan)
        async with serving(root, [1], speed=450.0) as (_, url):
            setup = Setup(
                url=url, password=PASSWORD, version=version, speed=450.0, meter_s=60.0, faults=faults
            )
            await asyncio.wait_for(drive(stations_of(plan, {station(1): setup}, START)), 60)

    asyncio.run(hour())
    return followed(root / STATE_FOLDER, DAY)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_quarter_hour_says_what_was_asked_done_and_paid(tmp_path: Path, version: Version) -> None:
    rows = {datetime.fromisoformat(row["interval_start_utc"]): row for row in run_day(tmp_path, version)}
    wanted = HOUR if version == "2.1" else [max(power, 0.0) for power in HOUR]
    for slot, power in list(zip(SLOTS, wanted, strict=True))[1:3]:  # the first begins, the last ends midway
        row = rows[slot]
        assert row["asked_kwh"] == pytest.approx(power / 4, abs=0.3)
        assert row["asked_s"] == 900.0
        assert row["off_kwh"] == pytest.approx(row["done_kwh"] - row["asked_kwh"], abs=1e-5)
        assert abs(row["off_kwh"]) < 0.45
        price = {True: 0.2, False: 0.1}
        assert row["cost_eur"] == pytest.approx(
            row["import_kwh"] * price[True] - row["export_kwh"] * 0.1, abs=1e-5
        )
        assert row["asked_cost_eur"] == pytest.approx(
            row["asked_kwh"] * price[row["asked_kwh"] >= 0], abs=0.03
        )
        assert (row["battery_id"], row["session_id"], row["plan_id"]) == ("CAR1", "s1", "p1")


def test_a_car_that_does_as_it_likes_is_off_in_its_quarter_hours(tmp_path: Path) -> None:
    rows = run_day(tmp_path, "2.1", frozenset({Fault.DISOBEYING}))
    (car,) = summed(rows, "battery_id")
    assert car["abs_off_kwh"] > 1.0
    assert car["asked_whole"] >= 2


def made(root: Path) -> tuple[Following, Any, list[datetime]]:
    """A desk with one running session, and a clock that a test moves."""
    now = [START]
    plan = made_plan({1: HOUR})
    folders(root, plan)
    desk = made_desk(root, [1], lambda: now[-1])
    desk.plans.look(START)
    desk.take(station(1), "2.1", "TransactionEvent", {
        "eventType": "Started", "timestamp": START.isoformat(), "seqNo": 0, "triggerReason": "Authorized",
        "transactionInfo": {"transactionId": "t"}, "evse": {"id": 1},
        "idToken": {"idToken": "CAR1", "type": "Local"},
    })  # fmt: skip
    return desk.following, desk, now


def profile(*steps: tuple[int, float], until: datetime = START + timedelta(hours=1)) -> Wanted:
    """A profile from START on: seconds after it, and watts."""
    periods = [
        {"startPeriod": at, "operationMode": "CentralSetpoint", "setpoint": watts} for at, watts in steps
    ]
    schedule = {"startSchedule": START.isoformat(), "chargingSchedulePeriod": periods}
    return Wanted(what="1", evse=1, plan_id="p1", request={
        "chargingProfile": {"validTo": until.isoformat(), "chargingSchedule": [schedule]}
    })  # fmt: skip


def counted(desk: Any, drawn: float, fed: float, slot: datetime = START) -> dict[str, Any]:
    """The row of a quarter-hour in which so much was metered."""
    quarters = desk.rows.quarters
    quarters.energies.setdefault("CAR1", {})[slot.timestamp()] = [drawn, fed]
    quarters.changed = {("CAR1", slot.timestamp())}
    desk.following.write(quarters, desk.book, desk.plans)
    return next(row for row in followed(desk.state, DAY)
                if datetime.fromisoformat(row["interval_start_utc"]) == slot)  # fmt: skip


def test_a_profile_that_changes_within_a_quarter_hour_is_asked_for_in_parts(tmp_path: Path) -> None:
    following, desk, _ = made(tmp_path)
    (one,) = desk.book.running
    following.note(one, profile((0, 8000.0), (300, -4000.0)), START.timestamp())
    following.note(one, profile((0, 2000.0)), START.timestamp() + 600)
    row = counted(desk, 1.0, 0.4)
    into, out = 8 * 300 / 3600 + 2 * 300 / 3600, 4 * 300 / 3600
    assert row["asked_kwh"] == pytest.approx(into - out, abs=1e-6)
    assert row["off_kwh"] == pytest.approx(0.6 - (into - out), abs=1e-6)
    assert row["cost_eur"] == pytest.approx(0.2 * 1.0 - 0.1 * 0.4)
    assert row["asked_cost_eur"] == pytest.approx(0.2 * into - 0.1 * out, abs=1e-6)


def test_a_quarter_hour_that_was_not_asked_for_throughout_is_not_off(tmp_path: Path) -> None:
    following, desk, _ = made(tmp_path)
    (one,) = desk.book.running
    following.note(one, profile((0, 8000.0), until=START + timedelta(minutes=20)), START.timestamp() + 600)
    row = counted(desk, 1.0, 0.0)
    assert (row["asked_s"], row["off_kwh"], row["asked_cost_eur"]) == (300.0, None, None)
    later = counted(desk, 1.0, 0.0, SLOTS[1])
    assert (later["asked_s"], later["off_kwh"]) == (300.0, None), "its profile ends in it"
    assert later["asked_kwh"] == pytest.approx(8 * 300 / 3600, abs=1e-6)
    one.end = START.timestamp() + 700
    assert counted(desk, 1.0, 0.0)["asked_s"] == 100.0, "it has left"


def test_notes_and_rows_outlive_the_gateway_and_a_torn_line(tmp_path: Path) -> None:
    following, desk, _ = made(tmp_path)
    (one,) = desk.book.running
    following.note(one, profile((0, 8000.0)), START.timestamp())
    with (desk.state / FOLDER / "asked.jsonl").open("a") as file:
        file.write('{"number": 1, "batt')
    desk.following = Following(desk.state)
    desk.following.note(one, profile((0, 0.0)), START.timestamp() + 450)
    desk.following = Following(desk.state)
    assert counted(desk, 1.0, 0.0)["asked_kwh"] == pytest.approx(1.0, abs=1e-6)
    assert counted(desk, 1.2, 0.0)["done_kwh"] == 1.2, "what is known better counts"
    assert len(followed(desk.state, DAY)) == 1


def test_no_plan_no_price_and_nothing_is_guessed(tmp_path: Path) -> None:
    _, desk, _ = made(tmp_path)
    slot = START + timedelta(hours=3)
    row = counted(desk, 1.0, 0.0, slot)
    assert (row["cost_eur"], row["asked_kwh"], row["asked_s"], row["off_kwh"]) == (None, 0.0, 0.0, None)


def test_days_that_are_over_for_long_are_dropped(tmp_path: Path) -> None:
    following, desk, _ = made(tmp_path)
    (one,) = desk.book.running
    following.note(one, profile((0, 8000.0)), START.timestamp())
    counted(desk, 1.0, 0.0)
    following.tidy((START + timedelta(days=31)).timestamp())
    assert followed(desk.state, DAY)
    following.tidy((START + timedelta(days=32)).timestamp())
    assert followed(desk.state, DAY) == []


def test_the_command_sums_by_car_and_quarter_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    following, desk, _ = made(tmp_path)
    (one,) = desk.book.running
    following.note(one, profile((0, 8000.0)), START.timestamp())
    counted(desk, 1.5, 0.0)
    counted(desk, 2.5, 0.0, SLOTS[1])
    last = START + timedelta(hours=1)
    assert counted(desk, 0.0, 0.0, last)["off_cost_eur"] is None, "nothing was asked for"

    def call(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["v2g", "gateway", "followed", "-w", str(tmp_path), *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), capsys.readouterr().out

    code, out = call("--date", DAY, "--json")
    (car,) = json.loads(out)["cars"]
    assert code == 0
    assert (car["off_kwh"], car["abs_off_kwh"]) == (pytest.approx(0.0, abs=1e-9), pytest.approx(1.0))
    assert (car["cost_eur"], car["off_cost_eur"]) == (pytest.approx(0.8), pytest.approx(0.0, abs=1e-9))
    assert [row["done_kwh"] for row in json.loads(out)["quarter_hours"]] == [1.5, 2.5, 0.0]
    assert [row["off_cost_eur"] for row in json.loads(out)["rows"]] == [
        pytest.approx(-0.1),
        pytest.approx(0.1),
        None,
    ]
    assert call("--date", "2026-06-15")[0] == 2
    assert replace(profile((0, 1.0)), plan_id=None).powers(START)[0] == (START.astimezone(UTC), 0.001)
