"""Metering from files to its table: spellings, mappings, bad cells; corrections, days, decisions."""

import datetime as dt

import pandas as pd
import pytest

from tests.warehouse.builders import NOW, metering, promote_unchecked, source_of, telemetry
from warehouse.contracts import CONTRACTS
from warehouse.errors import CellError, ColumnError, OptionError
from warehouse.release import Decision, decide
from warehouse.sources import load_mapping, read_source
from warehouse.store import Warehouse

HOUR = dt.timedelta(hours=1)
MAPPING = """timezone = "Europe/Berlin"
delimiter = ";"
decimal = ","

[columns.interval_start_utc]
from = "Beginn"
format = "%d.%m.%Y %H:%M"

[columns.battery_id]
from = "Ladepunkt"
values = { "Platz 1" = "CAR1", "Platz 2" = "CAR2" }

[columns.import_kwh]
from = "Bezug"
unit = "Wh"

[columns.export_kwh]
from = "Rücklieferung"
"""
FOREIGN = """Beginn;Ladepunkt;Bezug;Rücklieferung
29.03.2020 01:45;Platz 1;2500,5;0
29.03.2020 03:00;Platz 1;0;1,25
29.03.2020 03:00;Platz 2;12;0
"""


@pytest.fixture
def warehouse(tmp_path):
    made = Warehouse(tmp_path / "warehouse.duckdb", lock_timeout_s=5.0)
    made.create()
    return made


def file_of(tmp_path, text, name="meters.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def mapped(tmp_path, text=FOREIGN, toml=MAPPING):
    found = load_mapping(file_of(tmp_path, toml, "map.toml"), "metering")
    return read_source("metering", file_of(tmp_path, text), source=found.source, **found.options)


def taken(warehouse, frame, received, name):
    ingested = warehouse.ingest(source_of("metering", frame, name=name), received)
    promote_unchecked(warehouse, "metering")
    return ingested


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_a_file_in_our_own_words_is_read_as_it_stands(tmp_path, extension):
    path, frame = tmp_path / f"meters.{extension}", metering(quarters=92, export_kwh=0.125)
    getattr(frame, f"to_{extension}")(path, index=False)
    read = read_source("metering", path).frame[frame.columns]
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)


def test_columns_that_say_wh_are_read_as_such_and_a_log_of_one_meter_needs_no_battery(tmp_path):
    frame = metering(quarters=2).drop(columns=["battery_id", "import_kwh"]).assign(import_wh=2500)
    path = file_of(tmp_path, frame.to_csv(index=False))
    source = read_source("metering", path, battery_id="CAR1")
    assert source.frame["import_kwh"].tolist() == [2.5, 2.5]
    assert set(source.frame["battery_id"]) == {"CAR1"}
    with pytest.raises(ColumnError, match=r"battery_id: is missing \(or give the option battery_id\)"):
        read_source("metering", path)


def test_a_file_in_wh_under_our_name_lands_as_it_says_for_the_checks_to_judge(tmp_path):
    frame = metering().assign(import_kwh=2500.0)
    source = read_source("metering", file_of(tmp_path, frame.to_csv(index=False)))
    assert set(source.frame["import_kwh"]) == {2500.0}


def test_a_foreign_table_is_read_by_its_mapping_over_a_change_of_clocks(tmp_path):
    frame = mapped(tmp_path).frame
    starts = ["2020-03-29T00:45Z", "2020-03-29T01:00Z", "2020-03-29T01:00Z"]
    assert frame["interval_start_utc"].tolist() == [pd.Timestamp(start) for start in starts]
    assert frame["battery_id"].tolist() == ["CAR1", "CAR1", "CAR2"]
    assert frame["import_kwh"].tolist() == pytest.approx([2.5005, 0.0, 0.012])
    assert frame["export_kwh"].tolist() == [0.0, 1.25, 0.0]
    one_way = MAPPING.replace('from = "Rücklieferung"', "constant = 0.0")
    assert mapped(tmp_path, toml=one_way).frame["export_kwh"].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("was", "becomes", "row", "column", "value"),
    [
        ("2500,5", "2500,5 Wh", 1, "Bezug", "2500,5 Wh"),
        ("1,25", "n/v", 2, "Rücklieferung", "n/v"),
        ("29.03.2020 03:00;Platz 2", "29.03.2020 02:30;Platz 2", 3, "Beginn", "29.03.2020 02:30"),
        ("Platz 2", "Platz 3", 3, "Ladepunkt", "Platz 3"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named_by_file_row_column_and_value(
    tmp_path, was, becomes, row, column, value
):
    with pytest.raises(CellError) as caught:
        mapped(tmp_path, FOREIGN.replace(was, becomes))
    for part in ("meters.csv", f"row {row}, column {column}", value):
        assert part in str(caught.value)


def test_a_unit_that_is_no_energy_and_a_level_are_refused(tmp_path):
    with pytest.raises(OptionError, match=r"columns\.import_kwh\.unit: 'kW' is none of kWh, Wh, MWh"):
        mapped(tmp_path, toml=MAPPING.replace('"Wh"', '"kW"'))
    with pytest.raises(OptionError, match="metering has no level"):
        mapped(tmp_path, toml='level = "cell"\n' + MAPPING)


def test_years_that_no_clock_shows_are_left_to_the_checks_and_cost_no_other_row(tmp_path):
    frame = metering(quarters=4)
    frame.loc[1, "interval_start_utc"] = pd.Timestamp("1970-01-01T00:00Z")
    frame.loc[2:, "interval_start_utc"] += pd.Timedelta(minutes=7)
    assert len(read_source("metering", file_of(tmp_path, frame.to_csv(index=False))).frame) == 4


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_later_received_holds_key_by_key_and_what_was_believed_stays_known(warehouse, order):
    whole = metering(quarters=100, start="2019-10-26T22:00Z")
    corrected = whole.iloc[[3, 99]].assign(import_kwh=1.5)
    files = [(whole, NOW, "first"), (corrected, NOW + HOUR, "second")]
    for number in order:
        taken(warehouse, *files[number])
    held = warehouse.read("core_metering")
    assert held["interval_start_utc"].tolist() == whole["interval_start_utc"].tolist()
    assert [i for i, kwh in enumerate(held["import_kwh"]) if kwh == 1.5] == [3, 99]
    pd.testing.assert_frame_equal(
        warehouse.read("core_metering", known_by=NOW)[whole.columns], whole, check_dtype=False
    )


def test_days_of_a_battery_that_a_file_does_not_tell_of_session(warehouse):
    taken(warehouse, metering("CAR1", quarters=192), NOW, "a")
    taken(warehouse, metering("CAR2"), NOW, "b")
    taken(warehouse, metering("CAR1", start="2020-03-29T22:00Z", import_kwh=0.0), NOW + HOUR, "c")
    held = warehouse.read("core_metering")
    assert held.groupby("battery_id")["import_kwh"].sum().to_dict() == {"CAR1": 240.0, "CAR2": 240.0}
    assert len(held) == 288


def test_taking_a_released_row_back_leaves_the_quarter_hours_of_telemetry_alone(warehouse):
    # One sample a quarter-hour, as many as there are rows of meters in it.
    warehouse.ingest(source_of("telemetry", telemetry(minutes=120).iloc[::15]), NOW)
    promote_unchecked(warehouse, "telemetry")
    before = warehouse.read("core_telemetry_15min")
    frame = metering(quarters=8)
    ingested = warehouse.ingest(source_of("metering", frame), NOW)
    rows = warehouse.unchecked("metering")
    bad = pd.DataFrame(
        [
            {
                "dataset": "metering", "rule": "plug", "severity": "critical", "column_name": "import_kwh",
                "value": "2.5", "reason": "too much", "row_key": "k", "source_id": ingested.source_id,
                "source_row": 3, "run_id": "r1", "found_utc": NOW,
            }
        ]
    )  # fmt: skip
    checks = pd.DataFrame(columns=CONTRACTS["out_check"].names)
    warehouse.promote("metering", rows.drop(index=2), bad, checks, [ingested.source_id], NOW)
    fields = {"dataset": "metering", "rows": bad, "decided_by": "x", "reason": "y"}
    for action, held in (("release", 8), ("withdraw", 7)):
        decide(warehouse, Decision(action=action, decided_utc=NOW + HOUR, **fields))
        assert len(warehouse.read("core_metering")) == held
        pd.testing.assert_frame_equal(warehouse.read("core_telemetry_15min"), before)


def test_an_export_writes_a_file_a_day(warehouse, tmp_path):
    taken(warehouse, metering(quarters=96), NOW, "a")
    (written,) = warehouse.export(tmp_path / "lake", ["core_metering"])
    assert (written.rows, written.files) == (96, 2)
    assert (tmp_path / "lake" / "core_metering" / "day=2020-03-28" / "data.parquet").exists()
