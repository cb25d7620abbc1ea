"""Commands of money that is really paid: bill, settle, statement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    for command in (bill, settle, statement):
        app.command(rich_help_panel="Money")(command)


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


def settle(
    ctx: typer.Context,
    day: Annotated[
        str,
        typer.Option(
            "--date", metavar="DATE", help="Market day that is over, YYYY-MM-DD, local.", show_default=False
        ),
    ],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Settle a day between owners and operator, by the contracts that v2g.toml names.

    The day is accounted for first, as `v2g realise` does. Where data came late, the day and the later ones
    of its month that were settled are settled again: as corrections, which tell what they differ by. Exit 3
    where a day has no account.

    Example: v2g settle --date 2026-01-15
    """
    from flows.console import working
    from flows.moments import day_of
    from flows.stages import Context
    from flows.stages.realise import realise
    from flows.stages.settle import days_to_settle, settle_days

    call = Call.of(ctx, workspace, as_json, as_of)
    context = Context.of(call.open(), call.as_of)
    first = day_of("--date", day)
    with working("settling"):
        days = days_to_settle(context, first)
        results = (realise(context, days), settle_days(context, days))
    call.finish(*results)


def statement(
    ctx: typer.Context,
    battery_id: Annotated[str, typer.Argument(metavar="ID", help="The owner's car.", show_default=False)],
    month: Annotated[
        str, typer.Option("--month", metavar="YYYY-MM", help="Of market days, local.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to.", show_default="exports/statements/"),
    ] = None,
    encrypt_for: Annotated[
        Path | None,
        typer.Option(
            "--encrypt-for",
            metavar="CERTIFICATE",
            help="Write one encrypted file that this certificate's holder alone can open (PEM, RSA; "
            "`openssl cms -decrypt` opens it).",
            show_default="a folder to read",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """An owner's month: money, energy, promises kept, battery health, with proof of every amount.

    Days that are over are accounted for and settled first. `v2g ledger verify` checks the folder without the
    workspace. Exit 3 where a day of the month could not be settled.

    Example: v2g statement CAR1 --month 2026-01
    """
    from flows.console import working
    from flows.stages import Context
    from flows.stages.bill import month_of
    from flows.stages.ledger import require_car
    from flows.stages.statement import settle_month
    from flows.stages.statement import statement as stage

    call = Call.of(ctx, workspace, as_json, as_of)
    context = Context.of(call.open(), call.as_of)
    first = month_of(month)
    require_car(context, battery_id)
    with working("settling the month"):
        before = settle_month(context, first, battery_id)
        result = stage(context, battery_id, first, out=out, encrypt_for=encrypt_for)
    call.finish(*before, result)
