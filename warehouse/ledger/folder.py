"""An export of the log: all that a counterparty needs to verify it alone.

checkpoint           the log's head, signed (tlog-checkpoint); witnesses add their lines
log.vkey             the key that signed: to be compared with the one that was given by other means
tile/…               the tree and its entries (tlog-tiles); they tell nothing about anybody
openings.jsonl       salts and texts of the entries that the reader may know, in order
contracts/….toml     the contracts that they name, by the SHA-256 of their text
erased.json          where it holds entries that nobody can open any more: which, and contracts without a name
receipts/….tlog-proof  proof of each of them (tlog-proof), where not all of the log is opened
manifest             SHA-256 of every file but the checkpoint, signed as a note
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from warehouse.errors import LedgerError
from warehouse.files import make_folder, partial_of, write_whole
from warehouse.ledger.entries import commitment, entry
from warehouse.ledger.merkle import Tree, leaf_hash, verify_consistency
from warehouse.ledger.note import Checkpoint, SignerKey, VerifierKey, encoded, opened
from warehouse.ledger.tiles import bundled_entries, tile_files

ALL = "all"
ERASED_FILE = "erased.json"
_KIND = "v2g-planner/ledger-export/1"
_APART = ("checkpoint", "manifest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A text that an entry commits to, and the salt with which."""

    index: int
    salt: str
    text: str

    @property
    def line(self) -> str:
        """Its line in openings.jsonl."""
        said = {"entry": self.index, "opening": self.text, "salt": self.salt}
        return json.dumps(said, separators=(",", ":"), ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was erased at an owner's wish: entries whose salt and text are gone, and contracts (digest of the
    text that was agreed → SHA-256 of what is left of it), which named a car that is gone.

    The tree proves that the entries are what they were; that these are the ones that were erased is said by
    who signs, and so is what is left of a contract.
    """

    entries: tuple[int, ...] = ()
    contracts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, text: str, size: int) -> Erased:
        """Read erased.json; raises LedgerError."""
        try:
            said = json.loads(text)
            found = cls(entries=tuple(said["entries"]), contracts=dict(said["contracts"]))
            if found.text != text:
                raise ValueError("not in its only right form")
            if any(type(one) is not int or not 0 <= one < size for one in found.entries):
                raise ValueError("an entry is not in the log")
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(f"{ERASED_FILE} does not tell what was erased ({error})") from error
        return found

    @property
    def text(self) -> str:
        """Its bytes as a file; "" where nothing was erased."""
        if not self.entries and not self.contracts:
            return ""
        said = {"contracts": dict(sorted(self.contracts.items())), "entries": sorted(set(self.entries))}
        return json.dumps(said, separators=(",", ":")) + "\n"


NOTHING_ERASED = Erased()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What an export proves. of: whose entries are opened, "all" for each. contracts: digest → text."""

    checkpoint: Checkpoint
    key: VerifierKey
    of: str
    openings: Sequence[Opening]
    contracts: Mapping[str, str]
    erased: Erased = NOTHING_ERASED


def export_files(
    committed: Sequence[str],
    openings: Sequence[Opening],
    contracts: Mapping[str, str],
    key: SignerKey,
    of: str,
    erased: Erased = NOTHING_ERASED,
) -> dict[str, bytes]:
    """Every file of an export by its path. committed: commitment of each entry, in order."""
    entries = [entry(one) for one in committed]
    tree = Tree([leaf_hash(one) for one in entries])
    note = key.sign(Checkpoint(key.name, tree.size, tree.root()).text)
    files = {
        "log.vkey": f"{key.verifier.text}\n".encode(),
        "openings.jsonl": "".join(one.line for one in openings).encode(),
        **({ERASED_FILE: erased.text.encode()} if erased.text else {}),
        **tile_files(tree, entries),
        **{f"contracts/{digest}.toml": text.encode() for digest, text in contracts.items()},
        **(_receipts(tree, openings, note) if of != ALL else {}),
    }
    manifest = key.sign(_manifest(of, tree.size, files))
    return {**files, "checkpoint": note.encode(), "manifest": manifest.encode()}


def write_export(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write it to a folder that is not there yet, whole or not at all; raises FileExistsError."""
    if folder.exists() or folder.is_symlink():
        raise FileExistsError(f"{folder} is there already: an export is written to a new folder")
    partial = make_folder(partial_of(folder))
    for name, data in files.items():
        write_whole(make_folder((partial / name).parent) / Path(name).name, data)
    partial.rename(folder)


def read_export(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path; raises LedgerError for what is neither file nor folder."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise LedgerError(f"{path} is no plain file")
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    if "checkpoint" not in files:
        raise LedgerError(f"{folder} is no export of a ledger: it holds no checkpoint")
    return files


def verified(
    files: Mapping[str, bytes],
    *,
    key: VerifierKey | None = None,
    witnesses: Sequence[VerifierKey] = (),
    since: str | None = None,
) -> Verified:
    """What an export proves; raises LedgerError that names the first thing that does not hold.

    key: that of the log, as given by other means; the export's own without. witnesses: who must have cosigned
    the checkpoint. since: a checkpoint seen earlier, which the log must extend.
    """
    own = VerifierKey.parse(_text(files, "log.vkey").removesuffix("\n"))
    if key is not None and key != own:
        raise LedgerError(f"log.vkey is {own.text}, not the key {key.text}")
    if _text(files, "log.vkey") != own.text + "\n":
        raise LedgerError("log.vkey is not one line")
    of, size = _held_manifest(files, opened(_text(files, "manifest"), own, what="manifest"))
    note = opened(_text(files, "checkpoint"), own, what="checkpoint", witnesses=tuple(witnesses))
    head = Checkpoint.parse(note)
    if (head.origin, head.size) != (own.name, size):
        raise LedgerError(
            f"checkpoint is of {head.origin} with {head.size} entries, not {own.name} with {size}"
        )
    entries = bundled_entries(files, size)
    tree = Tree([leaf_hash(one) for one in entries])
    if tree.root() != head.root:
        raise LedgerError("the entries do not have the root that the checkpoint tells")
    erased = (
        Erased.of_json(_text(files, ERASED_FILE), len(entries)) if ERASED_FILE in files else NOTHING_ERASED
    )
    openings = _openings(_text(files, "openings.jsonl"), entries, of, erased)
    contracts = {
        name.removeprefix("contracts/").removesuffix(".toml"): _text(files, name)
        for name in files
        if name.startswith("contracts/")
    }
    for digest, text in contracts.items():
        if hashlib.sha256(text.encode()).hexdigest() != erased.contracts.get(digest, digest):
            raise LedgerError(f"contracts/{digest}.toml is not the text that its name is the SHA-256 of")
    made = {
        **tile_files(tree, entries),
        **(_receipts(tree, openings, own_note(_text(files, "checkpoint"), own)) if of != ALL else {}),
    }
    named = {
        "log.vkey",
        "openings.jsonl",
        *([ERASED_FILE] if erased.text else []),
        *_APART,
        *(f"contracts/{digest}.toml" for digest in contracts),
        *made,
    }
    if wrong := sorted(
        (set(files) ^ named) | {name for name, data in made.items() if files.get(name) != data}
    ):
        raise LedgerError(f"{wrong[0]} is not what follows from the entries")
    if since is not None:
        _extends(tree, Checkpoint.parse(opened(since, own, what="the earlier checkpoint")))
    return Verified(checkpoint=head, key=own, of=of, openings=openings, contracts=contracts, erased=erased)


def own_note(note: str, key: VerifierKey) -> str:
    """A note with the signature of the key alone, as before witnesses cosigned."""
    text, _, signed = note.rpartition("\n\n")
    lines = [line for line in signed.split("\n") if line.startswith(f"— {key.name} ")]
    return f"{text}\n\n" + "".join(f"{line}\n" for line in lines)


def _receipts(tree: Tree, openings: Sequence[Opening], note: str) -> dict[str, bytes]:
    found = {}
    for one in openings:
        steps = "".join(f"{encoded(step)}\n" for step in tree.inclusion(one.index))
        proof = f"c2sp.org/tlog-proof@v1\nindex {one.index}\n{steps}\n{note}"
        found[f"receipts/{one.index}.tlog-proof"] = proof.encode()
    return found


def _extends(tree: Tree, earlier: Checkpoint) -> None:
    if earlier.size > tree.size:
        raise LedgerError(f"the log has {tree.size} entries, fewer than the {earlier.size} of earlier")
    proof = tree.consistency(earlier.size)
    if not verify_consistency(earlier.size, tree.size, earlier.root, tree.root(), proof):
        raise LedgerError(f"the log is not what it was with {earlier.size} entries: it was rewritten")


def _manifest(of: str, size: int, files: Mapping[str, bytes]) -> str:
    sums = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return f"{_KIND}\nof {of}\nsize {size}\n{sums}"


def _held_manifest(files: Mapping[str, bytes], stated: str) -> tuple[str, int]:
    kind, *lines = stated.split("\n")
    if kind != _KIND or len(lines) < 2 or not lines[0].startswith("of ") or not lines[1][5:].isdecimal():
        raise LedgerError("manifest is not that of an export of this form")
    of, size = lines[0][3:], int(lines[1][5:])
    listed = {line[66:]: line[:64] for line in lines[2:-1]}
    there: Collection[str] = set(files) - set(_APART)
    if odd := sorted(set(listed) ^ set(there)):
        raise LedgerError(f"{odd[0]} is {'missing' if odd[0] in listed else 'no part of the export'}")
    for name, digest in listed.items():
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise LedgerError(f"{name} was changed: its SHA-256 is not the manifest's")
    return of, size


def _openings(text: str, entries: Sequence[bytes], of: str, erased: Erased) -> list[Opening]:
    found: list[Opening] = []
    if text and not text.endswith("\n"):
        raise LedgerError("openings.jsonl is cut at its end")
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            said = json.loads(line)
            one = Opening(index=said["entry"], salt=said["salt"], text=said["opening"])
            if type(one.index) is not int or one.line != line + "\n":
                raise ValueError("not in its only right form")
            held = (
                0 <= one.index < len(entries) and entry(commitment(one.salt, one.text)) == entries[one.index]
            )
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(f"openings.jsonl, line {number}: no opening ({error})") from error
        if not held:
            raise LedgerError(f"openings.jsonl, line {number}: not what entry {one.index} commits to")
        if found and one.index <= found[-1].index:
            raise LedgerError(f"openings.jsonl, line {number}: entry {one.index} is out of order")
        found.append(one)
    if both := {one.index for one in found} & set(erased.entries):
        raise LedgerError(f"entry {min(both)} is opened, and {ERASED_FILE} says that it cannot be")
    if of == ALL and len(found) + len(set(erased.entries)) != len(entries):
        raise LedgerError(f"openings.jsonl opens {len(found)} of {len(entries)} entries, not all of them")
    return found


def _text(files: Mapping[str, bytes], name: str) -> str:
    try:
        return files[name].decode()
    except KeyError:
        raise LedgerError(f"{name} is missing") from None
    except UnicodeDecodeError as error:
        raise LedgerError(f"{name} is no text") from error
