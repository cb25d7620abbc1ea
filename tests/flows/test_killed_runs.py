"""A run that is killed is told by the next one, and what it had quarantined is on the page of that."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.states import Running

from flows.server.crashed import crash_killed
from flows.server.of_run import server_of_run
from flows.stages import Context, StageResult
from flows.stages.check import check
from flows.stages.ladder import Step, climb, steps_of
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.status import status_of
from flows.under_way import begun_runs, under_way
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, price_rows, put, session_rows
from tests.flows.prefect_database import put_database
from tests.flows.processes import in_killed_child
from warehouse.store import Warehouse

LATER = AS_OF + timedelta(minutes=5)


def end_here(*_: object) -> StageResult:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still there")


def ran(workspace: Workspace, context: Context, steps: Mapping[str, Step] | None = None) -> list[StageResult]:
    own = {name: step for name, step in steps_of(context, DAY).items() if name != "fetch"}
    return climb(context, {**own, **(steps or {})}, DAY)


def backwards(workspace: Workspace) -> None:
    """A session that leaves before it comes, and a price that is none: two datasets with a bad row."""
    wrong = session_rows().iloc[[0]]
    put(
        workspace,
        "sessions",
        wrong.assign(
            session_id="back", arrival_utc=wrong["departure_utc"], departure_utc=wrong["arrival_utc"]
        ),
    )
    prices = price_rows(DAY + timedelta(days=1), 1)
    prices.loc[3, "price_eur_per_kwh"] = float("nan")
    put(workspace, "prices", prices)


def page(workspace: Workspace) -> str:
    return (workspace.reports / str(DAY) / "index.html").read_text(encoding="utf-8")


def bad(workspace: Workspace) -> set[str]:
    return set(workspace.warehouse.read("core_quarantine")["rule"].astype(str))


def killed_after_a_dataset(patch: pytest.MonkeyPatch) -> None:
    done = Warehouse.finish_check

    def once(self: Warehouse, *rest: object) -> None:
        done(self, *rest)  # type: ignore[arg-type]
        end_here()

    patch.setattr(Warehouse, "finish_check", once)


@pytest.mark.parametrize("moment", ["after the first dataset", "after the check", "before its pages"])
def test_what_a_killed_run_had_quarantined_is_on_the_page_of_the_next(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    backwards(depot)
    killed = Context.of(depot, AS_OF)
    steps: dict[str, Step] = {"publish": end_here} if "pages" in moment else {"calibrate": end_here}
    with monkeypatch.context() as patch:
        if "dataset" in moment:
            killed_after_a_dataset(patch)
        in_killed_child(lambda: ran(depot, killed, steps))
    stage = {"after the first dataset": "check", "after the check": "calibrate"}.get(moment, "publish")
    (left,) = status_of(depot)["under way"]
    assert (left["run_id"], left["state"], left["market_date"]) == (killed.run_id, "killed", str(DAY))
    results = {one.stage: one for one in ran(depot, Context.of(depot, LATER))}
    assert results["publish"].exit_code == 0
    assert status_of(depot)["under way"] == []
    (told,) = depot.warehouse.read("out_run", where={"run_id": killed.run_id, "stage": stage}).to_dict(
        "records"
    )
    assert (told["status"], told["exit_code"]) == ("failed", 75)
    assert f"before {stage} ended" in told["message"]
    assert bad(depot)
    for rule in bad(depot):
        assert f'<td class="text">{rule}</td>' in page(depot)
    assert killed.run_id in page(depot)


def test_what_was_checked_between_two_pages_is_on_the_second_and_no_later_one(depot: Workspace) -> None:
    first = Context.of(depot, AS_OF)
    plan(first, DAY)
    publish(first, DAY)
    backwards(depot)
    check(Context.of(depot, LATER))
    found = {f'<td class="text">{rule}</td>' for rule in bad(depot)}
    assert found
    assert not any(text in page(depot) for text in found)
    for minutes, told in ((10, True), (20, False)):
        put(
            depot,
            "prices",
            price_rows(DAY, 1).assign(price_eur_per_kwh=0.1 + minutes / 1000),
            as_of=AS_OF + timedelta(minutes=minutes),
        )
        context = Context.of(depot, AS_OF + timedelta(minutes=minutes))
        check(context)
        assert plan(context, DAY).details["outcome"] == "new"
        publish(context, DAY)
        assert all(text in page(depot) for text in found) == told


def test_a_run_that_goes_on_is_not_taken_for_killed(depot: Workspace, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with under_way(Context.of(depot, AS_OF), ["check", "plan"], DAY):
            os.write(writing, b"x")
            signal.pause()
    assert os.read(reading, 1) == b"x"
    try:
        (one,) = begun_runs(depot)
        assert (one.process, one.stages, one.day) == (child, ("check", "plan"), DAY)
        with under_way(Context.of(depot, LATER), ["plan"], DAY):
            assert len(begun_runs(depot)) == 2
        assert [one.process for one in begun_runs(depot)] == [child]
        assert depot.warehouse.read("out_run", where={"run_id": one.run_id}).empty
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert [one.process for one in begun_runs(depot)] == [None]


def test_a_killed_run_does_not_stay_as_running_in_prefects_pages(depot: Workspace) -> None:
    from flows.daily import daily
    from flows.daily import plan as plan_flow

    put_database(depot)
    killed, going_on = Context.of(depot, AS_OF), Context.of(depot, LATER)
    in_killed_child(lambda: ran(depot, killed, {"ingest": end_here}))
    with server_of_run(depot), get_client(sync_client=True) as client:
        runs = {
            (one.name, context.run_id): client.create_flow_run(
                one, parameters={"workspace": str(depot.root), "run_id": context.run_id}, state=Running()
            ).id
            for one in (daily, plan_flow)
            for context in (killed, going_on)
        }
        crash_killed(depot)
        states = {name: client.read_flow_run(run).state_type for name, run in runs.items()}
    assert {name: state and state.value for name, state in states.items()} == {
        (one, context.run_id): "CRASHED" if context is killed else "RUNNING"
        for one in ("daily", "plan")
        for context in (killed, going_on)
    }


def test_where_nothing_can_be_marked_the_run_goes_on(depot: Workspace) -> None:
    depot.running.write_text("in the way")
    assert [one.exit_code for one in climb(Context.of(depot, AS_OF), {"plan": lambda: answer()}, DAY)] == [0]


def answer() -> StageResult:
    return StageResult(stage="plan", status="ok", message="")


def test_a_mark_that_was_never_finished_is_left_alone(depot: Workspace) -> None:
    depot.running.mkdir()
    (depot.running / "20240319T120000Z-abcdef").write_text("")
    assert begun_runs(depot) == []
