"""A backup of before an erasure brings nobody back, and one of before an answer gives no ε back."""

import secrets

import duckdb
import pandas as pd
import pytest

from tests.warehouse.builders import NOW, fleet, promote_unchecked, source_of, telemetry
from warehouse.erasure.again import note, noted
from warehouse.erasure.database import erase_database, look
from warehouse.erasure.named import Named
from warehouse.errors import CopyError, LockedError
from warehouse.store import Warehouse

LINEAGE = {
    "run_id": "r", "as_of_utc": pd.Timestamp(NOW), "input_hash": "h", "code_version": "v"
}  # fmt: skip


@pytest.fixture
def warehouse(tmp_path):
    made = Warehouse(tmp_path / "depot" / "warehouse.duckdb", lock_timeout_s=2.0)
    made.create()
    made.ingest(source_of("fleet", fleet()), NOW)
    promote_unchecked(made, "fleet")
    for car in ("CAR1", "CAR2"):
        made.ingest(source_of("telemetry", telemetry(car, minutes=5), name=f"{car}.csv"), NOW)
        promote_unchecked(made, "telemetry")
    return made


def cars(path):
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = ("core_battery", "raw_battery", "core_telemetry", "raw_telemetry", "core_telemetry_15min")
        rows = [connection.execute(f"SELECT DISTINCT battery_id FROM {one}").fetchall() for one in tables]  # noqa: S608
    return {car for held in rows for (car,) in held}


def logged(warehouse, erasure_id, cars_erased=1):
    row = {
        "erasure_id": erasure_id, "begun_utc": pd.Timestamp(NOW), "ended_utc": pd.Timestamp(NOW),
        "batteries": cars_erased, "erased_rows": 1, "ledger_entries": 0, "files": 0, **LINEAGE,
    }  # fmt: skip
    warehouse.write({"out_erasure": pd.DataFrame([row])})


def erased(warehouse, *names, erasure_id="e1"):
    named = look(warehouse.path, Named(batteries=frozenset(names)), timeout_s=2.0).named
    note(warehouse.path, erasure_id, named, "anna")
    erase_database(warehouse.path, named, timeout_s=2.0)
    logged(warehouse, erasure_id, len(names))


def answered(warehouse, question, epsilon=0.4):
    row = {
        "question": question, "zone": "DE-LU", "year": 2020, "month": NOW.date().replace(day=1),
        "figure": "import_kwh", "statistic": "sum", "least": 0.0, "most": 100.0, "owners": 3,
        "epsilon": epsilon, "budget": 1.0, "scale": 250.0, "error_95": 749.0, "value": 77.5, **LINEAGE,
    }  # fmt: skip
    warehouse.write({"out_private_release": pd.DataFrame([row])})


def test_who_was_erased_does_not_come_back_with_a_backup_of_before(warehouse, tmp_path):
    warehouse.backup(tmp_path / "before.duckdb")
    erased(warehouse, "CAR1")
    done = warehouse.restore(tmp_path / "before.duckdb")
    assert (done.erased_again, done.unnamed, done.carried) == (1, (), {"out_erasure": ["e1"]})
    assert cars(warehouse.path) == {"CAR2", "CAR3"}
    assert b"CAR1" not in warehouse.path.read_bytes()
    assert done.rows["core_battery"] == 2 and warehouse.read("out_erasure")["erasure_id"].tolist() == ["e1"]
    assert cars(tmp_path / "before.duckdb") == {"CAR1", "CAR2", "CAR3"}  # somebody else's file: it is named


def test_the_warehouse_may_be_lost_or_damaged_meanwhile(warehouse, tmp_path):
    warehouse.backup(tmp_path / "before.duckdb")
    erased(warehouse, "CAR1", "CAR3")
    warehouse.path.write_bytes(b"damaged" * 5000)
    done = warehouse.restore(tmp_path / "before.duckdb")
    assert (done.erased_again, done.carried) == (2, None)
    assert cars(warehouse.path) == {"CAR2"}
    warehouse.path.unlink()
    assert warehouse.restore(tmp_path / "before.duckdb").erased_again == 2
    assert cars(warehouse.path) == {"CAR2"}


def test_a_car_of_the_same_id_that_came_afterwards_stays(warehouse, tmp_path):
    erased(warehouse, "CAR1")
    warehouse.ingest(source_of("fleet", fleet(1).assign(charge_limit_kw=22.0), name="new.csv"), NOW)
    promote_unchecked(warehouse, "fleet")
    warehouse.backup(tmp_path / "after.duckdb")
    assert warehouse.restore(tmp_path / "after.duckdb").erased_again == 0
    assert "CAR1" in set(warehouse.read("core_battery")["battery_id"])


def test_an_erasure_of_which_the_log_alone_tells_is_named(warehouse, tmp_path):
    warehouse.backup(tmp_path / "before.duckdb")
    logged(warehouse, "of an earlier version")
    done = warehouse.restore(tmp_path / "before.duckdb")
    assert (done.erased_again, done.unnamed) == (0, ("of an earlier version",))
    # the log goes on telling, and the next copy knows of it
    warehouse.backup(tmp_path / "next.duckdb")
    assert warehouse.restore(tmp_path / "next.duckdb").unnamed == ()


def test_answers_that_spent_epsilon_stay_spent(warehouse, tmp_path):
    answered(warehouse, "q1")
    warehouse.backup(tmp_path / "before.duckdb")
    answered(warehouse, "q2")
    before = warehouse.read("out_private_release")
    done = warehouse.restore(tmp_path / "before.duckdb")
    assert done.carried == {"out_private_release": ["q2"]}
    pd.testing.assert_frame_equal(warehouse.read("out_private_release"), before)
    assert warehouse.restore(tmp_path / "before.duckdb").carried == {"out_private_release": ["q2"]}
    assert len(warehouse.read("out_private_release")) == 2


def test_a_backup_of_an_earlier_layout_takes_them_too(warehouse, tmp_path):
    warehouse.backup(tmp_path / "before.duckdb")
    with duckdb.connect(str(tmp_path / "before.duckdb")) as connection:
        for table in ("out_erasure", "out_private_release"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE meta_schema SET fingerprint = NULL, layout = NULL")
    erased(warehouse, "CAR2")
    answered(warehouse, "q1")
    done = warehouse.restore(tmp_path / "before.duckdb")
    assert done.erased_again == 1 and cars(warehouse.path) == {"CAR1", "CAR3"}
    assert warehouse.read("out_private_release")["question"].tolist() == ["q1"]


def test_what_is_noted_tells_no_name_and_is_noted_once(warehouse):
    named = Named(batteries=frozenset({"CAR1"}), sites=frozenset({"DEPOT"}))
    for _ in range(2):
        note(warehouse.path, "e1", named, "anna")
    note(warehouse.path, "e2", named, "anna")
    file = warehouse.path.with_name("warehouse.duckdb.erased")
    text = file.read_text()
    assert "CAR1" not in text and "DEPOT" not in text and file.stat().st_mode & 0o077 == 0
    one, two = noted(warehouse.path)
    assert (one.erasure_id, two.erasure_id) == ("e1", "e2")
    assert not one.batteries & two.batteries  # nobody can tell that it was the same car
    assert one.owner != two.owner and "anna" not in text and one.salt not in repr(one)
    assert [one.is_of(name) for name in ("anna", "CAR1", "CAR2", "ann", "DEPOT")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    found = one.among({"battery_id": {"CAR1", "CAR2", "DEPOT"}, "site_id": {"DEPOT", "CAR1"}})
    assert (found.batteries, found.sites) == (frozenset({"CAR1"}), frozenset({"DEPOT"}))


def test_notes_that_cannot_be_read_restore_nothing(warehouse, tmp_path):
    warehouse.backup(tmp_path / "before.duckdb")
    erased(warehouse, "CAR1")
    file = warehouse.path.with_name("warehouse.duckdb.erased")
    whole = file.read_text()
    for wrong in (
        "{",
        "7",
        whole.replace('"salt": "', '"salt": "x'),
        whole.replace("batteries", "cars"),
        "\n",
    ):
        file.write_text(whole + wrong if wrong == "\n" else wrong)
        with pytest.raises(CopyError, match=rf"erased, line {1 + (wrong == chr(10))}, tells of no erasure"):
            warehouse.restore(tmp_path / "before.duckdb")
        assert cars(warehouse.path) == {"CAR2", "CAR3"}


def test_an_erasure_that_begins_meanwhile_stops_it(warehouse, tmp_path, monkeypatch):
    warehouse.backup(tmp_path / "before.duckdb")
    from warehouse import backup

    verified = backup.verify

    def meanwhile(path, *, timeout_s):
        note(warehouse.path, secrets.token_hex(8), Named(batteries=frozenset({"CAR1"})), "anna")
        return verified(path, timeout_s=timeout_s)

    monkeypatch.setattr(backup, "verify", meanwhile)
    with pytest.raises(LockedError, match="an erasure has begun"):
        warehouse.restore(tmp_path / "before.duckdb")
    assert sorted(one.name for one in warehouse.path.parent.iterdir()) == [
        "warehouse.duckdb", "warehouse.duckdb.erased",
    ]  # fmt: skip


def test_a_backup_into_which_nothing_can_be_taken_over_leaves_the_warehouse(warehouse, tmp_path):
    warehouse.backup(tmp_path / "before.duckdb")
    with duckdb.connect(str(tmp_path / "before.duckdb")) as connection:
        connection.execute("DROP TABLE out_private_release")
        connection.execute("CREATE TABLE out_private_release (question VARCHAR, theirs INTEGER)")
        connection.execute("UPDATE meta_schema SET fingerprint = NULL, layout = NULL")
    answered(warehouse, "q1")
    with pytest.raises(CopyError, match="cannot be taken over"):
        warehouse.restore(tmp_path / "before.duckdb")
    assert warehouse.read("out_private_release")["question"].tolist() == ["q1"]
    assert [one.name for one in warehouse.path.parent.iterdir()] == ["warehouse.duckdb"]
