"""Two processes and one file: the second waits, then says so."""

import subprocess
import sys

import pytest

from tests.warehouse.builders import NOW, prices, source_of, telemetry
from warehouse.connection import held
from warehouse.errors import LockedError
from warehouse.store import Warehouse

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
connection.close()
"""


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
    Warehouse(sys.argv[1]).land(source, NOW)
except StoreError as error:
    print(error)
"""


def test_a_full_disk_is_told_and_leaves_all_of_a_file_or_nothing(warehouse):
    warehouse.land(source_of("prices", prices()), NOW)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(warehouse.path)], capture_output=True, text=True, check=False
    )
    assert "cannot be read or written" in done.stdout, done.stderr[-500:]
    # Committed or not, as the disk happened to be full: landing it again ends the same.
    landed = len(warehouse.read("raw_telemetry"))
    assert landed in (0, 40_000)
    again = warehouse.land(source_of("telemetry", telemetry(minutes=40_000)), NOW)
    assert again.already == (landed > 0)
    assert len(warehouse.read("raw_telemetry")) == 40_000
    assert len(warehouse.read("raw_price")) == 23


def test_what_a_killed_process_had_committed_is_in_the_next_snapshot(warehouse, tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(warehouse.path)], check=False)
    copy = Warehouse(warehouse.snapshot(tmp_path / "snapshot.duckdb"))
    assert len(copy.read("out_run")) == len(warehouse.read("out_run")) == 1


def test_a_held_file_is_locked_for_reading_and_writing(warehouse, holder):
    told = rf"held by another process; waited 0\.3 s: process {holder.pid} \(python"
    with pytest.raises(LockedError, match=told):
        warehouse.read("core_price")
    with pytest.raises(LockedError):
        warehouse.land(source_of("prices", prices()), NOW)


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
    assert not warehouse.land(source_of("prices", prices()), NOW).already


def test_a_waiting_writer_gets_its_turn(warehouse, holder):
    patient = Warehouse(warehouse.path, lock_timeout_s=30.0)
    holder.stdin.write("done\n")
    holder.stdin.flush()
    assert patient.land(source_of("prices", prices()), NOW).rows == 23


def test_what_is_read_while_the_file_is_held_is_of_one_state_and_nobody_else_holds_it(warehouse):
    warehouse.land(source_of("prices", prices()), NOW)
    other = "import sys, duckdb; duckdb.connect(sys.argv[1]).execute('DELETE FROM raw_price')"
    with held(warehouse.path, timeout_s=1.0):
        before = len(warehouse.read("raw_price"))
        denied = subprocess.run(
            [sys.executable, "-c", other, str(warehouse.path)], capture_output=True, text=True, check=False
        )
        assert "Could not set lock" in denied.stderr
        assert len(warehouse.read("raw_price")) == before == 23
        with pytest.raises(LockedError, match="held by this thread"):
            warehouse.land(source_of("prices", prices(hours=5)), NOW)
    subprocess.run([sys.executable, "-c", other, str(warehouse.path)], check=True)
    assert len(warehouse.read("raw_price")) == 0
