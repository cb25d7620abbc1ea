"""Rows of a CSV file that are none: of too few or too many cells, with NUL bytes, without end, cut short.

Each becomes a row without values, so that the others keep their numbers and the checks set it aside; where
most rows are torn the file is no table, and is refused.
"""

import codecs
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from warehouse.errors import UndecodableFileError
from warehouse.sources.rawfile import NUL_BYTES, RawFile

BLOCK_BYTES = 2**20
"""No row is longer."""

_NUL, _LONG = "\x7f0", "\x7f1"
_SPOILT = {
    _NUL: "holds NUL bytes: lost to a power cut?",
    _LONG: f"is longer than {BLOCK_BYTES:,} bytes",
}
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ENOUGH = 10
"""Rows before the last that show how its last cell would be written."""
_DECIMALS = re.compile(r"[-+]?[0-9]*(?:[.,](?P<decimals>[0-9]*))?")
_TIME = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}|.*[0-9]:[0-9]{2}.*")


def without_nul(file: RawFile, delimiter: str) -> RawFile:
    """Return a text whose lines with NUL bytes, as a power cut leaves them, are rows of too many cells."""
    if b"\0" not in file.data:
        return file
    if file.data.startswith(_UTF_16):
        raise UndecodableFileError(
            'is UTF-16; expected UTF-8, or a mapping with `encoding = "utf-16"`', file=file.name
        )
    lines = file.data.split(b"\n")
    spoilt = [number for number, line in enumerate(lines) if b"\0" in line]
    if spoilt[0] == 0 or 2 * len(spoilt) > len(lines):
        raise UndecodableFileError(NUL_BYTES, file=file.name, row=spoilt[0] or None)
    return _spoilt(file, lines, spoilt, delimiter, _NUL)


def without_long(file: RawFile, delimiter: str) -> RawFile | None:
    """Return a text whose lines of more than `BLOCK_BYTES` are such rows; None where there is none."""
    lines = file.data.split(b"\n")
    spoilt = [number for number, line in enumerate(lines) if number and len(line) > BLOCK_BYTES]
    return _spoilt(file, lines, spoilt, delimiter, _LONG) if spoilt else None


def with_torn(table: pa.Table, file: RawFile, torn: Sequence[pacsv.InvalidRow]) -> pa.Table:
    """Return a table with a row without values for each that is torn, which `file` takes up; few may be."""
    errors = {row.number - 1: _error(file, row) for row in torn}  # the header is Arrow's row 1
    rows = table.num_rows + len(errors)
    if rows not in errors and (why := _cut_short(table, file)):
        value = table.columns[-1][-1].as_py()
        errors[rows] = UndecodableFileError(
            why, file=file.name, row=rows, column=table.column_names[-1], value=value
        )
        table = table.slice(0, table.num_rows - 1)
    if not errors:
        return table
    if 2 * len(errors) > rows:
        raise errors[min(errors)]
    file.torn.update(errors)
    places, whole = np.full(rows, -1), np.ones(rows, dtype=bool)
    whole[np.array(list(errors)) - 1] = False
    places[whole] = np.arange(table.num_rows)
    return table.take(pa.array(places, mask=~whole))


def _spoilt(file: RawFile, lines: list[bytes], numbers: Sequence[int], delimiter: str, mark: str) -> RawFile:
    mark_between = delimiter.encode()
    for number in numbers:
        lines[number] = mark.encode() + mark_between * (lines[0].count(mark_between) + 1)
    return replace(file, data=b"\n".join(lines))


def _error(file: RawFile, row: pacsv.InvalidRow) -> UndecodableFileError:
    why = _SPOILT.get(row.text[: len(_NUL)])
    cells = (
        f"has {row.actual_columns:,} cells where the header has {row.expected_columns:,}: a row cut off, "
        "or a mark between cells that stands in one"
    )
    return UndecodableFileError(
        why or cells, file=file.name, row=row.number - 1, value=None if why else row.text
    )


def _cut_short(table: pa.Table, file: RawFile) -> str:
    """Return why the last cell of a file that ends within a line is not whole, "" if it may be.

    In a quote that is not closed; of numbers with fewer decimals than any other of the column, and of times
    shorter than all the others.
    """
    if file.data.endswith((b"\n", b"\r")) or not table.num_rows:
        return ""
    if file.data.rpartition(b"\n")[2].count(b'"') % 2:
        return "ends within a quoted cell: a file cut off?"
    if table.num_rows <= _ENOUGH:
        return ""
    column = table.columns[-1]
    last, others = column[-1].as_py(), column.slice(0, table.num_rows - 1)
    if last is None or others.null_count:
        return ""
    lengths = pc.utf8_length(others)
    shortest = pc.min(lengths).as_py()
    if _TIME.fullmatch(others[0].as_py()):
        cut = shortest == pc.max(lengths).as_py() > len(last)
        return "ends within its last time, shorter than any other: a file cut off?" if cut else ""
    decimals = pc.struct_field(pc.extract_regex(others, rf"^{_DECIMALS.pattern}$"), "decimals")
    fewest = None if decimals.null_count else pc.min(pc.utf8_length(decimals)).as_py()
    match = _DECIMALS.fullmatch(last)
    if fewest is None or match is None or len(match["decimals"] or "") >= fewest:
        return ""
    return "ends within its last number, of fewer decimals than any other: a file cut off?"
