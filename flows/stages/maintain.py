"""Keep a warehouse well: a backup that is verified, then what retention lets go of."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from flows.context import Context
from flows.plain import records
from flows.stages.record import StageResult, recorded
from flows.workspace import Workspace
from warehouse.retention import Pruned

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_OWN = re.compile(r"\d{8}T\d{6}Z\.duckdb")


@recorded("maintain")
def maintain(context: Context) -> StageResult:
    """Back the warehouse up into backups/, then let go of what the settings under `retention` say.

    The quarter-hours of telemetry need no care: they follow each check. Of the backups made here the newest
    `backups` stay. Raises the errors of a backup; nothing is let go of then.
    """
    workspace = context.workspace
    policy = workspace.settings.retention
    messages, files = ["no backup is asked for"], []
    if policy.backups:
        file = workspace.backups / f"{context.as_of.astimezone(UTC):%Y%m%dT%H%M%SZ}.duckdb"
        if not file.exists():  # of this very moment: it was verified before it got its name
            workspace.warehouse.backup(file, noted=True)
        files = [file]
        messages = [f"backup {file.name} is whole"]
        own = sorted(one for one in workspace.backups.iterdir() if _OWN.fullmatch(one.name))
        for old in own[: -policy.backups]:
            old.unlink()
            messages.append(f"{old.name} is gone")
    pruned = let_go(workspace, context.as_of, policy.samples_days, policy.raw_days)
    messages += [f"{one.rows} rows of {one.table} from before {one.before}" for one in pruned if one.rows]
    if pages := let_pages_go(context, policy.reports_days):
        messages.append(f"pages of {len(pages)} plans are gone, the last {pages[-1]}")
    return StageResult(
        stage="maintain", status="ok", message="; ".join(messages), files=tuple(str(file) for file in files)
    )


def let_pages_go(context: Context, days: int | None, *, dry_run: bool = False) -> Sequence[str]:
    """Remove the pages of market days that were over so many days ago, None for none; names what went.

    Folders that `v2g report` did not make stay.
    """
    if days is None:
        return []
    reports = context.workspace.reports
    last = (context.as_of - timedelta(days=days)).date()
    others = [one.name for one in reports.glob("plans/*") if one.is_dir() and not one.is_symlink()]
    plans = context.known.read("out_plan", where={"plan_id": others}, columns=["plan_id", "market_date"])
    day_of = {f"plans/{row['plan_id']}": row["market_date"] for row in records(plans)}
    for folder in reports.iterdir():
        if _DAY.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink():
            day_of[folder.name] = date.fromisoformat(folder.name)
    gone = sorted(name for name, day in day_of.items() if day < last)
    for name in () if dry_run else gone:
        shutil.rmtree(reports / name)
    return gone


def let_go(
    workspace: Workspace,
    as_of: datetime,
    samples_days: int | None,
    raw_days: int | None,
    *,
    dry_run: bool = False,
) -> Sequence[Pruned]:
    """Let telemetry go that is older than so many days, None for none; see `warehouse.retention`."""
    samples, raw = (
        (as_of - timedelta(days=days)).date() if days else None for days in (samples_days, raw_days)
    )
    return workspace.warehouse.prune(
        samples_before=samples, raw_before=raw, pruned_utc=as_of, dry_run=dry_run
    )
