"""Faults of a day through its real stages: each has the outcome that the ladder says, and is named."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from markupsafe import escape

from flows.errors import NoPlanError
from flows.problem import problem_of
from flows.stages import Context, StageResult
from flows.stages.check import check
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from tests.flows.conftest import (
    AS_OF,
    DAY,
    WEEK,
    created,
    fleet_rows,
    price_rows,
    put,
    session_rows,
    site_rows,
)
from tests.flows.processes import in_killed_child
from warehouse.errors import DamagedError

LATER = AS_OF + timedelta(minutes=5)


def checked_and_planned(
    workspace: Workspace, dataset: str, rows: pd.DataFrame
) -> tuple[StageResult, StageResult]:
    """What a file that comes later, and the day, come to."""
    put(workspace, dataset, rows, as_of=LATER)
    context = Context.of(workspace, LATER)
    return check(context), plan(context, DAY)


def stored(workspace: Workspace, table: str, planned: StageResult, **where: str) -> pd.DataFrame:
    return workspace.warehouse.read(table, where={"plan_id": planned.details["plan_id"], **where})


def page(workspace: Workspace) -> str:
    publish(Context.of(workspace, LATER), DAY)
    return (workspace.reports / str(DAY) / "index.html").read_text(encoding="utf-8")


def test_prices_of_minus_500_and_4000_eur_per_mwh_are_believed_and_planned_on(bare: Workspace) -> None:
    rows = price_rows(DAY, 1)
    rows.loc[2, "price_eur_per_kwh"], rows.loc[18, "price_eur_per_kwh"] = -0.5, 4.0
    checked, planned = checked_and_planned(bare, "prices", rows)
    assert (checked.status, planned.details["plan_source"]) == ("ok", "published")
    slots = stored(bare, "out_plan_slot", planned, mode="ordered", battery_id="car-1")
    drawn = slots.set_index("interval_start_utc")["charge_kw"]
    of_hour = [drawn[pd.Timestamp(rows["interval_start_utc"][hour]) + pd.Timedelta(minutes=m)]
               for hour in (2, 18) for m in (0, 15, 30, 45)]  # fmt: skip
    assert max(of_hour[:4]) > 0.0 and of_hour[4:] == [0.0] * 4


def test_prices_that_are_no_numbers_are_set_aside_by_name_and_what_was_known_holds(bare: Workspace) -> None:
    rows = price_rows(DAY, 1).assign(price_eur_per_kwh=lambda one: one["price_eur_per_kwh"] + 0.01)
    rows.loc[[3, 4], "price_eur_per_kwh"] = np.nan
    checked, planned = checked_and_planned(bare, "prices", rows)
    assert (checked.status, checked.details["quarantined"]) == ("degraded", 2)
    (rule,) = set(bare.warehouse.read("core_quarantine")["rule"])
    assert f'<td class="text">{rule}</td>' in page(bare)
    assert planned.details["plan_source"] == "published"
    known = stored(bare, "out_plan_price", planned)["import_eur_per_kwh"]
    assert np.isfinite(known).all()


def test_prices_of_another_day_are_none_of_the_day_that_is_wanted(bare: Workspace) -> None:
    wanted, as_of = DAY + WEEK, AS_OF + WEEK
    put(bare, "sessions", session_rows(wanted).iloc[2:].assign(session_id="w3"), as_of=as_of)
    put(bare, "prices", price_rows(wanted - timedelta(days=1), 1), as_of=as_of)
    assert check(Context.of(bare, as_of)).exit_code == 0
    planned = plan(Context.of(bare, as_of), wanted)
    assert (planned.details["plan_source"], planned.exit_code) == ("substituted", 3)
    assert "those of 2024-03-20 stand in" in planned.message


def low(workspace: Workspace, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(arrival_soc=0.02, departure_utc=f"{DAY}T11:00:00Z")


def short(workspace: Workspace, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(departure_utc=f"{DAY}T07:40:00Z")


def weak(workspace: Workspace, rows: pd.DataFrame) -> pd.DataFrame:
    put(workspace, "sites", site_rows().assign(import_limit_kw=1.0), as_of=LATER)
    return rows


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (low, "window too short: arrives at 0.02"),
        (short, "window too short: arrives at 0.40"),
        (weak, "feeder limit of site 'yard' (1 kW)"),
    ],
    ids=["SoC too low", "window too short", "feeder too small"],
)
def test_a_departure_that_cannot_be_met_is_planned_as_far_as_it_goes_with_the_reason(
    bare: Workspace, fault: Callable[[Workspace, pd.DataFrame], pd.DataFrame], reason: str
) -> None:
    rows = fault(bare, session_rows().iloc[2:])
    _, planned = checked_and_planned(bare, "sessions", rows)
    assert planned.details["plan_source"] == "published"
    left = stored(bare, "out_plan_departure", planned, mode="ordered").set_index("battery_id")
    (missed,) = left.loc[["car-2"]].to_dict("records")
    assert missed["missing_kwh"] > 1.0 and missed["reason"].startswith(reason)
    assert missed["reached_kwh"] == pytest.approx(missed["target_kwh"] - missed["missing_kwh"])
    assert str(escape(missed["reason"])) in page(bare)
    if fault is not weak:  # which is the other car's feeder as well
        assert (left.loc[["car-1"], "missing_kwh"] < 1e-6).all()


def test_telemetry_of_the_future_is_refused_as_a_whole_and_the_day_is_planned(bare: Workspace) -> None:
    times = pd.date_range(LATER + timedelta(days=3), periods=8, freq="15min").strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = pd.DataFrame({"battery_id": "car-1", "time_utc": times, "soc_reported": 0.5, "power_kw": 0.0})
    checked, planned = checked_and_planned(bare, "soc_power", rows)
    assert (checked.exit_code, checked.details["quarantined"]) == (4, 8)
    assert "failed as a whole: soc_power" in checked.message
    assert bare.warehouse.read("core_soc_power").empty
    assert planned.details["plan_source"] == "published"


def test_without_a_fleet_there_is_no_plan_and_with_one_car_there_is(tmp_path: Path) -> None:
    workspace = created(tmp_path / "depot")
    put(workspace, "sites", site_rows())
    put(workspace, "prices", price_rows(DAY, 1))
    context = Context.of(workspace, AS_OF)
    assert check(context).exit_code == 0
    with pytest.raises(NoPlanError, match="nothing of fleet has been received at all") as refused:
        plan(context, DAY)
    assert refused.value.exit_code == 5
    put(workspace, "fleet", fleet_rows().iloc[:1])
    put(workspace, "sessions", session_rows().iloc[:1])
    assert check(context).exit_code == 0
    planned = plan(context, DAY)
    assert planned.details["plan_source"] == "published"
    assert set(stored(workspace, "out_plan_car", planned)["battery_id"]) == {"car-1"}


def log_of_a_killed_writer(workspace: Workspace) -> Path:
    """What a process leaves that was killed after three commits: they stand in the write-ahead log alone."""

    def work() -> None:
        connection = duckdb.connect(str(workspace.warehouse.path))
        for number in range(3):
            connection.execute(
                "INSERT INTO out_run (run_id, stage, started_utc, finished_utc, status, exit_code, message) "
                "VALUES (?, 'plan', now(), now(), 'ok', 0, repeat('x', 500))",
                [f"r{number}"],
            )
        os.kill(os.getpid(), signal.SIGKILL)

    in_killed_child(work)
    return Path(f"{workspace.warehouse.path}.wal")


@pytest.mark.parametrize("at", [0.05, 0.5, 0.95])
def test_a_flipped_bit_of_the_write_ahead_log_ends_as_damage(bare: Workspace, at: float) -> None:
    log = log_of_a_killed_writer(bare)
    data = bytearray(log.read_bytes())
    data[int(len(data) * at)] ^= 1
    log.write_bytes(data)
    before = bare.warehouse.path.read_bytes()
    with pytest.raises(DamagedError, match="Corrupt WAL file") as caught:
        plan(Context.of(bare, AS_OF), DAY)
    assert problem_of(caught.value).exit_code == 4
    assert (bare.warehouse.path.read_bytes(), log.read_bytes()) == (before, bytes(data))


def test_a_write_ahead_log_that_was_cut_short_has_its_whole_commits_and_the_day_is_planned(
    bare: Workspace,
) -> None:
    log = log_of_a_killed_writer(bare)
    log.write_bytes(log.read_bytes()[: int(log.stat().st_size * 0.9)])
    assert plan(Context.of(bare, AS_OF), DAY).details["plan_source"] == "published"
    runs = set(bare.warehouse.read("out_run")["run_id"])
    assert {"r0", "r1"} <= runs and "r2" not in runs
