"""Commands for a first day with own data: template, mapping keys, mapping suggest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.data import Kind
from flows.commands.options import AsOfOption, Call, JsonOption, WorkspaceOption
from flows.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write there; a file that exists is left.", show_default="stdout"
    ),
]


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.command(rich_help_panel="Data")(template)


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


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet; UsageError for one that is."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists and was left as it is", hint="--out another file.") from None


def print_text(console: Console, text: str) -> None:
    """Print a file's text as it is: no edge, no folding."""
    console.out(text, end="", highlight=False)
