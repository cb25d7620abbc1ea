"""What every stage is given: the workspace, the moment it judges as of, and the run it belongs to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flows.workspace import Workspace

if TYPE_CHECKING:
    from warehouse.known import Known


def new_run_id(as_of: datetime) -> str:
    """A fresh id that sorts by `as_of`, as in 20200704T140000Z-5f3a9c."""
    return f"{as_of.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A stage reads through `known` alone: what was received after `as_of` does not exist for it.

    as_of: tz-aware. shown: whether somebody reads of what is made: figures are then made, too, that nothing
    is decided by. What works on what has been ingested (ingest, check, fetch, release), or decides which plan
    is in force, takes the warehouse itself; `tests/test_house.py` lists each of these places.
    """

    workspace: Workspace
    as_of: datetime
    run_id: str
    shown: bool = True

    @classmethod
    def of(cls, workspace: Workspace, as_of: datetime, run_id: str | None = None) -> Context:
        """A context of that run, or of a run of its own."""
        return cls(workspace=workspace, as_of=as_of, run_id=run_id or new_run_id(as_of))

    @property
    def known(self) -> Known:
        """The warehouse as it was known at `as_of`."""
        from warehouse.known import Known

        return Known(self.workspace.warehouse, self.as_of)
