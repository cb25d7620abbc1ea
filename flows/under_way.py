"""Which runs of a workspace are under way: each holds a file in .running/ for as long as its process lives.

The system lets go of a file when its process ends, however it ends. One that nobody holds is of a run that
was killed, or whose machine went down: the next run says so in out_run, in the place of the stage that it was
in, and takes the file away. What it had done by then stands, and is done no second time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime

from flows.clock import now
from flows.context import Context
from flows.server.held import hold, holder, let_go
from flows.stages.record import write_run
from flows.workspace import Workspace
from warehouse.errors import WarehouseError
from warehouse.files import make_folder

_BUSY = 75
"""Exit code of a stage that was killed: what it did not come to is tried again."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A run that has begun: when (UTC), its stages in their order, the market day that it is for.

    process: the one that is at it; None where that has ended without a word.
    """

    run_id: str
    since: datetime
    stages: tuple[str, ...]
    day: date | None
    process: int | None


@contextmanager
def under_way(context: Context, stages: Sequence[str], day: date | None) -> Iterator[None]:
    """In the block, the run is known to be under way; what is left of runs that were killed is told first.

    Where nothing can be written it goes on unmarked.
    """
    mark = context.workspace.running / context.run_id
    try:
        make_folder(mark.parent)
        _tell_of_killed(context)
        held = hold(mark) is None or hold(mark) is None  # somebody may just have looked at it
        if held:
            with mark.open("a", encoding="utf-8") as stream:
                stream.write(f"{now().isoformat()}\n{day or ''}\n{' '.join(stages)}\n")
    except OSError as error:
        _log.warning("nobody can see that this run is under way: %s: %s", mark, error.strerror)
        held = False
    try:
        yield
    finally:
        if held:
            with suppress(OSError):
                mark.unlink()
            let_go(mark)


def begun_runs(workspace: Workspace) -> list[Begun]:
    """The runs that have begun and not ended, the first first."""
    found = []
    for mark in workspace.running.glob("*") if workspace.running.is_dir() else ():
        with suppress(OSError):  # it has ended meanwhile
            process = holder(mark)
            lines = mark.read_text(encoding="utf-8").splitlines()
            if len(lines) < 4:  # it is just beginning, or was killed before it had begun anything
                continue
            found.append(
                Begun(
                    run_id=mark.name,
                    since=datetime.fromisoformat(lines[1]),
                    day=date.fromisoformat(lines[2]) if lines[2] else None,
                    stages=tuple(lines[3].split()),
                    process=process,
                )
            )
    return sorted(found, key=lambda one: one.since)


def killed_runs(workspace: Workspace) -> list[Begun]:
    """The runs whose process has ended without a word, and that no run has told of since."""
    return [one for one in begun_runs(workspace) if one.process is None]


def _tell_of_killed(context: Context) -> None:
    """Write where each run was killed, and forget it; one that cannot be written is told of by the next."""
    for one in killed_runs(context.workspace):
        with suppress(WarehouseError, OSError):
            ended = context.workspace.warehouse.read("out_run", where={"run_id": one.run_id})
            left = [stage for stage in one.stages if stage not in set(ended["stage"])]
            if left:
                message = (
                    f"run {one.run_id} was killed, or its machine went down, before {left[0]} ended: "
                    f"what it had done stands, run {context.run_id} goes on from there"
                )
                own = replace(context, run_id=one.run_id)
                write_run(own, left[0], one.since, "failed", _BUSY, message, one.day)
                _log.warning("%s", message)
            (context.workspace.running / one.run_id).unlink(missing_ok=True)
