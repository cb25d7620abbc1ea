"""An owner's statement: sums by hand, proof by the files alone, encryption, what is left out."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import NoAccountError, UsageError
from flows.stages import Context
from flows.stages.ledger import make_key
from flows.stages.statement import settle_month, statement, verify_statement
from flows.workspace import Workspace
from tests.flows.conftest import DAY
from tests.flows.test_realise import NEXT, OVER
from tests.flows.test_settle import (
    agreed_anew,
    late_meter,
    rows_of,
    settled,
    settled_around,
    settled_depot,
)
from warehouse.errors import LedgerError

__all__ = ["settled_around", "settled_depot"]
MONTH = DAY.replace(day=1)


def stated(workspace: Workspace, out: Path, car: str = "car-1", **options: Path) -> Path:
    context = Context.of(workspace, OVER)
    result = statement(context, car, MONTH, out=out, encrypt_for=options.get("encrypt_for"))
    return Path(result.files[0])


@pytest.fixture
def depot(settled_depot: Workspace) -> Workspace:
    make_key(settled_depot, "example.org/fleet")
    settle_month(Context.of(settled_depot, OVER), MONTH, "car-1")
    return settled_depot


def test_a_month_sums_what_its_days_were_settled_to(depot: Workspace, tmp_path: Path) -> None:
    page = stated(depot, tmp_path / "out")
    said = json.loads((page.parent / "statement.json").read_text())
    days = [rows_of(depot, day).set_index("battery_id").loc["car-1"] for day in (DAY, NEXT)]
    assert [one["market_date"] for one in said["days"]] == [f"{DAY}", f"{NEXT}"]
    for name, text in said["money"].items():
        if name != "received_eur":
            assert Decimal(text) == sum(Decimal(f"{row[name]:.2f}") for row in days), name
    names = ("owner_share", "fed_back", "bonus", "free", "compensation", "floor")
    received = sum(Decimal(f"{row[f'{name}_eur']:.2f}") for row in days for name in names)
    assert Decimal(said["money"]["received_eur"]) == received != 0
    assert received - Decimal(said["money"]["wear_eur"]) == Decimal(said["money"]["owner_eur"])
    hours = sum(row["plugged_hours"] for row in days)
    assert said["energy"]["plugged_hours"] == pytest.approx(hours, abs=1e-3)
    assert said["not_settled"] == {}
    assert said["without_imbalance"] == [f"{DAY}", f"{NEXT}"]
    text = page.read_text(encoding="utf-8")
    assert "On 2 days nothing is known of what departing from the schedule" in text
    assert f"2 of the month's {said['days_in_month']} days settled" in text
    assert said["days_in_month"] in (30, 31) and "wore more, at the price of the plan" in text
    for amount in said["money"].values():
        assert f"<td>{amount}</td>" in text
    health = said["battery"]["health"]
    assert health["low"] < health["value"] < health["high"]
    assert said["battery"]["v2g"]["l0_over_l"]["value"] > 1


def test_a_correction_stands_in_place_of_what_it_corrects(depot: Workspace, tmp_path: Path) -> None:
    first = json.loads((stated(depot, tmp_path / "a").parent / "statement.json").read_text())
    late = OVER + timedelta(days=1)
    late_meter(depot, late)
    settled(depot, DAY, NEXT, as_of=late)
    result = statement(Context.of(depot, late), "car-1", MONTH, out=tmp_path / "b", encrypt_for=None)
    later = json.loads((Path(result.files[0]).parent / "statement.json").read_text())
    assert [one["sequence"] for one in later["days"]] == [2, 1]
    assert later["money"] != first["money"] and later["metered_slots"] > 0
    with pytest.raises(UsageError, match="a statement is of then or later"):
        statement(Context.of(depot, OVER), "car-1", MONTH, out=tmp_path / "c", encrypt_for=None)


def test_who_has_the_folder_alone_finds_every_change(depot: Workspace, tmp_path: Path) -> None:
    folder = stated(depot, tmp_path / "out").parent
    shutil.rmtree(depot.root)
    done = CliRunner().invoke(app, ["ledger", "verify", str(folder)])
    assert done.exit_code == 0, done.output
    assert "€ received, as its 2 days sum to" in " ".join(done.output.split())

    def refused(name: str, change: bytes | None) -> None:
        broken = tmp_path / "broken"
        shutil.copytree(folder, broken)
        if change is None:
            (broken / name).unlink()
        else:
            (broken / name).write_bytes(change)
        with pytest.raises(LedgerError):
            verify_statement(broken, key=None, witnesses=(), since=None)
        shutil.rmtree(broken)

    said = (folder / "statement.json").read_bytes()
    refused("statement.json", said.replace(b'"received_eur": "', b'"received_eur": "9', 1))
    refused("index.html", (folder / "index.html").read_bytes() + b" ")
    refused("manifest", None)
    refused("index.html", None)
    refused("more.txt", b"")
    refused("ledger/openings.jsonl", b"")
    (folder / "more").mkdir()
    with pytest.raises(LedgerError, match="more is no part of the statement"):
        verify_statement(folder, key=None, witnesses=(), since=None)
    (folder / "more").rmdir()
    (tmp_path / "page").write_bytes((folder / "index.html").read_bytes())
    (folder / "index.html").unlink()
    (folder / "index.html").mkdir()
    with pytest.raises(LedgerError, match="is no plain file"):
        verify_statement(folder, key=None, witnesses=(), since=None)


def test_a_sum_that_was_signed_wrong_is_found(depot: Workspace, tmp_path: Path) -> None:
    import flows.stages.statement as stage

    folder = stated(depot, tmp_path / "out").parent
    said = json.loads((folder / "statement.json").read_text())
    said["money"]["received_eur"] = "1000.00"
    (folder / "statement.json").write_text(json.dumps(said))
    files = {name: (folder / name).read_bytes() for name in ("statement.json", "index.html")}
    from warehouse.ledger.note import SignerKey

    key = SignerKey.parse((depot.root / "ledger.key").read_text())
    (folder / "manifest").write_text(key.sign(stage._manifest(files)))
    with pytest.raises(LedgerError, match="money does not follow from the entries"):
        verify_statement(folder, key=None, witnesses=(), since=None)


def certificate(folder: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> Path:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "owner")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(datetime(2024, 1, 1, tzinfo=UTC))
    signed = made.not_valid_after(datetime(2034, 1, 1, tzinfo=UTC)).sign(key, hashes.SHA256())
    path = folder / "owner.pem"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return path


def test_an_encrypted_statement_opens_for_its_owner_alone(depot: Workspace, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    owner = certificate(tmp_path, key)
    file = stated(depot, tmp_path / "out", encrypt_for=owner)
    assert sorted(tmp_path.joinpath("out").iterdir()) == [file]
    assert b"car-1" not in file.read_bytes()
    cert = x509.load_pem_x509_certificate(owner.read_bytes())
    data = pkcs7.pkcs7_decrypt_der(file.read_bytes(), cert, key, [])
    zipfile.ZipFile(io.BytesIO(data)).extractall(tmp_path / "opened")
    verify_statement(tmp_path / "opened", key=None, witnesses=(), since=None)
    if shutil.which("openssl"):  # the way that the README names
        form = (
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
        )  # fmt: skip
        (tmp_path / "key.pem").write_bytes(key.private_bytes(*form))
        subprocess.run(
            ["openssl", "cms", "-decrypt", "-inform", "DER", "-in", file, "-inkey", tmp_path / "key.pem",
             "-out", tmp_path / "by-openssl.zip"], check=True, capture_output=True,
        )  # fmt: skip
        assert (tmp_path / "by-openssl.zip").read_bytes() == data


def test_a_certificate_that_cannot_be_used_is_named(depot: Workspace, tmp_path: Path) -> None:
    curve = certificate(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    for bad in (curve, tmp_path / "none.pem", depot.root / "v2g.toml"):
        with pytest.raises(UsageError, match=f"--encrypt-for {bad}"):
            stated(depot, tmp_path / "out", encrypt_for=bad)
    assert not (tmp_path / "out").exists()


def test_without_key_contract_or_day_there_is_none(settled_depot: Workspace, tmp_path: Path) -> None:
    context = Context.of(settled_depot, OVER)
    settle_month(context, MONTH, "car-1")
    with pytest.raises(UsageError, match="no key to sign with"):
        statement(context, "car-1", MONTH, out=tmp_path, encrypt_for=None)
    make_key(settled_depot, "example.org/fleet")
    with pytest.raises(UsageError, match="no entry of it"):
        statement(context, "car-9", MONTH, out=tmp_path, encrypt_for=None)
    with pytest.raises(NoAccountError, match="no day of 2024-01 is settled"):
        statement(context, "car-1", date(2024, 1, 1), out=tmp_path, encrypt_for=None)
    with pytest.raises(NoAccountError, match="no day of 2024-01 has an account"):
        settle_month(context, date(2024, 1, 1), "car-1")
    with pytest.raises(NoAccountError, match="no day of 2030-01 is over"):
        settle_month(context, date(2030, 1, 1), "car-1")


def test_a_contract_of_totals_alone_shows_no_energies(settled_depot: Workspace, tmp_path: Path) -> None:
    quiet = (settled_depot.root / "contract 0.toml").read_text() + '[privacy]\nmode = "totals"\n'
    workspace = agreed_anew(settled_depot, quiet)
    make_key(workspace, "example.org/fleet")
    settle_month(Context.of(workspace, OVER), MONTH, "car-1")
    page = stated(workspace, tmp_path / "out")
    said = json.loads((page.parent / "statement.json").read_text())
    assert set(said["energy"].values()) == {None} and said["battery"]["v2g"] is None
    assert "keeps totals alone" in page.read_text(encoding="utf-8")


def test_by_one_command_from_accounts_to_a_verified_statement(settled_depot: Workspace) -> None:
    make_key(settled_depot, "example.org/fleet")
    line = ["-w", str(settled_depot.root), "statement", "car-2", "--month", f"{MONTH:%Y-%m}", "--json"]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)["stages"]
    assert [one["stage"] for one in said] == ["realise", "settle", "statement"]
    folder = Path(said[-1]["files"][0]).parent
    assert folder == settled_depot.exports / "statements" / f"car-2-{MONTH:%Y-%m}"
    assert CliRunner().invoke(app, ["ledger", "verify", str(folder)]).exit_code == 0
    again = CliRunner().invoke(app, line)
    assert json.loads(again.stdout)["stages"][-1]["statement"]["money"] == said[-1]["statement"]["money"]


def test_what_another_car_lacks_degrades_only_its_own_statement(settled_depot: Workspace) -> None:
    one, rest = settled_depot.contracts
    own = replace(rest, batteries=frozenset({"car-2"}))
    workspace = replace(settled_depot, contracts=(one, own, replace(own, file="second.toml")))
    for car, exit_code in (("car-1", 0), ("car-2", 3)):
        _, settled_now = settle_month(Context.of(workspace, OVER), MONTH, car)
        assert settled_now.exit_code == exit_code
        assert "car-2 is not settled: 2 contracts hold it" in settled_now.message


def test_a_car_that_nobody_knows_is_refused_before_anything_is_settled(settled_depot: Workspace) -> None:
    make_key(settled_depot, "example.org/fleet")
    before = settled_depot.warehouse.read("out_settlement")
    asked = ["statement", "car-9", "--month", f"{MONTH:%Y-%m}"], ["ledger", "show", "--battery", "car-9"]
    for line in asked:
        refused = CliRunner().invoke(app, ["-w", str(settled_depot.root), *line])
        assert isinstance(refused.exception, UsageError)
        assert "'car-9' is not in the fleet" in f"{refused.exception}"
    assert len(settled_depot.warehouse.read("out_settlement")) == len(before)


def test_a_page_says_what_wear_is_counted_by(depot: Workspace, tmp_path: Path) -> None:
    from flows.publish.owner_page import statement_page

    said = json.loads((stated(depot, tmp_path / "out").parent / "statement.json").read_text())
    assert said["wear_by"] == ["price"]
    by_twin = statement_page(depot, said | {"wear_by": ["twin"]})
    assert "wore more, by its twin for the days as driven" in by_twin
    both = statement_page(depot, said | {"wear_by": ["price", "twin"]})
    assert "at the price of the plan or by its twin, as the contract of the day says" in both
