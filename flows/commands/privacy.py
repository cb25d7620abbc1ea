"""Commands of privacy: erase, rotate, export, release, budget."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.options import Call, JsonOption, WorkspaceOption

PurposeOption = Annotated[
    str, typer.Option("--purpose", help="What the pseudonyms are for, as research.", show_default=False)
]


class Figure(StrEnum):
    """What is added up of each owner."""

    IMPORT = "import_kwh"
    EXPORT = "export_kwh"
    V2G = "v2g_kwh"
    HOURS = "plugged_hours"
    LOSS = "yearly_loss"


class Over(StrEnum):
    """Over owners."""

    SUM = "sum"
    MEAN = "mean"


privacy = typer.Typer(
    help="What owners may ask for, and what may be told of a fleet without telling of them."
)


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    for command in (erase, rotate, export, release, budget):
        privacy.command()(command)
    app.add_typer(privacy, name="privacy", rich_help_panel="Privacy")


def erase(
    ctx: typer.Context,
    owner: Annotated[
        str,
        typer.Argument(
            metavar="OWNER",
            help="A name in owners.toml, or the id of a car that no owner there names.",
            show_default=False,
        ),
    ],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase an owner's cars from the workspace for good: rows, ledger's openings, pages, files, backups.

    owners.toml (mode 600) says whose cars are whose: a table a name, in it the lists batteries and, of
    connections that are theirs alone, sites.
    Totals of the fleet stay. The ledger keeps its entries, which nobody can open any more: `v2g ledger
    verify` holds, and names them. Backups and snapshots in the workspace are rewritten, and what cannot be
    looked into is named; what lies elsewhere is yours to delete. Not while `v2g serve` or `v2g gateway run`
    works. Killed half-way, the same again goes on. It cannot be undone, and the log of it tells no name.

    Example: v2g privacy erase anna
    """
    from flows.console import working
    from flows.stages import Context
    from flows.stages.erase import erase as erase_owner

    call = Call.of(ctx, workspace, as_json, None)
    with working("erasing"):
        result = erase_owner(Context.of(call.open(), call.as_of), owner)
    call.finish(result)


def rotate(
    ctx: typer.Context,
    purpose: PurposeOption,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Keep the earlier keys: exports of then can be continued and told apart."
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the key of a purpose, or a new one in its place: pseudonyms change, and the old ones lead nowhere.

    Keys stand in pseudonyms.key of the workspace (mode 600); V2G_PSEUDONYM_KEYS, with the same text, stands
    over it and is rotated by who sets it.

    Example: v2g privacy rotate --purpose research
    """
    from flows.stages.pseudonymous import rotate_key

    call = Call.of(ctx, workspace, as_json, None)
    call.finish(rotate_key(call.open(), purpose, keep=keep))


def export(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)],
    purpose: PurposeOption,
    table: Annotated[
        list[str],
        typer.Option("--table", help="A table with rows of cars; may be repeated.", show_default=False),
    ],
    epoch: Annotated[
        int | None, typer.Option("--epoch", help="An earlier key that was kept.", show_default="the newest")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write tables as Parquet under pseudonyms of a purpose: ids of cars, sessions, sites and runs alike.

    Texts of people and programs are left out. Two purposes share no id, so that their exports cannot be
    joined by one; the same measurements at the same times in both can still be recognised: give each purpose
    the tables that it needs.

    Example: v2g privacy export /lake/research --purpose research --table out_calibration
    """
    from flows.stages.pseudonymous import export_tables

    call = Call.of(ctx, workspace, as_json, None)
    call.finish(export_tables(call.open(), folder, purpose, table, epoch))


def release(
    ctx: typer.Context,
    figure: Annotated[Figure, typer.Option("--figure", help="What is told.", show_default=False)],
    month: Annotated[
        str, typer.Option("--month", metavar="YYYY-MM", help="A month that is over.", show_default=False)
    ],
    most: Annotated[
        float,
        typer.Option(
            "--most", help="Of an owner, in the figure's unit: more counts as this.", show_default=False
        ),
    ],
    epsilon: Annotated[
        float,
        typer.Option("--epsilon", help="What the answer may tell of an owner, spent.", show_default=False),
    ],
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance",
            help="Refuse, spending nothing, where the error with 95 % is larger.",
            show_default=False,
        ),
    ],
    over: Annotated[Over, typer.Option("--over", help="Statistic over owners.")] = Over.MEAN,
    least: Annotated[float, typer.Option("--least", help="Of an owner: less counts as this.")] = 0.0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell a figure of the fleet with noise by which no owner can be told (differential privacy, OpenDP).

    An owner, with all of their cars (owners.toml), counts once, within the bounds, which are told and must
    not be taken from the data. How many owners there are is not hidden. An owner without a figure of
    yearly_loss counts as the middle of the bounds. The same question is answered once: again it gives the
    stored answer and costs nothing. What the months of a year may cost together is epsilon_per_year in
    section privacy of v2g.toml.

    Example: v2g privacy release --figure v2g_kwh --month 2026-01 --most 300 --epsilon 0.2 --tolerance 100
    """
    from flows.stages import Context
    from flows.stages.bill import month_of
    from flows.stages.release import Asked
    from flows.stages.release import release as answered

    call = Call.of(ctx, workspace, as_json, None)
    asked = Asked(
        figure=figure.value,
        statistic=over.value,
        month=month_of(month),
        least=least,
        most=most,
        epsilon=epsilon,
        tolerance=tolerance,
    )
    call.finish(answered(Context.of(call.open(), call.as_of), asked))


def budget(ctx: typer.Context, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Show every answer that was released, and what is left of each year's budget.

    Example: v2g privacy budget
    """
    from flows.stages import Context
    from flows.stages.release import releases

    call = Call.of(ctx, workspace, as_json, None)
    call.finish(releases(Context.of(call.open(), call.as_of)))
