"""The drop folder: files named KIND__SOURCE__anything.ext are ingested and moved out of the way.

prices__smard__2020.csv · telemetry__csv__week-12.csv · fleet__parquet__depot.parquet
SOURCE is a source that needs no further word, or the name of a mapping: sessions__wallbox__may.jsonl is read
as mappings/wallbox.toml says (see `warehouse.sources.mapping`).
A file that was taken moves to inbox/done; one that was refused to inbox/refused, the reason beside it
in NAME.reason.txt. Names that begin with a dot or end in .part are left alone: write there, then rename.
Symbolic links are never followed, be it a file, a mapping or one of these folders: whoever may drop a file
here could otherwise have any file read, or written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

from flows.errors import FlowsError, UsageError
from flows.stages.drop import move_into, require_own
from flows.stages.ingest import INGEST_ORDER, land_files
from flows.stages.record import StageResult, recorded
from flows.workspace import Workspace
from warehouse.errors import LockedError, WarehouseError, printable
from warehouse.files import write_whole
from warehouse.sources import load_mapping, sources_for

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LONGEST_NAME_BYTES = 200
"""Of a name to which something is added: together they must stay a name."""


@recorded("ingest")
def ingest_inbox(workspace: Workspace, as_of: datetime, run_id: str) -> StageResult:
    """Take every file of the inbox, sites and fleet first; a refused file does not stop the others."""
    rows = []
    for file in sorted(_waiting(workspace.inbox), key=_rank):
        try:
            dataset, source, options = _meaning(file, workspace.mappings)
            landed = land_files(
                workspace, as_of, dataset, [file], source=source, options=options, follow=False
            )
        except LockedError:
            raise  # nothing wrong with the file: it stays where it is
        except (WarehouseError, FlowsError) as error:
            refused, reason = _move(file, "refused", run_id), printable(str(error))
            beside = _free(refused.parent, _short(refused.name), ".reason.txt")
            write_whole(beside, f"{reason}\n")
            rows.append({"file": printable(file.name), "rows": 0, "outcome": "refused", "reason": reason})
        else:
            _move(file, "done", run_id)
            rows.append(
                {"file": printable(file.name), "rows": landed.new_rows, "outcome": "landed", "reason": ""}
            )
    turned_away = sum(row["outcome"] == "refused" for row in rows)
    message = (
        f"{len(rows) - turned_away} files landed, {turned_away} refused" if rows else "the inbox is empty"
    )
    return StageResult(
        stage="ingest", status="degraded" if turned_away else "ok", message=message, tables={"inbox": rows}
    )


def _waiting(inbox: Path) -> list[Path]:
    """What lies in the inbox, links and pipes too; the folders that files move to are left alone."""
    if not os.path.lexists(inbox):
        return []
    for folder in (inbox, inbox / "done", inbox / "refused"):
        require_own(folder)
    with os.scandir(inbox) as entries:
        names = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
    return [inbox / name for name in names if not name.startswith(".") and Path(name).suffix != ".part"]


def _rank(file: Path) -> tuple[int, str]:
    kind = file.name.partition("__")[0]
    return (INGEST_ORDER.index(kind) if kind in INGEST_ORDER else len(INGEST_ORDER), file.name)


def _meaning(file: Path, mappings: Path) -> tuple[str, str, Mapping[str, Any]]:
    """What a file's name says: dataset, source and, where that is the name of a mapping, its options."""
    kind, _, rest = file.name.partition("__")
    source, _, name = rest.partition("__")
    if kind not in INGEST_ORDER or not source or not name:
        raise UsageError(
            f"{file.name}: the name does not say what it holds; KIND__SOURCE__anything.ext does, "
            f"with KIND one of {', '.join(INGEST_ORDER)}"
        )
    if source in sources_for(kind) or not _NAME.fullmatch(source):
        return kind, source, {}
    mapping = mappings / f"{source}.toml"
    if not os.path.lexists(mapping):
        return kind, source, {}
    require_own(mappings)
    meant = load_mapping(mapping, kind, follow=False)
    return kind, meant.source, meant.options


def _move(file: Path, where: str, run_id: str) -> Path:
    folder = file.parent / where
    name = file.name
    if os.path.lexists(folder / name):
        name = _free(folder, f"{_short(file.stem)}.{run_id}", _short(file.suffix)).name
    move_into(file, folder, name)
    return folder / name


def _free(folder: Path, stem: str, ending: str) -> Path:
    """A name that nothing in the folder has yet: a reason's may be a file's, a shortened one another's."""
    marks = chain([""], (f".{number}" for number in count(2)))
    names = (folder / f"{stem}{mark}{ending}" for mark in marks)
    return next(name for name in names if not os.path.lexists(name))


def _short(name: str) -> str:
    return name if len(os.fsencode(name)) <= _LONGEST_NAME_BYTES else name[: _LONGEST_NAME_BYTES // 4]
