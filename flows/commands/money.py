"""Commands of money that is really paid: bill."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.command(rich_help_panel="Money")(bill)


def bill(
    ctx: typer.Context,
    month: Annotated[
        str,
        typer.Option("--month", metavar="YYYY-MM", help="The month, local to the book.", show_default=False),
    ],
    site: Annotated[
        str | None, typer.Option("--site", help="A site behind one meter.", show_default="all points")
    ] = None,
    battery: Annotated[
        str | None, typer.Option("--battery", help="A car whose plug is a meter.", show_default="all points")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Recompute a month's bills from metering, by the tariff book that v2g.toml names; writes nothing.

    A quarter-hour that no meter tells of is named, and its point has no bill: nothing is guessed.

    Example: v2g bill --month 2026-01 --battery CAR1
    """
    from flows.stages import Context
    from flows.stages.bill import bills, month_of

    call = Call.of(ctx, workspace, as_json, as_of)
    first = month_of(month)
    call.finish(bills(Context.of(call.open(), call.as_of), first, site=site, battery=battery))
