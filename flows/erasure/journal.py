"""What is being erased: kept in the workspace until it is done, for its owner alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from flows.errors import WorkspaceError
from flows.workspace import Workspace
from warehouse.erasure.named import PARTS, Named
from warehouse.files import write_whole

FILE = ".erasure.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """An erasure that has begun. sources: SHA-256 of ingested files with rows of theirs → name.

    pages: reports to be written again, dates and ids of plans. rows, entries, files: what there was when it
    began: rows of theirs, entries of the ledger, files that name them.
    """

    erasure_id: str
    begun_utc: str
    owner: str
    named: Named
    sources: Mapping[str, str]
    pages: tuple[str, ...] = ()
    rows: int = 0
    entries: tuple[int, ...] = ()
    files: int = 0


def begun(workspace: Workspace) -> Erasure | None:
    """The erasure that was begun and not ended; raises WorkspaceError for a file that is none."""
    path = workspace.root / FILE
    try:
        said = json.loads(path.read_bytes())
        names = {name: frozenset(said["named"][name]) for name in said["named"]}
        return Erasure(
            **{
                **said,
                "named": Named(**names),
                "pages": tuple(said["pages"]),
                "entries": tuple(said["entries"]),
            }
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{path} tells of no erasure ({error}): delete it and erase again") from error


def keep(workspace: Workspace, erasure: Erasure) -> None:
    """Write it to the disk, in one step."""
    named = erasure.named
    said = {
        "erasure_id": erasure.erasure_id,
        "begun_utc": erasure.begun_utc,
        "owner": erasure.owner,
        "named": {name: sorted(getattr(named, name)) for name in PARTS},
        "sources": dict(erasure.sources),
        "pages": list(erasure.pages),
        "rows": erasure.rows,
        "entries": list(erasure.entries),
        "files": erasure.files,
    }
    write_whole(workspace.root / FILE, json.dumps(said))


def ended(workspace: Workspace) -> None:
    """Forget it."""
    (workspace.root / FILE).unlink(missing_ok=True)
