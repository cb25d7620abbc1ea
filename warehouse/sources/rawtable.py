"""A CSV, Parquet or xlsx file → columns of cells, nothing interpreted yet.

CSV: UTF-8 (a BOM is fine), one header line, every cell text, empty = null; no cell may span lines, since a
stray quote would otherwise swallow rows unseen. Row numbers in errors are 1-based data rows; blank lines do
not count. Parquet: one value a cell. xlsx: see `book`.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from warehouse.errors import ColumnError, EmptyFileError, OversizedFileError, UndecodableFileError
from warehouse.sources.book import read_book
from warehouse.sources.caps import Caps
from warehouse.sources.parquet import ParquetColumns
from warehouse.sources.rawfile import NUL_BYTES, RawFile

_BLOCK_BYTES = 2**20
_SEPARATORS = ";\t|"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawTable:
    """A file's columns by header, as Arrow arrays of equal length."""

    file: str
    columns: Mapping[str, pa.ChunkedArray]
    rows: int


def _parquet(file: RawFile) -> RawTable:
    columns = ParquetColumns(file)
    refuse_headers(columns.headers, file)
    refuse_size(columns.rows, len(columns.headers), file)
    columns.refuse_bomb()
    if columns.rows == 0:
        raise EmptyFileError("holds a header and no data rows", file=file.name)
    return RawTable(file=file.name, columns=columns, rows=columns.rows)


def read_table(file: RawFile, *, delimiter: str = ",") -> RawTable:
    """Parse a table; raises EmptyFileError, OversizedFileError, UndecodableFileError, ColumnError."""
    if file.is_parquet:
        return _parquet(file)
    if file.is_xlsx:
        table = read_book(file)
        refuse_headers(table.column_names, file)
    else:
        table = _read_csv(file, delimiter)
    if table.num_rows == 0:
        raise EmptyFileError("holds a header and no data rows", file=file.name)
    refuse_size(table.num_rows, table.num_columns, file)
    names = [str(name).strip() for name in table.column_names]
    return RawTable(file=file.name, columns=dict(zip(names, table.columns, strict=True)), rows=table.num_rows)


def refuse_headers(names: Sequence[str], file: RawFile) -> None:
    """Refuse headers that are too many or there twice."""
    if len(names) > file.caps.columns:
        raise OversizedFileError(
            f"has {len(names):,} columns; {file.caps.columns:,} are allowed", file=file.name
        )
    for name, count in Counter(str(name).strip() for name in names).items():
        if count > 1:
            raise ColumnError(f"is there {count} times", file=file.name, column=name)


def refuse_size(rows: int, columns: int, file: RawFile) -> None:
    """Refuse tables of too many rows or cells."""
    caps: Caps = file.caps
    if rows > caps.rows or rows * columns > caps.cells:
        raise OversizedFileError(
            f"has {rows:,} rows of {columns:,} columns; {caps.rows:,} rows and {caps.cells:,} cells are "
            "allowed: split it",
            file=file.name,
        )


def _read_csv(file: RawFile, delimiter: str) -> pa.Table:
    header = _header(file, delimiter)
    refuse_headers(header, file)
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    try:
        table = _parse_csv(file, delimiter, convert)
    except pa.ArrowInvalid as error:
        _refuse_foreign_text(file)
        raise _malformed(file, delimiter, convert, error) from error
    try:
        named = table.column_names == header
    except UnicodeDecodeError:
        _refuse_foreign_text(file)
        raise
    if not named:
        raise UndecodableFileError("has a header that cannot be read", file=file.name)
    if b'"' in file.data:
        _refuse_swallowed_rows(table, file)
    return table


def _parse_csv(
    file: RawFile, delimiter: str, convert: pacsv.ConvertOptions, *, threads: bool = True
) -> pa.Table:
    return pacsv.read_csv(
        pa.BufferReader(file.data),
        convert_options=convert,
        parse_options=pacsv.ParseOptions(delimiter=delimiter),
        read_options=pacsv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=threads),
    )


def _malformed(
    file: RawFile, delimiter: str, convert: pacsv.ConvertOptions, first: pa.ArrowInvalid
) -> UndecodableFileError | OversizedFileError:
    """Parse again on one thread, which is the only way to learn the number of a malformed row."""
    error: Exception = first
    try:
        _parse_csv(file, delimiter, convert, threads=False)
    except pa.ArrowInvalid as again:
        error = again
    if "straddling" in str(error):
        return OversizedFileError(
            f"has a row longer than {_BLOCK_BYTES:,} bytes; a quote that is never closed?", file=file.name
        )
    found = re.search(r"Row #(\d+): (.*)", str(error), re.DOTALL)
    row, problem = (int(found[1]) - 1, found[2]) if found else (None, str(error))
    return UndecodableFileError(f"is not well-formed CSV: {problem[:120]}", file=file.name, row=row)


def _header(file: RawFile, delimiter: str) -> list[str]:
    """Return the header's names; refuses bytes that are no UTF-8 text and headers that are no list."""
    if b"\0" in file.data:
        raise UndecodableFileError(NUL_BYTES, file=file.name)
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
        raise UndecodableFileError(f"is separated by {other!r}; expected {expected}", file=file.name)
    return names


def _refuse_foreign_text(file: RawFile) -> None:
    try:
        file.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.data.count(b"\n", 0, error.start) + 1
        raise UndecodableFileError(
            f"is not UTF-8: byte 0x{file.data[error.start]:02x} in line {line}", file=file.name
        ) from error


def _refuse_swallowed_rows(table: pa.Table, file: RawFile) -> None:
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
    if held != table.num_rows:
        raise UndecodableFileError(
            f"is not well-formed CSV: {held:,} lines follow the header and {table.num_rows:,} rows could be "
            "told apart; a quote that is never closed?",
            file=file.name,
        )
