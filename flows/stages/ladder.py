"""The stages of a market day in their order, and how the day goes on where one of them fails.

A stage that fails costs what it would have brought, not the day: it is recorded with its reason, and those
after it work with what the warehouse holds. Two things end a day: a warehouse that nobody can use, by its
error, and a plan that cannot be made, after which there is nothing new to publish.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime

from flows.clock import now
from flows.context import Context
from flows.log import at_work
from flows.stages.record import StageResult, write_run
from flows.stages.trouble import DEGRADED, trace_of
from flows.under_way import under_way
from warehouse.errors import LockedError, WarehouseError

_log = logging.getLogger(__name__)
Step = Callable[[], StageResult]

_OF_A_DAY = ("fetch", "plan", "publish")
_NO_PLAN = 5
_FAULT = 1
_KEPT_CODES = (74, 75)
"""What a publisher's failure keeps as the code of the day: a disk that cannot be written, a lock."""


def steps_of(context: Context, day: date) -> Mapping[str, Step]:
    """Stage name → what does it here and now, without Prefect; in the order of the day."""
    from flows.stages.calibrate import calibrate
    from flows.stages.check import check
    from flows.stages.fetch_day import fetch_day
    from flows.stages.inbox import ingest_inbox
    from flows.stages.plan import plan
    from flows.stages.publish import publish
    from flows.stages.realise import days_to_account, realise

    return {
        "ingest": lambda: ingest_inbox(context),
        "fetch": lambda: fetch_day(context, day),
        "check": lambda: check(context),
        "realise": lambda: realise(context, days_to_account(context)),
        "calibrate": lambda: calibrate(context),
        "plan": lambda: plan(context, day),
        "publish": lambda: publish(context, day),
    }


def climb(context: Context, steps: Mapping[str, Step], day: date | None = None) -> list[StageResult]:
    """Take the steps in their order; one that raises is answered as failed, and the next is taken.

    day: the market day that they are for, which a failure is recorded with.
    Where another process holds the warehouse, the day is planned from the snapshot. Raises the warehouse's
    error (LockedError, NoWarehouseError, …) when a step failed and nothing can be read.
    """
    results: list[StageResult] = []
    with under_way(context, list(steps), day):
        for stage, step in steps.items():
            if stage == "publish" and any(one.stage == "plan" and one.status == "failed" for one in results):
                break
            began = now()
            try:
                results.append(step())
            except Exception as error:
                try:
                    with at_work(context.run_id, stage):
                        own = day if stage in _OF_A_DAY else None
                        results.append(_failed(context, stage, began, error, own))
                except LockedError as locked:
                    return [*results, *_from_snapshot(context, list(steps), stage, day, locked)]
    return results


def _from_snapshot(
    context: Context, stages: Sequence[str], stage: str, day: date | None, locked: LockedError
) -> list[StageResult]:
    """The plan of a day that found the warehouse in use at a stage; raises LockedError where there is none to
    be made, or it was made before."""
    from flows.stages.aside import plan_aside

    left = list(stages[stages.index(stage) :])
    if day is None or not {"plan", "publish"} <= set(left):
        raise locked
    skipped = [one for one in left if one not in ("plan", "publish")]
    try:
        return plan_aside(context, lambda _: day, locked, skipped)
    except LockedError:
        raise
    except Exception as error:
        return [answer_of("plan", error)]


def run_exit_code(results: Sequence[StageResult]) -> int:
    """The exit code of a command: of its one stage, or of a day with all its stages.

    A day without a plan is the plan's code; with one it is 0 only if every stage is, and else 3: degraded.
    Pages and schedule that could not be written, or were held by somebody else, keep the code that says so.
    """
    plan = next((one for one in results if one.stage == "plan"), None)
    if plan is None or len(results) == 1:
        return results[-1].exit_code
    if plan.status == "failed":
        return plan.exit_code
    if unpublished := [one for one in results if one.stage == "publish" and one.exit_code in _KEPT_CODES]:
        return unpublished[0].exit_code
    return DEGRADED if any(one.exit_code for one in results) else 0


def _failed(context: Context, stage: str, began: datetime, error: Exception, day: date | None) -> StageResult:
    """The answer of a stage that raised, recorded as well as it can be."""
    failed = answer_of(stage, error)
    context.workspace.warehouse.read(
        "out_run", where={"run_id": context.run_id}
    )  # raises where nothing can be read
    with suppress(WarehouseError, OSError):
        write_run(context, stage, began, "failed", failed.exit_code, failed.message, day)
    return failed


def answer_of(stage: str, error: Exception) -> StageResult:
    """What a stage that raised has to answer."""
    from flows.problem import problem_of

    problem = problem_of(error)
    _log.error("%s: %s", stage, problem.message, exc_info=trace_of(error))
    code = _NO_PLAN if stage == "plan" and problem.exit_code == _FAULT else problem.exit_code
    message = f"{problem.message} · {problem.hint}" if problem.hint else problem.message
    return StageResult(
        stage=stage, status="failed", message=message, exit_code=code, details={"kind": problem.kind}
    )
