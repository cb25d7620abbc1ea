"""JSON whose records lie at a path → columns of cells by their path in a record, nothing interpreted yet.

A path's parts are parted by points; `[]` behind a part goes into a list, one record an element, and `{}` into
an object of equally long lists, one record a place in them. `vehicles[].samples[]` are the samples of all
vehicles; `[]` alone, a document that is a list. In a record `battery.soc` is a key in a key, `0` the first of
a list, and `^.vin` a key of what holds the record (`^.^.` of what holds that). A point of a key's own is
written `\\.`. One document, or with `lines` one a line; a line or a record that is none costs itself alone.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa

from warehouse.errors import EmptyFileError, SourceError, UndecodableFileError, nearest
from warehouse.sources.jsontext import parse_json, refuse_crowded
from warehouse.sources.maprules import JsonRule
from warehouse.sources.rawfile import RawFile
from warehouse.sources.rawtable import RawTable, refuse_headers, refuse_size

_POINT = re.compile(r"(?<!\\)\.")
_ABOVE = "^."
_STEP = re.compile(r"(?P<name>[^\[\]{}]*)(?P<into>\[\]|\{\})?")
Cell = str | None


def steps_of(path: str) -> list[tuple[str, str]] | None:
    """Return the parts of a path to records, each with what it goes into; None for what is no path."""
    found = [_STEP.fullmatch(part) for part in _POINT.split(path)] if path else []
    steps = [(one["name"].replace(r"\.", "."), one["into"] or "") for one in found if one is not None]
    first_may_be_bare = all(name or (at == 0 and into) for at, (name, into) in enumerate(steps))
    return steps if len(steps) == len(found) and first_may_be_bare else None


def escaped(key: str) -> str:
    """Return a key as a path has it."""
    return key.replace(".", r"\.")


def read_json(
    file: RawFile, rule: JsonRule, wanted: Callable[[str], bool]
) -> tuple[RawTable, tuple[str, ...]]:
    """Parse the records of a JSON file, and what is to be reported of them; `wanted`: whether a column is
    read.

    Raises EmptyFileError, OversizedFileError, UndecodableFileError.
    """
    reader = _Reader(file=file, steps=steps_of(rule.records) or [], wanted=cache(wanted))
    if rule.lines:  # each is small, together they may not be
        refuse_crowded(file.data, b",[{", file)
    texts = file.data.splitlines() if rule.lines else [file.data]
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            continue
        try:
            document = parse_json(text, file, number if rule.lines else None, unique=True)
        except UndecodableFileError as error:
            if not rule.lines:
                raise
            reader.torn(str(error.problem))
            continue
        reader.take(document)
    return reader.table(rule.records), reader.notes(rule.records)


@dataclass(kw_only=True)
class _Reader:
    """Takes up records, a row each.

    names: of all columns. bad: the rows that are no record. bare: how often a part of the path is not there,
    and the keys next to it.
    """

    file: RawFile
    steps: Sequence[tuple[str, str]]
    wanted: Callable[[str], bool]
    rows: list[Mapping[str, Cell]] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)
    bad: dict[int, SourceError] = field(default_factory=dict)
    bare: list[tuple[str, list[str]]] = field(default_factory=list)

    def take(self, document: object) -> None:
        """Take up the records of one document."""
        self._into(document, 0, {})

    def torn(self, problem: str) -> None:
        """Take up a row that is none."""
        self.rows.append({})
        row = len(self.rows)
        self.bad[row] = UndecodableFileError(problem, file=self.file.name, row=row)

    def _into(self, value: object, at: int, above: Mapping[str, Cell]) -> None:
        if at == len(self.steps):
            return self._record(value, above)
        name, into = self.steps[at]
        if name:
            if not isinstance(value, dict):
                return self.torn(f"is no object with the key {name!r}")
            above = _over(value, above)
            if value.get(name) is None:
                self.bare.append((name, list(value)))
                return None
            value = value[name]
        if into == "[]":
            if not isinstance(value, list):
                return self.torn(f"is no list, which the mapping's path has at {name or '[]'!r}")
            for one in value:
                self._into(one, at + 1, above)
            return None
        if into == "{}":
            return self._columns(value, at, above)
        return self._into(value, at + 1, above)

    def _columns(self, value: object, at: int, above: Mapping[str, Cell]) -> None:
        if not isinstance(value, dict):
            return self.torn("is no object of lists, which the mapping's path has there")
        lists = {key: one for key, one in value.items() if isinstance(one, list)}
        lengths = {len(one) for one in lists.values()}
        if len(lengths) > 1:
            shown = ", ".join(f"{key} {len(one):,}" for key, one in list(lists.items())[:5])
            return self.torn(f"holds lists that are not equally long: {shown}")
        above = _over({key: one for key, one in value.items() if key not in lists}, above)
        for record in zip(*lists.values(), strict=True):
            self._into(dict(zip(lists, record, strict=True)), at + 1, above)
        return None

    def _record(self, value: object, above: Mapping[str, Cell]) -> None:
        if not isinstance(value, dict | list):
            self.torn("is no object and no list, as a record is")
            return
        row = {name: cell for name, cell in above.items() if self.wanted(name)}
        for name, cell in _leaves(value):
            self.names.setdefault(name)
            if self.wanted(name):
                row[name] = cell
        self.names.update(dict.fromkeys(row))
        self.rows.append(row)

    def table(self, path: str) -> RawTable:
        """Return all that was taken up as a table."""
        name, rows = self.file.name, len(self.rows)
        if not self.names:
            if self.bad:
                raise self.bad[min(self.bad)]
            hint = nearest(*self.bare[0]) if self.bare else ""
            raise EmptyFileError(f"holds no record at {path!r}{hint}", file=name)
        if 2 * len(self.bad) > rows:
            raise self.bad[min(self.bad)]
        self.file.torn.update(self.bad)
        refuse_headers(list(self.names), self.file)
        read = [one for one in self.names if self.wanted(one)]
        refuse_size(rows, len(read), self.file)
        nothing = pa.chunked_array([pa.nulls(rows, pa.string())])
        columns = dict.fromkeys(self.names, nothing)
        for one in read:
            columns[one] = pa.chunked_array([pa.array([row.get(one) for row in self.rows], pa.string())])
        return RawTable(file=name, columns=columns, rows=rows)

    def notes(self, path: str) -> tuple[str, ...]:
        """Return what is to be reported of holders that hold nothing."""
        if not self.bare:
            return ()
        return (f"{len(self.bare)} × nothing is reported at {path!r}: there is no {self.bare[0][0]!r}",)


def _over(holder: Mapping[str, object], above: Mapping[str, Cell]) -> dict[str, Cell]:
    """Return what the records in `holder` may name of it, and of what holds it."""
    own = {_ABOVE + name: value for name, value in _leaves(holder, lists=False)}
    return {_ABOVE + name: value for name, value in above.items()} | own


def _leaves(value: object, before: str = "", *, lists: bool = True) -> Iterator[tuple[str, Cell]]:
    """Yield the values of a record by their path; `lists`: whether those in lists count."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{before}{escaped(key)}.", lists=lists)
    elif isinstance(value, list):
        for place, inner in enumerate(value if lists else ()):
            yield from _leaves(inner, f"{before}{place}.", lists=lists)
    elif before:
        yield before[:-1], _cell(value)


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
