"""Commands that start something: demo, serve, open, warmup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.command(rich_help_panel="Start here")(demo)
    app.command(rich_help_panel="Service")(serve)
    app.command("open", rich_help_panel="Service")(open_pages)
    app.command(rich_help_panel="Service")(warmup)


def demo(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make the workspace in.")] = Path(
        "demo"
    ),
    cars: Annotated[int, typer.Option(min=1, max=200, help="Cars of the synthetic fleet.")] = 12,
    days: Annotated[int, typer.Option(min=2, max=365, help="Days of telemetry before the plan.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same fleet.")] = 1,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """A synthetic fleet, from telemetry to a plan and its report: its last week, then the daily run.

    Example: v2g demo
    """
    from flows.demo import make_demo
    from flows.demo_week import live_the_week
    from flows.runner import run_daily

    call = Call.of(ctx, workspace, as_json, as_of)
    made = make_demo(call.directory / directory, cars=cars, days=days, seed=seed)
    made.workspace.enter()
    before = live_the_week(made, days)
    results = run_daily(made.workspace, made.as_of, made.market_date)
    call.finish(*([before] if before else []), *results)


def serve(
    ctx: typer.Context,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of Prefect's server and its pages.")
    ] = 4200,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Start Prefect's server with its pages on 127.0.0.1 and do what is due by v2g.toml until Ctrl-C.

    What is due is looked at every quarter-hour, and at once when it starts: the files of `inbox/`
    (KIND__SOURCE__anything.csv, as in prices__smard__2020.csv), tomorrow's prices until they are out, its
    plan as soon as they are, plans anew, the account of days that are over, calibration, backup. What was
    missed meanwhile is made up for, what still runs first; what is not is reported.

    Example: v2g serve --workspace depot --port 4200
    """
    from flows.serve import serve as start

    call = Call.of(ctx, workspace, as_json, as_of)
    start(call.open(prefect=True), port)


def open_pages(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the pages; 0 is any free one.")] = 0,
    browse: Annotated[bool, typer.Option("--browser/--no-browser", help="Open them in the browser.")] = True,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Write the workspace's own pages anew and show all reports on 127.0.0.1 until Ctrl-C.

    The link on stdout lets in whoever has it, for as long as this runs. The files in reports/ can be opened
    without it, too.

    Example: v2g open --workspace depot
    """
    from flows.console import working
    from flows.publish.site import write_site
    from flows.server.opening import show
    from flows.stages import Context
    from warehouse.errors import LockedError

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    with working("writing pages"):
        try:
            write_site(Context.of(opened, call.as_of))
        except LockedError as error:  # a run writes them when it ends
            typer.echo(f"Shown as they were: {error}.", err=True)
    show(
        opened,
        port,
        browse=browse,
        tell=lambda link: call.answer({"link": link}, lambda out: out.print(link, soft_wrap=True)),
    )


def warmup(
    ctx: typer.Context,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Compile the engine for large fleets before the first day that needs it: once, in a minute or two.

    What is compiled is stored in your cache folder until the software changes. Needs no workspace.

    Example: v2g warmup
    """
    from rich.text import Text

    from flows.console import working

    call = Call.of(ctx, workspace, as_json, as_of)
    with working("compiling"):
        from optimize.fleet.plan import warm_up

        seconds = warm_up()
    call.answer(
        {"seconds": round(seconds, 1)},
        lambda out: out.print(Text(f"The engine for large fleets is ready ({seconds:.0f} s).")),
    )
