"""Keys of pseudonyms and exports under them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from flows.errors import UsageError
from flows.stages.record import StageResult
from flows.workspace import Workspace
from warehouse.errors import ContractError
from warehouse.pseudonymous import export_pseudonymous
from warehouse.pseudonyms import FILE, KEYS_VARIABLE, current, read_keys, rotate


def rotate_key(workspace: Workspace, purpose: str, *, keep: bool) -> StageResult:
    """Make a purpose's key, or the next one; raises UsageError where the keys are not the workspace's."""
    if os.environ.get(KEYS_VARIABLE):
        raise UsageError(f"the keys are those of {KEYS_VARIABLE}: rotate them there")
    try:
        fresh = rotate(workspace.root, purpose, keep=keep)
    except ContractError as error:
        raise UsageError(str(error)) from error
    earlier = "" if fresh.epoch == 1 else "; earlier keys " + ("are kept" if keep else "are gone")
    return StageResult(
        stage="privacy rotate",
        status="ok",
        message=f"{purpose} has the key of epoch {fresh.epoch}, in {FILE}{earlier}",
        details={"purpose": purpose, "epoch": fresh.epoch, "kept": keep},
    )


def export_tables(
    workspace: Workspace, folder: Path, purpose: str, tables: Sequence[str], epoch: int | None
) -> StageResult:
    """Write tables under a purpose's pseudonyms; raises UsageError without its key."""
    try:
        key = current(read_keys(workspace.root, os.environ.get(KEYS_VARIABLE)), purpose, epoch)
        if key is None:
            which = purpose if epoch is None else f"{purpose}, epoch {epoch},"
            hint = f"`v2g privacy rotate --purpose {purpose}` makes one."
            raise UsageError(f"there is no key of {which} to make pseudonyms with", hint=hint)
        written = export_pseudonymous(workspace.warehouse, folder, tables, key)
    except ContractError as error:
        raise UsageError(str(error)) from error
    rows = [{"table": one.table, "rows": one.rows} for one in written]
    return StageResult(
        stage="privacy export",
        status="ok",
        message=f"{len(rows)} tables under pseudonyms of {purpose}, epoch {key.epoch}",
        tables={"tables": rows},
        files=(str(folder),),
        details={"purpose": purpose, "epoch": key.epoch},
    )
