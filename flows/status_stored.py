"""What status said last, kept for a reader who comes while somebody else holds the warehouse."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from flows.clock import now
from flows.metrics import metrics_text
from flows.plain import json_text
from flows.status import Tables, status_of
from flows.status_days import spooled_rows, under_way_rows
from flows.workspace import Workspace
from warehouse.errors import LockedError, WarehouseError
from warehouse.files import make_folder, write_whole

_log = logging.getLogger(__name__)
_PATIENCE_S = 0.3
"""So long a reader waits at each look; a run writes for less, a long check of a large file for more."""


def store_status(workspace: Workspace) -> None:
    """Write what status says to exports/status.json and, as Prometheus reads it, to exports/metrics.prom.

    Where that cannot be, those of before stay.
    """
    try:
        told, tables = now(), status_of(workspace)
        make_folder(workspace.exports)
        fields = {"told_utc": f"{told:%Y-%m-%dT%H:%M:%SZ}", **tables}
        write_whole(_file(workspace), json_text(fields))
        write_whole(workspace.exports / "metrics.prom", metrics_text(tables, told, workspace.zone))
    except (WarehouseError, OSError) as error:
        _log.warning("exports/status.json or metrics.prom is not renewed: %s", error)


def status_at_once(workspace: Workspace, as_of: datetime | None = None) -> Tables:
    """`status_of`, or while somebody holds the warehouse what was stored last, headed by when that was.

    Raises LockedError where nothing was kept, or a moment is asked for.
    """
    try:
        return status_of(replace(workspace, lock_timeout_s=_PATIENCE_S), as_of)
    except LockedError as error:
        if as_of is not None or not _file(workspace).is_file():
            raise
        stored = json.loads(_file(workspace).read_text(encoding="utf-8"))
        in_use = [{"told_as_of_utc": stored.pop("told_utc"), "why": str(error)}]
        return {"in use": in_use, **stored, **_of_now(workspace)}


def _of_now(workspace: Workspace) -> Tables:
    """What needs no warehouse to be known."""
    return {"under way": under_way_rows(workspace), "spooled": spooled_rows(workspace)}


def _file(workspace: Workspace) -> Path:
    return workspace.exports / "status.json"
