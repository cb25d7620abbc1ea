"""Commands of what is foreseen: forecast day, forecast report."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.options import AsOfOption, Call, DateOption, JsonOption, WorkspaceOption, market_date
from flows.moments import day_of

forecast = typer.Typer(
    name="forecast", help="What is foreseen: prices, and what the cars have plugged in.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.add_typer(forecast, rich_help_panel="Planning")


@forecast.command("day")
def day(
    ctx: typer.Context,
    date: DateOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Foresee a market day: its prices, and the least that the cars together have plugged in by 4-hour block.

    Prices come with the quantiles 5, 50 and 95 %, by the days of prices before, up to seven days after the
    last one that is known. What the pool has plugged
    in at least, as cars, kW and kWh, comes with 5 % (there with 95 %) and 50 %, by its own days that are
    over, holidays apart. Kept in out_forecast with the moment of issue, never written over. Exit 3 where
    one of the two cannot be foreseen, 5 where neither can.

    Example: v2g forecast day --date 2026-12-02 --as-of 2026-12-01T10:30Z
    """
    from flows.console import working
    from flows.stages import Context
    from flows.stages.forecast import forecast as stage

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    with working("forecasting"):
        result = stage(Context.of(opened, call.as_of), market_date(date, call, opened.zone))
    call.finish(result)


@forecast.command("report")
def report(
    ctx: typer.Context,
    first: Annotated[
        str, typer.Option("--from", metavar="DATE", help="First market day, YYYY-MM-DD, local to the zone.")
    ],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last market day; it has to be over.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Tell how good what was foreseen of past days was, and whether what it holds drifts.

    Prices: mean absolute error, also as a share of that of seven like days, rank within the day (Kendall's
    τ), score (CRPS), coverage and width of the 90 % band, by hour and week. The pool: how often its minimum
    was there, foreseen and come, by block and week. Sessions of cars: score, coverage and width of the 10 to
    90 % quantiles; how often cars came by what probability they were given. What nobody had issued before
    a day is foreseen now by what was known at 11:30 of the day before. Kept in out_forecast_score. Exit 3
    where coverage of the last 28 days is not what it says, by three standard errors and three points.

    Example: v2g forecast report --from 2026-11-01 --to 2026-11-30
    """
    from flows.console import counting
    from flows.errors import UsageError
    from flows.stages import Context
    from flows.stages.forecast_report import forecast_report

    call = Call.of(ctx, workspace, as_json, as_of)
    days = (day_of("--from", first), day_of("--to", last))
    if days[1] < days[0]:
        raise UsageError(f"--to {last} is before --from {first}")
    context = Context.of(call.open(), call.as_of)
    with counting() as progress:
        result = forecast_report(context, *days, lambda done, total: progress("forecasts", done, total))
    call.finish(result)
