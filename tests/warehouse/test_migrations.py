"""A file of an earlier schema version, as it was frozen, comes forward whole or stays as it was."""

import datetime as dt
import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from tests.warehouse.builders import NOW, prices, source_of, telemetry
from warehouse.contracts import CONTRACTS
from warehouse.errors import SchemaVersionError, StoreError
from warehouse.schema import SCHEMA_VERSION
from warehouse.store import Warehouse

HERE = Path(__file__).parent
FROZEN = {1: HERE / "schema_v1.sql", 2: HERE / "schema_v2.sql"}
SAMPLES = {
    "VARCHAR": "x",
    "DOUBLE": 1.5,
    "BIGINT": 7,
    "BOOLEAN": True,
    "DATE": dt.date(2020, 3, 29),
    "TIMESTAMP WITH TIME ZONE": dt.datetime(2020, 3, 29, 1, tzinfo=dt.UTC),
}


@pytest.fixture(params=FROZEN)
def version(request):
    return request.param


@pytest.fixture
def old(tmp_path, version):
    """A warehouse of an old version with one row in every table, two hours of telemetry besides."""
    path = tmp_path / "old.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(FROZEN[version].read_text(encoding="utf-8"))
        connection.execute("INSERT INTO meta_schema VALUES (?)", [version])
        for table in tables_of(connection) - {"meta_schema"}:
            row = [SAMPLES[kind] for _, kind, _ in layout(connection, table)]
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
        samples = telemetry(minutes=120).assign(source_id="s", received_utc=pd.Timestamp(NOW))
        names = ", ".join(name for name, _, _ in layout(connection, "core_telemetry") if name in samples)
        connection.register("samples", samples)
        connection.execute(f"INSERT INTO core_telemetry BY NAME SELECT {names} FROM samples")  # noqa: S608
    return Warehouse(path, lock_timeout_s=5.0)


def tables_of(connection):
    return {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def layout(connection, table):
    """Columns of a table in its own order: name, type, nullable."""
    return connection.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE table_name = ? "
        "ORDER BY column_index",
        [table],
    ).fetchall()


def structure(path):
    """All that a file's tables are, whatever the order of their columns."""
    with duckdb.connect(str(path), read_only=True) as connection:
        keys = connection.execute(
            "SELECT table_name, constraint_column_names FROM duckdb_constraints() "
            "WHERE constraint_type = 'PRIMARY KEY' ORDER BY table_name"
        ).fetchall()
        return {table: sorted(layout(connection, table)) for table in tables_of(connection)}, keys


def version_of(path):
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute("SELECT version FROM meta_schema").fetchall()


def test_an_old_file_migrated_is_a_new_file_with_the_rows_kept(old, version, tmp_path):
    with duckdb.connect(str(old.path)) as connection:
        before = {table: layout(connection, table) for table in tables_of(connection)}
        rows = {
            table: connection.execute(f"FROM {table} ORDER BY ALL").fetchall()
            for table in before.keys() - {"meta_schema"}
        }
    assert all(rows.values())
    assert (old.migrate(), old.migrate()) == (version, SCHEMA_VERSION)

    fresh = Warehouse(tmp_path / "fresh.duckdb")
    fresh.create()
    assert structure(old.path) == structure(fresh.path)
    assert version_of(old.path) == [(SCHEMA_VERSION,)]
    with duckdb.connect(str(old.path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table, kept in rows.items():
            names = ", ".join(name for name, _, _ in before[table])
            found = connection.execute(f"SELECT {names} FROM {table} ORDER BY ALL").fetchall()  # noqa: S608
            assert found == kept
    for table in CONTRACTS:
        old.read(table)


@pytest.mark.parametrize("version", [1], indirect=True)
def test_the_telemetry_of_an_old_file_gets_its_quarter_hours(old):
    old.migrate()
    quarters = old.read("core_telemetry_15min", where={"battery_id": "CAR1"})
    assert quarters["samples"].tolist() == [15] * 8
    assert quarters["charge_ah"].sum() == pytest.approx(10.0 * 2)


@pytest.mark.parametrize("version", [2], indirect=True)
def test_overlapping_sessions_of_an_old_file_become_one(old):
    with duckdb.connect(str(old.path)) as connection:
        for hours, name in enumerate(("earlier", "later")):
            row = {
                "session_id": name, "battery_id": "CAR1", "arrival_utc": NOW + dt.timedelta(hours=hours),
                "departure_utc": NOW + dt.timedelta(hours=9), "arrival_soc": 0.4, "departure_soc": 0.8,
                "source_id": name, "source_row": 1, "received_utc": NOW + dt.timedelta(days=hours),
            }  # fmt: skip
            connection.execute(
                f"INSERT INTO core_session ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",  # noqa: S608
                list(row.values()),
            )
    old.migrate()
    own = {"battery_id": "CAR1"}
    assert old.read("core_session", where=own)["session_id"].tolist() == ["later"]
    assert old.read("core_session_superseded", where=own)["session_id"].tolist() == ["earlier"]


def test_reading_an_old_file_names_the_command_and_writing_brings_it_forward(old, version, caplog):
    with pytest.raises(SchemaVersionError, match=rf"version {version}.*v2g migrate"):
        old.read("core_price")
    assert version_of(old.path) == [(version,)]
    old.ingest(source_of("telemetry", telemetry("CAR7", minutes=3)), NOW)
    assert version_of(old.path) == [(SCHEMA_VERSION,)]
    assert f"from schema version {version} to {SCHEMA_VERSION}" in caplog.text
    assert len(old.read("raw_telemetry", where={"battery_id": "CAR7"})) == 3


def test_create_brings_an_old_file_forward(old):
    old.create()
    old.ingest(source_of("prices", prices()), NOW)
    assert version_of(old.path) == [(SCHEMA_VERSION,)]


KILLED = """
import os, signal, sys
from pathlib import Path
from warehouse import migrations
from warehouse.store import Warehouse
def killed(connection):
    migrations.compact_all(connection)
    os.kill(os.getpid(), signal.SIGKILL)
migrations._STEPS = dict(migrations._STEPS) | {2: killed}
Warehouse(sys.argv[1]).migrate()
"""


def test_a_migration_killed_in_the_middle_leaves_the_old_file(old, version):
    before = structure(old.path)
    done = subprocess.run([sys.executable, "-c", KILLED, str(old.path)], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert version_of(old.path) == [(version,)]
    assert structure(old.path) == before
    assert old.migrate() == version
    assert len(old.read("core_telemetry")) == 121


TWO = """
import sys
from warehouse.store import Warehouse
print(Warehouse(sys.argv[1], lock_timeout_s=60.0).migrate())
"""


def test_of_two_at_once_one_migrates_and_the_other_finds_it_done(old, version):
    both = [
        subprocess.Popen([sys.executable, "-c", TWO, str(old.path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sorted(int(one.communicate()[0]) for one in both) == [version, SCHEMA_VERSION]
    assert len(old.read("core_telemetry")) == 121


@pytest.mark.parametrize("version", [2], indirect=True)
def test_an_old_file_is_copied_as_it_is_and_its_copies_come_forward(old, tmp_path):
    rows = old.backup(tmp_path / "before.duckdb")
    assert rows["core_telemetry"] == 121
    assert version_of(tmp_path / "before.duckdb") == [(2,)]
    old.migrate()
    old.restore(tmp_path / "before.duckdb")
    assert old.migrate() == 2
    assert len(old.read("core_telemetry")) == 121


def test_a_newer_file_is_refused(old):
    with duckdb.connect(str(old.path)) as connection:
        connection.execute("UPDATE meta_schema SET version = 99")
    for use in (old.migrate, old.create, lambda: old.read("core_price")):
        with pytest.raises(SchemaVersionError, match="version 99"):
            use()


def test_a_column_of_another_type_is_not_grown_over(old, version):
    with duckdb.connect(str(old.path)) as connection:
        connection.execute("ALTER TABLE core_checkup ALTER capacity_ah TYPE VARCHAR")
    with pytest.raises(StoreError, match=r"core_checkup\.capacity_ah is VARCHAR in the file and DOUBLE now"):
        old.migrate()
    assert version_of(old.path) == [(version,)]
