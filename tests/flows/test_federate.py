"""Sites tell each other of ageing: signed, held to their keys, and named on the calibration that used it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import SettingsError, UsageError
from flows.mapping import federated, siblings
from flows.mapping.federated import bases_of, signed_sums
from flows.stages import Context
from flows.stages.calibrate import calibrate
from flows.stages.federate import merge, share
from flows.stages.ledger import make_key, own_site
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF
from tests.twin.test_twin_federated import lessons
from twin.federated import federated_prior, merged, sums_of, sums_of_text
from twin.record import TwinRecord
from warehouse.errors import LedgerError
from warehouse.ledger.note import SignerKey

NORTH, SOUTH = SignerKey.make("example.org/north"), SignerKey.make("example.org/south")
KEYS = [NORTH.verifier.text, SOUTH.verifier.text]


@pytest.fixture
def told(tmp_path: Path) -> list[Path]:
    """What two sites told: both of nmc811, one of nca besides."""
    sums = {
        NORTH: [sums_of("nmc811", lessons(12, 1)), sums_of("nca", lessons(6, 2))],
        SOUTH: [sums_of("nmc811", lessons(30, 3))],
    }
    files = []
    for key, one in sums.items():
        files.append(tmp_path / f"{key.name.rpartition('/')[2]}.sums")
        files[-1].write_text(signed_sums(one, key), encoding="utf-8")
    return files


def using(workspace: Workspace, file: Path) -> Workspace:
    settings = workspace.root / "v2g.toml"
    text = settings.read_text(encoding="utf-8")
    assert 'prior = ""' in text
    text = text.replace("full_every_days = 30.0", "full_every_days = 0.0")
    settings.write_text(text.replace('prior = ""', f'prior = "{file}"'), encoding="utf-8")
    return Workspace.open(workspace.root)


def test_a_prior_of_two_sites_is_the_pooled_fit_and_calibrations_name_it(
    depot: Workspace, told: Sequence[Path], tmp_path: Path
) -> None:
    out = tmp_path / "others.prior"
    result = merge(told, KEYS, out)
    pooled = federated_prior(
        merged([sums_of("nmc811", lessons(12, 1)), sums_of("nmc811", lessons(30, 3))]), "x"
    )
    rows = [row for row in result.tables["prior"] if row["chemistry"] == "nmc811"]
    assert [row["mean"] for row in rows] == pytest.approx(pooled.mean.tolist(), abs=1e-9)
    assert [row["sd"] for row in rows] == pytest.approx(pooled.sd.tolist(), abs=1e-9)
    workspace = using(depot, out)
    late = AS_OF + timedelta(days=1)
    assert calibrate(Context.of(workspace, late)).status == "ok"
    found = workspace.warehouse.read("out_calibration", where={"battery_id": "car-1"}).sort_values(
        "as_of_utc"
    )
    before, after = (TwinRecord.from_json(one).prior for one in found["parameters_json"].iloc[[0, -1]])
    assert before is not None and before.federated is None
    assert after is not None and after.mean == pytest.approx(pooled.mean.tolist(), abs=1e-9)
    assert after.federated is not None and after.federated.startswith(
        "42 batteries of example.org/north, example.org/south ("
    )
    shown = CliRunner().invoke(app, ["twin", "show", "car-1", "-w", str(workspace.root), "--json"])
    assert after.federated in shown.stdout


def test_what_is_changed_unknown_or_twice_there_is_refused_by_name(
    told: Sequence[Path], tmp_path: Path
) -> None:
    out, north = tmp_path / "x.prior", told[0]
    with pytest.raises(
        UsageError, match=r"south\.sums is signed by example\.org/south, whose --key was not given"
    ):
        merge(told, KEYS[:1], out)
    with pytest.raises(UsageError, match=r"example\.org/north is there twice"):
        merge([north, north], KEYS, out)
    text = north.read_text(encoding="utf-8")
    first = json.loads(text.split("\n")[1])[0]
    for line in (f"{first['weight'][0]!r}", f"{first['batteries'][0]},"):
        north.write_text(
            text.replace(line, line[:-2] + "7" + line[-1:] if line.endswith(",") else line[:-1] + "7", 1)
        )
        with pytest.raises(
            LedgerError, match=r"north\.sums: the signature of example\.org/north.* does not hold"
        ):
            merge(told, KEYS, out)
    few = text.split("\n")[1].replace('"batteries":[12,', '"batteries":[4,', 1)
    north.write_text(NORTH.sign(f"v2g-planner/ageing-statistics/1\n{few}\n"), encoding="utf-8")
    with pytest.raises(UsageError, match="nmc811: sei_factor is of 4 batteries, 5 are the least"):
        merge(told, KEYS, out)
    north.write_text("no note", encoding="utf-8")
    with pytest.raises(UsageError, match=r"north\.sums is signed by nobody"):
        merge(told, KEYS, out)
    assert not out.exists()


def test_a_file_that_was_changed_stops_the_calibration(
    depot: Workspace, told: Sequence[Path], tmp_path: Path
) -> None:
    out = tmp_path / "others.prior"
    merge(told, KEYS, out)
    said = json.loads(out.read_text(encoding="utf-8"))
    said["sites"][1]["note"] = said["sites"][1]["note"].replace('"batteries":[30', '"batteries":[300', 1)
    out.write_text(json.dumps(said), encoding="utf-8")
    workspace = using(depot, out)
    with pytest.raises(SettingsError, match=r"prior = .*example\.org/south.* does not hold"):
        calibrate(Context.of(workspace, AS_OF + timedelta(days=1)))
    out.unlink()
    with pytest.raises(SettingsError, match="prior = "):
        calibrate(Context.of(workspace, AS_OF + timedelta(days=1)))


def test_a_sites_own_word_is_left_out_of_its_prior(
    depot: Workspace, told: Sequence[Path], tmp_path: Path
) -> None:
    out = tmp_path / "all.prior"
    merge(told, KEYS, out)
    workspace = using(depot, out)
    assert own_site(workspace) is None
    (workspace.root / "ledger.key").write_text(NORTH.text + "\n", encoding="utf-8")
    (workspace.root / "ledger.key").chmod(0o600)
    found = bases_of(workspace, own_site(workspace))
    assert list(found) == ["nmc811"]  # what it alone told of nca is gone
    alone = federated_prior(sums_of("nmc811", lessons(30, 3)), "x")
    assert found["nmc811"].mean.tolist() == pytest.approx(alone.mean.tolist(), abs=1e-12)
    assert set(bases_of(workspace, None)) == {"nmc811", "nca"}


def test_a_site_shares_what_enough_batteries_teach(
    depot: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, context = tmp_path / "own.sums", Context.of(depot, AS_OF + timedelta(days=2))
    with pytest.raises(UsageError, match="no key to sign with"):
        share(context, file)
    key = make_key(depot, "example.org/own").details["key"]
    with pytest.raises(UsageError, match=r"5 are the least$|nothing to tell$"):
        share(context, file)
    enough = {f"car-{n}": one for n, one in enumerate(lessons(8, 4))}
    monkeypatch.setattr(siblings, "_lessons", lambda *_: enough)
    monkeypatch.setattr(
        siblings, "_chemistries", lambda *_: dict.fromkeys(enough, "nmc811") | {"car-7": "nca"}
    )
    result = share(context, file)
    assert "nca: 1 batteries have something to teach" in result.message
    assert result.details["chemistries"] == ["nmc811"]
    note = file.read_text(encoding="utf-8")
    assert sums_of_text(note.split("\n")[1])[0] == sums_of("nmc811", lessons(8, 4)[:7])
    with pytest.raises(UsageError, match="is there already"):
        share(context, file)
    out = str(tmp_path / "out.prior")
    words = ["twin", "merge", str(file), "--key", key, "--out", out, "--json"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert federated.sites_of_text(Path(out).read_text(encoding="utf-8"), "out")[0].key.text == key
    file.write_text(note.replace('"batteries":[7', '"batteries":[8', 1), encoding="utf-8")
    with pytest.raises(LedgerError, match="does not hold"):
        CliRunner().invoke(app, [*words[:-2], out + "2"], catch_exceptions=False)
