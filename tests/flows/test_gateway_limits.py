"""A car that stops at a limit of its own, or whose transfer is refused: a named alert and a new plan."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.flows.depots import PASSWORD, START, folders, made_plan, serving, station


def event(kind: str, number: int, trigger: str, stopped: str | None = None) -> dict[str, Any]:
    info = {"transactionId": "t"} | ({} if stopped is None else {"stoppedReason": stopped})
    return {
        "eventType": kind, "timestamp": START.isoformat(), "seqNo": number, "triggerReason": trigger,
        "transactionInfo": info, "evse": {"id": 1}, "idToken": {"idToken": "CAR1", "type": "Local"},
    }  # fmt: skip


async def told(root: Path, *events: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """What a gateway alerts of events, and why it last asked for a plan."""
    folders(root, made_plan({1: [4.0] * 8}))
    secret = base64.b64encode(f"{station(1)}:{PASSWORD}".encode()).decode()
    async with serving(root, [1]) as (gateway, url):
        async with connect(
            f"{url}/{station(1)}", subprotocols=[Subprotocol("ocpp2.1")],
            additional_headers={"Authorization": f"Basic {secret}"},
        ) as line:  # fmt: skip
            for number, one in enumerate(events):
                await line.send(json.dumps([2, f"m{number}", "TransactionEvent", one]))
                while json.loads(await asyncio.wait_for(line.recv(), 10))[:2] != [3, f"m{number}"]:
                    pass
        asked = root / "gateway" / "replan.json"
        why = json.loads(asked.read_text())["why"] if asked.exists() else ""
        return list(gateway.desk.alerts.newest), why


@pytest.mark.parametrize(
    ("last", "what"),
    [
        (event("Updated", 1, "SoCLimitReached"), "it stops at a limit of its own: SoCLimitReached"),
        (event("Ended", 1, "ChargingStateChanged", "SOCLimitReached"), "its session ended: SOCLimitReached"),
        (event("Ended", 1, "Deauthorized", "ReqEnergyTransferRejected"), "ReqEnergyTransferRejected"),
    ],
)
def test_a_limit_of_the_car_is_an_alert_and_asks_for_a_plan(
    tmp_path: Path, last: dict[str, Any], what: str
) -> None:
    alerts, why = asyncio.run(told(tmp_path, event("Started", 0, "Authorized"), last, last))
    found = [one for one in alerts if one["kind"] == "limit reached"]
    assert len(found) == found[0]["count"] == 1, "the same message again is none"
    assert what in found[0]["problem"]
    assert (found[0]["battery_id"], found[0]["station"]) == ("CAR1", station(1))
    assert "CAR1" in why


def test_an_ordinary_event_is_none(tmp_path: Path) -> None:
    alerts, why = asyncio.run(
        told(tmp_path, event("Started", 0, "Authorized"), event("Updated", 1, "MeterValuePeriodic"))
    )
    assert "limit reached" not in {one["kind"] for one in alerts}
    assert "limit" not in why
