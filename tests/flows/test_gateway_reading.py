"""Readings that a gateway asks for, over the real protocol: what they keep, and what they leave alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flows.dispatch.gateway import STATE_FOLDER
from flows.dispatch.gateway.following import followed
from flows.dispatch.gateway.server import Gateway
from flows.dispatch.simulator.fleet import drive, stations_of
from flows.dispatch.simulator.station import Fault, Setup, SimulatedStation
from flows.dispatch.station import VERSIONS, Version
from tests.flows.depots import (
    PASSWORD,
    START,
    above,
    at_site,
    folders,
    kinds,
    made_plan,
    rows_of,
    serving,
    station,
    until,
)  # fmt: skip

SPEED, METER_S = 100.0, 900.0
LIMIT_KW = 16.0


async def drawing(
    root: Path, version: Version, faults: Sequence[Fault], minutes: float
) -> tuple[Gateway, list[SimulatedStation]]:
    """So long after START of three cars; planned are 4, 6 and 5 kW of 16, the first draws all it can."""
    plan = at_site(made_plan({1: [4.0] * 4, 2: [6.0] * 4, 3: [5.0] * 4}), LIMIT_KW)
    folders(root, plan)
    async with serving(root, [1, 2, 3], speed=SPEED, meter_interval_s=int(METER_S)) as (gateway, url):
        setups = {
            station(n): Setup(
                url=url, password=PASSWORD, speed=SPEED, meter_s=METER_S, version=version,
                faults=frozenset(faults if n == 1 else ()),
            )
            for n in (1, 2, 3)
        }  # fmt: skip
        all_of = stations_of(plan, setups, START)
        driving = asyncio.create_task(drive(all_of))
        await until(lambda: all(one.connected.is_set() for one in all_of), 20)
        await until(lambda: all_of[0].clock.true > START + timedelta(minutes=minutes), 60)
        driving.cancel()
        return gateway, all_of


@pytest.mark.parametrize("version", VERSIONS)
def test_a_limit_is_kept_long_before_the_next_meter_value(tmp_path: Path, version: Version) -> None:
    """A meter interval is 9 s of the wall here, and what is asked for comes after 0.25 s."""
    gateway, all_of = asyncio.run(drawing(tmp_path, version, [Fault.GREEDY], 14))
    assert all_of[0].asked_for, "it was asked"
    assert max(len(one.asked_for) for one in all_of) <= 6, "a step once, or twice"
    _, times = above([cut(one, timedelta(minutes=14)) for one in all_of], LIMIT_KW)
    assert times, "else nothing was to be kept"
    assert max(length for _, length, _ in times) < timedelta(seconds=METER_S / 2)
    held = [one.followed[-1][2] for one in all_of]
    assert held[0] > 10.0
    assert held[1] + held[2] == pytest.approx(LIMIT_KW - 11.04, abs=0.2)
    assert kinds(gateway) - {"clock off", "let go"} == {"curtailed"}, (
        "what a car does so soon is no reason to call it disobedient"
    )


def cut(one: SimulatedStation, after: timedelta) -> SimulatedStation:
    """A station as it was until then."""
    one.followed = [step for step in one.followed if step[0] < START + after]
    one.visits = []
    return one


@pytest.mark.parametrize("version", VERSIONS)
def test_a_station_that_sends_none_is_told_of_once_and_asked_no_more(
    tmp_path: Path, version: Version
) -> None:
    gateway, all_of = asyncio.run(drawing(tmp_path, version, [Fault.GREEDY, Fault.UNASKED], 18))
    (told,) = [one for one in gateway.desk.alerts.newest if one["kind"] == "not read when asked"]
    assert (told["station"], told["count"]) == (station(1), 1)
    assert told["problem"].startswith("MeterValues: NotImplemented")
    assert ("TransactionEvent: NotImplemented" in told["problem"]) == (version != "1.6")
    assert all_of[0].asked_for == []
    assert all(one.asked_for for one in all_of[1:])
    assert "curtailed" in kinds(gateway), "its own meter value tells in the end"


def test_a_station_that_has_no_meter_values_is_asked_for_its_transaction(tmp_path: Path) -> None:
    answered: list[Any] = []

    class Odd(SimulatedStation):
        def take_trigger(self, message: str, evse: int | None) -> str:
            answered.append(message)
            return "Rejected" if message == "MeterValues" else super().take_trigger(message, evse)

    async def day() -> None:
        plan = at_site(made_plan({1: [4.0, 0.0, 4.0, 4.0]}), 8.0)
        folders(tmp_path, plan)
        async with serving(tmp_path, [1], speed=SPEED, meter_interval_s=int(METER_S)) as (gateway, url):
            (one,) = stations_of(
                plan,
                {station(1): Setup(url=url, password=PASSWORD, speed=SPEED, meter_s=METER_S)},
                START,
            )
            one.__class__ = Odd
            running = asyncio.create_task(one.run())
            await until(lambda: answered.count("TransactionEvent") == 2, 30)
            await until(lambda: len(gateway.desk.book.at(station(1), 1).points) > 1, 10)  # type: ignore[union-attr]
            running.cancel()
            assert answered.count("MeterValues") == 1, "what it refuses is learnt"
            assert "not read when asked" not in kinds(gateway)

    asyncio.run(day())


@pytest.mark.parametrize("version", VERSIONS)
def test_readings_that_were_asked_for_leave_energies_and_figures_as_they_were(
    tmp_path: Path, version: Version
) -> None:
    """What was asked and done by quarter-hour, with a meter interval of 300 s, and readings in between."""
    powers = [8.0, 0.0, 5.0, 4.0]

    async def day(root: Path, limit_kw: float) -> SimulatedStation:
        plan = at_site(made_plan({1: powers}), limit_kw)
        folders(root, plan)
        async with serving(root, [1], speed=300.0, meter_interval_s=300) as (_, url):
            setup = Setup(url=url, password=PASSWORD, speed=300.0, meter_s=300.0, version=version)
            (one,) = stations_of(plan, {station(1): setup}, START)
            await asyncio.wait_for(drive([one]), 60)
            return one

    for limit_kw, asks in ((10.0, True), (20.0, False)):
        root = tmp_path / str(asks)
        one = asyncio.run(day(root, limit_kw))
        assert bool(one.asked_for) == asks
        rows = [row for row in followed(root / STATE_FOLDER, "2026-06-16") if row["asked_s"] == 900.0]
        assert len(rows) >= 2
        for row in rows:
            assert row["done_kwh"] == pytest.approx(row["asked_kwh"], abs=0.4)
        metered = rows_of(root, "metering")
        begins = [row["interval_start_utc"] for row in metered]
        assert len(set(begins)) == len(begins), "a quarter-hour is told once"
        every = sum(float(row["import_kwh"]) for row in metered)
        if asks or version != "1.6":  # 1.6 tells no register of what is fed back as a car comes
            assert every == pytest.approx(one.drawn_kwh, abs=2e-3)
        times = [datetime.fromisoformat(row["time_utc"]) for row in rows_of(root, "soc_power")]
        assert all(later - at >= timedelta(seconds=59) for at, later in pairwise(times))
