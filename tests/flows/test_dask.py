"""Twins on the workers of a Dask scheduler: a real one on loopback with two worker processes."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.stages import Context
from flows.stages.calibrate import calibrate
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workers import TwinWorkers
from flows.workspace import Workspace
from tests.flows.conftest import (
    AS_OF,
    DAY,
    copied,
    created,
    fleet_rows,
    price_rows,
    put,
    session_rows,
    site_rows,
)
from tests.flows.test_workers import doubled, reported_and_doubled
from warehouse.spool import PLAN_TABLES

distributed = pytest.importorskip("distributed")
CARS = 4
_OF_A_RUN = ["run_id", "made_utc", "solve_seconds"]


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield str(cluster.scheduler_address)


@pytest.fixture(scope="module")
def checked_around(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder around a depot of four cars that no twin has seen yet."""
    around = tmp_path_factory.mktemp("fleet")
    made = created(around / "depot")
    put(made, "sites", site_rows())
    first = fleet_rows().iloc[[0]]
    put(made, "fleet", pd.concat([first.assign(battery_id=f"car-{number + 1}") for number in range(CARS)]))
    put(made, "prices", price_rows(DAY, 1))
    put(made, "sessions", session_rows())
    assert check(Context.of(made, AS_OF)).exit_code == 0
    return around


def on(workspace: Workspace, scheduler: str) -> Workspace:
    calibrations = workspace.settings.calibrate.model_copy(update={"scheduler": scheduler, "chunk_size": 1})
    return replace(workspace, settings=workspace.settings.model_copy(update={"calibrate": calibrations}))


def stored(workspace: Workspace) -> dict[str, str]:
    """Every table of calibrations and plans as text, bit by bit, but for whose run it is."""
    names = ["out_calibration", "out_life_point", "out_wear_map", *PLAN_TABLES]
    found = {}
    for name in names:
        frame = workspace.warehouse.read(name).drop(columns=_OF_A_RUN, errors="ignore")
        found[name] = frame.to_csv(index=False, float_format="%.17g")
    return found


def lived(workspace: Workspace) -> None:
    result = calibrate(Context.of(workspace, AS_OF))
    assert (result.status, result.details["batteries"]) == ("ok", CARS)
    plan(Context.of(workspace, AS_OF), DAY)


def test_calibrations_and_plans_are_bit_equal_also_where_a_worker_is_killed_half_way(
    checked_around: Path, tmp_path: Path, scheduler: str
) -> None:
    here = copied(checked_around, tmp_path / "here")
    lived(here)
    wanted = stored(here)
    assert "car-4" in wanted["out_calibration"]
    there = on(copied(checked_around, tmp_path / "there"), scheduler)
    lived(there)
    assert stored(there) == wanted
    killed = on(copied(checked_around, tmp_path / "killed"), scheduler)
    with ThreadPoolExecutor(1) as thread, distributed.Client(scheduler, set_as_default=False) as client:
        before = client.run(os.getpid)
        running = thread.submit(lived, killed)
        deadline = time.monotonic() + 120
        while not killed_one(client, before) and time.monotonic() < deadline:
            time.sleep(0.05)
        running.result()
        after = client.run(os.getpid)
    assert set(before.values()) != set(after.values()), "one of them is another process now"
    assert stored(killed) == wanted


def killed_one(client: Any, pids: Mapping[str, int]) -> bool:
    """Kill a worker that is at something."""
    busy = [address for address, tasks in client.processing().items() if tasks]
    for address in busy[:1]:
        os.kill(pids[address], signal.SIGKILL)
    return bool(busy)


def test_what_a_killed_worker_was_at_is_done_by_another(tmp_path: Path, scheduler: str) -> None:
    requests = [(str(tmp_path), number) for number in range(12)]
    with TwinWorkers(scheduler) as workers, ThreadPoolExecutor(1) as thread:
        running = thread.submit(workers.spread, reported_and_doubled, requests)
        deadline = time.monotonic() + 30
        while not (pids := [int(path.name) for path in tmp_path.iterdir()]) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert os.getpid() not in pids
        os.kill(pids[0], signal.SIGKILL)
        assert running.result(timeout=60) == [2 * number for number in range(12)]


def test_where_no_scheduler_answers_the_twins_run_here_and_it_is_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.workers._ANSWERS_WITHIN_S", 0.5)
    with caplog.at_level(logging.WARNING, logger="flows"), TwinWorkers("tcp://127.0.0.1:9") as workers:
        assert workers.spread(doubled, [1, 13])[0] == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in caplog.text
