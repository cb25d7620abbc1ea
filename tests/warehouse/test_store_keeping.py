"""What is kept, for how long and where else: quarter-hours, retention, copies, the way to a lake."""

import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.warehouse.builders import NOW, fleet, prices, promote_unchecked, source_of, telemetry
from warehouse.contracts import CONTRACTS
from warehouse.errors import CopyError, SchemaVersionError, StoreError
from warehouse.store import Warehouse

DAY = dt.timedelta(days=1)


@pytest.fixture
def warehouse(tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", lock_timeout_s=2.0)
    warehouse.create()
    return warehouse


def take_in(warehouse, frame, received=NOW, name="file.csv"):
    warehouse.ingest(source_of("telemetry", frame, name=name), received)
    promote_unchecked(warehouse, "telemetry", received)


def quarters(warehouse, battery_id="CAR1"):
    return warehouse.read("core_telemetry_15min", where={"battery_id": battery_id})


def test_a_quarter_hour_is_what_its_samples_say(warehouse):
    rows = telemetry(start="2020-03-28T10:00Z", minutes=30).assign(
        current_a=[20.0] * 10 + [-30.0] * 5 + [0.0] * 15,
        voltage_v=[400.0] * 30,
        soc_reported=np.linspace(0.4, 0.69, 30),
        cell_voltage_min_v=np.linspace(3.9, 4.0, 30),
    )
    take_in(warehouse, rows)
    first, second = quarters(warehouse).to_dict("records")
    assert first["interval_start_utc"] == pd.Timestamp("2020-03-28T10:00Z")
    assert (first["samples"], first["covered_minutes"]) == (15, pytest.approx(15))
    assert first["charge_ah"] == pytest.approx(20 * 10 / 60)
    assert first["discharge_ah"] == pytest.approx(30 * 5 / 60)
    assert first["charge_kwh"] == pytest.approx(400 * 20 * 10 / 60 / 1000)
    assert first["discharge_kwh"] == pytest.approx(400 * 30 * 5 / 60 / 1000)
    assert first["current_mean_a"] == pytest.approx((200 - 150) / 15)
    assert first["soc_last"] == pytest.approx(0.4 + 0.29 / 29 * 14)
    assert first["cell_voltage_min_v"] == 3.9
    assert np.isnan(first["cell_voltage_max_v"])
    assert (second["charge_ah"], second["discharge_ah"], second["samples"]) == (0.0, 0.0, 15)


def test_a_sample_stands_until_the_next_at_most_ten_minutes_and_never_past_midnight(warehouse):
    times = ["22:00", "22:05", "22:30", "23:50", "23:58"]
    rows = telemetry(minutes=5, current_a=60.0).assign(
        time_utc=pd.to_datetime([f"2020-03-28T{time}Z" for time in times])
    )
    take_in(warehouse, rows)
    found = quarters(warehouse)
    # 5 min to the next, 5 as the one before the gap, nothing alone between two gaps, 8, and 2 until midnight.
    assert found["covered_minutes"].tolist() == pytest.approx([10, 0, 10])
    assert found["charge_ah"].tolist() == pytest.approx([10, 0, 10])


def test_a_correction_renews_the_quarter_hours_of_its_day(warehouse):
    take_in(warehouse, telemetry(minutes=240))
    late = telemetry(minutes=240).iloc[30:45].assign(current_a=-10.0)
    take_in(warehouse, late, NOW + DAY, name="late.csv")
    found = quarters(warehouse)
    assert found["samples"].tolist() == [15] * 16
    assert (found["discharge_ah"] > 0).tolist() == [False, False, True, *[False] * 13]


def test_retention_counts_first_then_lets_samples_go_and_keeps_their_quarter_hours(warehouse):
    for day in (27, 28):
        take_in(warehouse, telemetry(start=f"2020-03-{day}T10:00Z", minutes=60), name=f"{day}")
    before = quarters(warehouse)
    asked = {"samples_before": dt.date(2020, 3, 28), "raw_before": None, "pruned_utc": NOW}
    counted = warehouse.prune(**asked, dry_run=True)
    assert [one.rows for one in counted] == [60, 0, 0]
    assert len(warehouse.read("core_telemetry")) == 120
    assert warehouse.prune(**asked, dry_run=False) == counted
    assert set(warehouse.read("core_telemetry")["time_utc"].dt.day) == {28}
    pd.testing.assert_frame_equal(quarters(warehouse), before)
    assert len(warehouse.read("raw_telemetry")) == 120
    assert [one.rows for one in warehouse.prune(**asked, dry_run=False)] == [0, 0, 0]


def test_raw_rows_go_by_the_day_their_file_came_once_checked_and_the_file_stays_known(warehouse):
    first = source_of("telemetry", telemetry(minutes=30), name="first")
    warehouse.ingest(first, NOW)
    promote_unchecked(warehouse, "telemetry")
    warehouse.ingest(source_of("telemetry", telemetry("CAR2", minutes=20), name="waiting"), NOW)
    asked = {"samples_before": None, "raw_before": NOW.date() + DAY, "pruned_utc": NOW + 9 * DAY}
    assert [one.rows for one in warehouse.prune(**asked, dry_run=False)] == [0, 30, 0]
    assert set(warehouse.read("raw_telemetry")["battery_id"]) == {"CAR2"}
    kept = warehouse.read("raw_source", where={"source_id": first.source_id}).iloc[0]
    assert (kept["rows"], kept["pruned_utc"]) == (30, pd.Timestamp(NOW + 9 * DAY))
    assert warehouse.ingest(first, NOW + 10 * DAY).already
    assert len(warehouse.read("core_telemetry")) == 30


def test_a_late_file_of_a_pruned_day_adds_to_its_quarter_hours_and_takes_nothing_from_them(warehouse):
    whole = telemetry(start="2020-03-28T10:00Z", minutes=30)
    take_in(warehouse, whole)
    before = quarters(warehouse)
    warehouse.prune(samples_before=dt.date(2020, 3, 29), raw_before=None, pruned_utc=NOW, dry_run=False)
    take_in(warehouse, whole.iloc[:3].assign(current_a=-99.0), NOW + DAY, name="late")
    pd.testing.assert_frame_equal(quarters(warehouse), before)
    take_in(warehouse, telemetry(start="2020-03-28T10:30Z", minutes=15), NOW + DAY, name="more")
    assert quarters(warehouse)["samples"].tolist() == [15, 15, 15]


def test_a_backup_is_read_through_and_restored_in_one_step(warehouse, tmp_path):
    take_in(warehouse, telemetry(minutes=30))
    rows = warehouse.backup(tmp_path / "copies" / "backup.duckdb")
    assert (rows["core_telemetry"], rows["raw_source"]) == (30, 1)
    with pytest.raises(CopyError, match="is there already"):
        warehouse.backup(tmp_path / "copies" / "backup.duckdb")
    warehouse.ingest(source_of("prices", prices()), NOW)
    assert warehouse.restore(tmp_path / "copies" / "backup.duckdb").rows == rows
    assert warehouse.read("raw_price").empty
    assert len(warehouse.read("core_telemetry")) == 30
    warehouse.ingest(source_of("prices", prices()), NOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copies", "warehouse.duckdb"]


def test_a_damaged_backup_replaces_nothing(warehouse, tmp_path):
    take_in(warehouse, telemetry(minutes=1440))
    backup = tmp_path / "backup.duckdb"
    warehouse.backup(backup)
    data = bytearray(backup.read_bytes())
    whole = bytes(data)
    for at in range(len(data) // 3, len(data), 4096):
        data[at] ^= 0xFF
    before = warehouse.path.read_bytes()
    for content in (bytes(data), whole[: len(whole) // 2], b"no database" * 999):
        backup.write_bytes(content)
        with pytest.raises(StoreError):
            warehouse.restore(backup)
        assert warehouse.path.read_bytes() == before
    with pytest.raises(CopyError, match="no backup at"):
        warehouse.restore(tmp_path / "absent.duckdb")
    with pytest.raises(CopyError, match="is the warehouse itself"):
        warehouse.restore(warehouse.path)
    assert len(warehouse.read("core_telemetry")) == 1440


def test_a_newer_backup_is_refused(warehouse, tmp_path):
    backup = tmp_path / "backup.duckdb"
    warehouse.backup(backup)
    with duckdb.connect(str(backup)) as connection:
        connection.execute("UPDATE meta_schema SET version = 99")
    with pytest.raises(SchemaVersionError, match="version 99"):
        warehouse.restore(backup)


def test_a_damaged_warehouse_is_moved_aside_by_a_restore(warehouse, tmp_path):
    warehouse.ingest(source_of("fleet", fleet()), NOW)
    backup = tmp_path / "backup.duckdb"
    warehouse.backup(backup)
    warehouse.path.write_bytes(b"damaged" * 5000)
    warehouse.restore(backup)
    assert len(warehouse.read("raw_battery")) == 3
    assert (tmp_path / "warehouse.duckdb.damaged").read_bytes().startswith(b"damaged")


def test_the_lake_holds_the_same_rows_for_the_same_sql(warehouse, tmp_path):
    take_in(warehouse, telemetry(minutes=240))
    take_in(warehouse, telemetry("CAR2", start="2020-03-30T10:00Z", minutes=60), name="two")
    lake = tmp_path / "lake"
    for _ in range(2):
        written = {one.table: one for one in warehouse.export(lake)}
    assert set(written) == set(CONTRACTS)
    assert (written["core_telemetry"].rows, written["core_telemetry"].files) == (300, 3)
    files = sorted(str(file.relative_to(lake)) for file in (lake / "core_telemetry").rglob("*.parquet"))
    assert files == [f"core_telemetry/day=2020-03-{day}/data.parquet" for day in (28, 29, 30)]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        lake_files = f"'{lake}/core_telemetry/*/data.parquet', hive_partitioning = true"
        connection.execute(
            f"CREATE VIEW core_telemetry AS SELECT * EXCLUDE day FROM read_parquet({lake_files})"  # noqa: S608
        )
        names = ", ".join(CONTRACTS["core_telemetry"].names)
        table = connection.sql(f"SELECT {names} FROM core_telemetry ORDER BY battery_id, time_utc")  # noqa: S608
        got = table.to_arrow_table().to_pandas()
    expected = warehouse.read("core_telemetry")
    assert got["time_utc"].tolist() == expected["time_utc"].tolist()
    assert got["voltage_v"].tolist() == expected["voltage_v"].tolist()
    assert pq.read_table(lake / "raw_source" / "data.parquet").num_rows == 2
    assert not list(lake.rglob("*.partial"))


def test_months_of_temperature_are_each_batterys_own_up_to_the_moment(warehouse):
    frames = [
        telemetry(battery_id=name, start=start, minutes=60).assign(temperature_degc=degc)
        for name, start, degc in (
            ("CAR1", "2020-02-29T23:30Z", 4.0),  # half in February
            ("CAR1", "2020-03-28T10:00Z", 12.0),
            ("CAR2", "2020-03-28T10:00Z", 20.0),
            ("CAR1", "2020-04-01T00:00Z", 30.0),  # begins at the end
        )
    ]
    take_in(warehouse, pd.concat(frames, ignore_index=True), received=dt.datetime(2020, 4, 1, tzinfo=dt.UTC))
    end = dt.datetime(2020, 4, 1, tzinfo=dt.UTC)
    months = warehouse.monthly_temperature(["CAR1", "CAR3"], end)
    assert months["battery_id"].tolist() == ["CAR1", "CAR1"]
    assert [f"{month:%Y-%m %Z}" for month in months["month_utc"]] == ["2020-02 UTC", "2020-03 UTC"]
    assert months["quarter_hours"].tolist() == [2, 6]
    assert months["temperature_degc"].tolist() == [4.0, pytest.approx((2 * 4.0 + 4 * 12.0) / 6, abs=1e-3)]
