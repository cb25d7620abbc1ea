"""Work off what is due in a workspace, one thing after the other, until nothing is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime

from flows.clock import now, tomorrow
from flows.context import Context
from flows.due import Job, JobName, due, skipped
from flows.stages.aside import Aside, aside, planned_aside
from flows.stages.ladder import Step, answer_of, climb, run_exit_code, steps_of
from flows.stages.record import StageResult, write_run
from flows.stages.situation import situation_of
from flows.stages.trouble import DEGRADED
from flows.workspace import Workspace
from warehouse.errors import LockedError, WarehouseError

STAGES: Mapping[JobName, Sequence[str]] = {
    "replan": ("plan", "publish"),
    "inbox": ("ingest", "check"),
    "fetch": ("fetch", "check"),
    "plan": ("plan", "publish"),
    "publish": ("publish",),
    "realise": ("realise",),
    "maintain": ("maintain",),
    "calibrate": ("calibrate",),
}
"""What each job goes through."""
_NO_PLAN = 5
Do = Callable[[Job, Context], list[StageResult]]


def work_off(workspace: Workspace, do: Do, as_of: datetime | None = None) -> list[list[StageResult]]:
    """Do what is due as of a moment, by the clock if none is reported; what each thing came to.

    What comes first is done first and then looked at anew: prices that have come make a plan due. Each has a
    run of its own, so that nothing that fails costs what follows. Nothing is done twice. What was missed and
    is not made up for is the first answer. Raises the errors of opening a warehouse.
    """
    settings, zone = workspace.settings.schedule, workspace.zone
    done: set[Job] = set()
    came: list[list[StageResult]] = []
    while True:
        context = Context.of(workspace, as_of or now())
        try:
            on_record = situation_of(context)
        except LockedError as locked:
            return [*came, *_from_snapshot(context, locked)]
        if not came and (stated := skipped(settings, zone, context.as_of, on_record)):
            came.append([_caught_up(context, stated)])
        left = [job for job in due(settings, zone, context.as_of, on_record) if job not in done]
        if not left:
            return came
        done.add(left[0])
        came.append(do(left[0], context))


def _from_snapshot(context: Context, locked: LockedError) -> list[list[StageResult]]:
    """Make the plans that are due by the snapshot while another process holds the warehouse.

    Raises LockedError where none is, or none can be made.
    """
    settings, zone = context.workspace.settings.schedule, context.workspace.zone
    with aside(context.workspace, locked) as own:
        here = replace(context, workspace=own.workspace)
        jobs = due(settings, zone, context.as_of, situation_of(here))
        wanted = [job for job in jobs if job.name in ("plan", "replan")]
        if not wanted:
            raise locked
        days = dict.fromkeys(day_of(job, own.context(context)) for job in wanted)
        return [_planned(own, Context.of(context.workspace, context.as_of), day) for day in days]


def _planned(own: Aside, context: Context, day: date) -> list[StageResult]:
    """A day of several: one that cannot be planned costs no other."""
    try:
        return planned_aside(own, context, day)
    except Exception as error:
        return [answer_of("plan", error)]


def without_prefect(job: Job, context: Context) -> list[StageResult]:
    """Do a job here and now."""
    alone = steps_of_job(job, context)
    return climb(context, {stage: alone[stage] for stage in STAGES[job.name]}, day_of(job, context))


def steps_of_job(job: Job, context: Context) -> Mapping[str, Step]:
    """Stage name → what does it for a job, without Prefect."""
    from flows.stages.fetch_day import fetch_day
    from flows.stages.maintain import maintain

    day = day_of(job, context)
    own: dict[str, Step] = {
        "fetch": lambda: fetch_day(context, day, patient=job.patient),
        "maintain": lambda: maintain(context),
    }
    return {**steps_of(context, day), **own}


def day_of(job: Job, context: Context) -> date:
    """The market day that a job is for."""
    if job.day is not None:
        return job.day
    if job.name == "replan":
        from flows.mapping.prices import day_to_plan_now

        return day_to_plan_now(context)
    return tomorrow(context.as_of, context.workspace.zone)


def worst_code(came: Sequence[Sequence[StageResult]]) -> int:
    """The exit code of all: no plan before all else, that of what failed if it is one, else degraded."""
    codes = {_code_of(results) for results in came} - {0}
    if not codes:
        return 0
    return _NO_PLAN if _NO_PLAN in codes else codes.pop() if len(codes) == 1 else DEGRADED


def _code_of(results: Sequence[StageResult]) -> int:
    """The exit code of a job: of its plan as of a day's, of other stages the first that is not well."""
    if any(one.stage == "plan" for one in results):
        return run_exit_code(results)
    return next((one.exit_code for one in results if one.exit_code), 0)


def _caught_up(context: Context, stated: Sequence[str]) -> StageResult:
    """What was missed: degraded where that is more than that nobody looked."""
    lost, message, began = len(stated) > 1, "; ".join(stated), now()
    status, code = ("degraded", DEGRADED) if lost else ("ok", 0)
    with suppress(WarehouseError, OSError):
        write_run(context, "catch-up", began, status, code, message)
    return StageResult(stage="catch-up", status="degraded" if lost else "ok", message=message, exit_code=code)
