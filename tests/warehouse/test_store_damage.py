"""Flipped bits: no copy is called whole that a write dies on, and what is damaged says so."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from tests.warehouse.builders import NOW, fleet, prices, promote_unchecked, source_of, telemetry
from warehouse.backups import newest_backup
from warehouse.errors import CopyError, DamagedError, StoreError
from warehouse.store import Warehouse

BLOCK = 262_144
HEADERS = 12_288


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """A warehouse of some twenty blocks, a fifth of them of indexes, at least one in use nowhere."""
    warehouse = Warehouse(tmp_path_factory.mktemp("healthy") / "warehouse.duckdb")
    warehouse.create()
    for dataset, frame in (
        ("telemetry", telemetry(minutes=20_000)),
        ("prices", prices(hours=20_000)),
        ("fleet", fleet(300)),
    ):
        warehouse.ingest(source_of(dataset, frame), NOW)
        promote_unchecked(warehouse, dataset)
    return warehouse.path.read_bytes()


@pytest.fixture
def warehouse(tmp_path, healthy):
    made = Warehouse(tmp_path / "warehouse.duckdb")
    made.path.write_bytes(healthy)
    return made


def flip(path, at, bit=0):
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def rewrite(path):
    """Do to every table what a run does to some: rows out and in again, all of it onto the disk."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            connection.execute(f"CREATE TEMP TABLE kept AS FROM {table}")
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
            connection.execute(f"INSERT INTO {table} FROM kept")
            connection.execute("DROP TABLE kept")
        connection.execute("CHECKPOINT")


def test_no_block_can_be_flipped_that_a_backup_calls_good_and_a_write_dies_on(warehouse, healthy, tmp_path):
    chance = np.random.default_rng(17)
    called_good = 0
    for number in range((len(healthy) - HEADERS) // BLOCK):
        at = HEADERS + number * BLOCK + int(chance.integers(BLOCK))
        warehouse.path.write_bytes(healthy)
        flip(warehouse.path, at, int(chance.integers(8)))
        copy = tmp_path / f"{number}.duckdb"
        try:
            rows = warehouse.backup(copy)
        except DamagedError as error:
            assert error.path == warehouse.path
            assert str(warehouse.path) in str(error)
            assert "partial" not in str(error)
            if copy.exists():  # an index: the rows are all there
                assert warehouse.check_backup(copy)["core_price"] == 20_000
                rewrite(copy)
        else:
            called_good += 1
            assert rows["core_telemetry"] == 20_000
            rewrite(warehouse.path)
            rewrite(copy)
    assert called_good <= 3  # blocks in use nowhere


def test_a_file_that_ends_before_a_block_nobody_uses_is_whole(warehouse, healthy):
    """As DuckDB itself leaves one, now and then; any other is not."""
    for blocks in range(1, (len(healthy) - HEADERS) // BLOCK):
        warehouse.path.write_bytes(healthy[: len(healthy) - blocks * BLOCK])
        try:
            warehouse.check_backup(warehouse.path)
        except StoreError:
            break
        rewrite(warehouse.path)
    assert blocks < 5


def test_flipped_headers_are_damage_too(warehouse, healthy, tmp_path):
    for at in (3, 9, 100, 4096, 4096 + 17, 8192, 8192 + 300):
        warehouse.path.write_bytes(healthy)
        flip(warehouse.path, at)
        with pytest.raises(DamagedError):
            warehouse.backup(tmp_path / "copy.duckdb")
        with pytest.raises(DamagedError):
            warehouse.read("core_price")
    assert not (tmp_path / "copy.duckdb").exists()


def test_a_backup_is_checked_later_and_nothing_is_written_by_that(warehouse, tmp_path):
    copy = tmp_path / "copy.duckdb"
    rows = warehouse.backup(copy)
    assert warehouse.check_backup(copy) == rows
    index = failing_index_block(copy)
    whole = copy.read_bytes()
    flip(copy, HEADERS + index * BLOCK + 99)
    damaged = copy.read_bytes()
    with pytest.raises(DamagedError, match=rf"{copy} is damaged in block {index}"):
        warehouse.check_backup(copy)
    with pytest.raises(DamagedError, match=r"copy\.duckdb is damaged"):
        warehouse.restore(copy)
    assert copy.read_bytes() == damaged
    for wrong in (whole[: len(whole) // 2], b"", b"no database" * 999):
        copy.write_bytes(wrong)
        with pytest.raises(StoreError):
            warehouse.check_backup(copy)
    with pytest.raises(CopyError, match="no backup"):
        warehouse.check_backup(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.duckdb", "warehouse.duckdb"]


def failing_index_block(path: Path) -> int:
    """The number of a block that no row is read from, but that writing comes to."""
    with duckdb.connect(str(path), read_only=True) as connection:
        blocks = connection.execute("SELECT total_blocks FROM pragma_database_size()").fetchall()[0][0]
        used = set()
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            for one in connection.execute(f"SELECT block_id FROM pragma_storage_info('{table}')").fetchall():  # noqa: S608
                used.add(one[0])
        used |= {
            row[0] for row in connection.execute("SELECT block_id FROM pragma_metadata_info()").fetchall()
        }
    candidates = [number for number in range(blocks) if number not in used]
    whole = path.read_bytes()
    trial = path.with_name("trial.duckdb")
    for number in candidates:
        trial.write_bytes(whole)
        flip(trial, HEADERS + number * BLOCK + 99)
        try:
            rewrite(trial)
        except duckdb.Error:
            trial.unlink()
            Path(f"{trial}.wal").unlink(missing_ok=True)
            return number
    raise AssertionError("no block of an index")


def test_a_damaged_index_loses_no_row_and_the_backup_made_of_them_mends_it(warehouse, tmp_path):
    flip(warehouse.path, HEADERS + failing_index_block(warehouse.path) * BLOCK + 99)
    copy = tmp_path / "copy.duckdb"
    with pytest.raises(DamagedError, match=rf"No row is lost: all [\d,]+ are in {copy}"):
        warehouse.backup(copy, noted=True)
    assert newest_backup(warehouse.path) == copy
    warehouse.restore(copy)
    rewrite(warehouse.path)
    assert len(warehouse.read("core_price")) == 20_000
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        keys = connection.execute(
            "SELECT count(*) FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
        ).fetchall()[0][0]
    fresh = Warehouse(tmp_path / "fresh.duckdb")
    fresh.create()
    with duckdb.connect(str(fresh.path), read_only=True) as connection:
        assert keys == connection.execute(
            "SELECT count(*) FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
        ).fetchall()[0][0]  # fmt: skip


def test_a_write_that_meets_a_damaged_index_says_so_and_what_became_of_the_rows(warehouse):
    flip(warehouse.path, HEADERS + failing_index_block(warehouse.path) * BLOCK + 99)
    later = prices(start="2024-03-29T00:00+01:00", hours=24)
    text = ""
    for dataset, frame in (("prices", later), ("fleet", fleet(300).assign(soc_max=0.9))):
        try:
            warehouse.ingest(source_of(dataset, frame, name=f"{dataset}.csv"), NOW)
            promote_unchecked(warehouse, dataset)
        except DamagedError as error:
            text = str(error)
    assert "is damaged" in text or "cannot be read or written" in text
    assert "written all the same" in text or "not written, the warehouse is as it was" in text


def test_newest_backup_is_the_last_that_is_still_there(tmp_path, warehouse):
    assert newest_backup(warehouse.path) is None
    for name in ("a", "b"):
        warehouse.backup(tmp_path / name, noted=True)
    assert newest_backup(warehouse.path) == tmp_path / "b"
    (tmp_path / "b").unlink()
    assert newest_backup(warehouse.path) == tmp_path / "a"
    with Path(f"{warehouse.path}.backups").open("a") as stream:
        stream.write('half a line {"file": ["odd"]}\n{"file": 3}\n')
    assert newest_backup(warehouse.path) == tmp_path / "a"
