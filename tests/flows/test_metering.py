"""Files of meters from the drop folder or the command line to the table that plans are compared with."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pandas as pd
import pytest

from flows.stages import Context
from flows.stages.check import check
from flows.stages.inbox import ingest_inbox
from flows.stages.record import StageResult
from flows.status import status_of
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY, ZONE, put
from warehouse.errors import UnknownIdError
from warehouse.zones import market_day_slots

YESTERDAY = DAY - timedelta(days=2)
MAPPING = """timezone = "Europe/Berlin"
[columns.interval_start_utc]
from = "from"
format = "%d.%m.%Y %H:%M"
[columns.battery_id]
from = "plug"
values = { "left" = "car-1", "right" = "car-2" }
[columns.import_kwh]
from = "in"
unit = "Wh"
[columns.export_kwh]
from = "out"
unit = "Wh"
"""


def meter_rows(day: date = YESTERDAY, battery_id: str = "car-1", import_kwh: float = 2.0) -> pd.DataFrame:
    slots = market_day_slots(day, ZONE, 15)
    return pd.DataFrame(
        {
            "battery_id": battery_id,
            "interval_start_utc": slots.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "import_kwh": import_kwh,
            "export_kwh": 0.0,
        }
    )


def taken(workspace: Workspace, rows: pd.DataFrame, as_of: datetime = AS_OF) -> StageResult:
    put(workspace, "metering", rows, as_of=as_of)
    return check(Context.of(workspace, as_of))


def held(workspace: Workspace, known_by: datetime | None = None) -> pd.DataFrame:
    return workspace.warehouse.read("core_metering", known_by=known_by)


def failed(result: StageResult) -> dict[str, str]:
    """Rule → message of what failed; all of it is of the meters."""
    rows = result.tables["failed checks"]
    assert {row["dataset"] for row in rows} <= {"metering"}
    return {str(row["rule"]): str(row["message"]) for row in rows}


def blamed(workspace: Workspace, rule: str) -> set[str]:
    rows = workspace.warehouse.read("out_check", where={"dataset": "metering", "rule": rule, "passed": False})
    return set(rows["scope"]) - {"*"}


@pytest.mark.parametrize(
    ("day", "slots"), [(date(2023, 10, 29), 100), (date(2024, 3, 31), 92), (date(2024, 3, 17), 96)]
)
def test_a_whole_market_day_enters_however_long_it_is(workspace: Workspace, day: date, slots: int) -> None:
    after = datetime.combine(day + timedelta(days=1), datetime.min.time(), AS_OF.tzinfo)
    result = taken(workspace, meter_rows(day), after)
    assert (result.exit_code, result.status) == (0, "ok")
    assert (len(held(workspace)), held(workspace)["import_kwh"].sum()) == (slots, 2.0 * slots)
    (row,) = [row for row in status_of(workspace)["data"] if row["dataset"] == "metering"]
    assert (row["rows"], row["unchecked"]) == (slots, 0)


def test_files_dropped_with_their_fleet_are_taken_after_it_and_read_as_their_mapping_says(
    workspace: Workspace,
) -> None:
    workspace.mappings.mkdir(exist_ok=True)
    (workspace.mappings / "plugs.toml").write_text(MAPPING, encoding="utf-8")
    lines = ["plug,from,in,out", "left,17.03.2024 06:00,2250,0", "right,17.03.2024 06:00,3,1500"]
    (workspace.inbox / "metering__plugs__march.csv").write_text("\n".join(lines), encoding="utf-8")
    meter_rows().to_csv(workspace.inbox / "metering__csv__a.csv", index=False)
    meter_rows(battery_id="car-9").to_csv(workspace.inbox / "metering__csv__b.csv", index=False)
    context = Context.of(workspace, AS_OF)
    rows = {row["file"]: row for row in ingest_inbox(context).tables["inbox"]}
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "metering__plugs__march.csv": "landed",
        "metering__csv__a.csv": "landed",
        "metering__csv__b.csv": "refused",
    }
    assert "car-9" in str(rows["metering__csv__b.csv"]["reason"])
    assert check(context).exit_code == 0
    found = held(workspace)
    at_six = found[found["interval_start_utc"] == pd.Timestamp("2024-03-17T05:00Z")]
    assert at_six[["battery_id", "import_kwh", "export_kwh"]].to_numpy().tolist() == [
        ["car-1", 2.25, 0.0], ["car-2", 0.003, 1.5],
    ]  # fmt: skip


def test_a_file_of_undeclared_cars_alone_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UnknownIdError, match=r"row 1, column battery_id: 'car-9' is not declared \(96 such"):
        put(workspace, "metering", meter_rows(battery_id="car-9"))
    assert workspace.warehouse.unchecked("metering").empty


def test_a_bad_cell_costs_its_row_and_is_named_with_its_battery(workspace: Workspace) -> None:
    rows = pd.concat([meter_rows(), meter_rows(battery_id="car-2")], ignore_index=True)
    rows.loc[[10, 100], "import_kwh"] = [-1.0, 9.0]
    result = taken(workspace, rows)
    assert (result.status, result.exit_code) == ("degraded", 0)
    assert set(failed(result)) == {"range", "plug"}
    assert "car-2 counted 9 kWh, its plug passes 2.72 kWh" in failed(result)["plug"]
    assert (blamed(workspace, "range"), blamed(workspace, "plug")) == ({"car-1"}, {"car-2"})
    quarantine = workspace.warehouse.read("core_quarantine").sort_values("source_row")
    assert quarantine["source_row"].tolist() == [11, 101]
    assert quarantine["row_key"].str.split("|").str[0].tolist() == ["car-1", "car-2"]
    assert "car-2 counted 9 kWh, its plug passes 2.72 kWh" in quarantine["reason"].iloc[1]
    assert len(held(workspace)) == 190


def test_a_file_in_wh_is_refused_battery_by_battery_and_the_next_one_puts_it_right(
    workspace: Workspace,
) -> None:
    rows = pd.concat([meter_rows(import_kwh=2000.0), meter_rows(battery_id="car-2")])
    result = taken(workspace, rows)
    assert result.exit_code == 4
    assert "failed as a whole: metering car-1" in result.message
    assert "Wh, not kWh?" in failed(result)["unit"]
    assert set(held(workspace)["battery_id"]) == {"car-2"}
    assert taken(workspace, meter_rows(), AS_OF + timedelta(hours=1)).exit_code == 0
    assert held(workspace).groupby("battery_id")["import_kwh"].sum().to_dict() == {
        "car-1": 192.0,
        "car-2": 192.0,
    }


def test_a_correction_holds_and_what_was_reported_before_is_still_known(workspace: Workspace) -> None:
    later = AS_OF + timedelta(hours=2)
    taken(workspace, meter_rows())
    taken(workspace, meter_rows(import_kwh=1.0).iloc[8:12], later)
    assert held(workspace)["import_kwh"].sum() == 2.0 * 92 + 4
    assert held(workspace, AS_OF)["import_kwh"].sum() == 2.0 * 96
    assert taken(workspace, meter_rows(), later + timedelta(hours=1)).message == "nothing new to check"
    assert held(workspace)["import_kwh"].sum() == 2.0 * 92 + 4


def test_meters_that_fall_silent_are_reported_and_a_fleet_without_any_is_not(workspace: Workspace) -> None:
    check(Context.of(workspace, AS_OF))
    assert failed(check(Context.of(workspace, AS_OF))) == {}
    taken(workspace, meter_rows(), AS_OF - timedelta(hours=12))
    assert failed(check(Context.of(workspace, AS_OF))) == {}
    late = check(Context.of(workspace, AS_OF + timedelta(days=2)))
    assert failed(late) == {"fresh": "nothing newer than 2 days for 1 of 1"}
    assert blamed(workspace, "fresh") == {"car-1"}
