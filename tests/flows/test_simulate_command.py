"""`v2g simulate chargers` next to a mistake: a rehearsal in which nothing happens says why."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.flows.depots import folders, free_port, made_plan, serving, write_config

PLAN = "exports/dispatch_2026-06-16_DE-LU.json"


def depot(root: Path, *, hours: float = 0.0, known: tuple[int, ...] = (1, 2)) -> datetime:
    """A plan of two cars for two hours that begins so many hours from now, and the stations that have a
    password."""
    now = datetime.now(UTC) + timedelta(hours=hours)
    first = now - timedelta(seconds=now.timestamp() % 900)
    folders(root, made_plan({1: [4.0] * 8, 2: [5.0] * 8}, as_of=now, first=first))
    write_config(root, known)
    return first


def started(root: Path, *words: str) -> subprocess.Popen[str]:
    call = [sys.executable, "-m", "flows.cli", "simulate", "chargers", str(root / PLAN), "-w", str(root)]
    return subprocess.Popen([*call, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stopped(process: subprocess.Popen[str], lines: int) -> tuple[int, list[str], str]:
    """Its exit, so many first lines of what it tells meanwhile, and its answer, when it is told to end."""
    assert process.stderr is not None
    told = [process.stderr.readline().strip() for _ in range(lines)]
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    return process.returncode, sorted(told), out


def test_a_gateway_that_is_not_there_is_told_and_no_success(tmp_path: Path) -> None:
    depot(tmp_path)
    url = f"ws://127.0.0.1:{free_port()}"
    code, told, out = stopped(started(tmp_path, "--url", url, "--json"), 2)
    assert code == 3
    assert [line.partition(f" is not connected to {url}: ")[0] for line in told] == ["DEPOT-1", "DEPOT-2"]
    assert all("Connect call failed" in line for line in told)
    assert all("Connect call failed" in one["not_connected"] for one in json.loads(out)["stations"])


def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    depot(tmp_path / "there")
    depot(tmp_path / "here")
    file = tmp_path / "here" / "gateway.toml"
    file.write_text(file.read_text().replace('"DEPOT-1" = "a', '"DEPOT-1" = "b'))

    async def rehearsal() -> tuple[int, list[str], str]:
        async with serving(tmp_path / "there", [1, 2], start=datetime.now(UTC)) as (gateway, url):
            process = await asyncio.to_thread(started, tmp_path / "here", "--url", url, "--json")
            async with asyncio.timeout(60):
                while not any(one.has for one in gateway.stations.values()):
                    await asyncio.sleep(0.05)
            return await asyncio.to_thread(stopped, process, 1)

    code, (told,), out = asyncio.run(rehearsal())
    assert code == 3
    assert "DEPOT-1 is not connected" in told
    assert "401" in told
    assert [bool(one["not_connected"]) for one in json.loads(out)["stations"]] == [True, False]


@pytest.mark.parametrize(
    ("hours", "known", "why"),
    [(-26.0, (1, 2), "no session of"), (0.0, (7, 8), "plans no station that has a password in gateway.toml")],
)
def test_a_plan_that_nobody_could_carry_out_is_refused(
    tmp_path: Path, hours: float, known: tuple[int, ...], why: str
) -> None:
    depot(tmp_path, hours=hours, known=known)
    process = started(tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert why in " ".join(err.replace("│", " ").split())


def test_a_station_without_a_password_is_told_and_the_others_come(tmp_path: Path) -> None:
    depot(tmp_path, known=(1,))
    code, told, out = stopped(started(tmp_path, "--url", f"ws://127.0.0.1:{free_port()}", "--json"), 2)
    assert code == 3
    assert told[1] == "DEPOT-2 has no password in gateway.toml: it is not simulated"
    assert [one["station"] for one in json.loads(out)["stations"]] == ["DEPOT-1"]
