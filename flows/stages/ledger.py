"""The ledger: its key, what it holds, exports of it, and their verification from the files alone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.context import Context
from flows.errors import UsageError
from flows.plain import records
from flows.stages.record import StageResult
from flows.workspace import Workspace
from optimize.errors import OptimizeError
from optimize.market.contract import Contract, read_contract
from optimize.market.opening import disagreements
from warehouse.errors import LedgerError
from warehouse.files import new_file
from warehouse.ledger.entries import commitment
from warehouse.ledger.folder import (
    ALL,
    Erased,
    Opening,
    Verified,
    export_files,
    read_export,
    verified,
    write_export,
)
from warehouse.ledger.note import SignerKey, VerifierKey

KEY_FILE = "ledger.key"
KEY_VARIABLE = "V2G_LEDGER_KEY"
_SHOWN_FAULTS = 20


def make_key(workspace: Workspace, name: str) -> StageResult:
    """Make the log's key in the workspace, once; raises UsageError where there is one."""
    path = workspace.root / KEY_FILE
    try:
        key = SignerKey.make(name)
        with new_file(path) as stream:
            stream.write(f"{key.text}\n".encode())
    except FileExistsError:
        raise UsageError(f"{path} is there already: a log keeps its key") from None
    except LedgerError as error:
        raise UsageError(f"--name: {error}") from error
    fields = {"key": key.verifier.text}
    return StageResult(
        stage="ledger key", status="ok", message=f"give counterparties {key.verifier.text}", details=fields
    )


def require_car(context: Context, battery_id: str) -> None:
    """Refuse a car that nobody has declared or settled with: UsageError."""
    for table in ("core_battery", "out_ledger"):
        if not context.known.read(table, where={"battery_id": battery_id}, columns=["battery_id"]).empty:
            return
    raise UsageError(f"battery {battery_id!r} is not in the fleet", hint="`v2g ingest fleet` declares cars.")


def entries(context: Context, battery: str | None) -> StageResult:
    """The entries of the log, or of one car, with what each settled."""
    where: dict[str, Any] = {} if battery is None else {"battery_id": battery}
    rows = records(context.known.read("out_ledger", where=where))
    if battery is not None and not rows:
        require_car(context, battery)
    noted = []
    for row in rows:
        said = json.loads(row["opening"]) if row["opening"] else None
        noted.append(
            {
                "entry": row["entry_index"],
                "market_date": str(row["market_date"]),
                "sequence": said and said["sequence"],
                "battery_id": row["battery_id"],
                "contract_id": said and said["contract_id"],
                "owner_eur": said and float(said["figures"]["owner_eur"]),
                "owner_correction_eur": said and float(said["owner_correction_eur"]),
                "commitment": row["commitment"],
            }
        )
    return StageResult(
        stage="ledger",
        status="ok",
        message=f"{len(noted)} entries",
        tables={"entries": context.workspace.money.rows(noted)},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export that is not written yet. entries: of the log; opened: of them, with salt and text.

    newest: the latest moment that one of these was settled as of.
    """

    files: Mapping[str, bytes]
    key: SignerKey
    entries: int
    opened: Sequence[Opening]
    newest: datetime


def export_of(context: Context, batteries: Sequence[str]) -> Export:
    """The log as files that verify alone; batteries: whose entries are opened, none named: all.

    Raises UsageError without a key and for a car without an entry, LedgerError where the warehouse does not
    hold what its own entries commit to.
    """
    warehouse = context.workspace.warehouse
    key = signer_of(context.workspace)
    # The log is what was written, as of whatever moment: every entry has its place in the tree.
    rows = records(warehouse.read("out_ledger"))
    for place, row in enumerate(rows):
        held = not row["opening"] or commitment(row["salt"], row["opening"]) == row["commitment"]
        if row["entry_index"] != place or not held:
            raise LedgerError(f"out_ledger: entry {place} is missing, or is not what it commits to")
    gone = tuple(row["entry_index"] for row in rows if not row["opening"])
    if unknown := sorted(set(batteries) - {str(row["battery_id"]) for row in rows}):
        raise UsageError(f"battery {unknown[0]!r}: the ledger has no entry of it")
    chosen = [row for row in rows if row["opening"] and (not batteries or row["battery_id"] in batteries)]
    openings = [Opening(index=row["entry_index"], salt=row["salt"], text=row["opening"]) for row in chosen]
    wanted = sorted({json.loads(one.text)["contract_digest"] for one in openings})
    texts = {
        row["contract_digest"]: row["contract_text"]
        for row in records(warehouse.read("out_contract", where={"contract_digest": wanted}))
    }
    of = ",".join(sorted(set(batteries))) or ALL
    found = {digest: hashlib.sha256(text.encode()).hexdigest() for digest, text in texts.items()}
    less = {digest: now for digest, now in found.items() if now != digest}
    erased = Erased(entries=gone, contracts=less)
    files = export_files([row["commitment"] for row in rows], openings, texts, key, of, erased)
    newest = max((row["as_of_utc"] for row in chosen), default=context.as_of)
    return Export(files=files, key=key, entries=len(rows), opened=openings, newest=newest)


def export_ledger(context: Context, folder: Path, batteries: Sequence[str]) -> StageResult:
    """Write `export_of` to a folder; raises UsageError for one that is there."""
    export = export_of(context, batteries)
    try:
        write_export(folder, export.files)
    except FileExistsError as error:
        raise UsageError(str(error)) from error
    opened, key = len(export.opened), export.key.verifier.text
    return StageResult(
        stage="ledger export",
        status="ok",
        message=f"{opened} of {export.entries} entries opened, signed by {key}",
        files=(str(folder),),
        details={"key": key, "entries": export.entries, "opened": opened},
    )


def proved_by(
    folder: Path, *, key: str | None, witnesses: Sequence[str], since: Path | None
) -> tuple[Verified, int]:
    """What an export proves by its files alone, every settled figure counted again, and how many of its
    entries keep totals alone.

    key, witnesses: texts of keys; since: a file with an earlier checkpoint. Raises UsageError for what is no
    folder, LedgerError where something does not hold: every figure that does not follow is named, up to some.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    proved = verified(
        read_export(folder),
        key=None if key is None else VerifierKey.parse(key),
        witnesses=[VerifierKey.parse(one) for one in witnesses],
        since=None if since is None else _text(since),
    )
    faults, quiet = _counted_again(proved)
    if faults:
        more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
        raise LedgerError("; ".join(faults[:_SHOWN_FAULTS]) + more)
    return proved, quiet


def verify_ledger(
    folder: Path, *, key: str | None, witnesses: Sequence[str], since: Path | None
) -> StageResult:
    """Verify an export by its files alone; exit code 4 where something does not hold."""
    return proof_result(
        *proved_by(folder, key=key, witnesses=witnesses, since=since), key_given=key is not None
    )


def proof_result(proved: Verified, quiet: int, *, key_given: bool) -> StageResult:
    """The answer of what was proved (`proved_by`)."""
    trusted = (
        "as given" if key_given else "which the export itself tells: compare it with the one you were given"
    )
    parts = [
        f"{proved.checkpoint.size} entries, {len(proved.openings)} of them opened and counted again",
        f"signed by {proved.key.text}, {trusted}",
    ]
    if quiet:
        parts.append(f"{quiet} keep totals alone: their payments for energy and hours are as given")
    erased = proved.erased
    if erased.entries:
        which = ", ".join(map(str, sorted(erased.entries)[:_SHOWN_FAULTS]))
        more = ", …" if len(erased.entries) > _SHOWN_FAULTS else ""
        parts.append(
            f"{len(erased.entries)} were erased at their owner's wish ({which}{more}): they are in the tree, "
            "and nobody can open them"
        )
    if erased.contracts:
        parts.append(
            f"{len(erased.contracts)} contracts named a car that was erased: what is left of their text is "
            "as given"
        )
    return StageResult(
        stage="ledger verify",
        status="ok",
        message="; ".join(parts),
        details={
            "erased": sorted(erased.entries),
            "contracts_scrubbed": sorted(erased.contracts),
            "entries": proved.checkpoint.size,
            "opened": len(proved.openings),
            "totals_alone": quiet,
            "root": proved.checkpoint.root.hex(),
            "key": proved.key.text,
        },
    )


def _counted_again(proved: Verified) -> tuple[list[str], int]:
    """What does not follow from contracts, inputs and earlier entries, and how many keep totals alone."""
    contracts: dict[str, Contract] = {}
    faults: list[str] = []
    newest: dict[tuple[str, ...], Mapping[str, Any]] = {}
    quiet = 0
    for one in proved.openings:
        try:
            said = json.loads(one.text)
            digest = said["contract_digest"]
            if digest not in contracts:
                contracts[digest] = read_contract(proved.contracts[digest], f"contracts/{digest[:12]}.toml")
            wrong = disagreements(said, contracts[digest])
            day = (said["zone"], said["market_date"], said["battery_id"])
            wrong += _uncorrected(said, newest.get(day))
            newest[day] = said
            quiet += contracts[digest].privacy == "totals"
        except (OptimizeError, KeyError, ValueError, TypeError) as error:
            wrong = [f"cannot be counted again: {error}"]
        faults += [f"entry {one.index}: {why}" for why in wrong]
    if unused := sorted(set(proved.contracts) - set(contracts)):
        faults.append(f"contracts/{unused[0]}.toml is named by no entry")
    return faults, quiet


def _uncorrected(said: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[str]:
    """What of the corrections does not follow from the settlement before."""
    from decimal import Decimal

    wrong = []
    if before is not None and said["corrects"] != before["settlement_id"]:
        wrong.append(f"it corrects {said['corrects']}, not {before['settlement_id']}")
    for whose in ("owner", "grid"):
        was = Decimal(before["figures"][f"{whose}_eur"]) if before is not None else Decimal(0)
        due = Decimal(said["figures"][f"{whose}_eur"]) - was
        if said[f"{whose}_correction_eur"] != f"{due:.2f}":
            wrong.append(f"{whose}_correction_eur is {said[f'{whose}_correction_eur']}, not {due:.2f}")
    return wrong


def own_site(workspace: Workspace) -> str | None:
    """The name of the workspace's own key, by which other sites know it; None without one."""
    if not os.environ.get(KEY_VARIABLE) and not (workspace.root / KEY_FILE).is_file():
        return None
    return signer_of(workspace).name


def signer_of(workspace: Workspace) -> SignerKey:
    """The log's key, of the environment or the workspace's private file; raises UsageError, LedgerError."""
    if stated := os.environ.get(KEY_VARIABLE):
        return SignerKey.parse(stated)
    path = workspace.root / KEY_FILE
    if not path.is_file():
        raise UsageError(
            f"there is no key to sign with: {path}", hint="`v2g ledger key --name NAME` makes one."
        )
    if path.stat().st_mode & 0o077:
        raise UsageError(f"{path} can be read by others: chmod 600 it, or make a new log key")
    return SignerKey.parse(_text(path))


def _text(path: Path) -> str:
    """A file that has to be text; raises LedgerError for one that is none, OSError."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LedgerError(f"{path} is no text") from error
