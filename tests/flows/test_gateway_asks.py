"""From what a gateway tells to a new plan: what asks for one, and that it is made."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.dispatch.bell import asked_by_gateway, files_of_gateway, listen
from flows.stages import Context
from flows.stages.situation import situation_of
from flows.workspace import Workspace
from tests.flows.conftest import DAY, put, session_rows
from tests.flows.depots import folders, made_desk, made_plan, station
from tests.flows.test_jobs import clock, worked  # noqa: F401

BEGIN = datetime(2026, 6, 16, 16, tzinfo=UTC)


def started(tx: str, at: datetime, token: str, soc: float | None = None) -> dict[str, Any]:
    fields = {
        "eventType": "Started", "timestamp": at.isoformat(), "seqNo": 0, "triggerReason": "Authorized",
        "transactionInfo": {"transactionId": tx}, "evse": {"id": 1},
        "idToken": {"idToken": token, "type": "Local"},
    }  # fmt: skip
    if soc is not None:
        sample = {"value": soc, "measurand": "SoC"}
        fields["meterValue"] = [{"timestamp": at.isoformat(), "sampledValue": [sample]}]
    return fields


@pytest.mark.parametrize(
    ("minutes", "token", "soc", "asks"),
    [
        (0, "CAR1", None, False), (10, "CAR1", 52.0, False), (20, "CAR1", None, True),
        (0, "CAR1", 40.0, True),
        (-30, "CAR1", None, True), (0, "STRANGER", None, False), (0, "CAR2", None, True),
    ],
)  # fmt: skip
def test_only_what_was_not_planned_with_asks_for_a_new_plan(
    tmp_path: Path, minutes: int, token: str, soc: float | None, asks: bool
) -> None:
    """CAR1 is expected at 16:00 with half a charge; CAR2 is known and not expected."""
    plan = made_plan({1: [4.0] * 8, 2: [1.0]})
    folders(tmp_path, replace(plan, stays=plan.stays[:1]))
    now = BEGIN + timedelta(minutes=minutes)
    desk = made_desk(tmp_path, [1], lambda: now)
    desk.plans.look(now)
    desk.take(station(1), "2.1", "TransactionEvent", started("t", now, token, soc))
    desk.close()
    assert (tmp_path / "gateway" / "replan.json").exists() == asks


def test_a_session_that_is_announced_is_taken_in_and_planned_with_at_once(
    bare: Workspace, clock: list[datetime]  # noqa: F811
) -> None:  # fmt: skip
    put(bare, "sessions", session_rows())
    clock.append(datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(hours=11, minutes=1))
    worked(bare)
    assert worked(bare) == []
    clock.append(clock[-1] + timedelta(minutes=4))
    now = clock[-1]
    folders(bare.root)
    desk = made_desk(bare.root, [1], lambda: now, cars={"TAG": "car-1", "DEPOT-2 EVSE 1": "car-2"})
    desk.take(station(1), "2.1", "TransactionEvent", started("t", now, "TAG", 40.0))
    needs = {"requestedEnergyTransfer": "AC_BPT", "departureTime": (now + timedelta(hours=3)).isoformat(),
             "v2xChargingParameters": {"targetSoC": 70, "evTargetEnergyRequest": 20_000.0}}  # fmt: skip
    desk.take(station(1), "2.1", "NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": needs})
    desk.close()
    assert asked_by_gateway(bare, now) is not None
    assert len(files_of_gateway(bare)) == 1
    clock.append(now + timedelta(seconds=5))
    done = worked(bare)
    assert [name for name, _ in done] == ["inbox", "replan"]
    assert files_of_gateway(bare) == frozenset()
    session = (
        bare.warehouse.read("core_session", where={"battery_id": "car-1"}).sort_values("arrival_utc").iloc[-2]
    )
    assert (session["arrival_soc"], session["departure_soc"], session["requested_kwh"]) == (0.4, 0.7, 20.0)
    due = bare.warehouse.read("out_plan_departure", where={"session_id": session["session_id"]})
    assert set(due["departure_utc"]) == {now + timedelta(hours=3)}
    clock.append(now + timedelta(seconds=90))
    assert worked(bare) == [], "it was asked for once"
    assert situation_of(Context.of(bare, now - timedelta(hours=1))).asked is None


def test_the_bell_rings_for_what_is_new_and_for_nothing_else(bare: Workspace) -> None:
    rung: list[datetime] = []

    async def ring() -> None:
        rung.append(datetime.now(UTC))

    async def listening() -> None:
        (bare.inbox / "sessions__csv__gateway-a-1.csv").write_text("x")
        task = asyncio.create_task(listen(bare, ring))
        await asyncio.sleep(2.2)
        (bare.inbox / "metering__csv__gateway-a-2.csv").write_text("x")
        await asyncio.sleep(2.2)
        assert rung == []
        (bare.inbox / "sessions__csv__gateway-a-3.csv").write_text("x")
        await asyncio.sleep(2.2)
        assert len(rung) == 1
        task.cancel()

    asyncio.run(listening())
