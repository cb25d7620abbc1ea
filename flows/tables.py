"""Tables of records on a terminal or in a pipe: nothing is cut off, whatever the width.

In a pipe or a file a record is a line, as wide as it is. On a terminal columns fold between words; where even
so they do not fit, each record is reported key by key, one under the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from warehouse.errors import printable

_FOLD_OVER = 24
_GAP = 2
_UNITS = {"eur": "€", "kwh": "kWh", "utc": "UTC", "days": "days"}


@dataclass(frozen=True, slots=True)
class Records:
    """A titled table of records; keys that only some of them have are reported, too."""

    title: str
    rows: Sequence[Mapping[str, Any]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw as a table where all columns fit, else record by record."""
        yield Text(printable(self.title), style="bold", overflow="fold")
        keys = list(dict.fromkeys(key for row in self.rows for key in row))
        headings = [_heading(key) for key in keys]
        cells = [[_cell(row.get(key)) for key in keys] for row in self.rows]
        widths = _widths(list(zip(headings, *cells, strict=True)), options.max_width)
        if not widths:
            yield from _one_by_one(headings, cells, console, options.max_width)
            return
        numeric = [all(_is_number(row.get(key)) for row in self.rows) for key in keys]
        for number, row in enumerate([headings, *cells]):
            for line in _folded(row, widths, numeric, console):
                yield Text(line, style="" if number else "bold", no_wrap=True)


def _folded(
    row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool], console: Console
) -> Iterator[str]:
    """The lines of a row, each cell within its column, numbers at its right edge."""
    columns = [_wrapped(text, width, console) for text, width in zip(row, widths, strict=True)]
    for parts in zip_longest(*columns, fillvalue=""):
        padded = []
        for part, width, right in zip(parts, widths, numeric, strict=True):
            room = " " * (width - cell_len(part))
            padded.append(room + part if right else part + room)
        yield (" " * _GAP).join(padded).rstrip()


def _wrapped(text: str, width: int, console: Console) -> list[str]:
    return [line.plain.rstrip() for line in Text(text).wrap(console, width, overflow="fold")]


def _one_by_one(
    headings: Sequence[str], cells: Sequence[Sequence[str]], console: Console, width: int
) -> RenderResult:
    """Key and value a line, the value on lines of its own where that leaves it too little room."""
    headings_width = max(map(cell_len, headings))
    room = width - headings_width - _GAP
    for number, row in enumerate(cells):
        if number:
            yield Text("")
        for heading, value in zip(headings, row, strict=True):
            if min(_FOLD_OVER, cell_len(value)) <= room:
                for line in _folded([heading, value], [headings_width, room], [False, False], console):
                    yield Text(line, no_wrap=True)
            else:
                yield Text(heading, style="bold", overflow="fold")
                yield Text(value, overflow="fold")


def _widths(columns: Sequence[Sequence[str]], width: int) -> list[int]:
    """The width of each column, room to spare going to the narrowest first; none if they do not fit."""
    room = width - _GAP * (len(columns) - 1)
    whole = [max(map(cell_len, texts)) for texts in columns]
    if sum(whole) <= room:
        return whole
    widths = list(map(_least, columns))
    left = room - sum(widths)
    if left < 0:
        return []
    for _ in range(left):
        narrowest = min((had, at) for at, had in enumerate(widths) if had < whole[at])[1]
        widths[narrowest] += 1
    return widths


def _least(texts: Sequence[str]) -> int:
    """The width below which a column would break its words; long ones may be broken."""
    return min(_FOLD_OVER, max(cell_len(word) for text in texts for word in (text.split() or [""])))


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, int | float)


def _heading(key: str) -> str:
    stem, _, unit = key.rpartition("_")
    text = f"{stem} {_UNITS[unit]}" if unit in _UNITS else key
    return printable(text.replace("_", " "))


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:z,.{_decimals(value)}f}" if isinstance(value, float) else printable(str(value))


def _decimals(value: float) -> int:
    return 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
