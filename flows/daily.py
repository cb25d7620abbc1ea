"""The daily run as Prefect flows: a thin shell over `flows.stages`.

daily = ingest (the inbox) → check → calibrate → plan → publish, each a flow of its own as well.
Calibration is one task a chunk of batteries. Only reading and writing files and tables is retried, and only
when they were busy; a stage that is run again writes the same rows again. Import this module after
`Workspace.enter`: Prefect reads its environment when it is imported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from flows.artifacts import leave_artifacts
from flows.clock import now, tomorrow
from flows.stages import StageResult, new_run_id
from flows.stages.calibrate import Chunk, ChunkOutcome, Work
from flows.stages.workers import twin_workers
from flows.workspace import Workspace
from warehouse.errors import LockedError

P = ParamSpec("P")
R = TypeVar("R")


def _run_name() -> str:
    """As in "plan 2020-07-05 DE-LU · depot": the stage, its day, the zone, the workspace.

    The day is the market day for what plans one, the day judged from for the rest.
    """
    given = flow_run.parameters
    workspace = _open(given["workspace"])
    as_of = datetime.fromisoformat(str(given.get("as_of") or now()))
    day = (given["day"] or tomorrow(as_of, workspace.zone)) if "day" in given else f"as of {as_of:%Y-%m-%d}"
    return f"{flow_run.flow_name} {day} {workspace.zone} · {workspace.root.name}"


@flow(name="ingest", flow_run_name=_run_name)
def ingest(workspace: str, as_of: datetime | None = None, run_id: str | None = None) -> StageResult:
    """Take the files of the inbox."""
    from flows.stages.inbox import ingest_inbox

    return _stage(ingest_inbox, workspace, as_of, run_id)


@flow(name="check", flow_run_name=_run_name)
def check(workspace: str, as_of: datetime | None = None, run_id: str | None = None) -> StageResult:
    """Let good rows into the core tables, bad ones into quarantine."""
    from flows.stages.check import check as stage

    return _stage(stage, workspace, as_of, run_id)


@flow(name="calibrate", flow_run_name=_run_name, task_runner=ThreadPoolTaskRunner(max_workers=8))  # type: ignore[arg-type]
def calibrate(workspace: str, as_of: datetime | None = None, run_id: str | None = None) -> StageResult:
    """Fit the twin of every battery with new rows, one task a chunk."""
    from flows.stages.calibrate import calibrate as stage

    as_of = as_of or now()
    result = stage(_open(workspace), as_of, run_id or new_run_id(as_of), each=_in_tasks)
    leave_artifacts(result)
    return result


@flow(name="plan", flow_run_name=_run_name)
def plan(
    workspace: str, day: date | None = None, as_of: datetime | None = None, run_id: str | None = None
) -> StageResult:
    """Plan a market day, tomorrow unless told otherwise."""
    from flows.stages.plan import plan as stage

    as_of = as_of or now()
    return _stage(stage, workspace, as_of, run_id, day or tomorrow(as_of, _open(workspace).zone))


@flow(name="publish", flow_run_name=_run_name)
def publish(
    workspace: str, day: date | None = None, as_of: datetime | None = None, run_id: str | None = None
) -> StageResult:
    """Write the reports of a day's plan in force."""
    from flows.stages.publish import publish as stage

    as_of = as_of or now()
    return _stage(stage, workspace, as_of, run_id, day or tomorrow(as_of, _open(workspace).zone))


@flow(name="daily", flow_run_name=_run_name)
def daily(
    workspace: str, day: date | None = None, as_of: datetime | None = None, run_id: str | None = None
) -> list[StageResult]:
    """All stages for one market day, tomorrow unless told otherwise, under one run_id."""
    as_of = as_of or now()
    run_id = run_id or new_run_id(as_of)
    opened = _open(workspace)
    day = day or tomorrow(as_of, opened.zone)
    with twin_workers(opened.settings.calibrate.workers):
        return [
            ingest(workspace, as_of, run_id),
            check(workspace, as_of, run_id),
            calibrate(workspace, as_of, run_id),
            plan(workspace, day, as_of, run_id),
            publish(workspace, day, as_of, run_id),
        ]


def _open(workspace: str) -> Workspace:
    # Prefect takes this logger's lines along but sets it no level; without one they would stay unheard.
    logging.getLogger("flows").setLevel(logging.INFO)
    return Workspace.open(Path(workspace))


def _stage(
    stage: Callable[..., StageResult],
    workspace: str,
    as_of: datetime | None,
    run_id: str | None,
    *more: object,
) -> StageResult:
    """Run a stage as one task, again while its files or tables are busy."""
    as_of = as_of or now()

    def work() -> StageResult:
        return stage(_open(workspace), as_of, run_id or new_run_id(as_of), *more)

    result: StageResult = _task(work, stage.__name__)()
    leave_artifacts(result)
    return result


def _in_tasks(work: Work, chunks: Sequence[Chunk]) -> Iterable[ChunkOutcome]:
    """Go through the chunks as mapped tasks."""
    return _task(work, "calibrate from {chunk[0]}").map(list(chunks)).result()


def _task(work: Callable[P, R], run_name: str) -> Task[P, R]:
    return task(
        name=run_name.partition(" {")[0],
        task_run_name=run_name,
        retries=3,
        retry_delay_seconds=[2, 10, 30],
        retry_condition_fn=_busy,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(work)


def _busy(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    """Whether a task failed on a file or table that may be free a moment later."""
    return isinstance(state.data, LockedError | OSError)
