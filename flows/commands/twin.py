"""Commands on one battery's twin: twin show, compare, export, passport."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption

_BatteryArgument = Annotated[str, typer.Argument(metavar="ID", help="Battery.", show_default=False)]

twin = typer.Typer(
    name="twin",
    help="The twin of one battery: show it, test it on its past, compare two, take it elsewhere.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.add_typer(twin, rich_help_panel="Planning")


@twin.command()
def show(
    ctx: typer.Context,
    battery_id: _BatteryArgument,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """State, life, ageing unknowns with spread and correlations, and how well voltage is followed.

    Example: v2g twin show car-001
    """
    from flows.console import show_tables
    from flows.notebook import handle_of
    from flows.twins import shown

    call = Call.of(ctx, workspace, as_json, as_of)
    tables = shown(handle_of(call.open(), battery_id, call.as_of))
    call.answer(tables, lambda out: show_tables(out, tables))


@twin.command()
def compare(
    ctx: typer.Context,
    battery_id: _BatteryArgument,
    other_id: _BatteryArgument,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Two batteries side by side; "apart" is their difference over its standard deviation.

    Example: v2g twin compare car-001 car-002
    """
    from flows.console import show_tables
    from flows.notebook import handle_of
    from flows.twins import compared

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    tables = compared(*(handle_of(opened, name, call.as_of) for name in (battery_id, other_id)))
    call.answer(tables, lambda out: show_tables(out, tables))


@twin.command()
def replay(
    ctx: typer.Context,
    battery_id: _BatteryArgument,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="So many of the last days.")] = 7,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Telemetry of the last days against the twin's voltage, day by day, by today's state.

    Example: v2g twin replay car-001 --days 14
    """
    from flows.console import show_tables
    from flows.notebook import handle_of
    from flows.twins import replayed
    from warehouse.known import Known

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    handle = handle_of(opened, battery_id, call.as_of)
    tables = replayed(Known(opened.warehouse, call.as_of), handle, days)
    call.answer(tables, lambda out: show_tables(out, tables))


@twin.command()
def hindcast(
    ctx: typer.Context,
    battery_id: _BatteryArgument,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """What each past check-up would have foretold of those after it, with 90 % bands.

    Example: v2g twin hindcast car-001
    """
    from flows.console import show_tables
    from flows.notebook import handle_of
    from flows.twins import hindcasted
    from warehouse.known import Known

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    handle = handle_of(opened, battery_id, call.as_of)
    tables = hindcasted(Known(opened.warehouse, call.as_of), handle)
    call.answer(tables, lambda out: show_tables(out, tables))


@twin.command()
def export(
    ctx: typer.Context,
    battery_id: _BatteryArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to.", show_default="exports/twins/"),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Write the twin as JSON, as a parameter set of PyBaMM, and the telemetry that was fitted as BDF csv.

    Example: v2g twin export car-001 --out twins
    """
    from flows.notebook import handle_of
    from flows.twins import exported

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    handle = handle_of(opened, battery_id, call.as_of)
    files = [str(path) for path in exported(opened, handle, out or opened.exports / "twins")]
    call.answer({"files": files}, lambda console: console.print("\n".join(files), soft_wrap=True))


@twin.command()
def passport(
    ctx: typer.Context,
    battery_id: _BatteryArgument,
    consumption: Annotated[
        float | None,
        typer.Option(
            "--consumption",
            metavar="KWH",
            min=1.0,
            max=500.0,
            help="Of 100 km driven: V2G is then reported in kilometres as well.",
            show_default="not reported",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to.", show_default="exports/twins/"),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Write the condition of a battery in the words of the battery passport (BatteryPass data model 1.2).

    Capacity, fade, throughput, cycles, resistance, temperature and negative events by the public model's
    names and units; beside each its time, 90 % interval and what it rests on. What nothing tells is named as
    missing and not guessed, so that this is a part of a passport, no whole one. --json gives the document.

    Example: v2g twin passport car-001 --consumption 17
    """
    from flows.passport import passport_of, write_passport

    call = Call.of(ctx, workspace, as_json, as_of)
    opened = call.open()
    per_km = None if consumption is None else consumption / 100.0
    document = passport_of(opened, battery_id, call.as_of, per_km)
    file = write_passport(document, out or opened.exports / "twins")
    call.answer(document, lambda console: console.print(str(file), soft_wrap=True))


@twin.command()
def share(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A new file.", show_default=False)],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Write what this site's batteries teach of ageing as signed sums, for other sites.

    Sums by chemistry over at least five batteries each, no figure of a battery alone; the key that signs is
    the ledger's (`v2g ledger key`).

    Example: v2g twin share north.sums
    """
    from flows.stages import Context
    from flows.stages.federate import share as shared

    call = Call.of(ctx, workspace, as_json, as_of)
    call.finish(shared(Context.of(call.open(), call.as_of), file))


@twin.command()
def merge(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Files of `v2g twin share`.", show_default=False)],
    key: Annotated[
        list[str],
        typer.Option(
            "--key", help="A site's public key, as you were given it; one each.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="A new file.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Merge what sites' batteries teach of ageing into a prior: the same as a fit of all of them at once.

    Section calibrate of v2g.toml names the file (prior); full calibrations then begin with it, without what
    this very site told, and their record names it. Exit 4 where a file is not what its site signed.

    Example: v2g twin merge north.sums south.sums --key north+1234abcd+AQ… --key south+… --out others.prior
    """
    from flows.stages.federate import merge as merged

    call = Call.of(ctx, None, as_json, None)
    call.finish(merged(files, key, out))
