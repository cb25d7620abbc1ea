"""How answers and errors look: tables on stdout, one panel on stderr, JSON where it was asked for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from flows.problem import Problem
    from flows.stages import StageResult

_FOLD_OVER = 24
_UNITS = {"eur": "€", "kwh": "kWh", "utc": "UTC", "days": "days"}
_COLOURS = {"ok": "green", "degraded": "yellow", "failed": "red"}


def write_json(payload: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout: built whole before its first character is printed."""
    from flows.plain import json_text

    sys.stdout.write(json_text(payload))


def show_problem(problem: Problem, *, as_json: bool) -> None:
    """One screen on stderr, or an {"error": …} object on stdout for a program that reads it."""
    if as_json:
        write_json({"error": problem.to_record()})
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
        for path in _first_and_last(result.files):
            out.print(f"          {escape(path)}", soft_wrap=True)


def _first_and_last(files: Sequence[str]) -> Sequence[str]:
    """All of a few files; of many the first, how many follow, and the last."""
    return files if len(files) < 4 else (files[0], f"… and {len(files) - 2} pages more beside it", files[-1])


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """A Rich table of records that share their keys; headings and long texts fold, values do not."""
    grid = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for key in rows[0]:
        values, heading = [row[key] for row in rows], _heading(key)
        numeric = all(isinstance(value, int | float) or value is None for value in values)
        width = max(len(word) for word in (*map(_cell, values), *heading.split()))
        grid.add_column(
            heading,
            justify="right" if numeric else "left",
            min_width=min(width, _FOLD_OVER),
            overflow="fold",
        )
    for row in rows:
        grid.add_row(*(_cell(value) for value in row.values()))
    return grid


def _heading(key: str) -> str:
    stem, _, unit = key.rpartition("_")
    return f"{stem} {_UNITS[unit]}".replace("_", " ") if unit in _UNITS else key.replace("_", " ")


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return escape(f"{value:,.{_decimals(value)}f}" if isinstance(value, float) else str(value))


def _decimals(value: float) -> int:
    return 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3


def show_tables(out: Console, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Titled tables one under the other; empty ones in a line."""
    for title, rows in tables.items():
        out.print(table(title, rows) if rows else f"[bold]{title}[/bold]  none")


@contextmanager
def working(label: str) -> Iterator[Callable[[str], None]]:
    """Show on stderr that something is under way, and the lines that the rooms log meanwhile.

    What it yields changes the label.
    """
    from rich.logging import RichHandler

    console = Console(stderr=True, highlight=False)
    handler = RichHandler(console=console, show_level=False, show_path=False)
    logger = logging.getLogger("flows")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with console.status(label) as status:
            yield status.update
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
