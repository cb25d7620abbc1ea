"""Files of sessions that contradict one another: through ingest and check, to what a plan would read."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from flows.stages import Context
from flows.stages.check import check
from flows.stages.record import StageResult
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, put, session_rows

COLUMNS = list(session_rows().columns)


def taken(workspace: Workspace, rows: pd.DataFrame, hours: int) -> StageResult:
    as_of = AS_OF + timedelta(hours=hours)
    put(workspace, "sessions", rows, as_of=as_of)
    return check(Context.of(workspace, as_of))


def session_of(session_id: str, arrival: str, departure: str, soc: float = 0.6) -> pd.DataFrame:
    return pd.DataFrame([(session_id, "car-1", arrival, departure, soc, 0.8)], columns=COLUMNS)


def held(workspace: Workspace, table: str = "core_session") -> list[str]:
    return sorted(workspace.warehouse.read(table)["session_id"])


def message_of(result: StageResult, rule: str) -> str:
    return " ".join(str(row["message"]) for row in result.tables["failed checks"] if row["rule"] == rule)


def test_a_record_of_a_second_file_replaces_what_it_overlaps_and_is_reported(
    workspace: Workspace,
) -> None:
    assert taken(workspace, session_rows(), 0).exit_code == 0
    late = session_of("late", f"{DAY}T15:30:00Z", f"{DAY + timedelta(days=1)}T05:00:00Z")
    result = taken(workspace, late, 1)
    assert (result.exit_code, result.status) == (0, "ok")
    assert "'s2' by 'late'" in message_of(result, "superseded")
    assert held(workspace) == ["late", "s1", "s3"]
    assert held(workspace, "core_session_superseded") == ["s2"]
    earlier = workspace.warehouse.read("core_session", known_by=AS_OF)
    assert sorted(earlier["session_id"]) == ["s1", "s2", "s3"]


def test_the_same_sessions_sent_again_under_new_ids_are_there_once(workspace: Workspace) -> None:
    taken(workspace, session_rows(), 0)
    again = session_rows().assign(session_id=lambda rows: rows["session_id"] + "-b")
    result = taken(workspace, again, 1)
    assert result.exit_code == 0
    assert held(workspace) == ["s1-b", "s2-b", "s3-b"]
    assert message_of(result, "superseded").count(" by ") >= 3


def test_files_that_wait_together_are_judged_by_when_they_came(workspace: Workspace) -> None:
    put(workspace, "sessions", session_rows(), as_of=AS_OF)
    late = session_of("late", f"{DAY}T15:30:00Z", f"{DAY + timedelta(days=1)}T05:00:00Z")
    result = taken(workspace, late, 1)
    assert held(workspace) == ["late", "s1", "s3"]
    assert "'s2' by 'late'" in message_of(result, "superseded")


def test_an_id_that_is_given_anew_is_reported_with_the_session_that_it_was_of(workspace: Workspace) -> None:
    old, new = (DAY + timedelta(days=days) for days in (-9, -7))
    taken(workspace, session_of("7", f"{old}T10:00:00Z", f"{old}T15:00:00Z"), 0)
    moved = session_of("7", f"{old}T10:00:00Z", f"{old}T16:00:00Z")
    assert message_of(taken(workspace, moved, 1), "id_again") == ""  # a correction
    result = taken(workspace, session_of("7", f"{new}T10:00:00Z", f"{new}T15:00:00Z"), 2)
    assert (result.exit_code, held(workspace)) == (0, ["7"])
    assert f"'7' of car-1 on {old}" in message_of(result, "id_again")


def test_a_session_that_is_announced_for_another_day_is_no_id_given_anew(workspace: Workspace) -> None:
    for hours, day in enumerate((DAY, DAY + timedelta(days=1))):
        result = taken(workspace, session_of("7", f"{day}T10:00:00Z", f"{day}T15:00:00Z"), hours)
        assert message_of(result, "id_again") == ""


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_one_session_under_two_ids_in_a_file_is_one_session(workspace: Workspace, order: list[int]) -> None:
    twice = session_rows().iloc[[2, 2]].assign(session_id=["s3", "s3b"])
    twice["arrival_utc"] = [f"{DAY}T07:10:00Z", f"{DAY}T07:11:00Z"]
    twice = twice.iloc[order]
    result = taken(workspace, pd.concat([session_rows().iloc[:2], twice]), 0)
    assert result.exit_code == 0
    assert held(workspace) == ["s1", "s2", "s3"]
    assert "'s3b' is 's3'" in message_of(result, "same_stay")
    kept = workspace.warehouse.read("core_quarantine")
    assert kept[["rule", "severity", "row_key"]].to_numpy().tolist() == [["same_stay", "warning", "s3b"]]


def test_a_contradiction_in_a_file_costs_its_two_rows_and_no_more(workspace: Workspace) -> None:
    rival = session_of("rival", f"{DAY}T15:00:00Z", f"{DAY}T18:00:00Z", soc=0.9)
    result = taken(workspace, pd.concat([session_rows(), rival]), 0)
    assert (result.exit_code, result.status) == (0, "degraded")
    assert held(workspace) == ["s1", "s3"]
    assert "'rival'" in message_of(result, "overlap")
    assert "'s2'" in message_of(result, "overlap")


def test_a_state_of_charge_of_0_is_taken_with_a_warning(workspace: Workspace) -> None:
    result = taken(workspace, session_of("z", f"{DAY}T15:30:00Z", f"{DAY}T23:00:00Z", soc=0.0), 0)
    assert (result.exit_code, held(workspace)) == (0, ["z"])
    assert "placeholder" in message_of(result, "soc_zero")


def test_what_was_metered_and_asked_for_comes_through_and_an_impossible_figure_costs_its_cell(
    workspace: Workspace,
) -> None:
    rows = session_rows().assign(
        energy_kwh=[12.5, 1e9, None],
        charger_id=["A1", None, "B2"],
        odometer_km=[48_000.0, -1.0, None],
        requested_departure_utc=[f"{DAY + timedelta(days=1)}T06:00:00Z", None, None],
        requested_kwh=[20.0, None, 7.0],
    )
    result = taken(workspace, rows, 0)
    kept = workspace.warehouse.read("core_session").set_index("session_id").sort_index()
    assert kept["energy_kwh"].fillna(-1.0).tolist() == [12.5, -1.0, -1.0]
    assert kept["odometer_km"].fillna(-1.0).tolist() == [48_000.0, -1.0, -1.0]
    assert kept["charger_id"].fillna("").tolist() == ["A1", "", "B2"]
    assert kept["requested_kwh"].fillna(-1.0).tolist() == [20.0, -1.0, 7.0]
    assert kept["requested_departure_utc"].notna().tolist() == [True, False, False]
    assert "energy_kwh is outside" in message_of(result, "cell_range")
    assert workspace.warehouse.read("core_quarantine").empty
