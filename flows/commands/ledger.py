"""Commands of the ledger: key, show, export, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption

ledger = typer.Typer(help="The log of settlements: append-only, signed, verified by a counterparty alone.")


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    for command in (key, show, export, verify):
        ledger.command()(command)
    app.add_typer(ledger, name="ledger", rich_help_panel="Money")


def key(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Option(
            "--name", help="Of the log, as example.org/fleet: it is in every checkpoint.", show_default=False
        ),
    ],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the key that signs the log: ledger.key of the workspace; V2G_LEDGER_KEY stands over it.

    Tells the public key, which counterparties are to be given.

    Example: v2g ledger key --name example.org/fleet
    """
    from flows.stages.ledger import make_key

    call = Call.of(ctx, workspace, as_json, None)
    call.finish(make_key(call.open(), name))


def show(
    ctx: typer.Context,
    battery: Annotated[str | None, typer.Option("--battery", help="A car.", show_default="all")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Show the entries of the log and what each settled; writes nothing.

    Example: v2g ledger show --battery CAR1
    """
    from flows.stages import Context
    from flows.stages.ledger import entries

    call = Call.of(ctx, workspace, as_json, as_of)
    call.finish(entries(Context.of(call.open(), call.as_of), battery))


def export(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)],
    battery: Annotated[
        list[str] | None,
        typer.Option(
            "--battery", help="Open the entries of this car alone; may be repeated.", show_default="all"
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export the log with a signed checkpoint, tiles, and the rows that the reader may know.

    Example: v2g ledger export exports/ledger-CAR1 --battery CAR1
    """
    from flows.stages import Context
    from flows.stages.ledger import export_ledger

    call = Call.of(ctx, workspace, as_json, None)
    call.finish(export_ledger(Context.of(call.open(), call.as_of), folder, battery or []))


def verify(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="An export.", show_default=False)],
    key: Annotated[
        str | None,
        typer.Option(
            "--key", help="The log's public key, as you were given it.", show_default="the export's"
        ),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option("--witness", help="Key of a witness that must have cosigned; may be repeated."),
    ] = None,
    since: Annotated[
        Path | None, typer.Option("--since", help="A checkpoint seen earlier, which the log must extend.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify an export, or an owner's statement, by its files alone, and count every figure again.

    Neither workspace nor warehouse is needed. Exit 4 where a byte, a proof or a figure does not hold; each
    figure that does not follow is named.

    Example: v2g ledger verify ledger-CAR1 --key example.org/fleet+1234abcd+AQ...
    """
    from flows.stages.ledger import verify_ledger
    from flows.stages.statement import STATEMENT, verify_statement

    call = Call.of(ctx, None, as_json, None)
    verify_files = verify_statement if (folder / STATEMENT).is_file() else verify_ledger
    call.finish(verify_files(folder, key=key, witnesses=witness or [], since=since))
