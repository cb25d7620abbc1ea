"""How answers and errors look: tables on stdout, one panel on stderr, JSON where it was asked for."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from flows.problem import Problem
    from flows.stages import StageResult

_COLOURS = {"ok": "green", "degraded": "yellow", "failed": "red"}


def show_problem(problem: Problem, *, as_json: bool) -> None:
    """One screen on stderr, or an {"error": …} object on stdout for a program that reads it."""
    if as_json:
        json.dump({"error": problem.to_record()}, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    from rich.panel import Panel

    text = escape(problem.message) + (f"\n\n[dim]{escape(problem.hint)}[/dim]" if problem.hint else "")
    title = f"{problem.title} (exit {problem.exit_code})"
    Console(stderr=True, highlight=False).print(
        Panel(text, title=title, title_align="left", border_style="red")
    )


def show_stages(out: Console, results: Iterable[StageResult]) -> None:
    """Each stage's line, its tables and the files it wrote."""
    for result in results:
        colour = _COLOURS[result.status]
        out.print(
            f"[{colour}]{result.status:>8}[/{colour}]  [bold]{result.stage}[/bold]  {escape(result.message)}"
        )
        for title, rows in result.tables.items():
            if rows:
                out.print(table(title, rows))
        for path in result.files:
            out.print(f"          {escape(path)}", soft_wrap=True)


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """A Rich table of records that share their keys."""
    grid = Table(title=title, title_justify="left", title_style="bold")
    for key in rows[0]:
        numeric = all(isinstance(row[key], int | float) or row[key] is None for row in rows)
        grid.add_column(key, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(value) for value in row.values()))
    return grid


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return escape(f"{value:,.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value))


def show_tables(out: Console, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Titled tables one under the other; empty ones in a line."""
    for title, rows in tables.items():
        out.print(table(title, rows) if rows else f"[bold]{title}[/bold]  none")


@contextmanager
def working(label: str) -> Iterator[None]:
    """Show on stderr that something is under way, and the lines that the rooms log meanwhile."""
    from rich.logging import RichHandler

    console = Console(stderr=True, highlight=False)
    handler = RichHandler(console=console, show_level=False, show_path=False)
    logger = logging.getLogger("flows")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with console.status(label):
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
