"""Pseudonyms: stable within a purpose and epoch, and no way from one purpose or epoch to another."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b32encode
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.workspace import Workspace
from tests.flows.conftest import bare, checked_depot
from warehouse.contracts.types import ID_PATTERN
from warehouse.errors import ContractError
from warehouse.pseudonymous import export_pseudonymous
from warehouse.pseudonyms import FILE, current, keys_of, pseudonyms_of, read_keys, rotate

__all__ = ["bare", "checked_depot"]
TABLES = ["core_session", "core_battery", "raw_session"]


def texts_in(folder: Path) -> set[str]:
    found = set[str]()
    for file in folder.glob("*.parquet"):
        frame = pd.read_parquet(file)
        for column in frame.select_dtypes(["object", "string"]):
            found |= {one for one in frame[column].dropna() if isinstance(one, str)}
    return found


def test_a_pseudonym_is_the_hmac_of_purpose_epoch_kind_and_id(tmp_path: Path) -> None:
    key = rotate(tmp_path, "research", keep=False)
    digest = hmac.new(bytes.fromhex(key.key), b"research\x001\x00battery_id\x00CAR1", hashlib.sha256).digest()
    assert key.pseudonym("battery_id", "CAR1") == "p" + b32encode(digest[:16]).decode().rstrip("=").lower()
    import re

    assert re.fullmatch(ID_PATTERN, key.pseudonym("battery_id", "CAR1"))
    assert key.pseudonym("site_id", "CAR1") != key.pseudonym("battery_id", "CAR1")
    assert key.key not in repr(key)


def test_keys_that_are_made_at_once_are_all_there(tmp_path: Path) -> None:
    names = {f"purpose-{number}" for number in range(16)}
    with ThreadPoolExecutor(8) as pool:
        made = {
            one.purpose: one.key for one in pool.map(lambda name: rotate(tmp_path, name, keep=False), names)
        }
    assert {one.purpose: one.key for one in read_keys(tmp_path)} == made and set(made) == names


def test_a_rotation_makes_new_ones_and_keeps_the_old_key_only_if_asked(tmp_path: Path) -> None:
    names, kept = [], []
    for keep in (False, False, True, True, False):
        key = rotate(tmp_path, "research", keep=keep)
        names.append(key.pseudonym("battery_id", "CAR1"))
        kept.append([one.epoch for one in read_keys(tmp_path)])
    assert len(set(names)) == 5 and kept == [[1], [2], [2, 3], [2, 3, 4], [5]]
    assert all(one != other for one, other in pairwise(names))
    other = rotate(tmp_path, "insurer", keep=False)
    assert other.epoch == 1 and current(read_keys(tmp_path), "research", 4) is None
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    found = pseudonyms_of(read_keys(tmp_path), {"battery_id": ["CAR1"]})
    assert found == {names[-1], other.pseudonym("battery_id", "CAR1")}


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (['{"purpose": "a", "epoch": 1}'], "line 1: no purpose"),
        (['{"purpose": "a", "epoch": 1, "key": "ff"}'], "line 1: no purpose"),
        (['{"purpose": "A b", "epoch": 1, "key": "' + "0" * 64 + '"}'], "line 1: no purpose"),
        (
            ['{"purpose": "a", "epoch": 1, "key": "' + c * 64 + '"}' for c in "01"],
            "line 2: a, epoch 1, is there",
        ),
        (
            ['{"purpose": "' + c + '", "epoch": 1, "key": "' + "0" * 64 + '"}' for c in "ab"],
            "line 2: b has the key",
        ),
    ],
)
def test_keys_that_are_none_are_named_by_line_and_not_shown(lines: list[str], why: str) -> None:
    with pytest.raises(ContractError, match=why) as found:
        keys_of("\n".join(lines))
    assert "0" * 64 not in str(found.value)


def test_two_purposes_share_no_id_and_one_purpose_does(bare: Workspace, tmp_path: Path) -> None:
    keys = [rotate(bare.root, purpose, keep=True) for purpose in ("research", "insurer")]
    keys.append(rotate(bare.root, "research", keep=True))
    for number, key in enumerate(keys):
        export_pseudonymous(bare.warehouse, tmp_path / str(number), TABLES, key)
    export_pseudonymous(bare.warehouse, tmp_path / "same", TABLES, keys[0])
    words = {"nmc811", "nca", "DE-LU"}
    texts = [texts_in(tmp_path / str(number)) - words for number in range(3)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert texts[one] and not texts[one] & texts[other]
    assert texts_in(tmp_path / "same") - words == texts[0]
    for told in ("car-1", "car-2", "s1", "yard"):
        assert told not in texts[0]
    sessions, cars = (pd.read_parquet(tmp_path / "0" / f"{one}.parquet") for one in TABLES[:2])
    assert set(sessions["battery_id"]) <= set(cars["battery_id"])  # within a purpose they can be joined
    stored = bare.warehouse.read("core_session")
    assert sorted(sessions["arrival_soc"]) == sorted(stored["arrival_soc"])
    assert (
        sessions.groupby("battery_id").size().sort_values().tolist()
        == stored.groupby("battery_id").size().sort_values().tolist()
    )


def test_the_commands(bare: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*words: str) -> tuple[int, str]:
        found = CliRunner().invoke(app, ["privacy", *words, "-w", str(bare.root), "--json"])
        return found.exit_code, found.stdout + str(found.exception or "")

    out = str(tmp_path / "out")
    export = ("export", out, "--purpose", "research", "--table", "core_session")
    assert "there is no key of research" in run(*export)[1]
    assert json.loads(run("rotate", "--purpose", "research")[1])["stages"][0]["epoch"] == 1
    code, said = run(*export)
    assert code == 0 and json.loads(said)["stages"][0]["tables"]["tables"] == [
        {"table": "core_session", "rows": 3}
    ]
    assert "is there already" in run(*export)[1]
    assert (
        "has no rows of cars" in run("export", out + "2", "--purpose", "research", "--table", "core_price")[1]
    )
    assert not Path(out + "2").exists()
    monkeypatch.setenv(
        "V2G_PSEUDONYM_KEYS", json.dumps({"purpose": "research", "epoch": 9, "key": "ab" * 32})
    )
    assert json.loads(run("export", out + "3", *export[2:])[1])["stages"][0]["epoch"] == 9
    assert "rotate them there" in run("rotate", "--purpose", "research")[1]
