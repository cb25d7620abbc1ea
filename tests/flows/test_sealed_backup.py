"""Encrypted backups: opened by openssl, restored to the same rows, and no plain copy on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import duckdb
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import UsageError
from flows.sealed import disclose_with, enclose_for
from tests.flows.test_statement import certificate
from tests.warehouse.builders import NOW, prices, promote_unchecked, source_of
from warehouse import sealed
from warehouse.errors import CopyError, DamagedError
from warehouse.store import Warehouse

PLAIN = b"DUCK"
"""What DuckDB writes at the head of a file."""
_FORM = (
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
)  # fmt: skip


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and the certificate of it, as files."""
    folder = tmp_path_factory.mktemp("reader")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "key.pem").write_bytes(key.private_bytes(*_FORM))
    return folder / "key.pem", certificate(folder, key)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path / "depot" / "warehouse.duckdb", lock_timeout_s=2.0)
    made.create()
    made.ingest(source_of("prices", prices()), NOW)
    promote_unchecked(made, "prices")
    return made


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "_PIECE_BYTES", 2**18)


def held(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())


@pytest.mark.usefixtures("small_pieces")
def test_what_was_sealed_is_restored_to_the_same_rows(
    warehouse: Warehouse, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    key, cert = pair
    file = tmp_path / "away" / "depot.zip"
    rows = warehouse.backup(file, enclose=enclose_for(cert))
    assert rows["core_price"] > 0
    assert [one.name for one in file.parent.iterdir()] == ["depot.zip"]
    assert file.stat().st_mode & 0o077 == 0
    assert PLAIN not in held(file.parent)
    with zipfile.ZipFile(file) as pieces:
        assert len([one for one in pieces.namelist() if one.startswith("warehouse.duckdb/")]) > 3
    fresh = Warehouse(tmp_path / "fresh" / "warehouse.duckdb")
    assert fresh.restore(file, disclose_with(key, cert)).rows == rows
    assert fresh.read("core_price").equals(warehouse.read("core_price"))
    assert [one.name for one in fresh.path.parent.iterdir()] == ["warehouse.duckdb"]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not there")
def test_openssl_alone_opens_it_as_the_file_itself_says(
    warehouse: Warehouse, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    key, cert = pair
    file = tmp_path / "depot.zip"
    warehouse.backup(file, enclose=enclose_for(cert))
    shutil.copy(key, tmp_path / "key.pem")
    with zipfile.ZipFile(file) as pieces:
        told = pieces.read("OPEN.txt").decode()
        pieces.extractall(tmp_path / "sealed")
    lines = [one for one in told.splitlines() if one.startswith("opened")]
    assert len(lines) == 4
    script = "\n".join(["set -e", *lines[:3]])
    subprocess.run(["bash", "-c", script], cwd=tmp_path / "sealed", check=True, capture_output=True)
    opened = tmp_path / "opened.duckdb"
    sums = json.loads((tmp_path / "sums.json").read_text())
    assert sums["warehouse.duckdb"]["bytes"] == opened.stat().st_size
    with duckdb.connect(str(opened), read_only=True) as connection:
        (count,) = connection.execute("SELECT count(*) FROM core_price").fetchall()
    assert count[0] == len(warehouse.read("core_price"))


def test_what_was_committed_and_lies_in_the_log_is_in_it(
    warehouse: Warehouse, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    key, cert = pair
    written = (
        "import duckdb, os, signal, sys\n"
        "connection = duckdb.connect(sys.argv[1], config={'checkpoint_threshold': '1GB'})\n"
        "connection.execute('DELETE FROM core_price')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", written, str(warehouse.path)], check=False)
    assert Path(f"{warehouse.path}.wal").stat().st_size > 0
    file = tmp_path / "depot.zip"
    warehouse.backup(file, enclose=enclose_for(cert))
    with zipfile.ZipFile(file) as pieces:
        assert any(one.startswith("warehouse.duckdb.wal/") for one in pieces.namelist())
    fresh = Warehouse(tmp_path / "fresh.duckdb")
    assert fresh.restore(file, disclose_with(key, cert)).rows["core_price"] == 0


@pytest.mark.usefixtures("small_pieces")
def test_a_changed_missing_or_foreign_piece_restores_nothing(
    warehouse: Warehouse, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    key, cert = pair
    file, fresh = tmp_path / "depot.zip", Warehouse(tmp_path / "fresh" / "warehouse.duckdb")
    fresh.create()
    before = fresh.path.read_bytes()
    warehouse.backup(file, enclose=enclose_for(cert))
    with zipfile.ZipFile(file) as pieces:
        members = {one: pieces.read(one) for one in pieces.namelist()}
    first, second = sorted(one for one in members if one.startswith("warehouse.duckdb/"))[:2]
    foreign = enclose_for(cert)(b"not what was there")
    differs, closed = "is not what was sealed", "is damaged, and not opened"
    for name, changed, why in (
        ("lacks", {one: data for one, data in members.items() if one != second}, differs),
        ("swapped", members | {first: members[second], second: members[first]}, differs),
        ("foreign", members | {second: foreign}, differs),
        ("torn", members | {second: members[second][:-40]}, closed),
        ("sums of nothing", members | {"sums.p7m": enclose_for(cert)(b"{}")}, closed),
    ):
        bad = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(bad, "w") as pieces:
            for one, data in changed.items():
                pieces.writestr(one, data)
        with pytest.raises(DamagedError, match=f"{bad}.*{why}"):
            fresh.restore(bad, disclose_with(key, cert))
    flipped = bytearray(file.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    (tmp_path / "flipped.zip").write_bytes(flipped)
    with pytest.raises(DamagedError, match=r"flipped\.zip"):
        fresh.restore(tmp_path / "flipped.zip", disclose_with(key, cert))
    assert fresh.path.read_bytes() == before
    assert [one.name for one in fresh.path.parent.iterdir()] == ["warehouse.duckdb"]


def test_a_key_that_does_not_fit_is_named_and_changes_nothing(
    warehouse: Warehouse, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    file, plain = tmp_path / "depot.zip", tmp_path / "plain.duckdb"
    warehouse.backup(file, enclose=enclose_for(pair[1]))
    warehouse.backup(plain)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "other.pem").write_bytes(other.private_bytes(*_FORM))
    fresh = Warehouse(tmp_path / "fresh.duckdb")
    for key, cert in (
        (tmp_path / "other.pem", pair[1]),
        (tmp_path / "other.pem", certificate(tmp_path, other)),
    ):
        with pytest.raises(CopyError, match="does not open with that key and certificate"):
            fresh.restore(file, disclose_with(key, cert))
    with pytest.raises(CopyError, match="is encrypted: name its key"):
        fresh.restore(file)
    with pytest.raises(CopyError, match="is not encrypted: leave the key out"):
        fresh.restore(plain, disclose_with(*pair))
    with pytest.raises(CopyError, match="is encrypted: who has its key"):
        fresh.check_backup(file)
    with pytest.raises(CopyError, match="there already"):
        warehouse.backup(file, enclose=enclose_for(pair[1]))
    with pytest.raises(UsageError, match=r"--key .*no private key in PEM"):
        disclose_with(pair[1], pair[1])
    with pytest.raises(UsageError, match=r"--certificate .*no certificate in PEM"):
        disclose_with(pair[0], pair[0])
    assert not fresh.path.exists()


def test_a_damaged_warehouse_is_not_sealed(
    warehouse: Warehouse, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    whole = bytearray(warehouse.path.read_bytes())
    middle = 3 * 4096 + 262144 // 2
    whole[middle : middle + 64] = bytes(one ^ 255 for one in whole[middle : middle + 64])
    warehouse.path.write_bytes(whole)
    with pytest.raises(DamagedError):
        warehouse.backup(tmp_path / "away" / "depot.zip", enclose=enclose_for(pair[1]))
    assert list((tmp_path / "away").iterdir()) == []


def test_who_is_killed_while_sealing_leaves_no_plain_copy(
    warehouse: Warehouse, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    away = tmp_path / "away"
    killed = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from flows.sealed import enclose_for\nfrom warehouse import sealed\n"
        "from warehouse.store import Warehouse\n"
        "sealed._PIECE_BYTES = 2**18\nenclose, count = enclose_for(Path(sys.argv[2])), [0]\n"
        "def some(data):\n"
        "    count[0] += 1\n"
        "    if count[0] == 4:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return enclose(data)\n"
        "Warehouse(sys.argv[1]).backup(sys.argv[3], enclose=some)\n"
    )
    before = sorted(warehouse.path.parent.iterdir())
    line = [sys.executable, "-c", killed, str(warehouse.path), str(pair[1]), str(away / "depot.zip")]
    done = subprocess.run(line, check=False, env={**os.environ})
    assert done.returncode == -signal.SIGKILL
    left = list(away.iterdir())
    assert [one.suffix for one in left] == [".partial"] and left[0].stat().st_size > 2**18
    assert PLAIN not in held(away)
    assert sorted(warehouse.path.parent.iterdir()) == before
    warehouse.backup(away / "depot.zip", enclose=enclose_for(pair[1]))


def test_large_files_are_sealed_and_opened_in_bounded_memory(pair: tuple[Path, Path], tmp_path: Path) -> None:
    run = (
        "import resource, sys\nfrom pathlib import Path\nfrom warehouse import sealed\n"
        "from flows.sealed import disclose_with, enclose_for\n"
        "key, cert, folder = map(Path, sys.argv[1:])\n"
        "with (folder / 'large').open('wb') as stream:\n"
        "    for number in range(20):\n"
        "        stream.write(number.to_bytes(1, 'big') * 2**24)\n"
        "enclose_for(cert)(b'warm')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "with (folder / 'large').open('rb') as stream:\n"
        "    sealed.seal({sealed.DATABASE: stream}, folder / 'sealed', enclose_for(cert))\n"
        "names = {sealed.DATABASE: folder / 'opened', sealed.LOG: folder / 'log'}\n"
        "sealed.unseal(folder / 'sealed', names, disclose_with(key, cert))\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    line = [sys.executable, "-c", run, *map(str, pair), str(tmp_path)]
    more_mb = int(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
    assert more_mb < 200  # of 320
    assert (tmp_path / "opened").read_bytes() == (tmp_path / "large").read_bytes()


def test_the_commands_seal_and_restore(warehouse: Warehouse, pair: tuple[Path, Path], tmp_path: Path) -> None:
    root = tmp_path / "work"
    run = CliRunner()
    assert run.invoke(app, ["init", str(root), "--zone", "DE-LU"]).exit_code == 0
    Warehouse(root / "warehouse.duckdb").restore(_plain_backup(warehouse, tmp_path))
    file, key, cert = str(tmp_path / "depot.zip"), *map(str, pair)
    done = run.invoke(app, ["-w", str(root), "backup", file, "--encrypt-for", cert])
    assert done.exit_code == 0 and f"verified, encrypted to {cert}" in done.output.replace("\n", "")
    (root / "warehouse.duckdb").unlink()
    wanting = run.invoke(app, ["-w", str(root), "restore", file, "--key", key])
    assert "belong together" in str(wanting.exception)
    both = ["--key", key, "--certificate", cert]
    done = run.invoke(app, ["-w", str(root), "restore", file, *both, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"]["core_price"] == len(warehouse.read("core_price"))
    refused = run.invoke(app, ["-w", str(root), "backup", file, "--check", "--encrypt-for", cert])
    assert isinstance(refused.exception, UsageError)


def _plain_backup(warehouse: Warehouse, folder: Path) -> Path:
    warehouse.backup(folder / "plain.duckdb")
    return folder / "plain.duckdb"
