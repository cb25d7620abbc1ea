"""A CSV, Parquet or xlsx file → columns of cells, nothing interpreted yet.

CSV: UTF-8 (a BOM is fine; a mapping may say otherwise), one header line (before it a `sep=;` at most), every
cell text, empty = null; no cell may span lines, since a stray quote would otherwise swallow rows unseen. Row
numbers in errors are 1-based data rows; blank lines do not count. Parquet: one value a cell. xlsx: `book`.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from warehouse.errors import (
    ColumnError,
    EmptyFileError,
    OversizedFileError,
    UndecodableFileError,
    together,
)
from warehouse.sources.book import read_book
from warehouse.sources.caps import Caps
from warehouse.sources.dialect import PLAIN, Dialect, plain_text
from warehouse.sources.parquet import ParquetColumns
from warehouse.sources.rawfile import RawFile
from warehouse.sources.torn import BLOCK_BYTES, with_torn, without_long, without_nul

_SEPARATORS = ";\t|"
_IGNORED_SINGLY, _IGNORED_SHOWN = 8, 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawTable:
    """A file's columns by header, as Arrow arrays of equal length.

    doubled: headers that stand there more than once and are used by nobody. numbers: the data row in the file
    of each row; None: the rows are all of the file's.
    """

    file: str
    columns: Mapping[str, pa.ChunkedArray]
    rows: int
    doubled: tuple[str, ...] = ()
    numbers: NDArray[np.int64] | None = None

    @property
    def row_numbers(self) -> NDArray[np.int64]:
        """The data row in the file of each row, from 1."""
        return np.arange(1, self.rows + 1) if self.numbers is None else self.numbers

    def taken(self, rows: NDArray[np.intp]) -> "RawTable":
        """Return some of the rows."""
        columns = {name: self.columns[name].take(pa.array(rows)) for name in self.columns}
        return replace(self, columns=columns, rows=rows.size, numbers=self.row_numbers[rows])

    def ignored(self, read: Callable[[str], bool]) -> tuple[str, ...]:
        """Return notes on the columns that are not read: one each, or one for all where they are many."""
        names = [header for header in self.columns if not read(header)]
        notes = [f"column {header!r} was ignored" for header in names]
        if len(names) > _IGNORED_SINGLY:
            shown = ", ".join(repr(header) for header in names[:_IGNORED_SHOWN])
            notes = [f"columns {shown} and {len(names) - _IGNORED_SHOWN} more were ignored"]
        notes += [f"column {header!r}, there more than once, was ignored" for header in self.doubled]
        return tuple(notes)

    def only(self, names: Collection[str]) -> "RawTable":
        """Return some of the columns."""
        return replace(self, columns={name: self.columns[name] for name in self.columns if name in names})


def _parquet(file: RawFile) -> RawTable:
    columns = ParquetColumns(file)
    refuse_headers(columns.headers, file)
    refuse_size(columns.rows, len(columns.headers), file)
    columns.refuse_bomb()
    if columns.rows == 0:
        raise EmptyFileError("holds a header and no data rows", file=file.name)
    numbers = _numbers(file)
    rows = columns.rows if numbers is None else numbers.size
    return RawTable(file=file.name, columns=columns, rows=rows, numbers=numbers)


def _numbers(file: RawFile) -> NDArray[np.int64] | None:
    """Return the data rows of the file that are read, None for all of them."""
    return None if file.span is None else np.arange(file.span.begin + 1, file.span.end + 1)


def read_table(file: RawFile, *, dialect: Dialect = PLAIN, used: Collection[str] | None = None) -> RawTable:
    """Parse a table; raises EmptyFileError, OversizedFileError, UndecodableFileError, ColumnError.

    used: the headers that the reader would use; the others may stand there more than once. None: none may.
    """
    if file.is_parquet:
        return _parquet(file)
    if file.is_xlsx:
        table = read_book(file)
        refuse_headers(table.column_names, file, used)
    else:
        text, delimiter = plain_text(file, dialect)
        table = _read_csv(text, delimiter, used)
    if table.num_rows == 0:
        raise EmptyFileError("holds a header and no data rows", file=file.name)
    refuse_size(table.num_rows, table.num_columns, file)
    names = [str(name).strip() for name in table.column_names]
    doubled = tuple(name for name, count in Counter(names).items() if count > 1)
    columns = {name: column for name, column in zip(names, table.columns, strict=True) if name not in doubled}
    numbers = _numbers(file)
    return RawTable(file=file.name, columns=columns, rows=table.num_rows, doubled=doubled, numbers=numbers)


def refuse_headers(names: Sequence[str], file: RawFile, used: Collection[str] | None = None) -> None:
    """Refuse headers that are too many, or there twice though they are used (None: all are)."""
    if len(names) > file.caps.columns:
        raise OversizedFileError(
            f"has {len(names):,} columns; {file.caps.columns:,} are allowed", file=file.name
        )
    doubled = [
        ColumnError(f"is there {count} times", file=file.name, column=name)
        for name, count in Counter(str(name).strip() for name in names).items()
        if count > 1 and (used is None or name in used)
    ]
    if doubled:
        raise together(doubled)


def refuse_size(rows: int, columns: int, file: RawFile) -> None:
    """Refuse tables of too many rows or cells."""
    caps: Caps = file.caps
    if rows > caps.rows or rows * columns > caps.cells:
        raise OversizedFileError(
            f"has {rows:,} rows of {columns:,} columns; {caps.rows:,} rows and {caps.cells:,} cells are "
            "allowed: split it",
            file=file.name,
        )


def _read_csv(file: RawFile, delimiter: str, used: Collection[str] | None) -> pa.Table:
    file = without_nul(file, delimiter)
    header = _header(file, delimiter)
    refuse_headers(header, file, used)
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    torn: list[pacsv.InvalidRow] = []
    try:
        table = _parse_csv(file, delimiter, convert, torn)
        if torn:  # only one thread knows the numbers of rows
            torn.clear()
            table = _parse_csv(file, delimiter, convert, torn, threads=False)
    except pa.ArrowInvalid as error:
        if (others := without_long(file, delimiter)) is not None:
            return _read_csv(others, delimiter, used)
        _refuse_foreign_text(file)
        raise _malformed(file, error) from error
    try:
        named = table.column_names == header
    except UnicodeDecodeError:
        _refuse_foreign_text(file)
        raise
    if not named:
        raise UndecodableFileError("has a header that cannot be read", file=file.name)
    if b'"' in file.data:
        _refuse_swallowed_rows(table, file, len(torn))
    return with_torn(table, file, torn)


def _parse_csv(
    file: RawFile,
    delimiter: str,
    convert: pacsv.ConvertOptions,
    torn: list[pacsv.InvalidRow],
    *,
    threads: bool = True,
) -> pa.Table:
    """Parse; rows of more or fewer cells than the header are left out and put into `torn`."""

    def take_up(row: pacsv.InvalidRow) -> str:
        torn.append(row)
        return "skip"

    return pacsv.read_csv(
        pa.BufferReader(file.data),
        convert_options=convert,
        parse_options=pacsv.ParseOptions(delimiter=delimiter, invalid_row_handler=take_up),
        read_options=pacsv.ReadOptions(block_size=BLOCK_BYTES, use_threads=threads),
    )


def _malformed(file: RawFile, error: pa.ArrowInvalid) -> UndecodableFileError | OversizedFileError:
    """Return why a text is no table."""
    if "straddling" in str(error):
        lines = enumerate(io.BytesIO(file.data))
        row = next((number for number, line in lines if len(line) > BLOCK_BYTES), None)
        return OversizedFileError(
            f"has a row longer than {BLOCK_BYTES:,} bytes; a quote that is never closed?",
            file=file.name, row=row or None,
        )  # fmt: skip
    return UndecodableFileError(f"is not well-formed CSV: {str(error)[:120]}", file=file.name)


def _header(file: RawFile, delimiter: str) -> list[str]:
    """Return the header's names; refuses bytes that are no UTF-8 text and headers that are no list."""
    first = next((line for line in io.BytesIO(file.data) if line.strip(b"\xef\xbb\xbf \t\r\n")), b"")
    if len(first) > file.caps.line_bytes:
        raise OversizedFileError(f"has a header longer than {file.caps.line_bytes:,} bytes", file=file.name)
    try:
        text = first.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse_foreign_text(file)
        raise
    if not text.strip():
        raise EmptyFileError("is empty", file=file.name)
    try:
        names = next(csv.reader(text.splitlines()[:1], delimiter=delimiter))
    except csv.Error as error:
        raise UndecodableFileError(f"has a header that cannot be read: {error}", file=file.name) from error
    other = next((mark for mark in _SEPARATORS + "," if mark != delimiter and mark in text), None)
    if len(names) == 1 and other is not None:
        expected = "commas" if delimiter == "," else repr(delimiter)
        shown = "\\t" if other == "\t" else other
        raise UndecodableFileError(
            f"is separated by {other!r}; expected {expected}: a mapping with "
            f'`delimiter = "{shown}"` reads it (`v2g mapping suggest` writes one)',
            file=file.name,
        )
    return names


def _refuse_foreign_text(file: RawFile) -> None:
    try:
        file.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.data.count(b"\n", 0, error.start) + 1
        raise UndecodableFileError(
            f"is not UTF-8: byte 0x{file.data[error.start]:02x} in line {line}; a mapping can say what it is "
            "(`encoding`)",
            file=file.name,
        ) from error


def _refuse_swallowed_rows(table: pa.Table, file: RawFile, torn: int) -> None:
    """Refuse what a quote that is never closed leaves: a cell of many lines, or rows gone without a word."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        spanning = pc.match_substring_regex(column, "[\r\n]").fill_null(False)
        if pc.any(spanning).as_py():
            raise UndecodableFileError(
                "is not well-formed CSV: the cell spans lines; a quote that is never closed?",
                file=file.name, row=spanning.index(pa.scalar(True)).as_py() + 1, column=name,
            )  # fmt: skip
    lines = file.data.replace(b"\r", b"\n") if b"\r" in file.data else file.data
    held = sum(1 for line in io.BytesIO(lines) if line.strip()) - 1
    if held != table.num_rows + torn:
        raise UndecodableFileError(
            f"is not well-formed CSV: {held:,} lines follow the header and {table.num_rows + torn:,} rows "
            "could be distinguished; a quote that is never closed?",
            file=file.name,
        )
