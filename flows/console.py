"""How answers and errors look: tables on stdout, one panel on stderr, JSON where it was asked for.

What comes from data or from a user is shown as it is: no console here reads markup or emoji in text, and
whatever does not print is written out.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from flows import log
from flows.tables import Records
from warehouse.errors import printable

if TYPE_CHECKING:
    from flows.problem import Problem
    from flows.stages import StageResult

_log = logging.getLogger(__name__)
_PIPE_WIDTH = 1_000_000
_COLOURS = {"ok": "green", "degraded": "yellow", "failed": "red"}


def make_console(*, stderr: bool = False) -> Console:
    """The console of answers or, `stderr`, of what is reported next to them; in a pipe, answers have no
    edge."""
    width = None if stderr or sys.stdout.isatty() else _PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def write_json(payload: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout: built whole before its first character is printed."""
    from flows.plain import json_text

    sys.stdout.write(json_text(payload))


def show_problem(problem: Problem, *, as_json: bool) -> None:
    """One screen on stderr, or an {"error": …} object on stdout for a program that reads it.

    Where stderr is for a program, it is a line of the log.
    """
    if as_json:
        write_json({"error": problem.to_record()})
        return
    if log.as_json():
        more = {"kind": problem.kind, "exit_code": problem.exit_code}
        _log.error(" · ".join(filter(None, (problem.message, problem.hint))), extra=more)
        return
    from rich.panel import Panel

    text = Text(_lines(problem.message), overflow="fold")
    if problem.hint:
        text.append(f"\n\n{_lines(problem.hint)}", style="dim")
    title = Text(f"{problem.title} (exit {problem.exit_code})")
    make_console(stderr=True).print(Panel(text, title=title, title_align="left", border_style="red"))


def say(text: str) -> None:
    """Tell something on stderr: as it is, or as a line of the log where that is for a program."""
    if log.as_json():
        _log.info("%s", text)
    else:
        make_console(stderr=True).print(text, soft_wrap=True)


def _lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def show_stages(out: Console, results: Iterable[StageResult]) -> None:
    """Each stage's line, its tables and the files it wrote."""
    for result in results:
        colour = _COLOURS[result.status]
        text = f"  {_lines(result.message)}"
        out.print(Text.assemble((f"{result.status:>8}", colour), "  ", (result.stage, "bold"), text))
        for title, rows in result.tables.items():
            if rows:
                out.print(Records(title, rows))
        for path in _first_and_last(result.files):
            out.print(f"          {printable(path)}", soft_wrap=True)


def _first_and_last(files: Sequence[str]) -> Sequence[str]:
    """All of a few files; of many the first, how many follow, and the last."""
    return files if len(files) < 4 else (files[0], f"… and {len(files) - 2} pages more next to it", files[-1])


def show_tables(out: Console, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Titled tables one under the other; empty ones in a line."""
    for title, rows in tables.items():
        if rows:
            out.print(Records(title, rows))
        else:
            out.print(Text.assemble((printable(title), "bold"), "  none"))


@contextmanager
def counting() -> Iterator[Callable[[str, int, int], None]]:
    """Show bars on stderr: what it yields is reported what is under way, how much is done, and of how
    much."""
    if log.as_json():
        yield lambda *_: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bars = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*bars, TimeRemainingColumn(), console=make_console(stderr=True)) as shown:
        tasks = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(printable(what), total=total)
            shown.update(tasks[what], completed=done)

        yield report


@contextmanager
def working(label: str) -> Iterator[Callable[[str], None]]:
    """Show on stderr that something is under way, and the lines that the rooms log meanwhile.

    What it yields changes the label. Where stderr is for a program, there is no label.
    """
    if log.as_json():
        yield lambda _: None
        return
    from rich.logging import RichHandler

    console = make_console(stderr=True)
    handler = RichHandler(console=console, show_level=False, show_path=False)
    loggers = [logging.getLogger(room) for room in ("flows", "optimize")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        with console.status(Text(label)) as status:
            yield lambda stated: status.update(Text(stated))
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
