"""Two processes and one file: the second waits, then says so."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from tests.warehouse.builders import NOW, prices, source_of, telemetry
from warehouse import schema
from warehouse.at_once import at_once, to_itself
from warehouse.connection import _attach as ATTACH  # noqa: N812
from warehouse.connection import connect
from warehouse.errors import DamagedError, LockedError, SchemaVersionError, StoreError, UnknownTableError
from warehouse.quarantine import Wanted, quarantined
from warehouse.schema import is_current as IS_CURRENT  # noqa: N812
from warehouse.store import Warehouse

WRITES = """
import sys
from tests.warehouse.builders import NOW, prices, source_of
from warehouse.store import Warehouse
print("ready", flush=True)
sys.stdin.read()
later = prices(start="2021-03-01T00:00+01:00")
Warehouse(sys.argv[1], lock_timeout_s=60).ingest(source_of("prices", later, "later.csv"), NOW)
"""

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
connection.close()
"""


@pytest.fixture
def opened(monkeypatch):
    found = []
    monkeypatch.setattr(
        "warehouse.connection._attach", lambda *args, **more: (found.append(1), ATTACH(*args, **more))
    )
    return found


@pytest.fixture
def warehouse(tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", lock_timeout_s=0.3)
    warehouse.create()
    return warehouse


@pytest.fixture
def holder(warehouse):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(warehouse.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def release(process):
    process.communicate("done\n")


KILLED = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute(
    "INSERT INTO out_run (run_id, stage, started_utc, finished_utc, status, exit_code, message) "
    "VALUES ('r1', 'plan', now(), now(), 'ok', 0, '')"
)
os._exit(9)
"""


FULL_DISK = """
import os, resource, sys
from tests.warehouse.builders import NOW, source_of, telemetry
from warehouse.errors import StoreError
from warehouse.store import Warehouse
source = source_of("telemetry", telemetry(minutes=40_000))
limit = os.path.getsize(sys.argv[1]) + 50_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    Warehouse(sys.argv[1]).ingest(source, NOW)
except StoreError as error:
    print(error)
"""


def test_a_full_disk_is_reported_and_leaves_all_of_a_file_or_nothing(warehouse):
    warehouse.ingest(source_of("prices", prices()), NOW)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(warehouse.path)], capture_output=True, text=True, check=False
    )
    assert "cannot be read or written" in done.stdout, done.stderr[-500:]
    # Committed or not, as the disk happened to be full: landing it again ends the same.
    ingested = len(warehouse.read("raw_telemetry"))
    assert ingested in (0, 40_000)
    again = warehouse.ingest(source_of("telemetry", telemetry(minutes=40_000)), NOW)
    assert again.already == (ingested > 0)
    assert len(warehouse.read("raw_telemetry")) == 40_000
    assert len(warehouse.read("raw_price")) == 23


def test_what_a_killed_process_had_committed_is_in_the_next_snapshot(warehouse, tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(warehouse.path)], check=False)
    copy = Warehouse(warehouse.snapshot(tmp_path / "snapshot.duckdb"))
    assert len(copy.read("out_run")) == len(warehouse.read("out_run")) == 1


def test_a_held_file_is_locked_for_reading_and_writing(warehouse, holder):
    message = rf"held by another process; waited 0\.3 s: process {holder.pid} \(python"
    with pytest.raises(LockedError, match=message):
        warehouse.read("core_price")
    with pytest.raises(LockedError):
        warehouse.ingest(source_of("prices", prices()), NOW)


def test_a_running_writer_stops_a_restore_and_a_backup(warehouse, holder, tmp_path):
    backup = tmp_path / "backup.duckdb"
    Warehouse(backup).create()
    before = warehouse.path.read_bytes()
    with pytest.raises(LockedError):
        warehouse.restore(backup)
    with pytest.raises(LockedError):
        warehouse.backup(tmp_path / "another.duckdb")
    assert warehouse.path.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.duckdb", "warehouse.duckdb"]


def test_after_release_the_same_object_works(warehouse, holder):
    with pytest.raises(LockedError):
        warehouse.read("core_price")
    release(holder)
    assert not warehouse.ingest(source_of("prices", prices()), NOW).already


def test_a_waiting_writer_gets_its_turn(warehouse, holder):
    patient = Warehouse(warehouse.path, lock_timeout_s=30.0)
    holder.stdin.write("done\n")
    holder.stdin.flush()
    assert patient.ingest(source_of("prices", prices()), NOW).rows == 23


def test_reads_at_once_are_of_one_state_and_open_the_file_once(warehouse, opened):
    warehouse.ingest(source_of("prices", prices()), NOW)
    written = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(warehouse.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert written.stdout.readline() == b"ready\n"
    opened.clear()
    with at_once(warehouse), at_once(warehouse):
        before = warehouse.read("raw_price")
        written.stdin.close()
        with pytest.raises(subprocess.TimeoutExpired):  # it waits
            written.wait(timeout=1.0)
        pd.testing.assert_frame_equal(warehouse.read("raw_price"), before)
        with pytest.raises(StoreError, match="cannot be written while it is read at once"):
            warehouse.ingest(source_of("telemetry", telemetry()), NOW)
        with pytest.raises(UnknownTableError):
            warehouse.read("raw_nothing")
        assert warehouse.waiting("telemetry") == []
    assert opened == [1]
    assert written.wait(timeout=60) == 0
    assert len(warehouse.read("raw_price")) == 2 * len(before)


def test_reads_at_once_ask_for_the_layout_once_and_those_after_them_again(warehouse, monkeypatch):
    asked = []
    monkeypatch.setattr(schema, "is_current", lambda opened: asked.append(opened) or IS_CURRENT(opened))
    for asked_by_then in (1, 2):
        with at_once(warehouse), at_once(warehouse):
            assert warehouse.read("raw_price").empty
            assert quarantined(warehouse, Wanted(dataset="prices")).empty
        assert len(asked) == asked_by_then
    warehouse.read("raw_price")
    warehouse.read("raw_price")
    assert len(asked) == 4
    with connect(warehouse.path, write=True, timeout_s=1.0) as connection:
        connection.execute("UPDATE meta_schema SET version = 1")
    with at_once(warehouse):
        for _ in range(2):  # what was refused is not taken for looked into
            with pytest.raises(SchemaVersionError, match="has schema version 1"):
                warehouse.read("raw_price")


def test_who_cannot_read_at_once_says_so_and_leaves_the_file_free(warehouse, holder):
    with pytest.raises(LockedError), at_once(warehouse):
        pass
    release(holder)
    with pytest.raises(ZeroDivisionError), at_once(warehouse):
        1 / 0  # noqa: B018
    assert warehouse.ingest(source_of("prices", prices()), NOW).rows > 0


def test_a_copy_of_its_own_is_opened_once_for_all_uses_and_free_again(warehouse, opened):
    source = source_of("prices", prices())
    with to_itself(warehouse):
        assert not warehouse.ingest(source, NOW).already
        with ThreadPoolExecutor(max_workers=1) as another:
            assert another.submit(warehouse.ingest, source, NOW).result().already
        with at_once(warehouse):
            known_rows = warehouse.read("raw_price")
        pd.testing.assert_frame_equal(warehouse.read("raw_price"), known_rows)
        refused = subprocess.run([sys.executable, "-c", HOLD, str(warehouse.path)], capture_output=True)
        assert b"Could not set lock" in refused.stderr
    assert opened == [1]
    assert subprocess.run([sys.executable, "-c", HOLD, str(warehouse.path)], input=b"").returncode == 0
    pd.testing.assert_frame_equal(warehouse.read("raw_price"), known_rows)


def test_what_ends_a_use_of_an_own_copy_for_good_does_not_end_the_next(warehouse, opened):
    with to_itself(warehouse):
        with pytest.raises(DamagedError), connect(warehouse.path, write=True, timeout_s=1.0):
            raise DamagedError("as an engine that has failed says", path=warehouse.path)
        assert warehouse.ingest(source_of("prices", prices()), NOW).rows > 0
    assert opened == [1, 1], "the next use has an engine of its own"
    assert len(warehouse.read("raw_price")) > 0
