"""The layout's record, its fingerprint in the file, and how a file of the same version grows."""

import json
from dataclasses import replace

import duckdb
import pandas as pd
import pytest

from tests.warehouse.builders import NOW, fleet, promote_unchecked, source_of
from tests.warehouse.layouts import complaint, recorded
from tests.warehouse.test_migrations import structure
from warehouse import contracts, layout, schema
from warehouse.contracts import CONTRACTS, Column, Kind
from warehouse.errors import SchemaVersionError, StoreError
from warehouse.layout import as_text, current_layout, differences, fingerprint, layout_of
from warehouse.schema import SCHEMA_VERSION
from warehouse.store import Warehouse

NOTE = Column(name="note", kind=Kind.TEXT, description="A note", nullable=True)


@pytest.fixture
def warehouse(tmp_path):
    made = Warehouse(tmp_path / "warehouse.duckdb", lock_timeout_s=2.0)
    made.create()
    made.ingest(source_of("fleet", fleet()), NOW)
    promote_unchecked(made, "fleet")
    return made


@pytest.fixture
def becomes(monkeypatch):
    """Let the code have other contracts from here on, as a newer checkout would."""

    def change(*changed):
        tables = dict(CONTRACTS) | {table.name: table for table in changed}
        for module in (contracts.registry, contracts, contracts.render, layout, schema):
            monkeypatch.setattr(module, "CONTRACTS", tables)

    return change


def with_column(table, column):
    return replace(CONTRACTS[table], columns=(*CONTRACTS[table].columns, column))


def changed(table, column, **values):
    columns = tuple(replace(one, **values) if one.name == column else one for one in CONTRACTS[table])
    return replace(CONTRACTS[table], columns=columns)


def test_the_layout_is_the_recorded_one():
    assert complaint(SCHEMA_VERSION, current_layout(), recorded()) == ""


LOOSE = {
    "a nullable column": with_column("core_battery", NOTE),
    "a table": replace(CONTRACTS["core_battery"], name="core_truck"),
    "a column that may be null now": changed("out_plan", "slots", nullable=True),
    "another reading order": replace(CONTRACTS["core_quarantine"], sort=("rule",)),
}
FIXED = {
    "a column that may not be null": with_column("core_battery", replace(NOTE, nullable=False)),
    "a column that may be null no more": changed("core_battery", "soc_min", nullable=False)
    if CONTRACTS["core_battery"].column("soc_min").nullable
    else changed("out_plan", "replaces_plan_id", nullable=False),
    "another type": changed("out_plan", "slots", kind=Kind.TEXT, minimum=None, maximum=None),
    "another key": replace(CONTRACTS["core_price"], key=("zone",)),
    "a key enforced no more": replace(CONTRACTS["core_price"], daily=True),
    "a column gone": replace(CONTRACTS["out_run"], columns=CONTRACTS["out_run"].columns[:-1]),
}


@pytest.mark.parametrize("name", [*LOOSE, *FIXED])
def test_a_change_needs_its_record_or_a_version_of_its_own(name):
    table = (LOOSE | FIXED)[name]
    after = layout_of((dict(CONTRACTS) | {table.name: table}).values())
    now = current_layout()
    assert fingerprint(after) != fingerprint(now)
    stated = complaint(3, after, (3, fingerprint(now), now))
    assert table.name in stated
    assert ("raise SCHEMA_VERSION" in stated) == (name in FIXED)
    assert "record it by" in complaint(4, after, (3, fingerprint(now), now))
    assert "lower" in complaint(2, now, (3, fingerprint(now), now))


def test_what_is_no_part_of_the_layout_changes_nothing():
    same = [
        replace(
            table,
            description="other words",
            columns=tuple(replace(column, description="other") for column in reversed(table.columns)),
        )
        for table in reversed(CONTRACTS.values())
    ]
    assert fingerprint(layout_of(same)) == fingerprint(current_layout())


def test_a_table_gone_is_named():
    now = current_layout()
    less = {name: table for name, table in now.items() if name != "core_price"}
    (found,) = differences(now, less)
    assert (found.text, found.grows) == ("core_price is unknown here", False)


@pytest.mark.parametrize("name", LOOSE)
def test_a_file_of_the_same_version_is_refused_for_reading_and_grown_by_migrate(
    warehouse, becomes, tmp_path, name
):
    table = LOOSE[name]
    becomes(table)
    with pytest.raises(SchemaVersionError, match=rf"{table.name}.*v2g migrate") as caught:
        warehouse.read("core_site")
    assert f"schema version {SCHEMA_VERSION}" in str(caught.value)
    assert table.name in warehouse.outdated()
    assert (warehouse.migrate(), warehouse.outdated()) == (SCHEMA_VERSION, "")
    fresh = Warehouse(tmp_path / "fresh.duckdb")
    fresh.create()
    assert structure(warehouse.path) == structure(fresh.path)
    assert len(warehouse.read("core_battery")) == 3


def test_writing_grows_the_file_as_well_and_keeps_what_is_written(warehouse, becomes, caplog):
    becomes(LOOSE["a nullable column"])
    warehouse.ingest(source_of("fleet", fleet(), name="again"), NOW)
    assert "core_battery.note is missing" in caplog.text
    assert warehouse.read("core_battery")["note"].isna().all()


@pytest.mark.parametrize("name", FIXED)
def test_what_a_file_cannot_grow_into_is_refused_by_name_and_changes_nothing(warehouse, becomes, name):
    before = structure(warehouse.path)
    becomes(FIXED[name])
    for use in (lambda: warehouse.read("core_site"), warehouse.migrate, warehouse.create):
        with pytest.raises(SchemaVersionError, match=FIXED[name].name):
            use()
    assert structure(warehouse.path) == before


def test_a_file_that_has_more_than_the_code_is_of_a_newer_one(warehouse):
    newer = dict(current_layout())
    newer["core_battery"] = newer["core_battery"] | {
        "columns": newer["core_battery"]["columns"] | {"note": "VARCHAR"}
    }
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("ALTER TABLE core_battery ADD COLUMN note VARCHAR")
        connection.execute(
            "UPDATE meta_schema SET fingerprint = ?, layout = ?", [fingerprint(newer), as_text(newer)]
        )
    for use in (lambda: warehouse.read("core_site"), warehouse.migrate):
        with pytest.raises(SchemaVersionError, match=r"core_battery\.note is unknown here.*newer one"):
            use()


def test_a_table_of_somebody_elses_in_the_file_is_left_alone(warehouse):
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("CREATE TABLE my_notes AS SELECT 1 AS one")
    assert warehouse.outdated() == ""
    warehouse.migrate()
    warehouse.ingest(source_of("fleet", fleet(), name="again"), NOW)
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        assert connection.execute("FROM my_notes").fetchall() == [(1,)]


def test_a_column_taken_out_by_hand_is_named_and_given_back_by_migrate(warehouse):
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("ALTER TABLE core_telemetry DROP COLUMN soc_reported")
    with pytest.raises(StoreError, match=r"core_telemetry\.soc_reported is missing.*v2g migrate"):
        warehouse.read("core_telemetry")
    warehouse.migrate()
    assert warehouse.read("core_telemetry").empty


def test_a_file_without_a_noted_layout_is_judged_by_its_tables(warehouse):
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("UPDATE meta_schema SET fingerprint = NULL, layout = NULL")
        connection.execute("ALTER TABLE core_telemetry DROP COLUMN soc_reported")
    assert warehouse.outdated() == "core_telemetry.soc_reported is missing"
    warehouse.migrate()
    with duckdb.connect(str(warehouse.path), read_only=True) as connection:
        noted = connection.execute("SELECT fingerprint, layout FROM meta_schema").fetchall()[0]
    assert noted[0] == fingerprint(current_layout()) == fingerprint(json.loads(noted[1]))


def test_a_key_that_may_be_null_keeps_its_rows_when_loosened(warehouse, becomes):
    rows = pd.DataFrame(
        [{"run_id": "r", "stage": "plan", "started_utc": NOW, "finished_utc": NOW, "status": "ok",
          "exit_code": 0, "message": "m"}]
    )  # fmt: skip
    warehouse.write({"out_run": rows})
    becomes(changed("out_run", "message", nullable=True))
    warehouse.migrate()
    assert warehouse.read("out_run")["message"].tolist() == ["m"]
    warehouse.write({"out_run": rows.assign(message=None)})
    assert warehouse.read("out_run")["message"].isna().tolist() == [True]
