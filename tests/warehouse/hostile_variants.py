"""What becomes of files on their way: a good table spoilt in ever other ways, and what is still true of it.

A variant gives the bytes, and by the place of each row of the good table the price that may still be read of
it. `whole` says that nothing of it may be lost: such a file is as good as the good one.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

Rows = list[list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file's header and rows; time, price: the columns that tell; true: of each row the price as given."""

    header: list[str]
    rows: Rows
    time: int
    price: int
    true: dict[int, str]

    def text(self, *, delimiter: str = ",", newline: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
        """The table as CSV."""
        out = io.StringIO()
        writer = csv.writer(out, delimiter=delimiter, lineterminator=newline, quoting=quoting)
        writer.writerows([self.header, *self.rows])
        return out.getvalue()

    def cell(self, row: int, column: int, text: str) -> Table:
        """With another cell."""
        rows = [list(one) for one in self.rows]
        rows[row][column] = text
        return replace(self, rows=rows)

    def priced(self, row: int, text: str) -> Table:
        """With another price, which is true."""
        return replace(self.cell(row, self.price, text), true={**self.true, row: text})

    def without(self, *lost: int) -> Table:
        """What is true is less."""
        return replace(self, true={row: price for row, price in self.true.items() if row not in lost})

    def ordered(self, order: list[int]) -> Table:
        """Its rows in another order."""
        return replace(self, rows=[self.rows[row] for row in order])


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """data: the file. true: row of the good table → the price that may be read. whole: nothing may be lost.

    cell: a refusal has to name a row and a column, line: a row at least.
    """

    data: bytes
    true: Mapping[int, str]
    whole: bool = False
    cell: bool = False
    line: bool = False


def whole(table: Table, data: bytes | None = None) -> Variant:
    """As good as the good one."""
    return Variant(data=table.text().encode() if data is None else data, true=table.true, whole=True)


def partly(table: Table, data: bytes | None = None, *, cell: bool = False) -> Variant:
    """What can be read of it is true, all of it may be refused."""
    return Variant(data=table.text().encode() if data is None else data, true=table.true, cell=cell)


def useless(data: bytes) -> Variant:
    """Nothing is true of it."""
    return Variant(data=data, true={})


def _lines(table: Table) -> list[str]:
    return table.text().splitlines()


def _bad(table: Table, text: str, column: int | None = None) -> Variant:
    """A cell in the middle that holds something else."""
    at = len(table.rows) // 2
    spoilt = table.cell(at, table.price if column is None else column, text)
    return whole(spoilt.without(at))


def _moved(table: Table, change: Callable[[str], str]) -> Variant:
    """A row's time reported otherwise: no row of that time may be made of it."""
    at = len(table.rows) // 2
    return whole(table.cell(at, table.time, change(table.rows[at][table.time])).without(at))


def _comma(table: Table) -> Table:
    rows = [list(row) for row in table.rows]
    for row in rows:
        row[table.price] = row[table.price].replace(".", ",")
    return replace(table, rows=rows)


def _with_column(table: Table, name: str, text: str) -> Table:
    return replace(table, header=[*table.header, name], rows=[[*row, text] for row in table.rows])


def _taken(table: Table, column: int) -> bytes:
    short = replace(
        table,
        header=[name for number, name in enumerate(table.header) if number != column],
        rows=[[cell for number, cell in enumerate(row) if number != column] for row in table.rows],
    )
    return short.text().encode()


def _permuted(table: Table) -> Table:
    order = [*range(1, len(table.header)), 0]
    pick = [[row[number] for number in order] for row in (table.header, *table.rows)]
    return replace(table, header=pick[0], rows=pick[1:])


def _joined(table: Table, *more: str, at: int | None = None) -> bytes:
    lines = _lines(table)
    place = len(lines) if at is None else at
    return "\n".join([*lines[:place], *more, *lines[place:], ""]).encode()


def _contradicted(table: Table) -> Variant:
    at = len(table.rows) // 2
    again = list(table.rows[at])
    again[table.price] = "1.5"
    return partly(replace(table, rows=[*table.rows, again]).without(at))


def _again(table: Table, first: int, last: int) -> bytes:
    return replace(table, rows=[*table.rows, *table.rows[first:last]]).text().encode()


def _dropped(table: Table, at: int) -> Variant:
    kept = [row for number, row in enumerate(table.rows) if number != at]
    return partly(replace(table.without(at), rows=kept))


def _torn(table: Table, change: Callable[[str], str]) -> Variant:
    """A row that has more or fewer cells than the header: it alone is lost."""
    at = len(table.rows) // 2
    lines = _lines(table)
    lines[at + 1] = change(lines[at + 1])
    return whole(table.without(at), "\n".join([*lines, ""]).encode())


_PAGE = "<!DOCTYPE html><html><head><title>503 Service Unavailable</title></head><body>later</body></html>"
_BOMB = gzip.compress(bytes(16_000_000)) * 80

VARIANTS: Mapping[str, Callable[[Table], Variant]] = {
    "good": whole,
    "a BOM": lambda t: whole(t, b"\xef\xbb\xbf" + t.text().encode()),
    "three BOMs": lambda t: whole(t, b"\xef\xbb\xbf" * 3 + t.text().encode()),
    "CRLF": lambda t: whole(t, t.text(newline="\r\n").encode()),
    "all cells quoted": lambda t: whole(t, t.text(quoting=csv.QUOTE_ALL).encode()),
    "semicolons": lambda t: partly(t, t.text(delimiter=";").encode()),
    "tabs": lambda t: partly(t, t.text(delimiter="\t").encode()),
    "bars": lambda t: partly(t, t.text(delimiter="|").encode()),
    "an extra column": lambda t: whole(_with_column(t, "remark", "x")),
    "columns in another order": lambda t: whole(_permuted(t)),
    "rows backwards": lambda t: whole(t.ordered(list(range(len(t.rows)))[::-1])),
    "rows shuffled": lambda t: whole(t.ordered([(17 * n) % len(t.rows) for n in range(len(t.rows))])),
    "gzip": lambda t: whole(t, gzip.compress(t.text().encode())),
    "rows twice": lambda t: partly(t, _again(t, 0, len(t.rows))),
    "rows that overlap": lambda t: partly(t, _again(t, 20, 40)),
    "blank lines": lambda t: partly(t, _joined(t, "", "", at=9)),
    "cut in a line": lambda t: partly(
        t.without(len(t.rows) - 1), t.text().encode()[: -len(_lines(t)[-1]) + 4]
    ),
    "a row cut short": lambda t: _torn(t, lambda line: line.rsplit(",", 1)[0]),
    "a comma too many": lambda t: _torn(t, lambda line: line + ",9"),
    "the header again in it": lambda t: partly(t, _joined(t, ",".join(t.header), at=9)),
    "the header twice": lambda t: partly(t, _joined(t, ",".join(t.header), at=0)),
    "a footer": lambda t: partly(t, _joined(t, "Source: somebody")),
    "Latin-1": lambda t: partly(t, _with_column(t, "remark", "für Köln").text().encode("latin-1")),
    "UTF-16": lambda t: partly(t, t.text().encode("utf-16")),
    "decimal commas": lambda t: partly(t, _comma(t).text(delimiter=";").encode()),
    "decimal commas, quoted": lambda t: partly(t, _comma(t).text().encode()),
    "a thousands mark": lambda t: partly(t.priced(9, "1,234.5"), cell=True),
    "no prices": lambda t: useless(_taken(t, t.price)),
    "no times": lambda t: useless(_taken(t, t.time)),
    "text for a price": lambda t: _bad(t, "cheap"),
    "a word for none": lambda t: _bad(t, "n/a"),
    "nan": lambda t: _bad(t, "nan"),
    "inf": lambda t: _bad(t, "inf"),
    "an empty cell": lambda t: _bad(t, ""),
    "a formula": lambda t: _bad(t, "=cmd|' /C calc'!A0"),
    "a number of 400 digits": lambda t: _bad(t, "9" * 400),
    "a huge cell": lambda t: replace(_bad(t, "x" * 3_000_000), whole=False, line=True),
    "a null byte": lambda t: _bad(t, "1\x002"),
    "a price of 4000": lambda t: partly(t.priced(len(t.rows) // 2, "4000")),
    "no time": lambda t: _bad(t, "", t.time),
    "half past yesterday": lambda t: _bad(t, "half past yesterday", t.time),
    "a year long ago": lambda t: _moved(t, lambda text: text.replace("20", "19", 1)),
    "a year to come": lambda t: _moved(t, lambda text: "2190" + text[4:]),
    "13 months": lambda t: _moved(t, lambda text: text[:5] + "13" + text[7:]),
    "another price at the same time": _contradicted,
    "an hour left out": lambda t: _dropped(t, 30),
    "a price below zero": lambda t: whole(t.priced(5, "-1.25")),
    "empty": lambda _: useless(b""),
    "one line break": lambda _: useless(b"\n"),
    "the header alone": lambda t: useless((",".join(t.header) + "\n").encode()),
    "rows without a header": lambda t: useless("\n".join(_lines(t)[1:]).encode()),
    "a page": lambda _: useless(_PAGE.encode()),
    "an answer that says no": lambda _: useless(b'{"error": "rate limit"}'),
    "a picture": lambda _: useless(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8),
    "a packed giant": lambda _: useless(_BOMB),
    "gzip cut short": lambda t: partly(t.without(*t.true), gzip.compress(t.text().encode())[:-40]),
}
