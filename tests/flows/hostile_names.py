"""Thirty names that mean something to whoever reads them, put into every text that a table holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path

import duckdb

from warehouse.contracts import CONTRACTS, Column, Kind

NAMES = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "'><b>x</b>",
    "</style><iframe src=//evil.example>", "<!-- ", "]]>", "&lt;b&gt;", "&#60;i&#62;", "javascript:alert(1)",
    "{{ 7 * 191 }}", "{% include 'run.html' %}", "${7*191}", "%(name)s %s %n", "{0} {name!r}", "`id`",
    "=7*191", "+7*191", "-7*191", "@SUM(1)", "\t=1+1", "=HYPERLINK(\"http://evil.example\")",
    "../../../outside", "..\\..\\outside", "/etc/passwd", "a\nb\r\nc", 'quo"ted, and, cut',
    "\x00NUL\x1b[31m\x07", "\u202etxt.exe\u2066", "long " * 2048,
)  # fmt: skip
"""Markup, templates, formulas, paths, line breaks, quotes, what does not print, right to left, 10 kB."""
IDS = {
    "battery_id": "battery", "session_id": "session", "by_session_id": "session", "site_id": "site",
    "parent_id": "site", "charger_id": "charger", "station_id": "station",
}  # fmt: skip
"""Columns that name one thing in several tables: its name is the same in each."""
PARSED = {
    "zone", "dataset", "source_id", "by_source_id", "run_id", "plan_id", "replaces_plan_id", "calibration_id",
    "previous_calibration_id", "realised_id", "plan_ids", "followed_modes", "settlement_id", "corrects",
    "contract_id", "contract_digest", "contract_text", "opening", "salt", "commitment", "input_hash",
    "code_version", "model_hash", "chemistry", "product", "stage", "strategy", "part", "model", "sha256",
    "parameters_json", "input_parts_json", "identifiability", "sensor_fault", "failed_modes",
    "changed_inputs",
    "held_by", "options", "received", "transactions", "rule", "engine", "row_key", "dispute", "price_source",
}  # fmt: skip
"""Columns that the planner itself makes and reads again as keys, numbers or structure; no file fills them."""


def told(column: Column) -> bool:
    """Whether a column holds text that comes from somebody, or is shown as it stands."""
    return column.kind is Kind.TEXT and not column.allowed and column.name not in PARSED


def make_hostile(database: Path, turn: int) -> dict[str, dict[str, str]]:
    """Put names into every text of every table, behind the checks' back; returns kind → before → after.

    turn: from which name on they are given out.
    """
    given: dict[str, dict[str, str]] = {kind: {} for kind in sorted(set(IDS.values()))}
    with duckdb.connect(str(database)) as connection:
        for table, contract in CONTRACTS.items():
            for column in filter(told, contract):
                _put(connection, table, column.name, given, turn)
    return given


def _put(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    column: str,
    given: Mapping[str, dict[str, str]],
    turn: int,
) -> None:
    found = connection.execute(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608
    for number, (before,) in enumerate(sorted(found.fetchall())):
        if kind := IDS.get(column):
            place = turn + len(given[kind]) + 7 * sorted(given).index(kind)
            after = given[kind].setdefault(before, NAMES[place % len(NAMES)])
        else:
            after = f"{NAMES[(turn + number + len(column)) % len(NAMES)]} {before}"
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", [after, before])  # noqa: S608


class Skeleton(HTMLParser):
    """What of a page a browser would act on: its tags with the names of their attributes, and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[tuple[str, tuple[str, ...]]] = set()
        self.addresses: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add((tag, tuple(sorted(name for name, _ in attrs))))
        self.addresses |= {value or "" for name, value in attrs if name in ("href", "src", "action")}

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.add(("!--", (data,)))


def skeleton(page: str) -> Skeleton:
    """The skeleton of a page."""
    found = Skeleton()
    found.feed(page)
    found.close()
    return found


def formulas(text: str) -> Iterator[str]:
    """Cells of a CSV that a spreadsheet would reckon, and rows that a name has cut or made."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    for row in rows:
        if len(row) != len(rows[0]):
            yield f"a row of {len(row)} cells under {len(rows[0])}: {row}"
        for cell in row:
            if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not _number(cell):
                yield cell


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
