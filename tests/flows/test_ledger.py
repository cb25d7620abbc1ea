"""The ledger: what an export proves, and that nothing in it can be changed unseen."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from flows.errors import UsageError
from flows.stages import Context
from flows.stages.ledger import _counted_again, export_ledger, make_key, verify_ledger
from flows.workspace import Workspace
from optimize.market.contract import Contract
from tests.flows.conftest import DAY, spoil
from tests.flows.test_realise import OVER
from tests.flows.test_settle import late_meter, rows_of, settled, settled_around, settled_depot
from tests.optimize.logs import settled_days, texts_of
from warehouse.errors import LedgerError
from warehouse.ledger.entries import commitment, new_salt
from warehouse.ledger.folder import (
    ALL,
    Erased,
    Opening,
    _manifest,
    export_files,
    read_export,
    verified,
    write_export,
)
from warehouse.ledger.note import SignerKey, VerifierKey

__all__ = ["settled_around", "settled_depot"]
KEY = SignerKey.make("example.org/fleet")


def opened_days(days: Sequence[tuple[str, Contract]]) -> list[Opening]:
    return [Opening(index=n, salt=new_salt(), text=text) for n, (text, _) in enumerate(days)]


def exported(
    days: Sequence[tuple[str, Contract]], openings: list[Opening] | None = None, key: SignerKey = KEY
) -> dict[str, bytes]:
    held = openings or opened_days(days)
    return export_files([commitment(one.salt, one.text) for one in held], held, texts_of(days), key, ALL)


def signed_anew(files: dict[str, bytes]) -> dict[str, bytes]:
    """With a manifest of the files as they are now: what lies under it has to notice by itself."""
    rest = {name: data for name, data in files.items() if name not in ("manifest", "checkpoint")}
    size = int(files["checkpoint"].split(b"\n")[1]) if files["checkpoint"].split(b"\n")[1].isdigit() else 3
    return {**files, "manifest": KEY.sign(_manifest(ALL, size, rest)).encode()}


def holds(files: dict[str, bytes]) -> bool:
    try:
        return not _counted_again(verified(files))[0]
    except LedgerError:
        return False


def test_every_byte_of_a_small_export_is_held() -> None:
    files = exported(settled_days(3, 1))
    assert holds(files) and holds(signed_anew(files))
    rng = random.Random(1)  # noqa: S311
    for name, data in files.items():
        for place in range(len(data)):
            other = bytearray(data)
            other[place] ^= rng.randrange(1, 256)
            changed = {**files, name: bytes(other)}
            assert not holds(changed), (name, place)
            if name != "manifest":
                assert not holds(signed_anew(changed)), (name, place, "under the manifest")


def test_bytes_of_a_large_export_are_held() -> None:
    files = exported(settled_days(4_000, 2))
    assert holds(files)
    rng = random.Random(2)  # noqa: S311
    names = sorted(files)
    sizes = [len(files[name]) for name in names]
    for _ in range(1000):
        name = rng.choices(names, sizes)[0]
        other = bytearray(files[name])
        other[rng.randrange(len(other))] ^= rng.randrange(1, 256)
        assert not holds({**files, name: bytes(other)}), name


def test_a_file_that_is_gone_or_added_is_named() -> None:
    files = exported(settled_days(3, 3))
    for name in files:
        rest = {other: data for other, data in files.items() if other != name}
        with pytest.raises(LedgerError, match=re.escape(name.split("/")[0])):
            verified(rest)
    with pytest.raises(LedgerError, match=r"more\.txt is no part of the export"):
        verified({**files, "more.txt": b""})


def test_a_cent_that_the_operator_himself_signs_is_named() -> None:
    days = settled_days(10, 4)
    for number, (text, _) in enumerate(days):
        said = json.loads(text)
        for name, item in said["figures"].items():
            quiet = number % 5 == 4 and name in ("fed_back_eur", "bonus_eur", "free_eur")
            changed = {**said, "figures": {**said["figures"], name: f"{float(item) + 0.01:.2f}"}}
            openings = opened_days(days)
            openings[number] = Opening(index=number, salt=new_salt(), text=json.dumps(changed))
            faults, totals = _counted_again(verified(exported(days, openings)))
            assert faults and all(one.startswith(f"entry {number}: ") for one in faults), (number, name)
            assert quiet or any(name in one for one in faults), (name, faults)
            assert totals == 2


def test_a_log_that_was_rewritten_does_not_extend_what_was_seen() -> None:
    days = settled_days(300, 5)
    openings = opened_days(days)
    for seen in (1, 7, 255, 256, 299, 300):
        early = exported(days[:seen], openings[:seen])["checkpoint"].decode()
        assert verified(exported(days, openings), since=early).checkpoint.size == 300
        other = [*openings]
        other[seen // 2] = Opening(index=seen // 2, salt=new_salt(), text=openings[seen // 2].text)
        with pytest.raises(LedgerError, match=rf"not what it was with {seen} entries: it was rewritten"):
            verified(exported(days, other), since=early)
    late = exported(days, openings)["checkpoint"].decode()
    with pytest.raises(LedgerError, match="fewer than the 300 of earlier"):
        verified(exported(days[:9], openings[:9]), since=late)


def test_another_key_is_another_log() -> None:
    files = exported(settled_days(3, 6))
    assert verified(files, key=KEY.verifier).key == KEY.verifier
    stranger = SignerKey.make(KEY.name)
    with pytest.raises(LedgerError, match="not the key"):
        verified(exported(settled_days(3, 6), key=stranger), key=KEY.verifier)
    with pytest.raises(LedgerError, match=r"checkpoint is not signed by example\.org/fleet"):
        verified({**files, "checkpoint": exported(settled_days(3, 6), key=stranger)["checkpoint"]})
    assert SignerKey.parse(KEY.text).verifier == KEY.verifier == VerifierKey.parse(KEY.verifier.text)
    assert KEY.text.split("+", 4)[-1] not in repr(KEY)


def test_an_export_is_verified_by_a_second_process_alone(settled_depot: Workspace, tmp_path: Path) -> None:
    settled(settled_depot)
    late = OVER + timedelta(days=1)
    late_meter(settled_depot, late)
    settled(settled_depot, DAY, as_of=late)
    rows = settled_depot.warehouse.read("out_settlement")
    entries = settled_depot.warehouse.read("out_ledger")
    assert entries["entry_index"].tolist() == list(range(len(rows))) and len(rows) == 6
    stated = [json.loads(text) for text in entries["opening"]]
    by_row = rows.set_index(["settlement_id", "battery_id"])
    for one in stated:
        row = by_row.loc[(one["settlement_id"], one["battery_id"])]
        for name, value in one["figures"].items():
            assert float(value) == row[name]
    with pytest.raises(UsageError, match="no key to sign with"):
        export_ledger(Context.of(settled_depot, late), tmp_path / "x", [])
    made = make_key(settled_depot, "example.org/depot")
    assert (settled_depot.root / "ledger.key").stat().st_mode & 0o777 == 0o600
    secret = (settled_depot.root / "ledger.key").read_text().strip()
    with pytest.raises(UsageError, match="is there already"):
        make_key(settled_depot, "example.org/depot")
    whole, own = tmp_path / "whole", tmp_path / "own"
    export_ledger(Context.of(settled_depot, late), whole, [])
    export_ledger(Context.of(settled_depot, late), own, ["car-1"])
    with pytest.raises(UsageError, match="'nobody': the ledger has no entry"):
        export_ledger(Context.of(settled_depot, late), tmp_path / "y", ["nobody"])
    assert secret not in json.dumps(made.to_record()) and secret.encode() not in b"".join(
        path.read_bytes() for path in whole.rglob("*") if path.is_file()
    )
    assert b"car-2" not in b"".join(path.read_bytes() for path in own.rglob("*") if path.is_file())
    assert len(list((own / "receipts").iterdir())) == 3
    shutil.rmtree(settled_depot.root)
    for folder, opened in ((whole, 6), (own, 3)):
        words = [sys.executable, "-m", "flows.cli", "ledger", "verify", str(folder), "--json"]
        words += ["--key", made.details["key"]]
        away = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, env=away)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)["stages"][0]
        assert (answer["entries"], answer["opened"]) == (6, opened)
    file = own / "openings.jsonl"
    file.write_bytes(file.read_bytes().replace(b"car-1", b"car-9", 1))
    words = [sys.executable, "-m", "flows.cli", "ledger", "verify", str(own)]
    refused = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, env=away)
    assert refused.returncode == 4 and "openings.jsonl was changed" in refused.stderr


def test_the_key_of_the_environment_stands_over_the_file(
    settled_depot: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(settled_depot)
    make_key(settled_depot, "example.org/file")
    monkeypatch.setenv("V2G_LEDGER_KEY", KEY.text)
    export_ledger(Context.of(settled_depot, OVER), tmp_path / "a", [])
    assert verified(read_export(tmp_path / "a")).key == KEY.verifier
    monkeypatch.setenv("V2G_LEDGER_KEY", KEY.text[:-3])
    with pytest.raises(LedgerError) as refused:
        export_ledger(Context.of(settled_depot, OVER), tmp_path / "b", [])
    assert KEY.text[40:60] not in str(refused.value)
    monkeypatch.delenv("V2G_LEDGER_KEY")
    (settled_depot.root / "ledger.key").write_bytes(b"\xff\xfe")
    with pytest.raises(LedgerError, match=r"ledger\.key is no text"):
        export_ledger(Context.of(settled_depot, OVER), tmp_path / "b", [])
    (settled_depot.root / "ledger.key").chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others"):
        export_ledger(Context.of(settled_depot, OVER), tmp_path / "b", [])


_SETTLE = """
import sys
from datetime import date, datetime
from pathlib import Path
from flows.workspace import Workspace
from flows.stages import Context
from flows.stages.settle import settle_days
workspace = Workspace.open(Path(sys.argv[1]))
print("begun", flush=True)
settle_days(Context.of(workspace, datetime.fromisoformat(sys.argv[2])), [date.fromisoformat(sys.argv[3])])
"""


def test_killed_while_it_settles_it_has_both_or_neither(settled_depot: Workspace, tmp_path: Path) -> None:
    found = set()
    for number in range(8):
        copy = Workspace.open(Path(shutil.copytree(settled_depot.root, tmp_path / f"copy {number}")))
        words = [sys.executable, "-c", _SETTLE, str(copy.root), OVER.isoformat(), str(DAY)]
        away = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        process = subprocess.Popen(words, stdout=subprocess.PIPE, env=away)
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        time.sleep(0.15 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        rows, entries = rows_of(copy), copy.warehouse.read("out_ledger")
        assert len(rows) == len(entries) and set(rows["settlement_id"]) == set(entries["settlement_id"])
        found.add(len(rows))
        settled(copy, DAY)
        again = copy.warehouse.read("out_ledger")
        assert again["entry_index"].tolist() == [0, 1]
    assert found <= {0, 2}


def test_what_the_warehouse_holds_is_held_to_its_entries(settled_depot: Workspace, tmp_path: Path) -> None:
    settled(settled_depot)
    make_key(settled_depot, "example.org/depot")
    spoil(
        settled_depot,
        "UPDATE out_ledger SET opening = replace(opening, 'car-2', 'car-9') WHERE entry_index = 1",
    )
    with pytest.raises(LedgerError, match="entry 1 is missing, or is not what it commits to"):
        export_ledger(Context.of(settled_depot, OVER), tmp_path / "x", [])


def test_verify_names_what_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        verify_ledger(tmp_path / "none", key=None, witnesses=[], since=None)
    with pytest.raises(LedgerError, match="it holds no checkpoint"):
        verify_ledger(tmp_path, key=None, witnesses=[], since=None)
    files = exported(settled_days(2, 8))
    write_export(tmp_path / "a", files)
    with pytest.raises(FileExistsError):
        write_export(tmp_path / "a", files)
    assert verify_ledger(tmp_path / "a", key=None, witnesses=[], since=None).exit_code == 0
    (tmp_path / "seen").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LedgerError, match="seen is no text"):
        verify_ledger(tmp_path / "a", key=None, witnesses=[], since=tmp_path / "seen")
    (tmp_path / "a" / "more").symlink_to("checkpoint")
    with pytest.raises(LedgerError, match="no plain file"):
        verify_ledger(tmp_path / "a", key=None, witnesses=[], since=None)
    assert hashlib.sha256(files["log.vkey"]).hexdigest().encode() in files["manifest"]


def test_what_is_said_to_be_erased_is_counted_and_cannot_be_opened() -> None:
    days = settled_days(6, 4)
    held = opened_days(days)
    commitments, texts = [commitment(one.salt, one.text) for one in held], texts_of(days)

    def made(openings: list[Opening], *gone: int) -> dict[str, bytes]:
        return export_files(commitments, openings, texts, KEY, ALL, Erased(entries=gone))

    proved = verified(made([*held[:2], *held[3:5]], 2, 5))
    assert proved.erased.entries == (2, 5) and len(proved.openings) == 4
    assert proved.checkpoint.root == verified(made(held)).checkpoint.root
    with pytest.raises(LedgerError, match="opens 4 of 6 entries, not all of them"):
        verified(made([*held[:2], *held[3:5]], 2))
    with pytest.raises(LedgerError, match=r"entry 3 is opened, and erased\.json says that it cannot be"):
        verified(made(held, 3))
    with pytest.raises(LedgerError, match=r"erased\.json does not tell what was erased"):
        verified(made(held[:5], 6))
    digest = next(iter(texts))
    less = {**texts, digest: texts[digest] + "# less"}
    with pytest.raises(LedgerError, match="is not the text that its name is the SHA-256 of"):
        verified(export_files(commitments, held, less, KEY, ALL))
    now = hashlib.sha256(less[digest].encode()).hexdigest()
    scrubbed = Erased(contracts={digest: now})
    assert verified(export_files(commitments, held, less, KEY, ALL, scrubbed)).erased.contracts == {
        digest: now
    }
