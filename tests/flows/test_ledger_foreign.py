"""A verifier that others wrote (aics-tlog, in a Python of its own) accepts exports, we its witness."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.flows.test_ledger import KEY, exported, opened_days
from tests.optimize.logs import settled_days
from warehouse.errors import LedgerError
from warehouse.ledger.entries import commitment
from warehouse.ledger.folder import export_files, read_export, verified, write_export
from warehouse.ledger.merkle import Tree, leaf_hash
from warehouse.ledger.note import VerifierKey, encoded
from warehouse.ledger.tiles import bundled_entries

FOREIGN = "aics-tlog==0.2.1"
_CHECK = r"""
import base64, json, re, sys
from pathlib import Path
import aics_tlog as t
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
folder, early = Path(sys.argv[1]), json.loads(sys.argv[2])
key = t.read_vkey_file((folder / "log.vkey").read_text())
note = t.parse_note((folder / "checkpoint").read_bytes())
head = t.parse_checkpoint(note.text)
assert t.verify_checkpoint(note, key, expected_origin=head.origin).ok
reader = t.FileSystemTileReader(folder)
t.audit_tiles(reader, head.size, head.root)
for index in range(head.size):
    entry = t.read_entry(reader, index, head.size)
    proof = t.inclusion_proof_from_tiles(reader, index, head.size)
    assert t.verify_leaf_inclusion(entry, index, head.size, proof, head.root)
for size, root, proof in early:
    steps = [base64.b64decode(step) for step in proof]
    assert t.verify_consistency(size, head.size, base64.b64decode(root), head.root, steps)
    assert steps == t.consistency_proof_from_tiles(reader, size, head.size)
receipts = 0
for path in (folder / "receipts").glob("*.tlog-proof"):
    proof, _, told = path.read_text().partition("\n\n")
    kind, index, *steps = proof.split("\n")
    assert kind == "c2sp.org/tlog-proof@v1" and index == "index " + path.stem
    assert t.verify_checkpoint(t.parse_note(told), key).ok
    entry = t.read_entry(reader, int(path.stem), head.size)
    steps = [base64.b64decode(step) for step in steps]
    assert t.verify_leaf_inclusion(entry, int(path.stem), head.size, steps, head.root)
    receipts += 1
witness = Ed25519PrivateKey.generate()
name = "witness.example/w1"
_, line = t.sign_cosignature(witness, name, 1767000000, head.origin, head.size, head.root)
cosigned = t.Note(text=note.text, signatures=(*note.signatures, line)).to_bytes().decode()
vkey = t.format_vkey(t.cosignature_vkey(name, witness.public_key()))
print(json.dumps({"size": head.size, "receipts": receipts, "cosigned": cosigned, "witness": vkey}))
"""


@pytest.fixture(scope="module")
def foreign_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = [shutil.which(name) for name in ("python3.12", "python3.13", "python3.14")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found += [str(path) for path in sorted(pyenv.glob("versions/3.1[2-9]*/bin/python"))]
    version = "import sys; print(sys.version_info >= (3, 12))"
    for python in filter(None, found):
        answer = subprocess.run([python, "-c", version], capture_output=True, text=True, check=False)
        if answer.stdout.strip() != "True":
            continue
        home = tmp_path_factory.mktemp("foreign") / "venv"
        steps = ([python, "-m", "venv", str(home)], [str(home / "bin/pip"), "-q", "install", FOREIGN])
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"{FOREIGN} cannot be installed: {done.stderr.strip()[-200:]}")
        return home / "bin/python"
    pytest.skip(f"{FOREIGN} needs a Python of 3.12 or later")


@pytest.mark.slow
def test_a_foreign_verifier_accepts_checkpoint_tiles_proofs_and_receipts(
    foreign_python: Path, tmp_path: Path
) -> None:
    days = settled_days(600, 7)
    openings = opened_days(days)
    committed = [commitment(one.salt, one.text) for one in openings]
    own = [openings[index] for index in (0, 255, 256, 599)]
    folder = tmp_path / "export"
    names = {json.loads(one.text)["contract_digest"] for one in own}
    texts = {one.digest: one.text for _, one in days if one.digest in names}
    write_export(folder, export_files(committed, own, texts, KEY, "some"))
    files = read_export(folder)
    assert verified(files, key=KEY.verifier).checkpoint.size == 600
    tree = Tree([leaf_hash(one) for one in bundled_entries(files, 600)])
    early = [
        (size, encoded(tree.root(size)), [encoded(step) for step in tree.consistency(size)])
        for size in (1, 2, 255, 256, 257, 511, 599)
    ]
    words = [str(foreign_python), "-c", _CHECK, str(folder), json.dumps(early)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["size"], answer["receipts"]) == (600, 4)
    # What the foreign witness cosigned is accepted, and demanded where it is named.
    witness = VerifierKey.parse(answer["witness"])
    cosigned = {**files, "checkpoint": answer["cosigned"].encode()}
    assert verified(cosigned, witnesses=[witness]).checkpoint.size == 600
    with pytest.raises(LedgerError, match=r"checkpoint is not signed by witness\.example/w1"):
        verified(files, witnesses=[witness])
    # And it refuses what was changed.
    tile = folder / "tile" / "0" / "000"
    tile.write_bytes(b"\x00" + tile.read_bytes()[1:])
    assert subprocess.run(words, capture_output=True, check=False).returncode != 0
    assert exported(days, openings)["tile/0/000"] != tile.read_bytes()
