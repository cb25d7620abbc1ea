"""A gateway that is killed at any moment, TLS, and frames that nobody should send."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import signal
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from flows.dispatch.gateway.journal import Journal
from flows.dispatch.gateway.status_file import read_status
from flows.dispatch.simulator.fleet import drive, stations_of
from flows.dispatch.simulator.station import Setup
from tests.flows.depots import (
    PASSWORD,
    folders,
    free_port,
    made_desk,
    made_plan,
    rows_of,
    serving,
    station,
    until,
    write_config,
)  # fmt: skip

RUN = [sys.executable, "-m", "flows.cli"]


def started(root: Path, port: int, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*RUN, "-w", str(root), "gateway", "run", "--port", str(port), *more], stderr=subprocess.DEVNULL
    )


async def heard(process: subprocess.Popen[bytes], port: int) -> None:
    async with asyncio.timeout(20):
        while process.poll() is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(0.05)
    raise AssertionError(f"the gateway ended with {process.returncode}")


def test_killed_and_started_again_nothing_is_lost_or_there_twice(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    first = now - timedelta(minutes=now.minute % 15, seconds=now.second, microseconds=now.microsecond)
    plan = made_plan({1: [7.0, -5.0] * 8, 2: [6.0] * 16}, as_of=now, first=first)
    folders(tmp_path, plan)
    write_config(tmp_path, [1, 2], meter_s=1)
    port = free_port()

    async def day() -> list[Any]:
        setups = {
            station(1): Setup(url=f"ws://127.0.0.1:{port}", password=PASSWORD, meter_s=1.0),
            station(2): Setup(url=f"ws://127.0.0.1:{port}", password=PASSWORD, meter_s=1.0, version="1.6"),
        }
        stations = stations_of(plan, setups, now)
        for one in stations:  # both leave after a while
            (visit,) = one.visits
            one.visits = [
                type(visit)(car=visit.car, arrival=now, departure=now + timedelta(seconds=22), target_kwh=0.0)
            ]
        driving = asyncio.create_task(drive(stations))
        process = started(tmp_path, port)
        for _ in range(3):
            await heard(process, port)
            await until(lambda: all(one.connected.is_set() and one.profiles.held for one in stations))
            await asyncio.sleep(2.0)
            process.kill()
            process.wait()
            (tmp_path / "exports").rename(tmp_path / "away")  # the planner is away: the copies hold
            await until(lambda: not any(one.connected.is_set() for one in stations))
            process = started(tmp_path, port)
            await heard(process, port)
            await until(lambda: all(one.connected.is_set() for one in stations))
            (tmp_path / "away").rename(tmp_path / "exports")
        try:
            await asyncio.wait_for(driving, 60)
            await until(lambda: len([row for row in rows_of(tmp_path, "sessions") if row["energy_kwh"]]) == 2)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        return stations

    stations = asyncio.run(day())
    for one in stations:
        running = [p for p in one.set_profiles if p["charging_profile_purpose"] == "TxProfile"]
        assert len(running) >= 4, "again after every connection"
        assert len({json.dumps(profile, sort_keys=True, default=str) for profile in running}) == 1
        assert len(one.profiles.held) == 1, "what was for the transaction is gone, the fallback is there once"
    over = [row for row in rows_of(tmp_path, "sessions") if row["energy_kwh"]]
    assert sorted(row["session_id"] for row in over) == ["s1", "s2"]
    for one, row in zip(stations, sorted(over, key=lambda row: row["session_id"]), strict=True):
        assert float(row["energy_kwh"]) == pytest.approx(one.drawn_kwh - one.fed_kwh, abs=2e-3)
    metering = rows_of(tmp_path, "metering")
    for number, one in enumerate(stations, start=1):
        own = {row["interval_start_utc"]: row for row in metering if row["battery_id"] == f"CAR{number}"}
        net = sum(float(row["import_kwh"]) - float(row["export_kwh"]) for row in own.values())
        assert net == pytest.approx(one.drawn_kwh - one.fed_kwh, abs=2e-3)


def message(tx: str, number: int, at: datetime, kwh: float) -> dict[str, Any]:
    kind = {0: "Started", 9: "Ended"}.get(number, "Updated")
    samples = [
        {"value": kwh * 1000, "measurand": f"Energy.Active.{way}.Register", "unitOfMeasure": {"unit": "Wh"}}
        for way in ("Import", "Export")
    ]
    return {
        "eventType": kind, "timestamp": at.isoformat(), "seqNo": number,
        "triggerReason": "MeterValuePeriodic",
        "transactionInfo": {"transactionId": tx}, "evse": {"id": 1},
        "idToken": {"idToken": "CAR1", "type": "Local"},
        "meterValue": [{"timestamp": at.isoformat(), "sampledValue": samples}],
    }  # fmt: skip


def test_whatever_the_moment_of_a_kill_each_row_comes_once(tmp_path: Path) -> None:
    """It is opened again after each part of its journal's bytes; stations tell again what was lost."""
    begin = datetime(2026, 6, 16, 16, tzinfo=UTC)
    stated = [message("t", n, begin + timedelta(minutes=5 * n), 1.0 * n) for n in range(10)]
    plan = made_plan({1: [4.0] * 8}, first=begin)

    def live(root: Path, cut: int | None) -> list[dict[str, str]]:
        folders(root, plan)
        now = [begin]
        for attempt in range(2):
            desk = made_desk(root, [1], lambda: now[0])
            desk.plans.look(now[0])
            for each in stated:
                now[0] = datetime.fromisoformat(each["timestamp"])
                desk.take(station(1), "2.1", "TransactionEvent", each)
                desk.flush()
            desk.close()
            if cut is None or attempt:
                break
            journal = root / "gateway" / "journal.jsonl"
            data = journal.read_bytes()
            kept = data[: len(data) * cut // 20]
            journal.write_bytes(kept)
            complete = [json.loads(line) for line in kept.splitlines(keepends=True) if line.endswith(b"\n")]
            began, done = (
                {one["n"] for one in complete if one["k"] == kind} for kind in ("flush", "flushed")
            )
            for file in (root / "inbox").iterdir():  # what was decided after the kill was never written
                number = int(file.stem.rpartition("-")[2])
                if number not in began or (cut % 2 and number not in done):
                    file.unlink()
        return [row for row in rows_of(root, "metering") if row["interval_start_utc"]]

    whole = live(tmp_path / "whole", None)
    assert [row["interval_start_utc"][11:16] for row in whole] == ["16:00", "16:15", "16:30"]
    for cut in range(1, 20):
        assert live(tmp_path / str(cut), cut) == whole, cut


def test_a_torn_line_is_dropped_and_a_snapshot_is_the_same_book(tmp_path: Path) -> None:
    path = tmp_path / "j" / "journal.jsonl"
    journal = Journal(path)
    for number in range(3):
        journal.append({"n": number})
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"n": 3' + b"x" * 100_000)
    again = Journal(path)
    assert [record["n"] for record in again.records()] == [0, 1, 2]
    again.append({"n": 4})
    again._floor -= 17_000_000  # as after that much
    again.shorten(lambda: {"n": "all"})
    again.append({"n": 5})
    again.close()
    assert [record["n"] for record in Journal(path).records()] == ["all", 5]


def test_tls_is_spoken_and_its_absence_refused(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    folders(tmp_path)
    write_config(tmp_path, [1])
    port = free_port()
    process = started(tmp_path, port, "--cert", str(certificate), "--key", str(key))
    secret = base64.b64encode(f"{station(1)}:{PASSWORD}".encode()).decode()
    fields: dict[str, Any] = {
        "additional_headers": {"Authorization": f"Basic {secret}"}, "subprotocols": [Subprotocol("ocpp2.1")],
    }  # fmt: skip

    async def talk() -> None:
        await heard(process, port)
        trusted = ssl.create_default_context(cafile=str(certificate))
        async with connect(f"wss://127.0.0.1:{port}/{station(1)}", ssl=trusted, **fields) as line:
            await line.send('[2,"1","Heartbeat",{}]')
            while json.loads(await line.recv())[0] != 3:
                pass
            await until(
                lambda: (
                    (read_status(tmp_path / "gateway") or {"stations": [{}]})["stations"][0].get("ocpp")
                    == "2.1"
                )
            )
        with pytest.raises((OSError, EOFError, WebSocketException, TimeoutError)):
            async with connect(f"ws://127.0.0.1:{port}/{station(1)}", open_timeout=3, **fields):
                pass

    try:
        asyncio.run(talk())
        for _ in range(20):
            status = subprocess.run(
                [*RUN, "-w", str(tmp_path), "--json", "gateway", "status"], capture_output=True
            )
            assert json.loads(status.stdout)["pid"] == process.pid
            if status.returncode == 3:  # it has been seen that the station has left again
                break
        assert status.returncode == 3
        second = subprocess.run(
            [*RUN, "-w", str(tmp_path), "gateway", "run", "--port", str(free_port())],
            capture_output=True,
            text=True,
        )
        assert second.returncode == 2
        assert str(process.pid) in second.stderr
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_ten_thousand_broken_frames_do_not_end_it(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311
    begin = datetime(2026, 6, 16, 16, tzinfo=UTC)
    good = [
        json.dumps([2, "1", "TransactionEvent", message("t", 1, begin, 1.0)]),
        json.dumps([2, "2", "BootNotification",
                    {"reason": "PowerUp", "chargingStation": {"model": "m", "vendorName": "v"}}]),
        json.dumps([2, "3", "MeterValues",
                    {"evseId": 1, "meterValue": message("t", 1, begin, 1.0)["meterValue"]}]),
        json.dumps([3, "4", {"status": "Accepted"}]),
    ]  # fmt: skip

    def broken() -> str | bytes:
        data = bytearray(chance.choice(good).encode())
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data) or 1)
            data = data or bytearray(b"[")
            match chance.randrange(4):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randint(1, 9)]
                case 2:
                    data[at:at] = chance.choice(
                        [b"null", b"{}", b"[]", b"-1e999", b'"\\ud800"', b"true", b"1" * 40]
                    )
                case _:
                    data = data[: max(1, at)]
        if chance.random() < 0.2:
            return bytes(data)
        return data.decode("utf-8", "replace")

    async def talk() -> None:
        folders(tmp_path, made_plan({1: [4.0] * 8}))
        async with serving(tmp_path, [1]) as (_, url):
            secret = base64.b64encode(f"{station(1)}:{PASSWORD}".encode()).decode()
            async with connect(
                f"{url}/{station(1)}", additional_headers={"Authorization": f"Basic {secret}"},
                subprotocols=[Subprotocol("ocpp2.1")], compression=None,
            ) as line:  # fmt: skip
                answers = asyncio.create_task(_drain(line))
                for _ in range(10_000):
                    await line.send(broken())
                await line.send('[2,"last","Heartbeat",{}]')
                await asyncio.wait_for(answers, 120)
        made_desk(tmp_path, [1], lambda: begin).close()

    asyncio.run(talk())
    assert (tmp_path / "gateway" / "journal.jsonl").stat().st_size < 20_000_000


def _spoken(root: Path) -> object:
    stated = read_status(root / "gateway")
    return stated and stated["stations"][0].get("ocpp")


async def _drain(line: Any) -> None:
    async for answer in line:
        if json.loads(answer)[:2] == [3, "last"]:
            return
    raise AssertionError("the line was closed")
