"""Nobody else at work in a workspace while it is changed as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flows.server.held import hold, let_go
from flows.stages.drop import being_written
from flows.workspace import Workspace
from warehouse.errors import LockedError
from warehouse.files import folder_held


@contextmanager
def alone(workspace: Workspace) -> Iterator[None]:
    """Raises LockedError while `v2g serve`, the gateway or another erasure works there: they would write what
    is being erased."""
    with folder_held(workspace.root, wait=False) as only:
        if not only:
            raise LockedError(
                "another process changes this workspace as a whole: try again when it has ended"
            )
        with _without_services(workspace):
            yield


@contextmanager
def _without_services(workspace: Workspace) -> Iterator[None]:
    journal = workspace.root / "gateway" / "journal.jsonl"
    if journal.is_file() and being_written(journal):
        raise LockedError("v2g gateway run works in this workspace: end it, erase, and start it again")
    if not workspace.prefect_home.is_dir():
        yield
        return
    locks = []
    try:
        for lock in (workspace.serve_lock, workspace.server_lock, workspace.run_lock):
            if hold(lock) is not None:
                raise LockedError("v2g serve works in this workspace: end it, erase, and start it again")
            locks.append(lock)
        yield
    finally:
        for lock in locks:
            let_go(lock)
