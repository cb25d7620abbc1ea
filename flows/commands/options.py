"""What every command understands: where the workspace is, how to answer, and as of when."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows import clock
from flows.moments import day_of, moment_of, require_come

if TYPE_CHECKING:
    from rich.console import Console

    from flows.stages import StageResult
    from flows.workspace import Workspace

WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="The workspace folder.", show_default="here"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on stdout.")]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="TIME",
        help="Judge as of this moment (ISO 8601, UTC when no offset is given): measurements after it are not "
        "looked at.",
        show_default="now",
    ),
]
DateOption = Annotated[
    str | None,
    typer.Option(
        "--date",
        metavar="DATE",
        help="Market day, YYYY-MM-DD in the zone's local time.",
        show_default="tomorrow",
    ),
]

FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="DATE", help="First market day.", show_default="30 days to --to"),
]
ToOption = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="DATE", help="Last market day; it has to be over.", show_default="yesterday"
    ),
]
_DAYS, _MOST_DAYS = 30, 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The shared options of one invocation, wherever on the line they were typed.

    as_of_given: whether `as_of` was typed; now, unless it was.
    """

    directory: Path = Path()
    json: bool = False
    as_of: datetime
    as_of_given: bool = False

    @classmethod
    def of(cls, ctx: typer.Context, workspace: Path | None, as_json: bool, as_of: str | None) -> Call:
        """The options of this command over those typed before its name."""
        call = ctx.obj if isinstance(ctx.obj, Call) else cls(as_of=clock.now())
        if workspace is not None:
            call = replace(call, directory=workspace)
        if as_of is not None:
            call = replace(call, as_of=moment_of("--as-of", as_of), as_of_given=True)
        return replace(call, json=call.json or as_json)

    def open(self, *, prefect: bool = False) -> Workspace:
        """The workspace, the engines quiet in this process; with `prefect`, a home for it there as well.

        Nothing is written for a command without Prefect: what can only be read can still be looked at. Raises
        UsageError for a moment, typed after --as-of, that has not come.
        """
        from flows.workspace import QUIET_ENVIRONMENT, Workspace

        workspace = Workspace.open(self.directory)
        if self.as_of_given:
            require_come(workspace, self.as_of)
        if prefect:
            workspace.enter()
        else:
            os.environ.update(QUIET_ENVIRONMENT)
        return workspace

    def answer(self, payload: Mapping[str, Any], show: Callable[[Console], None]) -> None:
        """Print the payload as JSON, or let `show` print it for a reader; both on stdout."""
        if self.json:
            from flows.console import write_json

            write_json(payload)
            return
        from flows.console import make_console

        show(make_console())

    def finish(self, *results: StageResult) -> None:
        """Answer with what the stages did and leave with the exit code of the only one, or of the day."""
        from flows.console import show_stages
        from flows.stages.ladder import run_exit_code

        self.answer(
            {"stages": [result.to_record() for result in results]}, lambda out: show_stages(out, results)
        )
        if code := run_exit_code(results):
            raise typer.Exit(code)


def market_date(text: str | None, call: Call, zone: str) -> date:
    """The date typed, or the zone's tomorrow as of the call; raises UsageError."""
    return clock.tomorrow(call.as_of, zone) if text is None else day_of("--date", text)


def days_over(first: str | None, last: str | None, call: Call, zone: str) -> tuple[date, date]:
    """The market days of --from and --to; raises UsageError for too many, or one that is not over."""
    from flows.errors import UsageError
    from warehouse.zones import market_day_bounds

    end = clock.tomorrow(call.as_of, zone) - timedelta(days=2) if last is None else day_of("--to", last)
    begin = end - timedelta(days=_DAYS - 1) if first is None else day_of("--from", first)
    if not 0 <= (end - begin).days < _MOST_DAYS:
        raise UsageError(f"--from {begin} --to {end}: 1 to {_MOST_DAYS} days are needed")
    if market_day_bounds(end, zone)[1] > call.as_of:
        raise UsageError(f"--to {end}: the day is not over")
    return begin, end
