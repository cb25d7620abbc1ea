"""A file with a car that nobody declared: the others' rows count, its own wait until it is declared."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.stages import Context
from flows.stages.check import check
from flows.stages.ingest import ingest
from flows.stages.record import StageResult
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, fleet_rows, put, session_rows
from tests.flows.test_metering import meter_rows
from warehouse.errors import UnknownIdError


def taken(workspace: Workspace, kind: str, rows: pd.DataFrame, name: str, hours: int) -> StageResult:
    file = workspace.root.parent / f"{name}.csv"
    rows.to_csv(file, index=False)
    return ingest(Context.of(workspace, AS_OF + timedelta(hours=hours)), kind, [file])


def strangers(kind: str) -> pd.DataFrame:
    rows = session_rows() if kind == "sessions" else meter_rows(battery_id="car-1")
    other = rows.assign(battery_id="car-9")
    if kind == "sessions":
        other["session_id"] = other["session_id"] + "-9"
    return pd.concat([rows, other], ignore_index=True)


def ids(workspace: Workspace, table: str) -> set[Any]:
    return set(workspace.warehouse.read(table)["battery_id"])


@pytest.mark.parametrize(("kind", "table"), [("sessions", "core_session"), ("metering", "core_metering")])
def test_the_rows_of_an_undeclared_car_wait_and_count_once_it_is_declared(
    workspace: Workspace, kind: str, table: str
) -> None:
    rows = strangers(kind)
    result = taken(workspace, kind, rows, "mixed", 0)
    text = " ".join(note["note"] for note in result.tables["notes"])
    assert "'car-9'" in text and "is not declared" in text and "this file again" in text
    checked = check(Context.of(workspace, AS_OF))
    assert checked.exit_code == 0
    assert ids(workspace, table) and "car-9" not in ids(workspace, table)
    kept = workspace.warehouse.read("core_quarantine")
    assert set(kept["rule"]) == {"known"} and set(kept["value"]) == {"car-9"}

    again = taken(workspace, kind, rows, "mixed", 1)  # still nobody's
    assert again.details["new_rows"] == 0
    assert workspace.warehouse.unchecked(kind).empty
    before = workspace.warehouse.read(table)

    put(
        workspace, "fleet", fleet_rows().iloc[:1].assign(battery_id="car-9"), as_of=AS_OF + timedelta(hours=2)
    )
    again = taken(workspace, kind, rows, "mixed", 3)
    assert again.details["new_rows"] == len(kept)
    assert "declared since" in str(again.tables["files"][0]["state"])
    assert check(Context.of(workspace, AS_OF + timedelta(hours=3))).exit_code == 0
    after = workspace.warehouse.read(table)
    assert (after["battery_id"] == "car-9").sum() == len(kept)
    others = after[after["battery_id"] != "car-9"].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, before)
    assert workspace.warehouse.read("core_quarantine").empty
    assert taken(workspace, kind, rows, "mixed", 4).details["new_rows"] == 0


def test_a_file_without_any_declared_car_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UnknownIdError, match=r"row 1, column battery_id: 'car-9' is not declared"):
        put(workspace, "sessions", session_rows().assign(battery_id="car-9"))
    assert workspace.warehouse.unchecked("sessions").empty


def test_a_car_of_an_undeclared_site_is_reported_and_the_others_count(
    tmp_path: Path, workspace: Workspace
) -> None:
    more = fleet_rows().assign(battery_id=["car-7", "car-8"], site_id=["depot", "elsewhere"])
    more.loc[0, "site_id"] = fleet_rows()["site_id"].iloc[0]
    result = taken(workspace, "fleet", more, "fleet", 1)
    assert any("'elsewhere'" in note["note"] for note in result.tables["notes"])
    check(Context.of(workspace, AS_OF + timedelta(hours=1)))
    assert ids(workspace, "core_battery") >= {"car-7"}
    assert "car-8" not in ids(workspace, "core_battery")
