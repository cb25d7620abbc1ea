"""A plan while another process holds the warehouse: made in a copy of the snapshot, its rows spooled.

The plan is as of the moment of the snapshot. Its rows lie in .spool/ before the schedule goes out, and the
next stage that writes to the warehouse takes them in first (`flows.stages.spooled`). What is spooled already
is in the copy as well, so that the same plan is made once, however often it is asked for meanwhile.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime

from flows.clock import now
from flows.context import Context
from flows.snapshot import alone, whole_snapshot
from flows.stages.plan import plan
from flows.stages.publish import publish
from flows.stages.record import StageResult, write_run
from flows.stages.spooled import SUFFIX, take_in
from flows.stages.trouble import DEGRADED
from flows.workspace import Workspace
from warehouse.connection import forget
from warehouse.errors import LockedError
from warehouse.spool import PLAN_TABLES, write_spool
from warehouse.store import Warehouse

_BUSY = 75


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A workspace whose warehouse is a copy of the snapshot; taken: when that was, UTC."""

    workspace: Workspace
    taken: datetime

    def context(self, context: Context) -> Context:
        """The context of a run, judging as of no later moment than that of the snapshot."""
        return replace(context, workspace=self.workspace, as_of=min(context.as_of, self.taken))


@contextmanager
def aside(workspace: Workspace, locked: LockedError) -> Iterator[Aside]:
    """Work in a copy of the snapshot, with all that is spooled; it is thrown away at the end.

    Raises LockedError where there is no snapshot that a plan can rest on, or another process does the same.
    """
    taken = whole_snapshot(workspace, locked)
    copy = workspace.spool / "aside.duckdb"
    with alone(workspace, locked):
        try:
            _remove(workspace)
            wait = workspace.lock_timeout_s
            warehouse = Warehouse(workspace.snapshot, lock_timeout_s=wait).trial(copy)
            take_in(workspace.spool, warehouse, keep=True)
            yield Aside(workspace=replace(workspace, database=copy), taken=taken)
        finally:
            _remove(workspace)


def _remove(workspace: Workspace) -> None:
    """Throw a copy away, also what a process left that was killed at it."""
    for path in (workspace.snapshot, workspace.spool / "aside.duckdb"):
        forget(path)
    for left in (*workspace.spool.glob("aside.duckdb*"), *workspace.spool.glob(".aside.duckdb*")):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def plan_aside(
    context: Context, day_of: Callable[[Context], date], locked: LockedError, skipped: Sequence[str] = ()
) -> list[StageResult]:
    """Plan a day and send its schedule out while the warehouse is in use: what came of it.

    day_of: the market day, from what the copy holds. skipped: stages that have to wait. Raises LockedError
    where that cannot be, with the reason, and what a plan raises.
    """
    with aside(context.workspace, locked) as own:
        planned, published = planned_aside(own, context, day_of(own.context(context)))
    if not skipped:
        return [planned, published]
    message = f"{locked}; left to the next run: {', '.join(skipped)}"
    return [
        StageResult(stage=skipped[0], status="failed", message=message, exit_code=_BUSY),
        planned,
        published,
    ]


def planned_aside(own: Aside, context: Context, day: date) -> list[StageResult]:
    """Plan and publish a day in the copy, its rows spooled in between."""
    here = own.context(context)
    began, planned, note = now(), plan(here, day), _note(own, context)
    plan_id, new = str(planned.details["plan_id"]), planned.details["outcome"] in ("new", "history")
    if new:
        told = f"{planned.message}; {note}"
        write_run(here, "plan", began, "degraded", DEGRADED, told, day)
        _state(here, plan_id, note)
        _spool(here, plan_id)
        planned = replace(
            planned,
            status="degraded",
            exit_code=DEGRADED,
            message=f"{told}; its rows wait in .spool/ until the warehouse is free",
            details={**planned.details, "notes": [*planned.details["notes"], note], "spooled": True},
        )
    else:
        planned = replace(planned, message=f"{planned.message}; {note}")
    published = publish(here, day)
    if new:
        _spool(here, plan_id)
    return [planned, published]


def _note(own: Aside, context: Context) -> str:
    """How old what the plan rests on is, and what it does not know."""
    minutes = (now() - own.taken).total_seconds() / 60.0
    note = (
        f"the warehouse was in use: planned from the snapshot of {own.taken:%Y-%m-%d %H:%M} UTC, "
        f"{minutes:.0f} minutes old"
    )
    waiting = sum(1 for one in context.workspace.inbox.glob("*__*__*") if one.is_file())
    return f"{note}, without {waiting} files that wait in the inbox" if waiting else note


def _state(here: Context, plan_id: str, note: str) -> None:
    """Have the plan itself say what it rests on: its pages do, and the warehouse will."""
    warehouse = here.workspace.warehouse
    header = warehouse.read("out_plan", where={"plan_id": plan_id})
    stated = [one for one in (header["note"].iloc[0],) if isinstance(one, str)]
    warehouse.write({"out_plan": header.assign(note="; ".join([*stated, note]))})


def _spool(here: Context, plan_id: str) -> None:
    warehouse = here.workspace.warehouse
    tables = {name: warehouse.read(name, where={"plan_id": plan_id}) for name in PLAN_TABLES}
    tables["out_run"] = warehouse.read("out_run", where={"run_id": here.run_id})
    made = tables["out_plan"]["made_utc"].iloc[0]
    write_spool(here.workspace.spool / f"{made:%Y%m%dT%H%M%S}-{plan_id}{SUFFIX}", tables)
