"""The command that plans past days anew: backtest."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption
from flows.moments import day_of


def add_to(app: typer.Typer) -> None:
    """Register this module's command."""
    app.command(rich_help_panel="Planning")(backtest)


def backtest(
    ctx: typer.Context,
    first: Annotated[
        str, typer.Option("--from", metavar="DATE", help="First market day, YYYY-MM-DD, local to the zone.")
    ],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last market day; it has to be over.")],
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--strategy",
            metavar="NAME",
            help="uncontrolled, ordered, v2g, like-days, last-week, yesterday, combined, "
            "foresight-sessions, foresight-prices or foresight; again for more.",
            show_default="all",
        ),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(
            "--every",
            metavar="MINUTES",
            min=15,
            max=1440,
            help="Plan anew, as `v2g plan --now` does, every so many minutes as well.",
            show_default="at publication alone",
        ),
    ] = None,
    twin: Annotated[
        bool,
        typer.Option(
            "--twin",
            help="Ask the twin, too, what each realised day wears: about half a second a car and day.",
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Tell what each strategy would have earned on past days: planned day by day with what was known then.

    uncontrolled, ordered and v2g know prices once they are published, as `v2g run` does; like-days,
    last-week and yesterday feed back on those prices, combined on what these and a regression say
    together, decided at 11:30 the day before and never planned anew; foresight knows prices and sessions
    to come. Each lives its own days, by the stages that plan and account for the real ones, in copies of
    the warehouse; in the warehouse itself out_backtest is written and nothing else. History is known from
    then on only if it was loaded so (`v2g ingest --received event`). Money is net of wear at the price
    that plans are made with (--twin tells it by the twin as well); what is left in store is reported next
    to it, and a departure that is missed is counted and never priced. Intervals are of 90 %, from blocks
    of seven days, from 14 days on. Killed and called again, it goes on where it was; what is done is not
    done again. Exit 3 where a day has no account.

    Example: v2g backtest --from 2025-11-01 --to 2025-11-30 --strategy v2g --strategy foresight
    """
    from flows.backtest.run import BackTest
    from flows.backtest.strategies import BY_NAME, STRATEGIES
    from flows.console import counting
    from flows.errors import UsageError

    call = Call.of(ctx, workspace, as_json, as_of)
    days = (day_of("--from", first), day_of("--to", last))
    if days[1] < days[0]:
        raise UsageError(f"--to {last} is before --from {first}")
    if unknown := [name for name in names or () if name not in BY_NAME]:
        raise UsageError(
            f"--strategy {unknown[0]}: there is no such strategy", hint=f"There are {', '.join(BY_NAME)}."
        )
    asked = [one for one in STRATEGIES if not names or one.name in names]
    test = BackTest.of(
        call.open(),
        days,
        asked,
        now=call.as_of,
        every_minutes=every or 0,
        as_of=call.as_of if call.as_of_given else None,
        twin=twin,
    )
    with counting() as progress:
        result = test.run(progress)
    call.finish(result)
