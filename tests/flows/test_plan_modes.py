"""A mode that fails costs the others nothing; what is followed, how sure it is and what it gains is
reported."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import optimize.plan
from flows.errors import NoPlanError
from flows.mapping.read_inputs import read_inputs
from flows.mapping.standing import gap_notes
from flows.settings import PlanSettings
from flows.stages import Context, StageResult
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.workspace import Workspace
from optimize.errors import PlanCheckError, SolverError, TimeLimitError
from optimize.types import DayProblem, Mode, ModePlan
from tests.flows.conftest import AS_OF, DAY, spoil

SOLVE = optimize.plan.plan_in_time
FAILURES = (
    TimeLimitError("ordered", "Time limit reached", "9 columns"),
    SolverError("ordered", "Unknown", "9 columns"),
    PlanCheckError("charge taper", "battery 'car-1'", 0.1),
    MemoryError("out of memory"),
)


def planned(workspace: Workspace, later: timedelta = timedelta(0)) -> StageResult:
    return plan(Context.of(workspace, AS_OF + later), DAY)


def solver(patch: pytest.MonkeyPatch, change: Callable[[ModePlan], ModePlan], mode: str = "ordered") -> None:
    """Let the solver answer otherwise than it did, in one mode."""

    def solve(problem: DayProblem, asked: Mode, seconds: float) -> ModePlan:
        found = SOLVE(problem, asked, seconds)
        return change(found) if asked == mode else found

    patch.setattr(optimize.plan, "plan_in_time", solve)


def failing(error: Exception) -> Callable[[ModePlan], ModePlan]:
    def fail(_: ModePlan) -> ModePlan:
        raise error

    return fail


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_where_solving_fails_the_known_plan_is_followed_and_both_are_reported(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    solver(monkeypatch, failing(error))
    result = planned(bare)
    assert (result.exit_code, result.status) == (3, "degraded")
    assert (result.details["followed_mode"], result.details["plan_source"]) == ("uncontrolled", "published")
    assert "ordered could not be planned" in result.message
    assert str(error) in result.message
    assert bare.warehouse.read("out_plan_mode")["mode"].tolist() == ["uncontrolled"]
    (row,) = bare.warehouse.read("out_plan").to_dict("records")
    assert (row["followed_mode"], row["failed_modes"]) == ("uncontrolled", "ordered")

    assert planned(bare).details["outcome"] == "unchanged"  # tried again, and failed again
    monkeypatch.undo()
    mended = planned(bare)
    assert (mended.details["outcome"], mended.details["followed_mode"]) == ("new", "ordered")
    assert mended.details["replaces_plan_id"] == row["plan_id"] != mended.details["plan_id"]


def test_the_next_day_begins_with_what_was_followed(bare: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    solver(monkeypatch, failing(FAILURES[0]))
    planned(bare)
    slots = bare.warehouse.read("out_plan_slot", where={"battery_id": "car-1", "plugged": True})
    midnight = datetime.combine(DAY, time(23), tzinfo=UTC)
    carried = read_inputs(Context.of(bare, midnight), DAY + timedelta(days=1)).carried
    before = slots[slots["interval_start_utc"] < midnight]
    assert carried.followed["s2"] == pytest.approx(before["energy_end_kwh"].iloc[-1] / 60.0)
    assert carried.past


def test_a_plan_without_its_best_mode_leaves_a_whole_one_that_knows_every_session(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = planned(bare)
    spoil(bare, "UPDATE core_session SET departure_soc = 0.75 WHERE session_id = 's3'")
    solver(monkeypatch, failing(FAILURES[0]))
    kept = planned(bare, timedelta(minutes=1))
    assert (kept.details["outcome"], kept.details["plan_id"]) == ("kept", whole.details["plan_id"])
    assert "ordered could not be planned" in kept.message
    spoil(bare, "UPDATE core_session SET session_id = 's4' WHERE session_id = 's3'")
    new = planned(bare, timedelta(minutes=2))
    assert (new.details["outcome"], new.details["followed_mode"]) == ("new", "ordered")
    assert new.details["plan_source"] == "last_plan"  # what was solved before, within today's limits


def test_where_no_mode_can_be_planned_there_is_no_plan(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise FAILURES[2]

    monkeypatch.setattr(optimize.plan, "check_plan", fail)
    with pytest.raises(
        NoPlanError, match=r"no mode can be planned: uncontrolled: plan check failed.*ordered"
    ):
        planned(bare)
    assert bare.warehouse.read("out_plan").empty


def test_no_time_for_the_solver_is_the_uncontrolled_plan(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2G_PLAN__SOLVER_TIME_LIMIT_S", "1e-9")
    result = planned(Workspace.open(bare.root))
    assert (result.exit_code, result.details["followed_mode"]) == (3, "uncontrolled")
    assert "Time limit" in result.message


def test_an_open_gap_is_reported_in_euros_and_degrades(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_gap(found: ModePlan) -> ModePlan:
        return replace(found, solver=replace(found.solver, gap=0.5, status="time_limit"))

    solver(monkeypatch, open_gap)
    result = planned(bare)
    objective = bare.warehouse.read("out_plan_mode").set_index("mode")["objective_eur"]["ordered"]
    euros = f"{0.5 * max(1.0, abs(objective)):,.2f} €"
    assert (result.exit_code, result.status, result.details["gap"]) == (3, "degraded", 0.5)
    assert result.details["solver_status"] == "time_limit"
    assert (
        f"ordered: the solver stopped at its time limit with a gap of 50 %: up to {euros}" in result.message
    )
    rows = {row["mode"]: row for row in result.tables["modes"]}
    assert (rows["ordered"]["gap"], rows["uncontrolled"]["gap"]) == (0.5, None)
    index = Path(publish(Context.of(bare, AS_OF), DAY).files[0]).read_text(encoding="utf-8")
    assert "with a gap of 50 %" in index
    assert re.search(r"50\.00 %</td>.*time limit", index, re.S)

    monkeypatch.setenv("V2G_PLAN__GAP_WARNING", "0.6")  # judged otherwise, not planned otherwise
    lenient = planned(Workspace.open(bare.root))
    assert (lenient.details["outcome"], "gap of" in lenient.message) == ("unchanged", False)


def test_a_worse_plan_of_a_better_mode_is_not_followed(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The solver's plan is made that of a late starter: nothing is charged in time."""

    def idle(found: ModePlan) -> ModePlan:
        from optimize.account import account
        from optimize.assemble import assemble_plan
        from optimize.windows import session_windows

        nothing = found.charge_kw * 0.0
        made = assemble_plan(
            PROBLEM[0], session_windows(PROBLEM[0]), "ordered", nothing, nothing, found.solver
        )
        worth = account(PROBLEM[0], made).total.objective_eur
        return replace(made, solver=replace(found.solver, objective_eur=worth, gap=2.0, status="time_limit"))

    PROBLEM: list[DayProblem] = []
    make = optimize.plan.charge_on_plug_in

    def remembered(problem: DayProblem) -> ModePlan:
        PROBLEM.append(problem)
        return make(problem)

    monkeypatch.setattr(optimize.plan, "charge_on_plug_in", remembered)
    solver(monkeypatch, idle)
    result = planned(bare)
    assert (result.exit_code, result.details["followed_mode"]) == (3, "uncontrolled")
    assert "the plan found for ordered is worse than the one for uncontrolled, by" in result.message
    modes = bare.warehouse.read("out_plan_mode").set_index("mode")
    assert modes["objective_eur"]["uncontrolled"] > modes["objective_eur"]["ordered"]
    # By hand: what is missing at departures has a price for the plan, and is no cost to the owner.
    row = modes.loc["ordered"]
    assert row["unmet_kwh"] > 1.0
    assert row["unmet_price_eur"] == pytest.approx(2.0 * row["unmet_kwh"])
    assert row["net_benefit_eur"] == pytest.approx(0.0, abs=1e-9)
    assert row["objective_eur"] == pytest.approx(-2.0 * row["unmet_kwh"])
    files = publish(Context.of(bare, AS_OF), DAY).files
    schedule = pd.read_csv(next(file for file in files if file.endswith(".csv")))
    assert set(schedule["mode"]) == {"uncontrolled"}


def test_how_a_mode_was_solved_is_kept(bare: Workspace) -> None:
    planned(bare)
    modes = bare.warehouse.read("out_plan_mode").set_index("mode")
    simulated, solved = modes.loc["uncontrolled"], modes.loc["ordered"]
    for name in ("gap", "engine", "binaries", "wear_cuts", "primary_value"):
        assert pd.isna(simulated[name]), name
    assert (simulated["solver_status"], solved["solver_status"]) == ("simulated", "optimal")
    assert (solved["engine"], solved["gap"], solved["binaries"]) == ("highs", 0.0, 0)
    assert pd.isna(solved["primary_value"])
    by_hand = solved["stored_value_eur"] - solved["energy_cost_eur"] - solved["wear_price_eur"]
    assert solved["net_benefit_eur"] == pytest.approx(by_hand - solved["rest_price_eur"])


def test_what_an_objective_before_net_benefit_reached_is_kept(
    bare: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("V2G_PLAN__OBJECTIVE", "peak_shaving")
    planned(Workspace.open(bare.root))
    modes = bare.warehouse.read("out_plan_mode").set_index("mode")
    peaks = bare.warehouse.read("out_plan_site_slot").groupby("mode")["power_kw"].max()
    for mode in ("uncontrolled", "ordered"):
        assert modes["primary_value"][mode] == pytest.approx(peaks[mode])


@pytest.mark.parametrize(
    ("gap", "primary", "parts"),
    [
        (None, None, []),
        (0.01, None, []),
        (2.09, None, ["v2g: the solver stopped", "209 %", "up to 774.37 € better"]),
        (0.5, 3.0, ["50 %"]),
        (float("inf"), None, ["without any bound"]),
    ],
)
def test_a_gap_is_reported_in_percent_and_euros(
    gap: float | None, primary: float | None, parts: list[str]
) -> None:
    mode = {
        "mode": "v2g", "gap": gap, "objective_eur": 370.51, "primary_value": primary,
        "solver_status": "time_limit",
    }  # fmt: skip
    notes = gap_notes([mode], PlanSettings())
    assert bool(notes) == bool(parts)
    for part in parts:
        assert part in notes[0]
    assert primary is None or "€" not in notes[0]


def test_a_fleet_without_any_calibration_is_charged_in_order_and_reported(bare: Workspace) -> None:
    result = planned(bare)
    assert (result.exit_code, result.details["followed_mode"]) == (3, "ordered")
    assert "none of 2 cars is calibrated" in result.message
    assert bare.warehouse.read("out_plan_slot")["discharge_kw"].max() == 0.0
    assert bare.warehouse.read("out_plan_departure")["missing_kwh"].max() < 1e-6
