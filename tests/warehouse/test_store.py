import datetime as dt
import threading

import duckdb
import pandas as pd
import pytest

from tests.warehouse.builders import NOW, fleet, prices, promote_unchecked, source_of, telemetry
from warehouse.contracts import CONTRACTS
from warehouse.errors import (
    ContractError,
    NoWarehouseError,
    SchemaVersionError,
    StoreError,
    UnknownTableError,
)
from warehouse.release import Decision, decide
from warehouse.store import Warehouse

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def warehouse(tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", lock_timeout_s=2.0)
    warehouse.create()
    return warehouse


def run_rows(run_id="r1", stage="plan", message=""):
    return pd.DataFrame(
        [
            {
                "run_id": run_id, "stage": stage, "started_utc": NOW, "finished_utc": NOW,
                "status": "ok", "exit_code": 0, "message": message,
            }
        ]
    )  # fmt: skip


def test_create_makes_every_table_and_may_be_repeated(warehouse):
    warehouse.create()
    for table in CONTRACTS:
        assert warehouse.read(table).empty


def test_landing_the_same_source_twice_writes_once(warehouse):
    source = source_of("prices", prices())
    first, second = warehouse.ingest(source, NOW), warehouse.ingest(source, NOW + HOUR)
    assert (first.rows, first.already) == (23, False)
    assert (second.rows, second.already) == (23, True)
    assert len(warehouse.read("raw_price")) == 23
    assert warehouse.read("raw_source")["received_utc"].tolist() == [pd.Timestamp(NOW)]


def test_unchecked_rows_know_their_file_row_and_time_and_are_gone_once_promoted(warehouse):
    warehouse.ingest(source_of("prices", prices()), NOW)
    rows = warehouse.unchecked("prices")
    assert rows["source_row"].tolist() == list(range(1, 24))
    assert (rows["received_utc"] == pd.Timestamp(NOW)).all()
    promote_unchecked(warehouse, "prices")
    assert warehouse.unchecked("prices").empty
    assert warehouse.read("raw_source")["checked_utc"].notna().all()


def test_a_changed_row_replaces_and_a_repeated_promotion_changes_nothing(warehouse):
    warehouse.ingest(source_of("prices", prices()), NOW)
    promote_unchecked(warehouse, "prices")
    changed = prices()
    changed.loc[4, "price_eur_per_kwh"] = -0.5
    ingested = warehouse.ingest(source_of("prices", changed), NOW + HOUR)
    rows = warehouse.unchecked("prices").drop(columns="source_row")
    empty = [pd.DataFrame(columns=CONTRACTS[name].names) for name in ("core_quarantine", "out_check")]
    for _ in range(2):
        warehouse.promote("prices", rows, *empty, [ingested.source_id], NOW)
    core = warehouse.read("core_price")
    assert len(core) == 23
    assert core["price_eur_per_kwh"][4] == -0.5
    assert core["price_eur_per_kwh"][5] == prices()["price_eur_per_kwh"][5]


def test_of_two_files_ingested_at_one_instant_the_later_ingested_holds(warehouse):
    for value in (1.0, 3.0, 2.0):
        warehouse.ingest(source_of("prices", prices(hours=1).assign(price_eur_per_kwh=value)), NOW)
    promote_unchecked(warehouse, "prices")
    assert warehouse.read("core_price")["price_eur_per_kwh"].tolist() == [2.0]
    later = warehouse.read("raw_source")["received_utc"] - pd.Timestamp(NOW)
    assert sorted(later.dt.microseconds) == [0, 1, 2]


def test_telemetry_of_one_day_in_two_files_is_joined(warehouse):
    rows = telemetry(minutes=240)
    for part in (rows.iloc[:130], rows.iloc[130:]):
        warehouse.ingest(source_of("telemetry", part), NOW)
        promote_unchecked(warehouse, "telemetry")
    core = warehouse.read("core_telemetry")
    assert core["time_utc"].tolist() == rows["time_utc"].tolist()


def test_quarantine_and_checks_are_kept_once_with_their_source(warehouse):
    ingested = warehouse.ingest(source_of("prices", prices()), NOW)
    rows = warehouse.unchecked("prices")
    bad = pd.DataFrame(
        [
            {
                "dataset": "prices", "rule": "range", "severity": "critical",
                "column_name": "price_eur_per_kwh", "value": "99.0", "reason": "too high", "row_key": "k",
                "source_id": ingested.source_id, "source_row": 1, "run_id": "r1", "found_utc": NOW,
            }
        ]
    )  # fmt: skip
    checks = pd.DataFrame(
        [
            {
                "run_id": "r1", "dataset": "prices", "scope": "*", "rule": "range", "severity": "critical",
                "passed": False, "rows_checked": 23, "rows_failed": 1, "message": "m", "as_of_utc": NOW,
            }
        ]
    )  # fmt: skip
    for _ in range(2):
        good = rows.iloc[1:].drop(columns="source_row")
        warehouse.promote("prices", good, bad, checks, [ingested.source_id], NOW)
    assert warehouse.read("core_quarantine")["value"].tolist() == ["99.0"]
    assert warehouse.read("out_check")["passed"].tolist() == [False]
    assert len(warehouse.read("core_price")) == 22


def test_promoting_rows_of_a_source_that_is_not_named_is_refused(warehouse):
    warehouse.ingest(source_of("prices", prices()), NOW)
    rows = warehouse.unchecked("prices").drop(columns="source_row")
    empty = [pd.DataFrame(columns=CONTRACTS[name].names) for name in ("core_quarantine", "out_check")]
    with pytest.raises(ContractError, match="not of the sources promoted"):
        warehouse.promote("prices", rows, *empty, ["another"], NOW)
    assert warehouse.read("core_price").empty


def test_read_filters_bounds_and_orders(warehouse):
    for car in ("CAR2", "CAR1"):
        warehouse.ingest(source_of("telemetry", telemetry(car, minutes=120)), NOW)
    promote_unchecked(warehouse, "telemetry")
    start = dt.datetime(2020, 3, 28, 23, tzinfo=dt.UTC)
    got = warehouse.read("core_telemetry", where={"battery_id": ["CAR1", "CAR2"]}, start=start)
    assert got["battery_id"].tolist() == ["CAR1"] * 60 + ["CAR2"] * 60
    assert got["time_utc"].is_monotonic_increasing is False
    half_open = warehouse.read(
        "core_telemetry",
        where={"battery_id": "CAR1"},
        start=start,
        end=start + HOUR / 2,
        columns=["time_utc"],
    )
    assert list(half_open.columns) == ["time_utc"]
    assert (half_open["time_utc"].min(), len(half_open)) == (pd.Timestamp(start), 30)
    assert warehouse.read("core_telemetry", where={"battery_id": []}).empty
    assert len(warehouse.read("core_telemetry", where={"soc_reported": None})) == 240


def test_names_are_never_sql(warehouse):
    with pytest.raises(UnknownTableError, match="no table"):
        warehouse.read("core_price; DROP TABLE core_price")
    with pytest.raises(UnknownTableError, match="no column"):
        warehouse.read("core_price", where={"1=1 OR zone": "x"})
    with pytest.raises(UnknownTableError, match="did you mean 'zone'"):
        warehouse.read("core_price", columns=["zones"])
    assert warehouse.read("core_price", where={"zone": "x' OR '1'='1"}).empty


def test_naive_bounds_and_instants_are_refused(warehouse):
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(ContractError, match="naive"):
        warehouse.read("core_price", start=naive)
    with pytest.raises(ContractError, match="naive"):
        warehouse.ingest(source_of("prices", prices()), naive)


def test_write_replaces_by_key_or_by_the_columns_asked_for(warehouse):
    warehouse.write({"out_run": pd.concat([run_rows(stage="plan"), run_rows(stage="check")])})
    warehouse.write({"out_run": run_rows(stage="plan", message="again")})
    assert warehouse.read("out_run")["message"].tolist() == ["", "again"]
    warehouse.write({"out_run": run_rows(stage="publish")}, replace={"out_run": ("run_id",)})
    assert warehouse.read("out_run")["stage"].tolist() == ["publish"]


def test_write_is_all_or_nothing(warehouse):
    twice = pd.concat([run_rows(), run_rows()])
    with pytest.raises(ContractError, match="out_run"):
        warehouse.write({"out_run": twice}, replace={"out_run": ("stage",)})
    with pytest.raises(ContractError, match="'status' is missing"):
        warehouse.write({"out_run": run_rows().drop(columns="status")})
    assert warehouse.read("out_run").empty


def test_only_results_are_written_directly(warehouse):
    with pytest.raises(ContractError, match="not written directly"):
        warehouse.write({"core_battery": fleet().assign(source_id="s", received_utc=NOW)})
    with pytest.raises(ContractError, match="replace names"):
        warehouse.write({"out_run": run_rows()}, replace={"out_plan": ("plan_id",)})


def test_snapshot_is_a_copy_that_readers_can_use(warehouse, tmp_path):
    warehouse.ingest(source_of("fleet", fleet()), NOW)
    promote_unchecked(warehouse, "fleet")
    target = warehouse.snapshot(tmp_path / "copies" / "snapshot.duckdb")
    warehouse.ingest(source_of("prices", prices()), NOW)
    copy = Warehouse(target)
    assert len(copy.read("core_battery")) == 3
    assert copy.read("raw_price").empty
    assert [path.name for path in target.parent.iterdir()] == ["snapshot.duckdb"]
    with pytest.raises(StoreError, match="replace the warehouse itself"):
        warehouse.snapshot(warehouse.path)


def test_threads_take_turns(warehouse):
    failures, patient = [], Warehouse(warehouse.path, lock_timeout_s=120.0)

    def work(number):
        try:
            patient.write({"out_run": run_rows(run_id=f"r{number}")})
            patient.read("out_run")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(warehouse.read("out_run")) == 8


def test_no_file_a_foreign_file_and_a_newer_layout_are_distinguished(warehouse, tmp_path):
    with pytest.raises(NoWarehouseError, match="no warehouse at"):
        Warehouse(tmp_path / "absent.duckdb").read("core_price")
    junk = tmp_path / "junk.duckdb"
    junk.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="cannot be opened"):
        Warehouse(junk).read("core_price")
    foreign = tmp_path / "foreign.duckdb"
    duckdb.connect(str(foreign)).execute("CREATE TABLE t (a INT)").close()
    with pytest.raises(StoreError, match="not a warehouse"):
        Warehouse(foreign).read("core_price")
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("UPDATE meta_schema SET version = 99")
    with pytest.raises(SchemaVersionError, match="version 99"):
        warehouse.read("core_price")
    with pytest.raises(SchemaVersionError, match="version 99"):
        warehouse.create()


def test_a_core_table_is_read_as_it_was_believed_at_a_moment(warehouse):
    rows = telemetry(minutes=4)
    late = rows.iloc[1:3].assign(voltage_v=[301.0, 302.0])
    last = rows.iloc[2:4].assign(voltage_v=[402.0, 403.0])
    for hours, part in enumerate((rows.iloc[:3], late, last)):
        warehouse.ingest(source_of("telemetry", part, name=str(hours)), NOW + hours * HOUR)
        if hours != 1:
            promote_unchecked(warehouse, "telemetry")
    first = [380.0, 380.01, 380.02]
    for known_by, expected in [
        (NOW - HOUR, []),
        (NOW, first),
        (NOW + HOUR / 2, first),
        (NOW + HOUR, [380.0, 301.0, 302.0]),
        (NOW + 2 * HOUR, [380.0, 301.0, 402.0, 403.0]),
    ]:
        read = warehouse.read("core_telemetry", where={"battery_id": "CAR1"}, known_by=known_by)
        assert read["voltage_v"].tolist() == pytest.approx(expected), known_by
        assert (read["received_utc"] <= pd.Timestamp(known_by)).all()
    assert warehouse.read("core_telemetry")["voltage_v"].tolist() == [380.0, 301.0, 402.0, 403.0]
    narrow = warehouse.read(
        "core_telemetry", known_by=NOW, start=rows["time_utc"][1], end=rows["time_utc"][2]
    )
    assert narrow["voltage_v"].tolist() == pytest.approx([380.01])


def test_a_session_that_was_moved_out_of_the_bounds_is_still_believed_where_it_was(warehouse):
    session = pd.DataFrame(
        [{"session_id": "s", "battery_id": "CAR1", "arrival_utc": NOW, "departure_utc": NOW + HOUR,
          "arrival_soc": 0.5, "departure_soc": 0.8}]
    )  # fmt: skip
    moved = session.assign(arrival_utc=NOW + 5 * HOUR, departure_utc=NOW + 6 * HOUR)
    for hours, frame in enumerate((session, moved)):
        warehouse.ingest(source_of("sessions", frame), NOW + hours * HOUR)
        promote_unchecked(warehouse, "sessions")
    bounds = {"start": NOW, "end": NOW + HOUR}
    assert len(warehouse.read("core_session", **bounds, known_by=NOW)) == 1
    assert warehouse.read("core_session", **bounds, known_by=NOW + HOUR).empty


def test_what_the_checks_turned_away_was_never_believed(warehouse):
    ingested = warehouse.ingest(source_of("prices", prices(hours=2)), NOW)
    rows = warehouse.unchecked("prices")
    bad = pd.DataFrame(
        [
            {
                "dataset": "prices", "rule": "range", "severity": "critical", "column_name": None,
                "value": None, "reason": "too high", "row_key": "k", "source_id": ingested.source_id,
                "source_row": 1, "run_id": "r1", "found_utc": NOW,
            }
        ]
    )  # fmt: skip
    checks = pd.DataFrame(columns=CONTRACTS["out_check"].names)
    warehouse.promote("prices", rows.iloc[1:], bad, checks, [ingested.source_id], NOW)
    warehouse.ingest(source_of("prices", prices(hours=2).assign(price_eur_per_kwh=1.0)), NOW + HOUR)
    promote_unchecked(warehouse, "prices")
    assert warehouse.read("core_price", known_by=NOW)["price_eur_per_kwh"].tolist() == [0.031]
    assert warehouse.read("core_price", known_by=NOW + HOUR)["price_eur_per_kwh"].tolist() == [1.0, 1.0]
    decide(
        warehouse,
        Decision(
            action="release", dataset="prices", rows=bad, decided_by="x", reason="y", decided_utc=NOW + HOUR
        ),
    )
    assert warehouse.read("core_price", known_by=NOW)["price_eur_per_kwh"].tolist() == [0.031]  # not decided


@pytest.mark.parametrize("table", ["raw_price", "raw_source", "core_release", "out_run"])
def test_a_table_that_does_not_tell_what_was_known_when_is_refused(warehouse, table):
    with pytest.raises(UnknownTableError, match=f"{table} does not tell what of it was known"):
        warehouse.read(table, known_by=NOW)
    with pytest.raises(ContractError, match="naive"):
        warehouse.read("core_price", known_by=NOW.replace(tzinfo=None))


def test_all_files_of_one_instant_were_known_at_that_instant(warehouse):
    for value in (1.0, 2.0):
        warehouse.ingest(source_of("prices", prices(hours=1).assign(price_eur_per_kwh=value)), NOW)
    promote_unchecked(warehouse, "prices")
    assert warehouse.read("core_price", known_by=NOW)["price_eur_per_kwh"].tolist() == [2.0]
