"""The drop folder: files named KIND__SOURCE__anything.ext are ingested and moved out of the way.

prices__smard__2020.csv · telemetry__csv__week-12.csv · fleet__parquet__depot.parquet
SOURCE is a source that needs no further word, or the name of a mapping: sessions__wallbox__may.jsonl is read
as mappings/wallbox.toml says (see `warehouse.sources.mapping`). A mapping tells as well when rows were
received: telemetry__past__may.csv is history with a mappings/past.toml of source = "csv", received = "event".
A file that was taken moves to inbox/done; one that was refused to inbox/refused, the reason next to it
in NAME.reason.txt. Where they cannot be moved they stay, and the next run finds that it knows their rows.
Names that begin with a dot or end in .part are left alone: write there, then rename. A file that a process
still has open for writing waits for the next run.
Symbolic links are never followed, be it a file, a mapping or one of these folders: whoever may drop a file
here could otherwise have any file read, or written.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal

from flows.context import Context
from flows.errors import FlowsError, UsageError
from flows.stages.drop import as_written, being_written, move_into, require_own
from flows.stages.ingest import INGEST_ORDER, ingest_files
from flows.stages.record import StageResult, recorded
from flows.stages.trouble import may_pass
from warehouse.errors import StoreError, WarehouseError, printable
from warehouse.files import write_whole
from warehouse.sources import FileMapping, load_mapping, sources_for

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NOTES_SHOWN = 5
_WRITTEN = "it was written to while it was read, and the next run reads it"
_LONGEST_NAME_BYTES = 200
"""Of a name to which something is added: together they must stay a name."""


@recorded("ingest")
def ingest_inbox(context: Context) -> StageResult:
    """Take every file of the inbox, sites and fleet first; what is wrong with one does not stop the others.

    Exit code 3 when anything was refused, stayed behind or could not be looked at. Raises StoreError when the
    warehouse cannot take the first of them; once one has been taken, those that it cannot take wait.
    """
    workspace = context.workspace
    try:
        waiting = sorted(_waiting(workspace.inbox), key=_rank)
    except (OSError, FlowsError) as error:
        return StageResult(
            stage="ingest",
            status="degraded",
            message=f"{workspace.inbox} cannot be looked into ({_in_short(error)}); no file was taken",
            exit_code=3,
        )
    taken: list[_Taken] = []
    for number, file in enumerate(waiting):
        try:
            taken.append(_take(context, file))
        except StoreError as error:
            if not taken:
                raise  # nothing wrong with the file: it stays where it is
            why = printable(str(error))
            taken += [_Taken(file=one, outcome="waiting", reason=why) for one in waiting[number:]]
            break
    clean = all(one.clean for one in taken)
    return StageResult(
        stage="ingest",
        status="ok" if clean else "degraded",
        message=_message(taken),
        exit_code=0 if clean else 3,
        tables={"inbox": [one.to_row() for one in taken]},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What became of a file.

    outcome: ingested, refused, gone (before it was read), unread or waiting (both session for the next run).
    reason: why, or what the reader of an ingested file left out of it.
    left: why an ingested or refused file is in the inbox still, or empty.
    """

    file: Path
    outcome: Literal["landed", "refused", "gone", "unread", "waiting"]
    rows: int = 0
    reason: str = ""
    left: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing has to be given of it."""
        return self.outcome == "landed" and not self.left

    def to_row(self) -> dict[str, Any]:
        """A row for a reader."""
        why = "; ".join(text for text in (self.reason, self.left) if text)
        return {"file": printable(self.file.name), "rows": self.rows, "outcome": self.outcome, "reason": why}


def _message(taken: Sequence[_Taken]) -> str:
    if not taken:
        return "the inbox is empty"
    counts = Counter(one.outcome for one in taken)
    parts = [f"{counts.pop('landed', 0)} files ingested", f"{counts.pop('refused', 0)} refused"]
    parts += [f"{number} {outcome}" for outcome, number in sorted(counts.items())]
    if left := [one for one in taken if one.left]:
        parts.append(f"{len(left)} could not be moved out of the inbox ({left[0].left})")
    return ", ".join(parts)


def _take(context: Context, file: Path) -> _Taken:
    """Ingest a file and move it out of the way; raises StoreError alone.

    One that somebody still writes to stays: what came after its rows were read would be lost.
    """
    if being_written(file):
        return _Taken(file=file, outcome="unread", reason="a process has it open and may write more")
    before = as_written(file)
    try:
        dataset, meant = _meaning(file, context.workspace.mappings)
        ingested = ingest_files(
            context, dataset, [file], source=meant.source, options=meant.options, follow=False,
            received=meant.received,
        )  # fmt: skip
    except StoreError:
        raise
    except Exception as error:
        return _not_ingested(file, context.run_id, error, written=as_written(file) != before)
    if as_written(file) in (before, None):
        _, left = _move(file, "done", context.run_id)
    else:
        left = f"it stays in the inbox: {_WRITTEN}"
    stated = _notes(ingested.notes)
    return _Taken(file=file, outcome="landed", rows=ingested.new_rows, reason=stated, left=left)


def _notes(notes: Sequence[str]) -> str:
    """What a reader noted, as much of it as a table's cell takes."""
    more = f"and {len(notes) - _NOTES_SHOWN} more" if len(notes) > _NOTES_SHOWN else ""
    return "; ".join(text for text in (*notes[:_NOTES_SHOWN], more) if text)


def _not_ingested(file: Path, run_id: str, error: Exception, *, written: bool) -> _Taken:
    """Set a file aside with the reason; one that cannot be read just now stays where it is.

    written: whether it has changed since it was read.
    """
    expected = isinstance(error, WarehouseError | FlowsError)
    reason = printable(str(error) if expected else f"{type(error).__name__}: {error}")
    if not os.path.lexists(file):
        return _Taken(file=file, outcome="gone", reason="it was gone before it was read")
    if written:
        return _Taken(file=file, outcome="unread", reason=_WRITTEN)
    if may_pass(error) or may_pass(error.__cause__) or isinstance(error, MemoryError):
        return _Taken(file=file, outcome="unread", reason=reason)
    moved, left = _move(file, "refused", run_id)
    if moved is not None:
        try:
            write_whole(_free(moved.parent, _short(moved.name), ".reason.txt"), f"{reason}\n")
        except OSError as trouble:
            left = f"its reason could not be written next to it ({_in_short(trouble)})"
    return _Taken(file=file, outcome="refused", reason=reason, left=left)


def _waiting(inbox: Path) -> list[Path]:
    """What lies in the inbox, links and pipes too; the folders that files move to are left alone."""
    if not os.path.lexists(inbox):
        return []
    for folder in (inbox, inbox / "done", inbox / "refused"):
        require_own(folder)
    with os.scandir(inbox) as entries:
        names = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
    return [inbox / name for name in names if not name.startswith(".") and Path(name).suffix != ".part"]


def _rank(file: Path) -> tuple[int, int, str]:
    """What a file comes after: the kinds that it refers to, and of its own kind what was written earlier."""
    kind = file.name.partition("__")[0]
    try:
        written = file.lstat().st_mtime_ns
    except OSError:
        written = 0
    return (INGEST_ORDER.index(kind) if kind in INGEST_ORDER else len(INGEST_ORDER), written, file.name)


def _meaning(file: Path, mappings: Path) -> tuple[str, FileMapping]:
    """What a file's name says: dataset and source, or where that is the name of a mapping, what it says."""
    kind, _, rest = file.name.partition("__")
    source, _, name = rest.partition("__")
    if kind not in INGEST_ORDER or not source or not name:
        raise UsageError(
            f"{file.name}: the name does not say what it holds; KIND__SOURCE__anything.ext does, "
            f"with KIND one of {', '.join(INGEST_ORDER)}"
        )
    if source in sources_for(kind) or not _NAME.fullmatch(source):
        return kind, FileMapping(source=source, options={})
    mapping = mappings / f"{source}.toml"
    if not os.path.lexists(mapping):
        return kind, FileMapping(source=source, options={})
    require_own(mappings)
    return kind, load_mapping(mapping, kind, follow=False)


def _move(file: Path, where: str, run_id: str) -> tuple[Path | None, str]:
    """Move a file to a folder of the inbox: where it is now, or None and why it is still where it was.

    A file that is gone by then was moved by somebody else, who knows why.
    """
    folder = file.parent / where
    try:
        name = file.name
        if os.path.lexists(folder / name):
            name = _free(folder, f"{_short(file.stem)}.{run_id}", _short(file.suffix)).name
        move_into(file, folder, name)
    except (OSError, FlowsError) as error:
        if not os.path.lexists(file):
            return None, ""
        return None, printable(f"it stays in the inbox: {folder} cannot take it ({_in_short(error)})")
    return folder / name, ""


def _free(folder: Path, stem: str, ending: str) -> Path:
    """A name that nothing in the folder has yet: a reason's may be a file's, a shortened one another's."""
    marks = chain([""], (f".{number}" for number in count(2)))
    names = (folder / f"{stem}{mark}{ending}" for mark in marks)
    return next(name for name in names if not os.path.lexists(name))


def _in_short(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _short(name: str) -> str:
    return name if len(os.fsencode(name)) <= _LONGEST_NAME_BYTES else name[: _LONGEST_NAME_BYTES // 4]
