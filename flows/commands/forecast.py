"""Commands of what is foreseen: forecast day."""

from __future__ import annotations

import typer

from flows.commands.options import AsOfOption, Call, DateOption, JsonOption, WorkspaceOption, market_date

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

    Prices come with the quantiles 5, 50 and 95 %, by the days of prices before. What the pool has plugged
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
