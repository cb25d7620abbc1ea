"""Commands on days that are over and on plans that were made: backfill, diff."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption
from flows.moments import day_of

if TYPE_CHECKING:
    from flows.stages import StageResult
    from flows.workspace import Workspace

_MOST_DAYS = 366


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    for command in (backfill, diff):
        app.command(rich_help_panel="Planning")(command)


def backfill(
    ctx: typer.Context,
    first: Annotated[
        str, typer.Option("--from", metavar="DATE", help="First market day.", show_default=False)
    ],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last market day.", show_default=False)],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Plan market days that are over, each as of when its prices had come, and account for them.

    What is there already is not made again, and no day costs another its plan. Which plan of a day was
    followed is given by when it was made: one that is filled in later is followed where there was no other.
    Exit 3 when something is not as it should be with a day, or it has no plan.

    Example: v2g backfill --from 2020-06-01 --to 2020-06-07
    """
    from flows.errors import UsageError
    from warehouse.zones import market_day_bounds

    call = Call.of(ctx, workspace, as_json, as_of)
    begin, end = day_of("--from", first), day_of("--to", last)
    days = [begin + timedelta(days=number) for number in range((end - begin).days + 1)]
    if not 0 < len(days) <= _MOST_DAYS:
        raise UsageError(f"--from {begin} --to {end}: 1 to {_MOST_DAYS} days are needed")
    opened = call.open()
    if market_day_bounds(end, opened.zone)[1] > call.as_of:
        raise UsageError(f"--to {end}: the day is not over", hint="`v2g run` plans a day that is to come.")
    results = _filled(opened, call, days)
    _finish(call, results)


def _filled(opened: Workspace, call: Call, days: list[date]) -> list[StageResult]:
    from flows.console import working
    from flows.mapping.prices import known_since
    from flows.stages import Context
    from flows.stages.ladder import climb
    from flows.stages.plan import plan
    from flows.stages.realise import realise

    results: list[StageResult] = []
    with working("filling in") as progress:
        for number, day in enumerate(days):
            progress(f"planning {day}, {number + 1} of {len(days)}")
            context = Context.of(opened, known_since(Context.of(opened, call.as_of), day))
            came = climb(context, {"plan": partial(plan, context, day)}, day)
            results += [replace(one, message=f"{day}: {one.message}") for one in came]
        progress("accounting")
        context = Context.of(opened, call.as_of)
        results += climb(context, {"realise": partial(realise, context, days)})
    return results


def _finish(call: Call, results: list[StageResult]) -> None:
    from flows.console import show_stages
    from flows.stages.trouble import DEGRADED

    call.answer({"stages": [one.to_record() for one in results]}, lambda out: show_stages(out, results))
    if any(one.exit_code for one in results):
        raise typer.Exit(DEGRADED)


def diff(
    ctx: typer.Context,
    before: Annotated[
        str, typer.Argument(metavar="PLAN", help="A plan's id, or its beginning.", show_default=False)
    ],
    after: Annotated[str, typer.Argument(metavar="PLAN", help="Another one.", show_default=False)],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Tell what the second plan does otherwise than the first in the quarter-hours that both span.

    By car: kWh drawn and fed back, € of energy, split into what other prices and what another schedule make
    of it, and what is another of the car: its sessions, its calibration, the rung it stands on.

    Example: v2g diff 5f3a9c1e 77b01d42
    """
    from flows.console import show_tables
    from flows.mapping.plan_diff import plan_diff
    from flows.plain import plain

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    answer = plan_diff(opened, before, after)
    tables = {name: opened.money.rows(plain(rows)) for name, rows in answer.items()}
    call.answer(tables, lambda out: show_tables(out, tables))
