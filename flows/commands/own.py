"""Commands for a first day with own data: template, mapping keys, mapping suggest."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from flows.commands.data import Kind
from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption
from flows.errors import UsageError
from flows.exits import Exit

if TYPE_CHECKING:
    from rich.console import Console

    from warehouse.sources.suggest import Suggestion


class SuggestedKind(StrEnum):
    """What a file may hold for which a mapping is suggested."""

    telemetry = "telemetry"
    soc_power = "soc_power"
    sessions = "sessions"
    prices = "prices"
    metering = "metering"


OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write there; a file that exists is left.", show_default="stdout"
    ),
]


class _WithKeys(TyperGroup):
    """Commands whose help ends with every key of a mapping file."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, and after it what a mapping may say."""
        from flows.console import make_console, show_tables

        super().format_help(ctx, formatter)
        show_tables(make_console(), _keys())


mapping = typer.Typer(
    name="mapping",
    cls=_WithKeys,
    help="Mapping files: what a foreign file's columns are called here, for `v2g ingest --mapping`.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.command(rich_help_panel="Data")(template)
    app.add_typer(mapping, rich_help_panel="Data")


def template(
    ctx: typer.Context,
    kind: Annotated[
        Kind, typer.Argument(metavar="KIND", help="What the file is to hold.", show_default=False)
    ],
    out: OutOption = None,
    describe: Annotated[
        bool, typer.Option("--describe", help="Tell each column's unit, meaning and default instead.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """A CSV to begin with: what each column means, a header, and an example row that would be let in.

    Put your rows in the example's place; lines that begin with # are not read. Columns that may be left out
    say what holds without them.

    Example: v2g template fleet --out fleet.csv

    Example: v2g template telemetry --describe
    """
    from warehouse.contracts import dataset_contract
    from warehouse.sources.template import described
    from warehouse.sources.template import template as text_of

    call = Call.of(ctx, workspace, as_json, as_of)
    columns, text = described(kind.value), text_of(kind.value, call.as_of)
    payload = {
        "kind": kind.value, "meaning": dataset_contract(kind.value).description, "columns": columns,
        "file": None if out is None else str(out), "csv": text,
    }  # fmt: skip
    if out is not None:
        write_new(out, text)
    if describe and not call.json:
        from flows.console import show_tables

        call.answer(payload, lambda console: show_tables(console, {kind.value: columns}))
    elif out is None:
        call.answer(payload, lambda console: print_text(console, text))
    else:
        call.answer(
            payload, lambda console: console.print(f"{out} is a template of {kind.value}", soft_wrap=True)
        )


@mapping.command()
def suggest(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The foreign file.", show_default=False)],
    kind: Annotated[
        SuggestedKind | None,
        typer.Option("--kind", metavar="KIND", help="What it holds.", show_default="what it seems to"),
    ] = None,
    battery: Annotated[
        str | None, typer.Option(metavar="ID", help="Whose the file is, where it does not say.")
    ] = None,
    out: OutOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """A first mapping for a foreign file, a reason next to each line; what cannot be known is left as TODO.

    Units, time zones and signs are never guessed without a word: a unit is what the label says and the values
    bear out, the way of a current what the charge next to it does. Exit 3 while something is left open.

    Example: v2g mapping suggest bus12.csv --out mappings/bms.toml

    Example: v2g mapping suggest log.csv --kind telemetry --battery CAR1
    """
    from warehouse.sources.rawfile import load
    from warehouse.sources.suggest import suggest_mapping

    call = Call.of(ctx, workspace, as_json, as_of)
    found = suggest_mapping(load(file), None if kind is None else kind.value, battery=battery)
    if out is not None:
        write_new(out, found.text)
    payload = {
        "kind": found.dataset, "complete": found.complete, "left_open": list(found.left_open),
        "mapping": found.text, "file": None if out is None else str(out),
    }  # fmt: skip
    call.answer(payload, lambda console: _show_suggestion(console, found, out))
    if not found.complete:
        raise typer.Exit(Exit.DEGRADED)


@mapping.command()
def keys(
    ctx: typer.Context,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
) -> None:
    """Every key of a mapping file and what it says.

    Example: v2g mapping keys --json
    """
    from flows.console import show_tables

    tables = _keys()
    Call.of(ctx, workspace, as_json, as_of).answer(tables, lambda out: show_tables(out, tables))


def _keys() -> dict[str, list[dict[str, str]]]:
    from warehouse.sources.mapkeys import SECTIONS

    return {
        f"keys {where}": [{"key": key, "says": says} for key, says in section.items()]
        for where, section in SECTIONS.items()
    }


def _show_suggestion(console: Console, found: Suggestion, out: Path | None) -> None:
    """The mapping on stdout, or where it was written; what is open next to it."""
    from flows.console import say
    from warehouse.errors import printable

    if out is None:
        print_text(console, found.text)
    else:
        console.print(f"{out} is a mapping of {found.dataset or 'an unknown kind of file'}", soft_wrap=True)
    for one in found.left_open:
        say(f"left open: {printable(one)}")


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, and the folders on the way; UsageError for one that is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists and was left as it is", hint="--out another file.") from None


def print_text(console: Console, text: str) -> None:
    """Print a file's text as it is: no edge, no folding."""
    console.out(text, end="", highlight=False)
