"""What every command understands: where the workspace is, how to answer, and as of when."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows import clock
from flows.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from flows.stages import StageResult
    from flows.workspace import Workspace

WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="The workspace folder. [default: here]", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on stdout.")]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="TIME",
        help="Judge as of this moment (ISO 8601, UTC when no offset is given): measurements after it are not "
        "looked at. [default: now]",
        show_default=False,
    ),
]
DateOption = Annotated[
    str | None,
    typer.Option(
        "--date",
        metavar="DATE",
        help="Market day, YYYY-MM-DD in the zone's local time. [default: tomorrow]",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The shared options of one invocation, wherever on the line they were typed."""

    directory: Path = Path()
    json: bool = False
    as_of: datetime

    @classmethod
    def of(cls, ctx: typer.Context, workspace: Path | None, as_json: bool, as_of: str | None) -> Call:
        """The options of this command over those typed before its name."""
        call = ctx.obj if isinstance(ctx.obj, Call) else cls(as_of=clock.now())
        if workspace is not None:
            call = replace(call, directory=workspace)
        if as_of is not None:
            call = replace(call, as_of=parse_moment(as_of))
        return replace(call, json=call.json or as_json)

    def open(self) -> Workspace:
        """The workspace, with this process's environment set for the engines."""
        from flows.workspace import Workspace

        workspace = Workspace.open(self.directory)
        workspace.enter()
        return workspace

    def answer(self, payload: Mapping[str, Any], show: Callable[[Console], None]) -> None:
        """Print the payload as JSON, or let `show` print it for a reader; both on stdout."""
        if self.json:
            json.dump(payload, sys.stdout, indent=2, default=str, allow_nan=False)
            sys.stdout.write("\n")
            return
        from rich.console import Console

        show(Console(highlight=False))

    def finish(self, *results: StageResult) -> None:
        """Answer with what the stages did and leave with the exit code of the only one, or of the day."""
        from flows.console import show_stages
        from flows.stages.ladder import run_exit_code

        self.answer(
            {"stages": [result.to_record() for result in results]}, lambda out: show_stages(out, results)
        )
        if code := run_exit_code(results):
            raise typer.Exit(code)


def parse_moment(text: str) -> datetime:
    """An ISO 8601 date or time as UTC; raises UsageError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--as-of {text}: not a time", hint="Try 2020-07-04T14:00Z.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def market_date(text: str | None, call: Call, zone: str) -> date:
    """The date typed, or the zone's tomorrow as of the call; raises UsageError."""
    if text is None:
        return clock.tomorrow(call.as_of, zone)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--date {text}: not a date", hint="Try 2020-07-05.") from None
