"""Telemetry that is withdrawn after retention has let raw rows or samples of it go, in either order."""

import datetime as dt

import pandas as pd
import pytest

from tests.warehouse.builders import NOW, source_of, telemetry
from warehouse.contracts import CONTRACTS
from warehouse.store import Warehouse
from warehouse.withdrawal import Rows, Withdrawn, decide

DAY = dt.timedelta(days=1)
START = "2020-03-28T10:00Z"
ALL_RAW = {"samples_before": None, "raw_before": dt.date(2020, 4, 9)}
ALL_SAMPLES = {"samples_before": dt.date(2020, 3, 29), "raw_before": None}


@pytest.fixture
def warehouse(tmp_path):
    """A file of an hour, and one with its second half reported again by another sensor."""
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", lock_timeout_s=2.0)
    warehouse.create()
    take_in(warehouse, telemetry(start=START, minutes=60), NOW, "good.csv")
    return warehouse


def take_in(warehouse, frame, received, name):
    warehouse.ingest(source_of("telemetry", frame, name=name), received)
    rows = warehouse.unchecked("telemetry")
    found = [pd.DataFrame(columns=CONTRACTS[table].names) for table in ("core_quarantine", "out_check")]
    warehouse.promote("telemetry", rows, *found, list(rows["source_id"].unique()), received)


def wrong(warehouse, start="2020-03-28T10:30Z", minutes=60):
    take_in(warehouse, telemetry(start=start, minutes=minutes, current_a=-99.0), NOW + DAY, "wrong.csv")


def decided(warehouse, action="withdraw", days=5, **of):
    asked = Rows(dataset="telemetry", **(of or {"source": "wrong.csv"}))
    return decide(warehouse, asked, action, by="ada", reason="another car's", decided_utc=NOW + days * DAY)


def prune(warehouse, days=3, **what):
    warehouse.prune(**what, pruned_utc=NOW + days * DAY, dry_run=False)


def samples(warehouse, known_by=None):
    found = warehouse.read("core_telemetry", known_by=known_by)
    return found.sort_values("time_utc")[["time_utc", "current_a"]].reset_index(drop=True)


def quarters(warehouse):
    found = warehouse.read("core_telemetry_15min").sort_values("interval_start_utc")
    return found[["interval_start_utc", "samples", "charge_ah", "discharge_ah"]].reset_index(drop=True)


def same(one, other):
    pd.testing.assert_frame_equal(one, other)


def test_rows_whose_raw_rows_went_leave_and_come_back(warehouse):
    wrong(warehouse)
    both, both_quarters = samples(warehouse), quarters(warehouse)
    prune(warehouse, **ALL_RAW)
    assert warehouse.read("raw_telemetry").empty
    assert decided(warehouse) == Withdrawn(rows=60, files=("wrong.csv",))
    left = samples(warehouse)
    assert len(left) == 30  # what it had displaced went with its raw rows
    assert left["current_a"].eq(10.0).all()
    assert quarters(warehouse)["discharge_ah"].eq(0.0).all()
    same(samples(warehouse, NOW + 4 * DAY), both)
    prune(warehouse, days=6, **ALL_RAW)
    assert len(warehouse.read("raw_telemetry")) == 60, "what was withdrawn may be taken back"
    assert decided(warehouse, "restore", days=7).rows == 60
    same(samples(warehouse), both)
    same(quarters(warehouse), both_quarters)


@pytest.mark.parametrize("of", [{}, {"key": {"battery_id": "CAR1"}, "source": "wrong.csv"}])
def test_quarter_hours_of_samples_that_went_are_made_anew_from_what_ingested(warehouse, of):
    before = quarters(warehouse)
    wrong(warehouse)
    with_wrong = quarters(warehouse)
    prune(warehouse, **ALL_SAMPLES)
    assert samples(warehouse).empty
    assert decided(warehouse, **of).rows == 60
    same(quarters(warehouse), before)
    assert decided(warehouse, "restore", days=6, **of).rows == 60
    same(quarters(warehouse), with_wrong)


def test_a_file_alone_on_its_day_takes_its_quarter_hours_along(warehouse):
    wrong(warehouse, start="2020-03-27T10:00Z")
    prune(warehouse, **ALL_SAMPLES)
    before = quarters(warehouse)
    assert decided(warehouse).rows == 60
    left = quarters(warehouse)
    same(left, before[before["interval_start_utc"] >= "2020-03-28"].reset_index(drop=True))


def test_what_is_left_of_a_file_is_withdrawn_and_the_rest_is_reported(warehouse):
    wrong(warehouse, start="2020-03-28T23:30Z")
    prune(warehouse, **(ALL_SAMPLES | {"raw_before": dt.date(2020, 4, 9)}))
    before = quarters(warehouse)
    assert decided(warehouse) == Withdrawn(rows=30, files=("wrong.csv",), pruned=("wrong.csv",))
    after = quarters(warehouse)
    same(after, before[before["interval_start_utc"] < "2020-03-29"].reset_index(drop=True))


def test_what_is_gone_altogether_is_not_withdrawn_and_said_to_be_gone(warehouse):
    wrong(warehouse)
    prune(warehouse, **(ALL_SAMPLES | {"raw_before": dt.date(2020, 4, 9)}))
    before = quarters(warehouse)
    assert decided(warehouse) == Withdrawn(rows=0, files=(), pruned=("wrong.csv",))
    assert warehouse.read("core_withdrawal").empty
    same(quarters(warehouse), before)


def test_rows_of_other_files_and_days_are_untouched(warehouse):
    take_in(warehouse, telemetry("CAR2", start=START, minutes=30), NOW, "other.csv")
    wrong(warehouse)
    other = warehouse.read("core_telemetry", where={"battery_id": "CAR2"})
    for what in (ALL_RAW, {}):
        if what:
            prune(warehouse, **what)
        decided(warehouse, "withdraw" if what else "restore", days=5 if what else 6)
        pd.testing.assert_frame_equal(warehouse.read("core_telemetry", where={"battery_id": "CAR2"}), other)
