"""Commands on what is held back: quarantine list, show, release; and on what is withdrawn."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from flows.commands.data import Kind
from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption

_KindArgument = Annotated[
    Kind, typer.Argument(metavar="KIND", help="Dataset, as in `v2g ingest`.", show_default=False)
]
_RuleOption = Annotated[str | None, typer.Option(help="Rule that was broken.", show_default=False)]
_BatteryOption = Annotated[
    str | None, typer.Option("--battery", help="Rows of this battery.", show_default=False)
]
_SourceOption = Annotated[
    str | None,
    typer.Option("--source", help="Rows of this file: its name, or how its id begins.", show_default=False),
]
_RowOption = Annotated[
    int | None, typer.Option("--row", min=1, help="This row of the file.", show_default=False)
]

quarantine = typer.Typer(
    name="quarantine", help="What the checks held back: list it, look at it, let it in.", no_args_is_help=True
)


def _stated(name: str, text: str) -> str:
    """Return what an option says; raises UsageError where that is nothing."""
    from flows.errors import UsageError

    if not text.strip():
        raise UsageError(f"--{name} is empty: it is kept with the decision")
    return text


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.add_typer(quarantine, rich_help_panel="Data")
    app.command(rich_help_panel="Data")(withdraw)


def withdraw(
    ctx: typer.Context,
    kind: _KindArgument,
    reason: Annotated[
        str, typer.Option(help="Why the rows should never have been recorded; kept.", show_default=False)
    ],
    source: _SourceOption = None,
    row: _RowOption = None,
    battery: _BatteryOption = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", help="NAME=VALUE of the key, in any file; repeat it.", show_default=False),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take an earlier withdrawal back.")] = False,
    by: Annotated[str | None, typer.Option(help="Who decides.", show_default="the user")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Let a file, or the rows of a key, count no more, or (--undo) again.

    Nothing is deleted: from now on the tables are as if these rows had never come, also when their file is
    sent or checked again; another file that tells of them counts, and says so. Plans and readings as of
    earlier moments stay as they were.

    Example: v2g withdraw sessions --key session_id=s17 --reason "test drive of the garage"
    """
    from flows.errors import UsageError
    from flows.stages import Context
    from flows.stages.withdraw import key_of
    from flows.stages.withdraw import withdraw as stage
    from warehouse.withdrawal import Rows

    call = Call.of(ctx, workspace, as_json, as_of)
    stated = key_of(kind.value, key or [], battery)
    if source is None and not stated:
        raise UsageError("which rows? Name a file (--source) or a key (--key NAME=VALUE)")
    call.finish(
        stage(
            Context.of(call.open(), call.as_of),
            Rows(dataset=kind.value, source=source, source_row=row, key=stated),
            action="restore" if undo else "withdraw",
            decided_by=_stated("by", by if by is not None else getpass.getuser()),
            reason=_stated("reason", reason),
        )
    )


@quarantine.command("list")
def list_rows(
    ctx: typer.Context,
    dataset: Annotated[Kind | None, typer.Option(help="Only this dataset.", show_default=False)] = None,
    rule: _RuleOption = None,
    battery: _BatteryOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Rows in quarantine by dataset, file, rule and column, with one value of each.

    Example: v2g quarantine list --rule jump
    """
    from flows.console import show_tables
    from flows.stages.quarantine import listed

    call = Call.of(ctx, workspace, as_json, as_of)
    rows = listed(call.open(), dataset=dataset.value if dataset else None, rule=rule, battery_id=battery)
    call.answer({"quarantine": rows}, lambda out: show_tables(out, {"quarantine": rows}))


@quarantine.command()
def show(
    ctx: typer.Context,
    kind: _KindArgument,
    rule: _RuleOption = None,
    battery: _BatteryOption = None,
    source: _SourceOption = None,
    row: _RowOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 20,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Rows in quarantine: what was found in each, and its values as they arrived.

    Example: v2g quarantine show telemetry --rule stuck --battery car-008
    """
    from flows.console import show_tables
    from flows.stages.quarantine import shown
    from warehouse.quarantine import Wanted

    call = Call.of(ctx, workspace, as_json, as_of)
    wanted = Wanted(
        dataset=kind.value, rule=rule, battery_id=battery, source=source, source_row=row, released=None
    )
    tables = shown(call.open(), wanted, limit=limit)
    call.answer(tables, lambda out: show_tables(out, tables))


@quarantine.command()
def release(
    ctx: typer.Context,
    kind: _KindArgument,
    rule: Annotated[str, typer.Option(help="Rule to set aside for these rows.", show_default=False)],
    reason: Annotated[
        str, typer.Option(help="Why the rows are right all the same; kept.", show_default=False)
    ],
    battery: _BatteryOption = None,
    source: _SourceOption = None,
    row: _RowOption = None,
    by: Annotated[str | None, typer.Option(help="Who decides.", show_default="the user")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take an earlier release back.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Let quarantined rows into the core table after all, or (--undo) take that back.

    The rule is set aside for exactly these rows, also in every later check of their file. A later received
    row of the same key still wins. What breaks the contract of its table (missing, out of range, unknown id)
    cannot be released.

    Example: v2g quarantine release telemetry --rule jump --row 512 --source may.csv --reason "relay test"
    """
    from flows.stages import Context
    from flows.stages.quarantine import release as stage
    from warehouse.quarantine import Wanted

    call = Call.of(ctx, workspace, as_json, as_of)
    wanted = Wanted(dataset=kind.value, rule=rule, battery_id=battery, source=source, source_row=row)
    call.finish(
        stage(
            Context.of(call.open(), call.as_of),
            wanted,
            action="withdraw" if undo else "release",
            decided_by=_stated("by", by if by is not None else getpass.getuser()),
            reason=_stated("reason", reason),
        )
    )
