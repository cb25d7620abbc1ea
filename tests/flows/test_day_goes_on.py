"""A day goes on where one of its stages fails: with what is there, reported, and never green."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import duckdb
import pytest

from flows.errors import NoPlanError
from flows.stages import Context, StageResult, calibrate, new_run_id
from flows.stages import check as check_stage
from flows.stages.ladder import Step, climb, run_exit_code, steps_of
from flows.workers import twin_workers
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, WEEK, price_rows, put, site_rows
from tests.flows.powerless import mode
from tests.warehouse.test_store_lock import HOLD
from warehouse.errors import LockedError, NoWarehouseError

NEXT_DAY = AS_OF + timedelta(days=1)


def went(
    workspace: Workspace, steps: Mapping[str, Step] | None = None, **more: Any
) -> dict[str, StageResult]:
    """A day's answers by stage, without Prefect; `steps` in the place of its own."""
    day, as_of, run_id = more.get("day", DAY), more.get("as_of", AS_OF), more.get("run_id", new_run_id(AS_OF))
    with twin_workers(workspace.settings.calibrate.workers):
        context = Context.of(workspace, as_of, run_id)
        results = climb(context, {**steps_of(context, day), **(steps or {})})
    return {result.stage: result for result in results}


def code(stages: Mapping[str, StageResult]) -> int:
    return run_exit_code(list(stages.values()))


def broken(text: str) -> Step:
    def step() -> StageResult:
        raise ZeroDivisionError(text)

    return step


def answer(stage: str, exit_code: int = 0) -> StageResult:
    status = "ok" if exit_code == 0 else "degraded" if exit_code == 3 else "failed"
    return StageResult(stage=stage, status=status, message="", exit_code=exit_code)  # type: ignore[arg-type]


UNPUBLISHED: dict[str, Step] = {"publish": lambda: answer("publish")}


def test_a_day_whose_first_stages_all_fail_is_planned_on_what_is_there(depot: Workspace) -> None:
    failing = ("ingest", "fetch", "check", "realise", "calibrate")
    run_id = new_run_id(AS_OF)
    stages = went(depot, {name: broken(f"by {name}") for name in failing}, run_id=run_id)
    assert list(stages) == [*failing, "plan", "publish"]
    assert {stages[name].status for name in failing} == {"failed"}
    assert all(f"ZeroDivisionError: by {name}" in stages[name].message for name in failing)
    assert (stages["plan"].status, stages["plan"].details["plan_source"]) == ("ok", "published")
    assert stages["publish"].files
    assert code(stages) == 3
    runs = depot.warehouse.read("out_run", where={"run_id": run_id}).set_index("stage")
    assert (runs.loc[list(failing), "status"] == "failed").all()
    assert all(f"by {name}" in runs.loc[name, "message"] for name in failing)


def test_without_network_last_weeks_prices_stand_in(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2G_FETCH__PRICES", '["energy_charts"]')
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    workspace = Workspace.open(depot.root)
    steps = {**UNPUBLISHED, "calibrate": lambda: answer("calibrate")}
    stages = went(workspace, steps, day=DAY + WEEK, as_of=AS_OF + WEEK)
    assert (stages["fetch"].status, stages["plan"].details["plan_source"]) == ("degraded", "substituted")
    assert "energy_charts: " in stages["fetch"].message
    assert code(stages) == 3


def test_a_plan_that_cannot_be_made_is_no_plan_and_nothing_is_published(workspace: Workspace) -> None:
    stages = went(workspace, {"calibrate": broken("skipped")})
    assert list(stages) == ["ingest", "fetch", "check", "realise", "calibrate", "plan"]
    assert "no car is plugged in" in stages["plan"].message
    assert code(stages) == 5


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({"ingest": 0, "check": 0, "plan": 0, "publish": 0}, 0),
        ({"ingest": 3, "plan": 0, "publish": 0}, 3),
        ({"check": 4, "plan": 0, "publish": 0}, 3),
        ({"calibrate": 5, "plan": 0, "publish": 0}, 3),
        ({"ingest": 74, "plan": 0, "publish": 0}, 3),
        ({"ingest": 0, "plan": 3, "publish": 0}, 3),
        ({"ingest": 2, "plan": 5}, 5),
        ({"plan": 74}, 74),
        ({"plan": 0, "publish": 74}, 74),
        ({"plan": 0, "publish": 75}, 75),
        ({"plan": 0, "publish": 1}, 3),
        ({"plan": 0, "publish": 0, "prefect": 3}, 3),
        ({"check": 4}, 4),
        ({"calibrate": 3}, 3),
        ({"publish": 5}, 5),
    ],
)
def test_the_exit_code_of_a_day(codes: dict[str, int], expected: int) -> None:
    assert run_exit_code([answer(*one) for one in codes.items()]) == expected


def test_a_fault_in_the_plan_itself_is_no_plan(workspace: Workspace) -> None:
    stages = went(workspace, {"plan": broken("of a bug")})
    assert (stages["plan"].exit_code, code(stages)) == (5, 5)
    assert "ZeroDivisionError: of a bug" in stages["plan"].message


def test_a_hint_and_the_kind_of_an_error_are_kept(workspace: Workspace) -> None:
    def step() -> StageResult:
        raise NoPlanError("nothing", hint="do something")

    result = went(workspace, {"plan": step})["plan"]
    assert result.message == "nothing · do something"
    assert result.to_record()["kind"] == "NoPlanError"


def test_a_locked_warehouse_ends_the_day_as_locked(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from warehouse import store

    monkeypatch.setitem(store.Warehouse.__init__.__kwdefaults__, "lock_timeout_s", 0.3)  # type: ignore[misc]
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(workspace.warehouse.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match="held by another process"):
            went(workspace)
    finally:
        holder.communicate("done\n")


def test_a_lock_that_is_gone_again_costs_its_stage_alone(workspace: Workspace) -> None:
    def step() -> StageResult:
        raise LockedError("held by another process")

    stages = went(workspace, {"check": step})
    assert (stages["check"].status, stages["check"].exit_code) == ("failed", 75)
    assert "plan" in stages


def test_without_a_warehouse_the_day_ends_as_such(workspace: Workspace) -> None:
    workspace.warehouse.path.unlink()
    with pytest.raises(NoWarehouseError):
        went(workspace, {"ingest": broken("x")})


def test_an_inbox_that_takes_nothing_is_reported_and_the_day_is_planned(depot: Workspace) -> None:
    done = depot.inbox / "done"
    done.mkdir(exist_ok=True)
    rows = price_rows(DAY, 1)
    rows["price_eur_per_kwh"] += 0.01
    rows.to_csv(depot.inbox / "prices__csv__corrected.csv", index=False)
    with mode(done, 0o555):
        stages = went(depot, {**UNPUBLISHED, "calibrate": lambda: answer("calibrate")})
    assert stages["ingest"].tables["inbox"][0]["rows"] == 24
    assert (stages["ingest"].exit_code, stages["plan"].details["plan_source"], code(stages)) == (
        3,
        "published",
        3,
    )
    assert depot.warehouse.read("core_price")["price_eur_per_kwh"].min() == pytest.approx(
        rows["price_eur_per_kwh"].min()
    )


def test_a_dataset_that_cannot_be_checked_waits_and_the_others_are_let_in(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = check_stage.check_frame

    def judged(dataset: str, *rest: Any) -> Any:
        if dataset == "sites":
            raise KeyError("a column that nobody foresaw")
        return really(dataset, *rest)

    put(depot, "sites", site_rows().assign(import_limit_kw=29.0))
    put(depot, "prices", price_rows(DAY + WEEK, 1))
    with monkeypatch.context() as patch:
        patch.setattr(check_stage, "check_frame", judged)
        result = check_stage.check(Context.of(depot, AS_OF))
    assert (result.status, result.exit_code) == ("failed", 4)
    assert "sites (KeyError: 'a column that nobody foresaw')" in result.message
    assert len(depot.warehouse.read("core_price")) == 48
    assert len(depot.warehouse.unchecked("sites")) == 1
    assert check_stage.check(Context.of(depot, AS_OF)).exit_code == 0
    assert depot.warehouse.read("core_site")["import_limit_kw"].tolist() == [29.0]


def test_a_battery_that_cannot_be_calibrated_costs_the_others_nothing(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = calibrate.calibration_requests

    def requests(workspace: Workspace, ids: Any, *rest: Any) -> Any:
        if "car-1" in ids:
            raise ZeroDivisionError("of a row that nobody foresaw")
        return really(workspace, ids, *rest)

    monkeypatch.setattr(calibrate, "calibration_requests", requests)
    stages = went(depot, {**UNPUBLISHED, "check": lambda: answer("check")}, as_of=NEXT_DAY)
    result = stages["calibrate"]
    assert (result.status, result.exit_code) == ("degraded", 3)
    assert [row["battery_id"] for row in result.tables["calibrations"]] == ["car-2"]
    assert result.details["failed"] == {"car-1": "ZeroDivisionError: of a row that nobody foresaw"}
    assert "car-1 (ZeroDivisionError" in result.message
    assert (stages["plan"].details["plan_source"], code(stages)) == ("published", 3)
    again = calibrate.calibrate(Context.of(depot, NEXT_DAY))
    assert (again.details["reused"], list(again.details["failed"])) == (1, ["car-1"])


def test_a_battery_that_the_twin_refuses_costs_the_others_nothing(depot: Workspace) -> None:
    spoil(depot, "UPDATE core_battery SET nominal_energy_kwh = -1 WHERE battery_id = 'car-1'")
    result = calibrate.calibrate(Context.of(depot, AS_OF))
    assert (result.details["reused"], result.exit_code) == (1, 3)
    assert "nominal_energy_kwh must be positive" in result.details["failed"]["car-1"]


def spoil(workspace: Workspace, statement: str, *values: str) -> None:
    with duckdb.connect(str(workspace.warehouse.path)) as connection:
        connection.execute(statement, values)


@pytest.mark.parametrize("record", ["{", '{"version": 99}', '{"mean": "elsewhere"}'])
def test_a_calibration_whose_record_cannot_be_read_is_made_anew(depot: Workspace, record: str) -> None:
    spoil(depot, "UPDATE out_calibration SET parameters_json = ? WHERE battery_id = 'car-1'", record)
    result = calibrate.calibrate(Context.of(depot, NEXT_DAY))
    assert (result.status, result.details["batteries"], result.details["failed"]) == ("ok", 2, {})
    again = calibrate.calibrate(Context.of(depot, NEXT_DAY))
    assert again.details["reused"] == 2


def test_an_answer_that_cannot_be_stored_costs_its_battery_alone(
    depot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = calibrate._store

    def stored(workspace: Workspace, made: Any, *rest: Any) -> None:
        if any(calibration.battery_id == "car-1" for calibration, _ in made):
            raise ValueError("a value that no column takes")
        really(workspace, made, *rest)

    monkeypatch.setattr(calibrate, "_store", stored)
    result = calibrate.calibrate(Context.of(depot, NEXT_DAY))
    assert result.details["failed"] == {"car-1": "ValueError: a value that no column takes"}
    assert (result.details["batteries"], result.exit_code) == (1, 3)
