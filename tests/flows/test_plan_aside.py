"""While another process holds the warehouse a day is planned from the snapshot; its rows come in later."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows import cli
from flows.clock import now
from flows.mapping.in_force import plan_in_force
from flows.notify import notified, notify
from flows.snapshot import keep_snapshot, note_taken_in
from flows.stages import Context, StageResult
from flows.stages import spooled as spooled_module
from flows.stages.aside import aside, plan_aside
from flows.stages.check import check
from flows.stages.jobs import without_prefect, work_off
from flows.stages.ladder import climb, run_exit_code, steps_of
from flows.stages.plan import plan
from flows.stages.spooled import take_in
from flows.status_stored import status_at_once, store_status
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, price_rows, put
from tests.flows.processes import in_killed_child
from tests.warehouse.http_server import Reply, serving
from tests.warehouse.test_store_lock import HOLD
from warehouse.backup import snapshot_taken
from warehouse.errors import LockedError, SpoolError
from warehouse.spool import PLAN_TABLES, TABLES, read_spool, write_spool
from warehouse.store import Warehouse

LATER = AS_OF + timedelta(hours=1)
MORNING = datetime(2024, 3, 20, 6, 20, tzinfo=UTC)
"""When a plan is due that was not made."""


@contextmanager
def held(workspace: Workspace) -> Iterator[Workspace]:
    """Another process has the database open; the workspace, which waits for it a moment only."""
    words = [sys.executable, "-c", HOLD, str(workspace.warehouse.path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        try:
            yield replace(workspace, lock_timeout_s=0.2)
        finally:
            other.kill()


@pytest.fixture
def kept(depot: Workspace) -> Workspace:
    keep_snapshot(depot)
    return depot


def planned_aside(workspace: Workspace, as_of: datetime = AS_OF) -> list[StageResult]:
    """As a day is planned that meets the warehouse in use."""
    with held(workspace) as busy:
        with pytest.raises(LockedError) as locked:
            plan(Context.of(busy, as_of), DAY)
        return plan_aside(Context.of(busy, as_of), lambda _: DAY, locked.value)


def files(workspace: Workspace) -> list[Path]:
    return sorted(workspace.spool.glob("*.spool*"))


def rows(warehouse: Warehouse, *dropped: str) -> dict[str, pd.DataFrame]:
    """What is stored of plans, but for what tells when and by whom they were made."""
    dropped = ("run_id", "solve_seconds", *dropped)
    return {name: warehouse.read(name).drop(columns=[*dropped], errors="ignore") for name in PLAN_TABLES}


def same(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> bool:
    return all(one[name].equals(other[name]) for name in PLAN_TABLES)


def test_the_tables_that_may_be_spooled_are_these_and_what_a_plan_writes(depot: Workspace) -> None:
    assert set(TABLES) == {
        "out_plan", "out_plan_source", "out_plan_price", "out_plan_mode", "out_plan_car", "out_plan_slot",
        "out_plan_site_slot", "out_plan_departure", "out_plan_reserve", "out_plan_reserve_slot",
        "out_plan_reason", "out_left_out", "out_expected_stay", "out_run",
    }  # fmt: skip


def test_the_schedule_goes_out_and_the_rows_come_in_once_the_file_is_free(
    kept: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["v2g", "--json", "plan", "--date", str(DAY), "--as-of", AS_OF.isoformat(), "-w", str(kept.root)]
    monkeypatch.setattr(sys, "argv", words)
    undisturbed = Workspace.open(Path(shutil.copytree(kept.root, tmp_path / "undisturbed")))
    store_status(kept)
    with held(kept) as busy:
        with pytest.raises(SystemExit) as left:
            cli.main()
        planned, published = json.loads(capsys.readouterr().out)["stages"]
        stated = status_at_once(busy)
    assert (left.value.code, planned["plan_source"], planned["spooled"]) == (3, "published", True)
    assert "planned from the snapshot of" in planned["message"]
    assert [row["state"] for row in stated["spooled"]] == ["waits"]
    assert stated["spooled"][0]["plan_id"] == planned["plan_id"]
    schedule = pd.read_csv(kept.exports / f"schedule_{DAY}_{ZONE}.csv")
    assert set(schedule["plan_id"]) == {planned["plan_id"]}
    index = Path(published["files"][0]).read_text(encoding="utf-8")
    assert "the warehouse was in use: planned from the snapshot of" in index
    assert kept.warehouse.read("out_plan").empty and len(files(kept)) == 1

    check(Context.of(kept, AS_OF))  # whatever writes next
    assert files(kept) == []
    runs = kept.warehouse.read("out_run", where={"run_id": kept.warehouse.read("out_plan")["run_id"].iloc[0]})
    assert set(runs["stage"]) == {"plan", "publish"}
    assert plan(Context.of(kept, AS_OF), DAY).details["outcome"] == "unchanged"
    come = rows(kept.warehouse, "made_utc", "note")
    plan(Context.of(undisturbed, AS_OF), DAY)
    assert same(rows(undisturbed.warehouse, "made_utc", "note"), come)
    assert kept.warehouse.read("out_plan")["as_of_utc"].iloc[0] == AS_OF


def test_it_is_as_of_the_snapshot_and_never_later(kept: Workspace) -> None:
    taken = snapshot_taken(kept.snapshot, timeout_s=1.0)
    assert taken is not None and taken < now()
    with held(kept) as busy, aside(busy, LockedError("in use")) as own:
        assert own.context(Context.of(busy, now())).as_of == taken
        assert own.context(Context.of(busy, AS_OF)).as_of == AS_OF


def end_here(*_: object, **__: object) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("moment", ["before", "within", "after"])
def test_killed_anywhere_while_it_is_taken_in_it_comes_in_once(
    kept: Workspace, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """after: between the transaction and the removal of the file."""
    planned, _ = planned_aside(kept)
    with monkeypatch.context() as patch:
        if moment == "before":
            patch.setattr(Warehouse, "write", end_here)
        elif moment == "within":
            patch.setattr("warehouse.store.insert", end_here)
        else:
            patch.setattr(Path, "unlink", end_here)
        in_killed_child(lambda: take_in(kept.spool, kept.warehouse))
    assert len(files(kept)) == 1
    before = kept.warehouse.read("out_plan")
    assert len(before) == (1 if moment == "after" else 0)
    stored = read_spool(files(kept)[0])
    take_in(kept.spool, kept.warehouse)
    assert files(kept) == []
    assert kept.warehouse.read("out_plan")["plan_id"].tolist() == [planned.details["plan_id"]]
    for name in PLAN_TABLES:
        assert len(kept.warehouse.read(name)) == len(stored[name])
    assert not kept.warehouse.read("out_run")[["run_id", "stage"]].duplicated().any()
    take_in(kept.spool, kept.warehouse)
    assert len(kept.warehouse.read("out_plan")) == 1


def test_asked_for_again_meanwhile_it_is_the_same_plan(kept: Workspace) -> None:
    first, _ = planned_aside(kept)
    again, published = planned_aside(kept)
    assert (again.details["outcome"], again.details["plan_id"]) == ("unchanged", first.details["plan_id"])
    assert published.files and len(files(kept)) == 1
    assert list(kept.spool.glob("*aside*")) == []


def test_killed_before_its_schedule_goes_out_the_next_one_sends_it(
    kept: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("flows.stages.aside.publish", end_here)
        in_killed_child(lambda: planned_aside(kept))
    assert len(files(kept)) == 1 and not list(kept.exports.glob("schedule_*"))
    (again, published) = planned_aside(kept)
    assert again.details["outcome"] == "unchanged"
    assert published.files and list(kept.exports.glob("schedule_*"))
    assert len(files(kept)) == 1


def test_without_a_snapshot_or_with_one_that_is_too_old_there_is_none_and_it_says_why(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LockedError, match="there is no snapshot to plan from"):
        planned_aside(depot)
    depot.warehouse.snapshot(depot.snapshot)  # one that tells no moment
    with pytest.raises(LockedError, match="there is no snapshot to plan from"):
        planned_aside(depot)
    keep_snapshot(depot)
    put(depot, "prices", price_rows(DAY, 1).assign(price_eur_per_kwh=0.2))
    check(Context.of(depot, LATER))
    words = ["v2g", "--json", "plan", "--date", str(DAY), "-w", str(depot.root), "--as-of", LATER.isoformat()]
    monkeypatch.setattr(sys, "argv", words)
    capsys.readouterr()
    with held(depot), pytest.raises(SystemExit) as left:
        cli.main()
    told = json.loads(capsys.readouterr().out)["error"]
    assert (left.value.code, told["kind"]) == (75, "LockedError")
    assert "is older than what was taken in at" in told["message"]
    assert files(depot) == [] and not list(depot.exports.glob("schedule_*"))
    keep_snapshot(depot)
    assert planned_aside(depot, LATER)[0].details["spooled"]


def test_whoever_wants_no_copies_has_none(depot: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V2G_PLAN__FROM_SNAPSHOT", "false")
    own = Workspace.open(depot.root)
    keep_snapshot(own)
    assert not own.snapshot.exists()
    with pytest.raises(LockedError, match="held by another process"):
        planned_aside(own)


def test_one_process_at_a_time_plans_from_the_snapshot(kept: Workspace) -> None:
    in_use, message = LockedError("in use"), f"process {os.getpid()} plans from the snapshot already"
    with held(kept) as busy, aside(busy, in_use), pytest.raises(LockedError, match=message):
        plan_aside(Context.of(busy, AS_OF), lambda _: DAY, in_use)


def test_a_whole_day_that_meets_the_warehouse_in_use_is_planned_and_degraded(kept: Workspace) -> None:
    with held(kept) as busy:
        context = Context.of(busy, AS_OF)
        results = climb(context, steps_of(context, DAY), DAY)
    assert [(one.stage, one.exit_code) for one in results] == [("ingest", 75), ("plan", 3), ("publish", 0)]
    assert "left to the next run: ingest, fetch, check, realise, calibrate" in results[0].message
    assert run_exit_code(results) == 3
    with held(kept) as busy, pytest.raises(LockedError):  # without a plan among them it is as it was
        climb(Context.of(busy, AS_OF), {"ingest": steps_of(context, DAY)["ingest"]}, DAY)


def test_who_is_notified_hears_of_it_while_the_warehouse_is_in_use_and_once(
    kept: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = now()
    with serving(Reply()) as hook:
        monkeypatch.setenv("V2G_NOTIFY__WEBHOOK_URL", f"http://127.0.0.1:{hook.port}/hook")
        told = Workspace.open(kept.root)
        with held(told) as busy, notified(busy, began):
            work_off(busy, without_prefect, MORNING)
        causes = [json.loads(asked.body)["causes"] for asked in hook.asked]
        assert [[(one["about"], one["exit_code"]) for one in some] for some in causes] == [
            [("warehouse", 75), (f"plan {DAY}", 3)]
        ]
        assert "the warehouse was in use: planned from the snapshot of" in causes[0][1]["message"]
        with held(told) as busy, pytest.raises(LockedError), notified(busy, began):
            work_off(busy, without_prefect, MORNING + timedelta(minutes=1))
        assert len(hook.asked) == 1
        check(Context.of(told, MORNING))
        assert notify(told, began) == 0  # it is on record as it was spooled, and was told
        with held(told) as busy, pytest.raises(LockedError), notified(busy, now()):
            busy.snapshot.unlink()
            work_off(busy, without_prefect, MORNING + timedelta(minutes=2))
        assert [one["about"] for one in json.loads(hook.asked[1].body)["causes"]] == ["warehouse"]


def test_what_is_due_is_found_and_planned_by_the_snapshot(kept: Workspace) -> None:
    with held(kept) as busy:
        (came,) = work_off(busy, without_prefect, MORNING)
        assert [(one.stage, one.exit_code) for one in came] == [("plan", 3), ("publish", 0)]
        with pytest.raises(LockedError):  # it holds now, and nothing else can be done
            work_off(busy, without_prefect, MORNING + timedelta(minutes=1))
    check(Context.of(kept, MORNING))
    in_force = plan_in_force(kept.warehouse, ZONE, DAY)
    assert in_force is not None and in_force["plan_id"] == came[0].details["plan_id"]


def later_plan(workspace: Workspace) -> str:
    """A plan of later knowledge that is written before what is spooled comes in."""
    (spooled,) = files(workspace)
    spooled.rename(workspace.root / "away")
    put(workspace, "prices", price_rows(DAY, 1).assign(price_eur_per_kwh=0.2), as_of=LATER)
    context = Context.of(workspace, LATER)
    check(context)
    made = plan(context, DAY)
    (workspace.root / "away").rename(spooled)
    return str(made.details["plan_id"])


def test_one_of_later_knowledge_stays_in_force(kept: Workspace) -> None:
    early = str(planned_aside(kept)[0].details["plan_id"])
    late = later_plan(kept)
    take_in(kept.spool, kept.warehouse)
    in_force = plan_in_force(kept.warehouse, ZONE, DAY)
    assert in_force is not None and in_force["plan_id"] == late
    assert set(kept.warehouse.read("out_plan")["plan_id"]) == {early, late}


def test_a_worse_rung_replaces_no_better_one_but_its_run_is_on_record(kept: Workspace) -> None:
    planned_aside(kept, LATER)
    (spooled,) = files(kept)
    tables = read_spool(spooled)
    worse = tables["out_plan"].assign(
        plan_source="charge_only", input_hash="another", as_of_utc=pd.Timestamp(LATER + timedelta(hours=1))
    )
    spooled.unlink()
    better = plan(Context.of(kept, LATER), DAY).details["plan_id"]
    for name in PLAN_TABLES:
        tables[name] = tables[name].assign(plan_id="worse")
    write_spool(spooled, {**tables, "out_plan": worse.assign(plan_id="worse")})
    take_in(kept.spool, kept.warehouse)
    assert kept.warehouse.read("out_plan")["plan_id"].tolist() == [better]
    assert kept.warehouse.read("out_plan_slot", where={"plan_id": "worse"}).empty
    run_id = str(tables["out_run"]["run_id"].iloc[0])
    assert len(kept.warehouse.read("out_run", where={"run_id": run_id})) == len(tables["out_run"])
    assert files(kept) == []


def test_a_file_is_taken_in_whole_or_set_aside(kept: Workspace) -> None:
    planned_aside(kept)
    (spooled,) = files(kept)
    whole = spooled.read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        spooled.write_bytes(whole[:size])
        take_in(kept.spool, kept.warehouse)
        assert kept.warehouse.read("out_plan").empty
        (refused,) = files(kept)
        assert refused.name.endswith(".spool.refused")
        refused.unlink()
    tables = read_spool_of(whole, spooled)
    for changed in ({**tables, "core_price": tables["out_plan"]}, {"out_plan": tables["out_plan"]}):
        with pytest.raises(SpoolError, match=r"core_price is no table of a plan|is missing"):
            write_spool(spooled, changed)
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 0xFF
    spooled.write_bytes(bytes(flipped))
    take_in(kept.spool, kept.warehouse)
    assert kept.warehouse.read("out_plan").empty
    files(kept)[0].unlink()
    stuffed = io.BytesIO(whole)
    with zipfile.ZipFile(stuffed, "a") as archive:
        archive.writestr("core_price.parquet", b"")
    spooled.write_bytes(stuffed.getvalue())
    take_in(kept.spool, kept.warehouse)
    assert kept.warehouse.read("out_plan").empty


def read_spool_of(data: bytes, path: Path) -> dict[str, pd.DataFrame]:
    path.write_bytes(data)
    return read_spool(path)


def test_two_that_take_it_in_at_once_write_it_once(kept: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    planned_aside(kept)
    judged = spooled_module._as_judged
    meanwhile: list[int] = []

    def judged_and_overtaken(*args: Any) -> Any:
        found = judged(*args)
        if not meanwhile:
            meanwhile.append(1)
            take_in(kept.spool, kept.warehouse)
        return found

    monkeypatch.setattr(spooled_module, "_as_judged", judged_and_overtaken)
    take_in(kept.spool, kept.warehouse)
    assert len(kept.warehouse.read("out_plan")) == 1
    assert files(kept) == []


def test_a_backup_that_is_put_back_makes_the_snapshot_too_new(kept: Workspace) -> None:
    note_taken_in(kept)
    with pytest.raises(LockedError, match="is older than what was taken in"):
        planned_aside(kept)
