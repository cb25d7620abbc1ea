"""Which tokens the gateway lets charge, asked by charge points of the `ocpp` package on loopback."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import ocpp.v16
import ocpp.v21
import ocpp.v201
import pytest
from ocpp.routing import on
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from flows.dispatch.gateway.config import FILE_NAME, GatewayConfig, load_config
from flows.dispatch.gateway.server import Gateway
from flows.dispatch.station import VERSIONS, Version
from flows.errors import UsageError
from tests.flows.depots import PASSWORD, START, folders, kinds, made_plan, serving, station, write_config

MODULES: dict[str, Any] = {"1.6": ocpp.v16, "2.0.1": ocpp.v201, "2.1": ocpp.v21}
AT = START.isoformat().replace("+00:00", "Z")
LISTS: dict[str, Any] = {"cars": {"04A2": "CAR1"}, "guests": {"04FF": "visitors"}}
Ask = Callable[[str, str | None, int], Awaitable[tuple[str, str]]]


async def asked(
    root: Path, version: Version, ask: Callable[[Ask, Gateway], Awaitable[None]], **config: Any
) -> None:
    """Run a charge point; `ask` is given how to ask for a token: what Authorize, and the start, answer."""
    module = MODULES[version]
    folders(root, made_plan({1: [4.0] * 8}))

    class ChargePoint(module.ChargePoint):  # type: ignore[misc, name-defined]
        @on("SetChargingProfile")
        def set_profile(self, **_: Any) -> Any:
            return module.call_result.SetChargingProfile(status="Accepted")

    async with serving(root, [1], **config) as (gateway, url):
        secret = base64.b64encode(f"{station(1)}:{PASSWORD}".encode()).decode()
        async with connect(
            f"{url}/{station(1)}", subprotocols=[Subprotocol(f"ocpp{version}")],
            additional_headers={"Authorization": f"Basic {secret}"},
        ) as socket:  # fmt: skip
            point = ChargePoint(station(1), socket)
            reading = asyncio.create_task(point.start())

            async def answers(tx: str, token: str | None, evse: int) -> tuple[str, str]:
                if version == "1.6":
                    first = await point.call(module.call.Authorize(id_tag=str(token)))
                    second = await point.call(
                        module.call.StartTransaction(
                            connector_id=evse, id_tag=str(token), meter_start=0, timestamp=AT
                        )
                    )
                    assert second.transaction_id > 0
                    return first.id_tag_info["status"], second.id_tag_info["status"]
                kind = "NoAuthorization" if token is None else "ISO14443"
                stated = {"idToken": token or "", "type": kind}
                first = await point.call(module.call.Authorize(id_token=stated))
                second = await point.call(
                    module.call.TransactionEvent(
                        event_type="Started", timestamp=AT, trigger_reason="Authorized", seq_no=0,
                        transaction_info={"transactionId": tx}, evse={"id": evse}, id_token=stated,
                    )
                )  # fmt: skip
                return first.id_token_info["status"], second.id_token_info["status"]

            await ask(answers, gateway)
            reading.cancel()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_token_on_no_list_is_refused_with_an_alert(tmp_path: Path, version: Version) -> None:
    async def ask(answers: Ask, gateway: Gateway) -> None:
        assert await answers("a", "04a2", 1) == ("Accepted", "Accepted"), "a car's, in other letters"
        assert await answers("b", "04ff", 1) == ("Accepted", "Accepted"), "a guest's"
        assert await answers("c", "CAR1", 1) == ("Accepted", "Accepted"), "a car of the plan"
        assert kinds(gateway) & {"token refused", "unknown car"} == set()
        assert await answers("d", "STRANGER", 1) == ("Invalid", "Invalid")
        told = [one for one in gateway.desk.alerts.newest if one["kind"] == "token refused"]
        assert "'STRANGER' is on no list" in told[0]["problem"]
        assert told[0]["station"] == station(1)

    asyncio.run(asked(tmp_path, version, ask, unknown="Invalid", **LISTS))


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_policy_anybody_charges_as_nobodys_car(tmp_path: Path, version: Version) -> None:
    async def ask(answers: Ask, gateway: Gateway) -> None:
        assert await answers("a", "STRANGER", 1) == ("Accepted", "Accepted")
        assert kinds(gateway) & {"token refused", "unknown car"} == {"unknown car"}
        one = gateway.desk.book.at(station(1), 1)
        assert one is not None
        assert one.car == {}

    asyncio.run(asked(tmp_path, version, ask, **LISTS))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_place_that_is_a_cars_needs_no_token(tmp_path: Path, version: Version) -> None:
    async def ask(answers: Ask, gateway: Gateway) -> None:
        token = None if version != "1.6" else "ANY"
        assert await answers("a", token, 1) == ("Accepted", "Accepted")
        assert (await answers("b", token, 2))[1] == "Invalid", "another EVSE of that station"
        one = gateway.desk.book.at(station(1), 1)
        assert one is not None
        assert one.car["battery_id"] == "CAR1"

    places = {f"{station(1)} EVSE 1": "CAR1"}
    asyncio.run(asked(tmp_path, version, ask, unknown="Invalid", cars=places))


def test_lists_and_policy_are_read_and_what_cannot_be_right_is_named(tmp_path: Path) -> None:
    write_config(tmp_path, [1])
    file = tmp_path / FILE_NAME
    whole = file.read_text()
    assert (load_config(file).unknown, dict(load_config(file).guests)) == ("Accepted", {})
    file.write_text(whole + '[guests]\n"04ff" = "visitors"\n[authorize]\nunknown = "Invalid"\n')
    read = load_config(file)
    assert (read.unknown, dict(read.guests)) == ("Invalid", {"04FF": "visitors"})
    for wrong in ('unknown = "Refused"', 'unknwon = "Invalid"', "unknown = 1"):
        file.write_text(f"{whole}[authorize]\n{wrong}\n")
        with pytest.raises(UsageError, match=r"\[authorize\]"):
            load_config(file)


@pytest.mark.parametrize(
    "lists",
    ['[cars]\n"04a2" = "CAR1"\n"04A2" = "CAR2"\n', '[guests]\n"04ff" = "us"\n"04FF" = "them"\n',
     '[cars]\n"04A2" = "CAR1"\n[guests]\n"04a2" = "us"\n'],
)  # fmt: skip
def test_a_token_that_is_two_things_is_none(tmp_path: Path, lists: str) -> None:
    write_config(tmp_path, [1])
    file = tmp_path / FILE_NAME
    file.write_text(file.read_text() + lists)
    with pytest.raises(UsageError, match=r"gateway.toml: .*'04(A2|FF)' stands twice"):
        load_config(file)


def test_a_place_is_one_of_its_own_station_alone() -> None:
    config = GatewayConfig(stations={}, cars={"DEPOT-1 EVSE 10": "CAR1", "DEPOT-1 EVSE X": "CAR2"})
    assert config.names_place("DEPOT-1", 10)
    assert config.names_place("DEPOT-1", None)
    assert not config.names_place("DEPOT-1", 1)
    assert not config.names_place("DEPOT", None)
