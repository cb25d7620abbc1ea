"""The drop folder: files named KIND__SOURCE__anything.ext are ingested and moved out of the way.

prices__smard__2020.csv · telemetry__csv__week-12.csv · fleet__parquet__depot.parquet
A file that was taken moves to inbox/done; one that was refused to inbox/refused, the reason beside it
in NAME.reason.txt. Names that begin with a dot or end in .part are left alone: write there, then rename.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from flows.errors import FlowsError, UsageError
from flows.stages.ingest import INGEST_ORDER, land_files
from flows.stages.record import StageResult, recorded
from flows.workspace import Workspace
from warehouse.errors import LockedError, WarehouseError


@recorded("ingest")
def ingest_inbox(workspace: Workspace, as_of: datetime, run_id: str) -> StageResult:
    """Take every file of the inbox, sites and fleet first; a refused file does not stop the others."""
    rows = []
    for file in sorted(_waiting(workspace.inbox), key=_rank):
        try:
            dataset, source = _meaning(file)
            landed = land_files(workspace, as_of, dataset, [file], source=source)
        except LockedError:
            raise  # nothing wrong with the file: it stays where it is
        except (WarehouseError, FlowsError) as error:
            refused = _move(file, "refused", run_id)
            refused.with_name(f"{refused.name}.reason.txt").write_text(f"{error}\n", encoding="utf-8")
            rows.append({"file": file.name, "rows": 0, "outcome": "refused", "reason": str(error)})
        else:
            _move(file, "done", run_id)
            rows.append({"file": file.name, "rows": landed.new_rows, "outcome": "landed", "reason": ""})
    turned_away = sum(row["outcome"] == "refused" for row in rows)
    message = (
        f"{len(rows) - turned_away} files landed, {turned_away} refused" if rows else "the inbox is empty"
    )
    return StageResult(
        stage="ingest", status="degraded" if turned_away else "ok", message=message, tables={"inbox": rows}
    )


def _waiting(inbox: Path) -> list[Path]:
    if not inbox.is_dir():
        return []
    return [
        file
        for file in inbox.iterdir()
        if file.is_file() and not file.name.startswith(".") and file.suffix != ".part"
    ]


def _rank(file: Path) -> tuple[int, str]:
    kind = file.name.partition("__")[0]
    return (INGEST_ORDER.index(kind) if kind in INGEST_ORDER else len(INGEST_ORDER), file.name)


def _meaning(file: Path) -> tuple[str, str]:
    kind, _, rest = file.name.partition("__")
    source, _, name = rest.partition("__")
    if kind not in INGEST_ORDER or not source or not name:
        raise UsageError(
            f"{file.name}: the name does not say what it holds; KIND__SOURCE__anything.ext does, "
            f"with KIND one of {', '.join(INGEST_ORDER)}"
        )
    return kind, source


def _move(file: Path, where: str, run_id: str) -> Path:
    folder = file.parent / where
    folder.mkdir(exist_ok=True)
    target = folder / file.name
    if target.exists():
        target = folder / f"{file.stem}.{run_id}{file.suffix}"
    return file.replace(target)
