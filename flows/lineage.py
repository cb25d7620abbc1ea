"""What each stage read and wrote, as events of OpenLineage: exports/openlineage/DAY.jsonl, one a line.

A stage is a job and each of its runs a run, whose parent is the run that it belongs to; tables are datasets
of the warehouse. START when it begins, COMPLETE or FAIL when it ends; of one that was killed nothing ends.
No text of a row or message is in it. Form: the OpenLineage specification 2-0-2, ParentRunFacet 1-1-0.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Any, Protocol, TypeVar
from uuid import NAMESPACE_URL, uuid5

from flows.clock import now
from flows.context import Context
from flows.version import code_version
from warehouse.files import FILE_MODE, make_folder
from warehouse.noted import Tables, noting

FOLDER = "openlineage"
KEPT_DAYS = 31
_SPECIFICATION = "https://openlineage.io/spec"
_log = logging.getLogger(__name__)


class _Ended(Protocol):
    """What a stage answers, as far as it is told."""

    @property
    def status(self) -> str: ...


R = TypeVar("R", bound=_Ended)


def with_lineage(context: Context, stage: str, body: Callable[[], R]) -> R:
    """Run a stage and tell of it; what cannot be written costs nothing but the events."""
    _append(context, _event(context, stage, "START", Tables()))
    ended = "FAIL"
    with noting() as tables:
        try:
            result = body()
            ended = "FAIL" if result.status == "failed" else "COMPLETE"
        finally:
            _append(context, _event(context, stage, ended, tables))
    return result


def _event(context: Context, stage: str, kind: str, tables: Tables) -> dict[str, Any]:
    namespace = f"v2g-planner/{context.workspace.root.name}"
    producer = f"urn:v2g-planner:{code_version()}"
    job = {"namespace": namespace, "name": "run"}
    parent = {"run": {"runId": _id(namespace, context.run_id)}, "job": job}
    url = f"{_SPECIFICATION}/facets/1-1-0/ParentRunFacet.json#/$defs/ParentRunFacet"
    return {
        "eventType": kind,
        "eventTime": now().astimezone(UTC).isoformat(),
        "producer": producer,
        "schemaURL": f"{_SPECIFICATION}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": _id(namespace, context.run_id, stage),
            "facets": {"parent": {"_producer": producer, "_schemaURL": url, **parent}},
        },
        "job": {"namespace": namespace, "name": stage},
        "inputs": _datasets(context, tables.read),
        "outputs": _datasets(context, tables.written),
    }


def _id(*parts: str) -> str:
    return str(uuid5(NAMESPACE_URL, "/".join(parts)))


def _datasets(context: Context, names: Iterable[str]) -> list[dict[str, str]]:
    namespace = f"duckdb:{context.workspace.warehouse.path}"
    return [{"namespace": namespace, "name": name} for name in sorted(names)]


def _append(context: Context, event: dict[str, Any]) -> None:
    """One line, whole or not at all where two write at once."""
    folder = context.workspace.exports / FOLDER
    file = folder / f"{event['eventTime'][:10]}.jsonl"
    try:
        new = not file.exists()
        make_folder(folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(file, flags, FILE_MODE)
        with os.fdopen(descriptor, "ab", buffering=0) as stream:
            stream.write(json.dumps(event).encode() + b"\n")
        for old in sorted(folder.glob("*.jsonl"))[:-KEPT_DAYS] if new else ():
            old.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("what was read and written is not told: %s: %s", file, error.strerror)
