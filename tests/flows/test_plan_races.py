"""Plans of one day made side by side: what decides is read when it is written, not when it was begun."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.mapping import read_inputs as inputs_module
from flows.mapping.in_force import plan_in_force, plans_in_force
from flows.mapping.prices import PlanPrices, plan_prices
from flows.mapping.rungs import RUNGS
from flows.stages import Context, StageResult
from flows.stages import plan as plan_module
from flows.stages.check import check
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, price_rows, put, spoil

MINUTE = timedelta(minutes=1)
ROUNDS = 12


def planned(workspace: Workspace, as_of: datetime) -> StageResult:
    return plan(Context.of(workspace, as_of), DAY)


def held(workspace: Workspace, as_of: datetime, meanwhile: Callable[[], object]) -> StageResult:
    """Plan, and let something happen between the last look at the tables and the writing transaction."""
    tables = plan_module._tables

    def tables_and_wait(*args: Any) -> dict[str, pd.DataFrame]:
        made = tables(*args)
        patch.setattr(plan_module, "_tables", tables)
        meanwhile()
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "_tables", tables_and_wait)
        return planned(workspace, as_of)


def no_prices(workspace: Workspace) -> None:
    spoil(workspace, "CREATE TABLE kept AS FROM core_price", "DELETE FROM core_price")


def prices_again(workspace: Workspace) -> None:
    spoil(workspace, "INSERT INTO core_price FROM kept")


def other_prices(workspace: Workspace, factor: float) -> None:
    changed = f"UPDATE core_price SET price_eur_per_kwh = price_eur_per_kwh * {factor}"  # noqa: S608 a number
    spoil(workspace, changed)


def rows(workspace: Workspace) -> pd.DataFrame:
    """The plans by the moment of their knowledge."""
    plans = workspace.warehouse.read("out_plan")
    return plans.sort_values(["as_of_utc", "sequence"]).reset_index(drop=True)


def test_a_slow_run_without_prices_leaves_the_published_plan_in_force(bare: Workspace) -> None:
    no_prices(bare)
    fast: list[StageResult] = []

    def meanwhile() -> None:
        prices_again(bare)
        fast.append(planned(bare, AS_OF + MINUTE))

    slow = held(bare, AS_OF + 2 * MINUTE, meanwhile)
    assert fast[0].details["plan_source"] == "published"
    assert (slow.details["outcome"], slow.details["plan_id"]) == ("kept", fast[0].details["plan_id"])
    assert "does not replace the better published plan" in slow.message
    assert rows(bare)["sequence"].tolist() == [1]
    spoil(bare, "DELETE FROM out_plan", "DELETE FROM core_price")
    fast.clear()
    earlier = held(bare, AS_OF, meanwhile)  # what was known then is a plan of then, whatever came later
    assert earlier.details["outcome"] == "history"
    assert earlier.details["in_force_plan_id"] == fast[0].details["plan_id"]
    in_force = plan_in_force(bare.warehouse, ZONE, DAY)
    assert in_force is not None and in_force["plan_source"] == "published"


def test_a_slow_run_of_earlier_knowledge_is_history(bare: Workspace) -> None:
    fast: list[StageResult] = []

    def meanwhile() -> None:
        other_prices(bare, 1.5)
        fast.append(planned(bare, AS_OF + MINUTE))

    slow = held(bare, AS_OF, meanwhile)
    assert slow.details["outcome"] == "history"
    assert slow.details["in_force_plan_id"] == fast[0].details["plan_id"] != slow.details["plan_id"]
    found = rows(bare)
    assert found["sequence"].tolist() == [1, 1]  # each is the first of what was known
    assert found["plan_id"].tolist() == [slow.details["plan_id"], fast[0].details["plan_id"]]
    in_force = plan_in_force(bare.warehouse, ZONE, DAY)
    assert in_force is not None and in_force["plan_id"] == fast[0].details["plan_id"]


def test_a_slow_run_of_later_knowledge_replaces_what_was_written_meanwhile(bare: Workspace) -> None:
    fast: list[StageResult] = []

    def meanwhile() -> None:
        other_prices(bare, 1.5)
        fast.append(planned(bare, AS_OF))

    slow = held(bare, AS_OF + MINUTE, meanwhile)
    assert slow.details["outcome"] == "new"
    assert slow.details["replaces_plan_id"] == fast[0].details["plan_id"]
    assert (fast[0].details["sequence"], slow.details["sequence"]) == (1, 2)


def test_two_runs_of_the_same_inputs_are_one_plan(bare: Workspace) -> None:
    slow = held(bare, AS_OF, lambda: planned(bare, AS_OF))
    assert slow.details["outcome"] == "unchanged"
    assert len(rows(bare)) == 1


def test_a_plan_that_departs_from_another_is_made_again_when_that_was_replaced(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2G_PLAN__CHANGE_PRICE_EUR_PER_KWH", "10")
    workspace = Workspace.open(bare.root)
    planned(workspace, AS_OF)

    def meanwhile() -> None:
        spoil(bare, "UPDATE core_session SET departure_soc = 0.9 WHERE session_id = 's3'")
        planned(workspace, AS_OF + MINUTE)

    other_prices(bare, -1.0)
    slow = held(workspace, AS_OF + 2 * MINUTE, meanwhile)
    found = rows(workspace)
    assert slow.details["replaces_plan_id"] == found["plan_id"].iloc[1]
    slots = workspace.warehouse.read("out_plan_slot", where={"mode": "ordered"})
    power = {plan_id: own["power_kw"].to_numpy() for plan_id, own in slots.groupby("plan_id")}
    moved = abs(power[found["plan_id"].iloc[2]] - power[found["plan_id"].iloc[1]]).sum() / 4
    modes = workspace.warehouse.read("out_plan_mode", where={"mode": "ordered"}).set_index("plan_id")
    assert modes["change_price_eur"][slow.details["plan_id"]] == pytest.approx(10.0 * moved, abs=1e-6)


def test_a_plan_of_the_next_day_at_the_last_moment_is_departed_from_too(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2G_PLAN__CHANGE_PRICE_EUR_PER_KWH", "10")
    workspace = Workspace.open(bare.root)
    put(workspace, "prices", price_rows(DAY + timedelta(days=1), 1))
    check(Context.of(workspace, AS_OF))
    made, whole = [], plan_module.make
    monkeypatch.setattr(plan_module, "make", lambda *args: made.append(args[1].market_date) or whole(*args))
    held(workspace, AS_OF, lambda: plan(Context.of(workspace, AS_OF), DAY + timedelta(days=1)))
    assert made == [DAY, DAY + timedelta(days=1), DAY]


def test_a_write_whose_guard_says_no_writes_nothing(bare: Workspace) -> None:
    run = {"run_id": "r", "stage": "plan", "status": "ok", "exit_code": 0, "message": "m"}
    times = {"started_utc": pd.Timestamp(AS_OF), "finished_utc": pd.Timestamp(AS_OF)}
    frame = pd.DataFrame([{**run, **times}])
    before = len(bare.warehouse.read("out_run"))
    seen: list[int] = []

    def no(read: Any) -> bool:
        seen.append(len(read("out_run")))
        return False

    assert bare.warehouse.write({"out_run": frame}, guard=no) is False
    assert (seen, len(bare.warehouse.read("out_run"))) == ([before], before)
    assert bare.warehouse.write({"out_run": frame}, guard=lambda read: read("out_run", {"run_id": "r"}).empty)
    assert not bare.warehouse.write(
        {"out_run": frame}, guard=lambda read: read("out_run", {"run_id": "r"}).empty
    )
    assert len(bare.warehouse.read("out_run")) == before + 1


def _plan_in_rounds(root: Path, who: int, barrier: Barrier, answers: Any) -> None:
    """One of the processes: in each round it plans a copy of the depot; the first at times sees no prices."""

    def without(*args: Any) -> PlanPrices:
        found = plan_prices(*args)
        from dataclasses import replace

        return replace(found, source="charge_only", market=None, note="no prices seen")

    for round_ in range(ROUNDS):
        os.environ["V2G_PLAN__DEPARTURE_PRICE_EUR_PER_KWH"] = str(2.0 + who)
        workspace = Workspace.open(root / f"round-{round_}")
        inputs_module.plan_prices = without if who == 0 and round_ % 2 == 0 else plan_prices  # type: ignore[attr-defined]
        as_of = AS_OF + MINUTE * (0 if who == 0 else (who * round_ // 2) % 3)
        barrier.wait(timeout=300)
        result = planned(workspace, as_of)
        answers.put((round_, who, result.details["outcome"], result.details["plan_id"]))


def test_processes_that_plan_at_once_end_in_the_best_plan_and_no_number_twice(
    checked_depot: Path, tmp_path: Path
) -> None:
    for round_ in range(ROUNDS):
        shutil.copytree(checked_depot, tmp_path / f"round-{round_}")
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(3), context.Queue()
    processes = [
        context.Process(target=_plan_in_rounds, args=(tmp_path, who, barrier, answers)) for who in range(3)
    ]
    for process in processes:
        process.start()
    stated = [answers.get(timeout=600) for _ in range(3 * ROUNDS)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    for round_ in range(ROUNDS):
        found = rows(Workspace.open(tmp_path / f"round-{round_}"))
        written = {
            plan_id for number, _, outcome, plan_id in stated if number == round_ and outcome != "kept"
        }
        assert set(found["plan_id"]) == written
        assert not found.duplicated(["as_of_utc", "sequence"]).any()
        assert found["sequence"].iloc[0] == 1 and found["plan_id"].is_unique
        (in_force,) = plans_in_force(found).to_dict("records")
        assert in_force["plan_source"] == "published"
        assert in_force["as_of_utc"] == found["as_of_utc"].max()
        rank = found["plan_source"].map(RUNGS.index)
        assert rank.is_monotonic_decreasing  # no worse rung was written after a better one


def test_an_earlier_run_does_not_take_over_what_is_published(bare: Workspace) -> None:
    from flows.mapping.trace import trace
    from flows.stages.publish import publish
    from flows.status import status_of

    later = planned(bare, AS_OF + 60 * MINUTE)
    pages = [Path(file) for file in publish(Context.of(bare, AS_OF + 60 * MINUTE), DAY).files]
    schedule = {page: page.read_bytes() for page in pages if page.suffix == ".csv"}
    assert schedule
    put(bare, "prices", price_rows(DAY, 1, spread=-0.07))
    check(Context.of(bare, AS_OF))
    earlier = planned(bare, AS_OF)
    assert (earlier.details["outcome"], earlier.exit_code) == ("history", later.exit_code)
    assert f"plan {later.details['plan_id']} rests on later knowledge" in earlier.message
    assert status_of(bare)["plans"][0]["plan_id"] == later.details["plan_id"]
    assert trace(bare, earlier.details["plan_id"])["plan"]["in_force_plan_id"] == later.details["plan_id"]

    for apart in (
        publish(Context.of(bare, AS_OF), DAY),
        publish(Context.of(bare, AS_OF), plan_id=earlier.details["plan_id"]),
    ):
        assert apart.details["plan_id"] == earlier.details["plan_id"]
        assert "apart from those of plan" in apart.message
        of_plan = {Path(file) for file in apart.files if Path(file).parent != bare.reports}
        assert of_plan and not of_plan & set(pages), "the workspace's own pages stand as they are"
        assert "Not in force" in Path(apart.files[0]).read_text(encoding="utf-8")
    for when in (AS_OF + 60 * MINUTE, AS_OF - 60 * MINUTE):  # at the earlier moment there was no plan yet
        again = publish(Context.of(bare, when), DAY)
        assert again.details["plan_id"] == later.details["plan_id"]
        assert {Path(file) for file in again.files} == set(pages)
        assert {page: page.read_bytes() for page in schedule} == schedule
        assert f"Plan <code>{later.details['plan_id']}</code>" in pages[0].read_text(encoding="utf-8")
