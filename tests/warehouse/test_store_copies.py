"""Snapshots, backups and exports write over nothing but their own earlier output, and for no other eyes."""

import os
import stat
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.warehouse.builders import NOW, prices, promote_unchecked, source_of
from warehouse.backup import snapshot_taken
from warehouse.errors import CopyError, UnknownTableError
from warehouse.store import Warehouse


@pytest.fixture
def warehouse(tmp_path):
    made = Warehouse(tmp_path / "depot" / "warehouse.duckdb", lock_timeout_s=2.0)
    made.create()
    made.ingest(source_of("prices", prices()), NOW)
    promote_unchecked(made, "prices")
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def plain(path):
    path.write_text("[plan]\n", encoding="utf-8")


def foreign_database(path):
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 1 AS one")


def lookalike(path):
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE meta_schema AS SELECT 3 AS version")


def other_warehouse(path):
    Warehouse(path).create()


def empty(path):
    path.touch()


@pytest.mark.parametrize(
    "make", [plain, foreign_database, lookalike, other_warehouse, empty, Path.mkdir, os.mkfifo]
)
@pytest.mark.parametrize("copy", ["snapshot", "backup"])
def test_what_is_there_and_no_earlier_snapshot_stays(warehouse, tmp_path, make, copy):
    target = tmp_path / "there"
    make(target)
    before = contents(tmp_path)
    with pytest.raises(CopyError, match="there is there"):
        getattr(warehouse, copy)(target)
    assert contents(tmp_path) == before


def test_a_link_does_not_lead_over_a_file_either(warehouse, tmp_path):
    (tmp_path / "v2g.toml").write_text("[plan]\n", encoding="utf-8")
    (tmp_path / "snapshot.duckdb").symlink_to(tmp_path / "v2g.toml")
    with pytest.raises(CopyError, match="no snapshot"):
        warehouse.snapshot(tmp_path / "snapshot.duckdb")
    (tmp_path / "hanging").symlink_to(tmp_path / "nowhere")
    warehouse.snapshot(tmp_path / "hanging")  # what the link names is free
    assert (tmp_path / "v2g.toml").read_text(encoding="utf-8") == "[plan]\n"


@pytest.mark.parametrize("copy", ["snapshot", "backup"])
def test_the_warehouse_itself_is_never_written_over_by_any_name(warehouse, tmp_path, copy, monkeypatch):
    (tmp_path / "link").symlink_to(warehouse.path)
    (tmp_path / "hard").hardlink_to(warehouse.path)
    (tmp_path / "elsewhere").symlink_to(warehouse.path.parent)
    monkeypatch.chdir(warehouse.path.parent)
    before = warehouse.path.read_bytes()
    for name in (
        warehouse.path, tmp_path / "link", tmp_path / "hard", "warehouse.duckdb", "../depot/warehouse.duckdb",
        tmp_path / "elsewhere" / "warehouse.duckdb",
    ):  # fmt: skip
        with pytest.raises(CopyError, match="the warehouse itself"):
            getattr(warehouse, copy)(name)
    for side in (".wal", ".tmp", ".wal.checkpoint", ".wal.recovery"):
        with pytest.raises(CopyError, match="keeps next to it"):
            getattr(warehouse, copy)(f"{warehouse.path}{side}")
    assert warehouse.path.read_bytes() == before


def test_a_log_left_next_to_the_name_is_not_taken_for_the_copys(warehouse, tmp_path):
    (tmp_path / "copy.duckdb.wal").write_bytes(b"stale")
    for copy in (warehouse.snapshot, warehouse.backup):
        with pytest.raises(CopyError, match=r"copy\.duckdb\.wal lies there"):
            copy(tmp_path / "copy.duckdb")


def test_a_snapshot_replaces_a_snapshot_and_no_backup(warehouse, tmp_path):
    target = warehouse.snapshot(tmp_path / "snapshot.duckdb")
    warehouse.ingest(source_of("prices", prices(), name="again"), NOW)
    warehouse.snapshot(target)
    assert len(Warehouse(target).read("raw_source")) == 2
    warehouse.backup(tmp_path / "backup.duckdb")
    with pytest.raises(CopyError, match="no snapshot"):
        warehouse.snapshot(tmp_path / "backup.duckdb")
    warehouse.restore(tmp_path / "backup.duckdb")
    with pytest.raises(CopyError, match="no snapshot"):  # put back, it is a warehouse again
        Warehouse(target).snapshot(warehouse.path)


def test_a_snapshot_notes_when_it_was_taken_and_no_other_copy_does(warehouse, tmp_path):
    with duckdb.connect(str(warehouse.path)) as connection:  # a file of before it was noted
        connection.execute("ALTER TABLE meta_schema DROP COLUMN taken")
    target = warehouse.snapshot(tmp_path / "snapshot.duckdb", NOW)
    assert snapshot_taken(target, timeout_s=1.0) == NOW
    warehouse.snapshot(target)
    assert snapshot_taken(target, timeout_s=1.0) is None
    warehouse.backup(tmp_path / "backup.duckdb")
    for path in (tmp_path / "backup.duckdb", warehouse.path, tmp_path / "nothing.duckdb"):
        assert snapshot_taken(path, timeout_s=1.0) is None


def test_a_snapshot_of_the_version_before_is_replaced_unless_it_lies_in_a_workspace(warehouse, tmp_path):
    old = tmp_path / "old.duckdb"
    with duckdb.connect(str(old)) as connection:
        connection.execute("CREATE TABLE meta_schema AS SELECT 2::BIGINT AS version")
    (tmp_path / "v2g.toml").touch()
    with pytest.raises(CopyError, match="no snapshot"):
        warehouse.snapshot(old)
    (tmp_path / "v2g.toml").unlink()
    warehouse.snapshot(old)
    assert len(Warehouse(old).read("core_price")) == 23


def test_copies_and_exports_are_private_whatever_the_umask_says(warehouse, tmp_path):
    before = os.umask(0)
    try:
        warehouse.snapshot(tmp_path / "out" / "new" / "snapshot.duckdb")
        warehouse.backup(tmp_path / "out" / "backup.duckdb", noted=True)
        warehouse.export(tmp_path / "out" / "lake", ["core_price"])
        again = Warehouse(tmp_path / "again" / "warehouse.duckdb")
        again.restore(tmp_path / "out" / "backup.duckdb")
        made = Warehouse(tmp_path / "made" / "warehouse.duckdb")
        made.create()
    finally:
        os.umask(before)
    for path in (made.path, again.path, Path(f"{warehouse.path}.backups"), *(tmp_path / "out").rglob("*")):
        wanted = 0o700 if path.is_dir() else 0o600
        assert (str(path), oct(stat.S_IMODE(path.stat().st_mode))) == (str(path), oct(wanted))


def test_an_export_replaces_its_own_files_alone(warehouse, tmp_path):
    lake = tmp_path / "lake"
    for _ in range(2):
        warehouse.export(lake, ["core_price"])
    file = lake / "core_price" / "data.parquet"
    for make in (
        lambda: file.write_text("mine"),
        lambda: pq.write_table(pa.table({"theirs": [1]}), file),
        lambda: pq.write_table(pa.table({"theirs": [1]}).replace_schema_metadata({"v2g_table": "x"}), file),
        lambda: (file.unlink(), file.symlink_to(warehouse.path)),
        lambda: (file.unlink(), file.mkdir()),
    ):
        make()
        before = contents(lake)
        with pytest.raises(CopyError, match="is there and no export of core_price"):
            warehouse.export(lake, ["core_price"])
        assert contents(lake) == before


def test_an_export_of_an_earlier_version_is_known_by_its_columns(warehouse, tmp_path):
    file = tmp_path / "core_price" / "data.parquet"
    warehouse.export(tmp_path, ["core_price"])
    bare = pq.read_table(file).replace_schema_metadata(None).drop_columns(["source_row"])
    pq.write_table(bare, file)
    assert warehouse.export(tmp_path, ["core_price"])[0].rows == 23


def test_a_trial_lacks_the_rows_of_the_tables_named_and_takes_no_name_that_is_there(warehouse, tmp_path):
    target = tmp_path / "trial" / "warehouse.duckdb"
    before = warehouse.read("core_price")
    trial = warehouse.trial(target, empty=["core_price"])
    assert trial.path == target and len(trial.read("core_price")) == 0 < len(before)
    assert len(trial.read("raw_source")) == len(warehouse.read("raw_source"))
    pd.testing.assert_frame_equal(warehouse.read("core_price"), before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    kept = contents(target.parent)
    with pytest.raises(CopyError, match="is there already"):
        warehouse.trial(target)
    with pytest.raises(UnknownTableError):
        warehouse.trial(tmp_path / "other", empty=["core_price; DROP TABLE core_price"])
    assert contents(target.parent) == kept and not (tmp_path / "other").exists()
    # A copy of a copy is one of its own.
    trial.trial(tmp_path / "third").ingest(source_of("prices", prices()), NOW)
    assert len(trial.read("raw_source")) == 1
