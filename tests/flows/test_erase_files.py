"""Files of a workspace that an erasure reads by what they are: packed ones, backups, registers of meters."""

from __future__ import annotations

import gzip
import io
import json
import tomllib
import zipfile
from pathlib import Path

import pytest

from flows.erasure.files import databases, erase_files, words_for
from flows.workspace import Workspace
from warehouse.erasure.named import Named
from warehouse.erasure.rows import tokens_of
from warehouse.sealed import DATABASE, seal

CAR = frozenset({"car-1"})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace.create(tmp_path / "depot", zone="DE-LU")
    (made.root / "backups").mkdir(exist_ok=True)
    return made


def test_a_file_that_is_packed_is_named_and_never_taken_for_one_without_them(workspace: Workspace) -> None:
    backups = workspace.root / "backups"
    seal({DATABASE: io.BytesIO(b"car-1")}, backups / "depot.duckdb.zip", lambda data: data[::-1])
    with zipfile.ZipFile(backups / "broken.zip", "w") as held:
        held.writestr("car", "of nobody, and longer than a few bytes")
    damaged = bytearray((backups / "broken.zip").read_bytes())
    damaged[40] ^= 1
    (backups / "broken.zip").write_bytes(damaged)
    packed = gzip.compress(b"car of nobody, told of at some length")
    (backups / "broken.csv.gz").write_bytes(packed[:12] + b"\xff\xff\xff\xff" + packed[16:])
    done = erase_files(workspace, Named(batteries=CAR), {})
    assert sorted(done.left) == [
        f"backups/{one}" for one in ("broken.csv.gz", "broken.zip", "depot.duckdb.zip")
    ]
    assert "an encrypted backup cannot be looked into" in done.left["backups/depot.duckdb.zip"]


def test_a_backup_by_any_name_is_a_database_and_is_not_removed(workspace: Workspace) -> None:
    copy = workspace.root / "backups" / "depot.bak"
    workspace.warehouse.backup(copy)
    assert databases(workspace) == [copy]
    copy.write_bytes(copy.read_bytes() + b"car-1")
    assert erase_files(workspace, Named(batteries=CAR), {}).removed == []
    assert copy.exists()


def test_the_key_of_an_owners_meter_goes_and_is_never_left_to_any_car(workspace: Workspace) -> None:
    file = workspace.root / "meter_keys.toml"
    file.write_text(
        "format = 1\n"
        + "".join(
            f'[meters.{serial}]\npublic_key = "{key}"\nbattery = "{car}"\n'
            for serial, key, car in (("1EMH77", "30aa", "car-1"), ("1EMH78", "30bb", "car-2"))
        )
    )
    words = words_for(workspace, CAR)
    assert words == {"1EMH77"}
    erase_files(workspace, Named(batteries=CAR, others=words), {})
    left = tomllib.loads(file.read_text())
    assert left["meters"] == {"1EMH78": {"public_key": "30bb", "battery": "car-2"}}


def test_tokens_that_a_command_was_given_are_found_in_what_is_kept_of_it() -> None:
    kept = {"batteries": json.dumps({"TAG1": "car-1", "TAG2": "car-2", "evse:1": "car-1"}), "rate": "{"}
    assert tokens_of(kept, CAR) == {"TAG1"}
