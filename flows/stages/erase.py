"""Erase an owner: every row, page, copy and file of the workspace that tells of their cars.

The names of what goes are kept in the workspace first; then the warehouse, its copies there, the files, the
pages that are written again. Killed at any moment, the same again goes on and ends in the same state.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd

from flows.clock import now
from flows.context import Context
from flows.erasure.alone import alone
from flows.erasure.files import Done, databases, erase_files, naming, words_for
from flows.erasure.journal import Erasure, begun, ended, keep
from flows.erasure.keyless import WHY, keyless
from flows.errors import FlowsError, UsageError
from flows.mapping.hashing import hash_values
from flows.owners import FILE as OWNERS
from flows.owners import owner_named, read_owners
from flows.stages.publish import publish
from flows.stages.record import StageResult, take_in_spooled
from flows.version import code_version
from flows.workspace import Workspace
from optimize.errors import OptimizeError
from warehouse.backups import known_backups
from warehouse.erasure.again import note, noted
from warehouse.erasure.database import Held, erase_database, look
from warehouse.erasure.named import Named
from warehouse.errors import StoreError
from warehouse.pseudonyms import KEYS_VARIABLE, pseudonyms_of, read_keys
from warehouse.rows import Scalar

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHOWN = 5
OUTSIDE = (
    "files outside the workspace (what was ingested from, backups and exports put elsewhere) are for you to "
    "delete, and so is what others were handed; `v2g restore` here erases them again from a backup of before"
)


def erase(context: Context, owner: str) -> StageResult:
    """Erase the cars of an owner, or of a car that no owner names; first what was begun and not ended.

    Degraded, exit code 3, where a file or copy cannot be looked into: it is named, and what was begun stays
    begun. Raises UsageError for what names nobody, LockedError where something else works in the workspace.
    """
    workspace = context.workspace
    with alone(workspace):
        take_in_spooled(context)
        for unreadable in workspace.spool.glob("*.refused"):  # nobody can look for a car in it
            unreadable.unlink()
        before = begun(workspace)
        results = [] if before is None else [_carried_out(context, before)]
        if before is None or before.owner != owner:
            if results and results[0].exit_code:
                return results[0]
            results.append(_from_the_start(context, owner))
    return results[-1]


def _from_the_start(context: Context, owner: str) -> StageResult:
    workspace = context.workspace
    found = owner_named(read_owners(workspace.root), owner)
    asked = Named(
        batteries=found.batteries,
        sites=found.sites,
        others=(frozenset({owner}) | words_for(workspace, found.batteries)) - found.batteries - found.sites,
    )
    _require_own_sites(workspace, asked)
    held, named, sources = _looked(workspace, asked)
    named = _with_pseudonyms(workspace, named)
    files = naming(workspace, named, sources)
    if not held.rows and not held.entries and not files and not _in_copies(workspace, named):
        return _nothing(workspace, owner)
    erasure = Erasure(
        erasure_id=secrets.token_hex(8),
        begun_utc=now().isoformat(),
        owner=owner,
        named=named,
        sources=sources,
        pages=_pages(workspace, files),
        rows=held.rows,
        entries=held.entries,
        files=len(files),
    )
    keep(workspace, erasure)
    return _carried_out(context, erasure)


def _nothing(workspace: Workspace, owner: str) -> StageResult:
    """The answer where nothing is held; raises UsageError for whom nobody knows and nobody erased here."""
    if not any(one.is_of(owner) for one in noted(workspace.warehouse.path)):
        raise UsageError(
            f"nothing is held of {owner!r}: no owner in {OWNERS} and no car is called so, and nobody of that "
            "name was erased here"
        )
    return StageResult(
        stage="privacy erase",
        status="ok",
        message="nothing is held of whom you name: it was erased before",
        details={"batteries": 0, "rows": 0, "ledger_entries": [], "files_changed": 0},
    )


def _looked(workspace: Workspace, asked: Named) -> tuple[Held, Named, dict[str, str]]:
    """What the warehouse holds, and names and files by all databases: a copy may know what is gone there."""
    store = workspace.warehouse
    held = look(store.path, asked, timeout_s=store.lock_timeout_s)
    named, sources = held.named, dict(held.sources)
    for path in databases(workspace):
        with suppress(StoreError):  # it is named when it is to be erased
            copy = look(path, asked, timeout_s=store.lock_timeout_s)
            named, sources = named.joined(copy.named), copy.sources | sources
    return held, named, sources


def _with_pseudonyms(workspace: Workspace, named: Named) -> Named:
    """With what they are called in exports under pseudonyms, as far as the keys are there."""
    keys = read_keys(workspace.root, os.environ.get(KEYS_VARIABLE))
    ids = {"battery_id": named.batteries, "session_id": named.sessions, "site_id": named.sites}
    return replace(named, others=named.others | pseudonyms_of(keys, ids))


def _pseudonyms(workspace: Workspace) -> set[str]:
    """What every car that was ever declared is called under the keys that are there."""
    # Not as of a moment: an export may be of any.
    cars = workspace.warehouse.read("raw_battery", columns=["battery_id"])["battery_id"]
    keys = read_keys(workspace.root, os.environ.get(KEYS_VARIABLE))
    return pseudonyms_of(keys, {"battery_id": cars.astype(str).unique()})


def _in_copies(workspace: Workspace, named: Named) -> bool:
    for path in databases(workspace):
        with suppress(StoreError):
            held = look(path, named, timeout_s=workspace.warehouse.lock_timeout_s)
            if held.rows or held.entries:
                return True
    return False


def _carried_out(context: Context, erasure: Erasure) -> StageResult:
    workspace = context.workspace
    named = _with_pseudonyms(workspace, erasure.named)  # keys may have come since it was begun
    store = workspace.warehouse
    note(store.path, erasure.erasure_id, named, erasure.owner)
    erase_database(store.path, named, timeout_s=store.lock_timeout_s)
    left: dict[str, str] = {}
    for path in databases(workspace):
        try:
            erase_database(path, named, timeout_s=store.lock_timeout_s)
        except StoreError as error:
            left[path.name] = str(error)
    done = erase_files(workspace, named, erasure.sources)
    unmade = _published(context, erasure.pages)
    left |= done.left | dict.fromkeys(naming(workspace, named, {}), "it names them still")
    left |= dict.fromkeys(keyless(workspace, _pseudonyms(workspace)), WHY)
    _log(context, erasure, complete=not left)
    if not left:
        ended(workspace)
    elsewhere = [str(one) for one in dict.fromkeys(known_backups(store.path))
                 if not one.is_relative_to(workspace.root)]  # fmt: skip
    return _result(erasure, done, left, unmade, elsewhere)


def _published(context: Context, pages: Sequence[str]) -> list[str]:
    """Write the pages again that named them; returns those that cannot be."""
    reopened = Context.of(Workspace.open(context.workspace.root), context.as_of, context.run_id)
    unmade = []
    for one in pages:
        if _holds_nobody(reopened.workspace, one):
            unmade.append(one)
            continue
        try:
            if _DAY.fullmatch(one):
                publish(reopened, date.fromisoformat(one))
            else:
                publish(reopened, plan_id=one)
        except (FlowsError, OptimizeError):
            unmade.append(one)
    return unmade


def _holds_nobody(workspace: Workspace, page: str) -> bool:
    """Whether the plans of a date, or the plan of an id, are left without a car."""
    store = workspace.warehouse
    where: dict[str, Scalar] = (
        {"market_date": date.fromisoformat(page)} if _DAY.fullmatch(page) else {"plan_id": page}
    )
    plans = store.read("out_plan", where=where, columns=["plan_id"])["plan_id"].tolist()
    return store.read("out_plan_car", where={"plan_id": plans}, columns=["battery_id"]).empty


def _log(context: Context, erasure: Erasure, *, complete: bool) -> None:
    """The row that tells of it, and of nobody."""
    if not complete:
        return
    row = {
        "erasure_id": erasure.erasure_id,
        "begun_utc": pd.Timestamp(erasure.begun_utc),
        "ended_utc": pd.Timestamp(now()),
        "batteries": len(erasure.named.batteries),
        "erased_rows": erasure.rows,
        "ledger_entries": len(erasure.entries),
        "files": erasure.files,
        "run_id": context.run_id,
        "as_of_utc": pd.Timestamp(context.as_of),
        "input_hash": hash_values([erasure.erasure_id]),
        "code_version": code_version(),
    }
    context.workspace.warehouse.write({"out_erasure": pd.DataFrame([row])})


def _result(
    erasure: Erasure, done: Done, left: dict[str, str], unmade: Sequence[str], elsewhere: Sequence[str]
) -> StageResult:
    parts = [
        f"{len(erasure.named.batteries)} cars: {erasure.rows} rows, {len(erasure.entries)} entries of the "
        f"ledger, {erasure.files} files, and the copies of the warehouse in the workspace",
    ]
    if left:
        shown = "; ".join(f"{name}: {why}" for name, why in list(left.items())[:_SHOWN])
        parts.append(f"not erased, see to it and do this again: {shown}")
    if unmade:
        parts.append(f"pages of {', '.join(unmade)} are gone: no plan is left to write them from")
    if elsewhere:
        parts.append(
            f"backups of before that lie elsewhere and are for you to delete: {', '.join(elsewhere)}"
        )
    parts.append(OUTSIDE)
    return StageResult(
        stage="privacy erase",
        status="degraded" if left else "ok",
        message="; ".join(parts),
        exit_code=3 if left else 0,
        details={
            "erasure_id": erasure.erasure_id,
            "batteries": len(erasure.named.batteries),
            "rows": erasure.rows,
            "ledger_entries": list(erasure.entries),
            "files_changed": erasure.files,
            "rewritten": len(done.rewritten),
            "removed": len(done.removed),
            "not_erased": sorted(left),
            "backups_elsewhere": list(elsewhere),
        },
    )


def _pages(workspace: Workspace, files: Sequence[str]) -> tuple[str, ...]:
    """Dates, and ids of plans, whose pages name them."""
    folder = workspace.reports.name
    found = set[str]()
    for one in files:
        parts = Path(one).parts
        if parts[0] == folder and len(parts) > 2:
            found.add(parts[2] if parts[1] == "plans" and len(parts) > 3 else parts[1])
    return tuple(sorted(found))


def _require_own_sites(workspace: Workspace, asked: Named) -> None:
    if not asked.sites:
        return
    # What stands now decides, whatever a moment before knew.
    cars = workspace.warehouse.read("core_battery", where={"site_id": sorted(asked.sites)})
    if others := sorted(set(cars["battery_id"].astype(str)) - asked.batteries):
        raise UsageError(
            f"{others[0]} of another owner plugs in at a site that is said to be this one's alone"
        )
