"""The daily run as Prefect flows: a thin shell over `flows.stages`.

daily = ingest (the inbox) → fetch (what providers tell of the day) → check → realise (what became of the days
before) → calibrate → plan → publish, each a flow of its own as well; `flows.stages.ladder` says how it goes
on where one fails. scheduled = whatever is due by then (`flows.due`). A flow whose answer has an exit code
ends in a failed state called "Degraded" or "Failed": nothing but a clean run is green. Calibration is one
task a chunk of batteries. Only what may pass is retried: files and tables that are busy; a stage that is run
again writes the same rows again. Import this module after `Workspace.enter`: Prefect reads its environment
when it is imported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Flow, Task, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, StateType, TaskRun
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from flows.artifacts import leave_artifacts
from flows.clock import now, tomorrow
from flows.due import Job
from flows.moments import require_come
from flows.notify import notified
from flows.outcome import Outcome, keep
from flows.secret import without_secrets
from flows.server.crashed import crash_killed
from flows.snapshot import keep_snapshot
from flows.stages import Context, StageResult
from flows.stages.calibrate import Chunk, ChunkOutcome, Work
from flows.stages.jobs import STAGES, day_of, steps_of_job, work_off, worst_code
from flows.stages.ladder import Step, climb, run_exit_code, steps_of
from flows.stages.trouble import DEGRADED, may_pass
from flows.status_stored import store_status
from flows.workers import twin_workers
from flows.workspace import Workspace

_log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
Answer = StageResult | State[Any]
_answers: dict[tuple[str, str], StageResult] = {}
"""What stages of a day came to, by run and stage, until the day has it."""


class NotGreenError(Exception):
    """A flow did its work, and not all of it is well; `results` are its answers."""

    def __init__(self, results: Sequence[StageResult]) -> None:
        super().__init__("; ".join(f"{one.stage}: {one.message}" for one in results if one.exit_code))
        self.results = list(results)


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
def ingest(workspace: str, as_of: datetime | None = None, run_id: str | None = None) -> Answer:
    """Take the files of the inbox."""
    from flows.stages.inbox import ingest_inbox

    return _stage(ingest_inbox, workspace, as_of, run_id)


@flow(name="fetch", flow_run_name=_run_name)
def fetch(
    workspace: str,
    day: date | None = None,
    as_of: datetime | None = None,
    run_id: str | None = None,
    *,
    patient: bool = False,
) -> Answer:
    """Ask the configured providers for a market day, tomorrow unless stated otherwise.

    patient: it need not be out yet.
    """
    from flows.stages.fetch_day import fetch_day

    as_of = as_of or now()
    day = day or tomorrow(as_of, _open(workspace).zone)
    return _stage(partial(fetch_day, patient=patient), workspace, as_of, run_id, day)


@flow(name="check", flow_run_name=_run_name)
def check(workspace: str, as_of: datetime | None = None, run_id: str | None = None) -> Answer:
    """Let good rows into the core tables, bad ones into quarantine."""
    from flows.stages.check import check as stage

    return _stage(stage, workspace, as_of, run_id)


@flow(name="realise", flow_run_name=_run_name)
def realise(workspace: str, as_of: datetime | None = None, run_id: str | None = None) -> Answer:
    """Put what happened on the days before next to what their plans had promised."""
    from flows.stages.realise import days_to_account
    from flows.stages.realise import realise as stage

    context = _context(workspace, as_of, run_id)
    return _stage(stage, workspace, context.as_of, context.run_id, days_to_account(context))


@flow(name="calibrate", flow_run_name=_run_name, task_runner=ThreadPoolTaskRunner(max_workers=8))  # type: ignore[arg-type]
def calibrate(workspace: str, as_of: datetime | None = None, run_id: str | None = None) -> Answer:
    """Fit the twin of every battery with new rows, one task a chunk."""
    from flows.stages.calibrate import calibrate as stage

    context = _context(workspace, as_of, run_id)
    return _stated(context, lambda: stage(context, each=_in_tasks))


@flow(name="plan", flow_run_name=_run_name)
def plan(
    workspace: str, day: date | None = None, as_of: datetime | None = None, run_id: str | None = None
) -> Answer:
    """Plan a market day, tomorrow unless stated otherwise."""
    from flows.stages.plan import plan as stage

    as_of = as_of or now()
    return _stage(stage, workspace, as_of, run_id, day or tomorrow(as_of, _open(workspace).zone))


@flow(name="publish", flow_run_name=_run_name)
def publish(
    workspace: str, day: date | None = None, as_of: datetime | None = None, run_id: str | None = None
) -> Answer:
    """Write the reports of a day's plan in force."""
    from flows.stages.publish import publish as stage

    as_of = as_of or now()
    return _stage(stage, workspace, as_of, run_id, day or tomorrow(as_of, _open(workspace).zone))


@flow(name="maintain", flow_run_name=_run_name)
def maintain(workspace: str, as_of: datetime | None = None, run_id: str | None = None) -> Answer:
    """Back the warehouse up and let go of what retention says."""
    from flows.stages.maintain import maintain as stage

    return _stage(stage, workspace, as_of, run_id)


@flow(name="scheduled", flow_run_name=_run_name)
def scheduled(
    workspace: str,
    as_of: datetime | None = None,
    run_id: str | None = None,  # noqa: ARG001 each thing that is done has a run of its own
) -> State[Any]:
    """Do what is due by the settings and by what is on record, one thing after the other."""
    opened, lost, began = _open(workspace), list[str](), now()
    crash_killed(opened)

    def do(job: Job, context: Context) -> list[StageResult]:
        _log.info("%s: %s", job.name, job.why)
        day = day_of(job, context)
        flows = _flows_of(context, day, patient=job.patient)
        alone = steps_of_job(job, context)
        steps = {
            stage: _step(stage, context.run_id, flows[stage], alone[stage], lost)
            for stage in STAGES[job.name]
        }
        return climb(context, steps, day)

    with notified(opened, began):
        with twin_workers(opened.settings.calibrate.twins):
            came = work_off(opened, do, as_of)
        if came:
            store_status(opened)
            keep_snapshot(opened)
    text = "; ".join(f"{one.stage}: {one.message}" for results in came for one in results)
    if code := worst_code(came):
        return _not_green([one for results in came for one in results], code)
    return State(
        type=StateType.COMPLETED,
        name="Completed" if came else "Nothing due",
        message=text or "nothing is due",
    )


@flow(name="daily", flow_run_name=_run_name)
def daily(
    workspace: str, day: date | None = None, as_of: datetime | None = None, run_id: str | None = None
) -> list[StageResult] | State[Any]:
    """All stages for one market day, tomorrow unless stated otherwise, under one run_id."""
    context = _context(workspace, as_of, run_id)
    as_of, run_id = context.as_of, context.run_id
    day = day or tomorrow(as_of, context.workspace.zone)
    flows = _flows_of(context, day)
    lost: list[str] = []
    crash_killed(context.workspace)
    alone = steps_of(context, day)
    steps = {stage: _step(stage, run_id, flows[stage], alone[stage], lost) for stage in alone}
    with twin_workers(context.workspace.settings.calibrate.twins):
        results = climb(context, steps, day)
    store_status(context.workspace)
    keep_snapshot(context.workspace)
    keep(run_id, Outcome(results=results, lost=lost))
    return results if run_exit_code(results) == 0 else _not_green(results, run_exit_code(results))


def _flows_of(
    context: Context, day: date, *, patient: bool = False
) -> Mapping[str, Callable[[], State[Any]]]:
    """Stage name → the flow of a stage, in the order of the day."""
    workspace, as_of, run_id = str(context.workspace.root), context.as_of, context.run_id
    return {
        stage: partial(_state_of, one, workspace=workspace, as_of=as_of, run_id=run_id, **more)
        for stage, one, more in (
            ("ingest", ingest, {}),
            ("fetch", fetch, {"day": day, "patient": patient}),
            ("check", check, {}),
            ("realise", realise, {}),
            ("calibrate", calibrate, {}),
            ("plan", plan, {"day": day}),
            ("publish", publish, {"day": day}),
            ("maintain", maintain, {}),
        )
    }


def _state_of(one: Flow[..., Any], **parameters: Any) -> State[Any]:
    called: Any = one
    state: State[Any] = called(**parameters, return_state=True)
    return state


def _step(
    stage: str, run_id: str, under_prefect: Callable[[], State[Any]], alone: Step, lost: list[str]
) -> Step:
    """A stage as a flow; without Prefect from where that is lost, which `lost` is reported."""

    def step() -> StageResult:
        if lost:
            return alone()
        try:
            state = under_prefect()
        except Exception as error:  # a stage's own errors come as states: this one is Prefect's
            lost.append(without_secrets(f"Prefect was lost in {stage} ({type(error).__name__}: {error})"))
            _log.warning("%s; the day goes on without it", lost[-1])
            return _answers.pop((run_id, stage), None) or alone()
        if answer := _answers.pop((run_id, stage), None):
            return answer
        came = state.result(raise_on_failure=False)
        raise came if isinstance(came, Exception) else RuntimeError(f"{stage} gave no answer: {came!r}")

    return step


def _context(workspace: str, as_of: datetime | None, run_id: str | None) -> Context:
    """What a flow judges by; raises UsageError for a moment that has not come."""
    opened = _open(workspace)
    if as_of is not None:
        require_come(opened, as_of)
    return Context.of(opened, as_of or now(), run_id)


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
) -> Answer:
    """Run a stage as one task, again while its files or tables are busy."""
    context = _context(workspace, as_of, run_id)

    def work() -> StageResult:
        return stage(context, *more)

    name = (stage.func if isinstance(stage, partial) else stage).__name__
    return _stated(context, _task(work, name))


def _stated(context: Context, work: Callable[[], StageResult]) -> Answer:
    """A stage's answer as that of its flow, kept for its day and shown in Prefect's pages.

    An error is its failed state: it is the day that tells of it, in a line, and no traceback of Prefect's.
    """
    try:
        result = work()
    except Exception as error:
        return State(
            type=StateType.FAILED, message=without_secrets(f"{type(error).__name__}: {error}"), data=error
        )
    _answers[context.run_id, result.stage] = result
    try:
        leave_artifacts(result, context.workspace.reports)
    except Exception as error:  # the stage has done its work, whether or not it is shown
        why = without_secrets(f"{type(error).__name__}: {error}")
        _log.warning("%s is not shown in Prefect's pages: %s", result.stage, why)
    return result if result.exit_code == 0 else _not_green([result], result.exit_code)


def _not_green(results: Sequence[StageResult], exit_code: int) -> State[Any]:
    error = NotGreenError(results)
    name = "Degraded" if exit_code == DEGRADED else "Failed"
    return State(type=StateType.FAILED, name=name, message=str(error), data=error)


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
    return may_pass(state.data)
