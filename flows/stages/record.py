"""What a stage answers, and the row it leaves in out_run."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal, ParamSpec, cast

from flows.clock import now
from flows.context import Context
from flows.lineage import with_lineage
from flows.log import at_work
from flows.plain import known, plain
from flows.private import keep_private
from flows.secret import secrets_out
from flows.snapshot import TAKING_IN, note_taken_in
from warehouse.errors import UnwritableError, WarehouseError

_log = logging.getLogger(__name__)
P = ParamSpec("P")
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """What a stage did: a message, an exit code, small tables for a reader, files it wrote, ids."""

    stage: str
    status: Literal["ok", "degraded", "failed"]
    message: str
    exit_code: int = 0
    tables: Mapping[str, Rows] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Rows of any frame may come in here: from here on, what is missing is None.
        tables = {
            title: tuple({key: known(value) for key, value in row.items()} for row in rows)
            for title, rows in self.tables.items()
        }
        object.__setattr__(self, "tables", tables)
        object.__setattr__(self, "details", {key: known(value) for key, value in self.details.items()})

    def to_record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        answer: dict[str, Any] = plain(
            {
                "stage": self.stage,
                "status": self.status,
                "exit_code": self.exit_code,
                "message": self.message,
                **self.details,
                "tables": self.tables,
                "files": self.files,
            }
        )
        return answer


def recorded(stage: str) -> Callable[[Callable[P, StageResult]], Callable[P, StageResult]]:
    """Leave a row in out_run when a stage(context, …) ends, by an answer or by an error."""

    def decorate(body: Callable[P, StageResult]) -> Callable[P, StageResult]:
        @functools.wraps(body)
        def run(*args: P.args, **kwargs: P.kwargs) -> StageResult:
            context, *more = cast("tuple[Context, object]", args)
            day = next((one for one in more[:1] if isinstance(one, date)), None)
            with at_work(context.run_id, stage):
                keep_private()
                take_in_spooled(context)
                result = _run(context, stage, day, lambda: _clean(body(*args, **kwargs)))
                _log.info("%s: %s", stage, result.message)
            if (money := context.workspace.money).code == "EUR":
                return result
            return replace(result, tables={name: money.rows(rows) for name, rows in result.tables.items()})

        return run

    return decorate


def _run(context: Context, stage: str, day: date | None, body: Callable[[], StageResult]) -> StageResult:
    """Do the work of a stage and leave its row, however it ends."""
    started = now()
    try:
        result = with_lineage(context, stage, body)
    except Exception as error:
        from flows.problem import problem_of

        problem = problem_of(error)
        # Not where it was refused before anything began, or nobody can write now.
        if problem.exit_code not in (2, 4, 74, 75):
            with suppress(WarehouseError, OSError):  # the stage's own error is the one to tell
                write_run(context, stage, started, "failed", problem.exit_code, problem.message, day)
        raise
    try:
        write_run(context, stage, started, result.status, result.exit_code, result.message, day)
    except UnwritableError as error:
        raise UnwritableError(
            f"{stage} is done and written ({result.message}); its line in out_run is not: {error}"
        ) from error
    if stage in TAKING_IN and context.workspace.database is None:
        note_taken_in(context.workspace)
    return result


def take_in_spooled(context: Context) -> None:
    """Have the warehouse take in first what was planned while it was in use; see `flows.stages.spooled`."""
    folder = context.workspace.spool
    if context.workspace.database is None and any(folder.glob("*.spool")):
        from flows.stages.spooled import take_in

        take_in(folder, context.workspace.warehouse)
        note_taken_in(context.workspace)


def _clean(result: StageResult) -> StageResult:
    """A stage's answer without any secret, whoever may have sent one back into it."""
    clean = secrets_out()
    tables = {
        title: [
            {key: clean(value) if isinstance(value, str) else value for key, value in row.items()}
            for row in rows
        ]
        for title, rows in result.tables.items()
    }
    return replace(result, message=clean(result.message), tables=tables)


def write_run(
    context: Context,
    stage: str,
    started: datetime,
    status: str,
    exit_code: int,
    message: str,
    day: date | None = None,
) -> None:
    """Write (or replace) the row of one stage of the context's run in out_run; day: that it was for."""
    import pandas as pd

    row = {
        "run_id": context.run_id,
        "stage": stage,
        "started_utc": pd.Timestamp(started),
        "finished_utc": pd.Timestamp(now()),
        "status": status,
        "exit_code": exit_code,
        "message": message,
        "market_date": day,
    }
    context.workspace.warehouse.write(
        {"out_run": pd.DataFrame([row])}, replace={"out_run": ("run_id", "stage")}
    )
