"""The copy of the warehouse that every run leaves, and whether it still holds all that plans rest on.

A plan may be made from it while another process holds the warehouse: as of the moment of the copy, and only
where nothing was taken in since. When that was last is noted in .spool/taken_in, which needs no database.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from flows.clock import now
from flows.server.held import hold, let_go
from flows.workspace import Workspace
from warehouse.backup import snapshot_taken
from warehouse.errors import LockedError, WarehouseError
from warehouse.files import make_folder

TAKING_IN = frozenset({"check", "calibrate", "plan", "realise", "release", "withdraw"})
"""Stages after which a plan may come out otherwise."""
_log = logging.getLogger(__name__)


def keep_snapshot(workspace: Workspace) -> None:
    """Renew the copy, unless the settings want none; where that cannot be, the one of before stays."""
    if not workspace.settings.plan.from_snapshot:
        return
    try:
        workspace.warehouse.snapshot(workspace.snapshot, now())
    except (WarehouseError, OSError) as error:
        _log.warning("exports/snapshot.duckdb is not renewed: %s", error)


def note_taken_in(workspace: Workspace) -> None:
    """Note that what the copy, if there is one, holds is not all any more."""
    if workspace.snapshot.exists():
        with suppress(OSError):  # then nothing else can be written here either, and the stage says so
            make_folder(workspace.spool)
            (workspace.spool / "taken_in").write_text(now().isoformat(), encoding="utf-8")


@contextmanager
def alone(workspace: Workspace, locked: LockedError) -> Iterator[None]:
    """Be the only process that plans from the copy; raises LockedError while another one does."""
    lock = make_folder(workspace.spool) / "lock"
    if (holder := hold(lock)) is not None:
        raise LockedError(f"{locked}; process {holder} plans from the snapshot already") from locked
    try:
        yield
    finally:
        let_go(lock)


def whole_snapshot(workspace: Workspace, locked: LockedError) -> datetime:
    """Return the moment of the copy; raises LockedError, with the reason, where no plan can rest on it."""
    if not workspace.settings.plan.from_snapshot:
        raise locked
    try:
        taken = snapshot_taken(workspace.snapshot, timeout_s=workspace.lock_timeout_s)
    except LockedError as error:
        raise LockedError(f"{locked}; and the snapshot: {error}") from error
    if taken is None:
        text = f"{locked}; there is no snapshot to plan from: `v2g snapshot`, and every run, leaves one"
        raise LockedError(text) from locked
    last = _last_taken_in(workspace)
    if last is not None and last > taken:
        raise LockedError(
            f"{locked}; the snapshot of {taken:%Y-%m-%d %H:%M:%S} UTC is older than what was taken in at "
            f"{last:%H:%M:%S}: no plan is made from it"
        ) from locked
    return taken


def _last_taken_in(workspace: Workspace) -> datetime | None:
    try:
        return datetime.fromisoformat((workspace.spool / "taken_in").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
