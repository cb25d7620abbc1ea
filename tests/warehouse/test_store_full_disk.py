"""A disk that fills up: whatever is told to have been written was, and nothing else."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.warehouse.builders import NOW, prices, source_of, telemetry
from warehouse.connection import forget
from warehouse.errors import UnwritableError
from warehouse.store import Warehouse


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of so many kB; skipped where that is not allowed."""
    mounted = []

    def mount(kilobytes):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)],
            capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip("a small disk cannot be mounted here: that needs root")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder, *, leaving):
    """Fill a disk up to so many bytes."""
    with (folder / "fill").open("wb") as stream:
        free = os.statvfs(folder)
        stream.write(b"x" * max(free.f_bavail * free.f_frsize - leaving, 0))


def varied(minutes):
    """Telemetry that does not pack: some 2 MB a 15,000 rows in the write-ahead log."""
    chance = np.random.default_rng(1)
    return telemetry(minutes=minutes).assign(
        soc_reported=chance.random(minutes), current_a=chance.random(minutes)
    )


def test_what_a_full_disk_is_said_to_have_kept_is_kept(small_disk):
    """From room for nothing to room for all: before the commit, after it, at the last tidying."""
    stated = set()
    rows = varied(15_000)
    for number, room in enumerate((0, 1_000_000, 2_200_000, 2_700_000, 5_500_000)):
        disk = small_disk(9000)
        warehouse = Warehouse(disk / "warehouse.duckdb")
        warehouse.create()
        warehouse.ingest(source_of("prices", prices()), NOW)
        fill(disk, leaving=room)
        try:
            warehouse.ingest(source_of("telemetry", rows, name=f"t{number}.csv"), NOW)
        except UnwritableError as error:
            assert "No space left on device" in str(error)
            said = re.search(rf"t{number}\.csv: (written all the same|not written)", str(error))
            assert said, error
        else:
            said = None
        kept = len(warehouse.read("raw_telemetry"))
        assert kept == (0 if said and said[1] == "not written" else 15_000), (room, said)
        stated.add(said[1] if said else "done")
        (disk / "fill").unlink()
        assert warehouse.ingest(source_of("telemetry", rows, name=f"t{number}.csv"), NOW).already == bool(
            kept
        )
        assert len(warehouse.read("raw_telemetry")) == 15_000
        forget(warehouse.path)
    assert stated == {"not written", "written all the same", "done"}


def test_copies_and_exports_onto_a_full_disk_leave_nothing_behind(small_disk, tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    warehouse.create()
    warehouse.ingest(source_of("telemetry", varied(20_000)), NOW)
    disk = small_disk(300)
    for write in (warehouse.snapshot, warehouse.backup):
        with pytest.raises((OSError, UnwritableError), match="No space left on device"):
            write(disk / "copy.duckdb")
    with pytest.raises(OSError, match="No space left on device"):
        warehouse.export(disk / "lake", ["raw_telemetry"])
    assert [path for path in disk.rglob("*") if path.is_file()] == []
    assert len(warehouse.read("raw_telemetry")) == 20_000


READ_ONLY = """
import sys
from tests.warehouse.builders import NOW, prices, source_of
from warehouse.errors import UnwritableError
from warehouse.store import Warehouse
try:
    Warehouse(sys.argv[1]).ingest(source_of("prices", prices(), name="second"), NOW)
except UnwritableError as error:
    print(error)
"""


def test_a_folder_that_may_not_be_written_is_distinguished_from_damage(small_disk):
    disk = small_disk(9000)
    warehouse = Warehouse(disk / "warehouse.duckdb")
    warehouse.create()
    warehouse.ingest(source_of("prices", prices()), NOW)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(warehouse.path)], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert "Read-only file system. second: not written" in done.stdout, done.stderr[-500:]
    assert len(warehouse.read("raw_price")) == 23
    assert warehouse.extent("prices").waiting == 23


def test_a_reader_is_not_stopped_by_the_log_of_a_write_that_was_kept(small_disk):
    disk = small_disk(9000)
    warehouse = Warehouse(disk / "warehouse.duckdb")
    warehouse.create()
    fill(disk, leaving=2_400_000)
    with pytest.raises(UnwritableError, match="written all the same"):
        warehouse.ingest(source_of("telemetry", varied(15_000)), NOW)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert Path(f"{warehouse.path}.wal").stat().st_size > 0
    assert len(warehouse.read("raw_telemetry")) == 15_000
    copy = warehouse.snapshot(disk.parent / "snapshot.duckdb")
    assert len(Warehouse(copy).read("raw_telemetry")) == 15_000
