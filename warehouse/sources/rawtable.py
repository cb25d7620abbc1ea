"""Bytes of a CSV or Parquet file → columns of cells, nothing interpreted yet.

CSV: UTF-8 (a BOM is fine), comma-separated, one header line, every cell text, empty = null. Row numbers
in errors are 1-based data rows; blank lines do not count.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from warehouse.errors import ColumnError, EmptyFileError, UndecodableFileError

PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """A file's name and bytes."""

    name: str
    data: bytes

    @property
    def is_parquet(self) -> bool:
        """Whether the bytes say Parquet, whatever the name says."""
        return self.data.startswith(PARQUET_MAGIC)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawTable:
    """A file's columns by header, as Arrow arrays of equal length."""

    file: str
    columns: Mapping[str, pa.ChunkedArray]
    rows: int


def read_table(file: RawFile) -> RawTable:
    """Parse CSV or Parquet; raises EmptyFileError, UndecodableFileError, ColumnError."""
    table = _read_parquet(file) if file.is_parquet else _read_csv(file)
    if table.num_rows == 0:
        raise EmptyFileError("holds a header and no data rows", file=file.name)
    names = [str(name).strip() for name in table.column_names]
    return RawTable(file=file.name, columns=dict(zip(names, table.columns, strict=True)), rows=table.num_rows)


def _read_parquet(file: RawFile) -> pa.Table:
    try:
        table = pq.read_table(io.BytesIO(file.data))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UndecodableFileError(f"is not readable Parquet: {error}", file=file.name) from error
    _refuse_doubles([str(name).strip() for name in table.column_names], file.name)
    return table


def _read_csv(file: RawFile) -> pa.Table:
    header = _header(file)
    _refuse_doubles([name.strip() for name in header], file.name)
    types = pacsv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    try:
        return pacsv.read_csv(io.BytesIO(file.data), convert_options=types)
    except pa.ArrowInvalid:
        return _read_csv_slowly(file, types)


def _read_csv_slowly(file: RawFile, types: pacsv.ConvertOptions) -> pa.Table:
    """Parse again on one thread, which is the only way to learn the number of a malformed row."""
    try:
        return pacsv.read_csv(
            io.BytesIO(file.data), convert_options=types, read_options=pacsv.ReadOptions(use_threads=False)
        )
    except pa.ArrowInvalid as error:
        found = re.search(r"Row #(\d+): (.*)", str(error), re.DOTALL)
        row, problem = (int(found[1]) - 1, found[2]) if found else (None, str(error))
        raise UndecodableFileError(
            f"is not well-formed CSV: {problem[:120]}", file=file.name, row=row
        ) from error


def _header(file: RawFile) -> list[str]:
    """Return the header's names; refuses bytes that are no UTF-8 text and headers that are no comma list."""
    if b"\0" in file.data:
        raise UndecodableFileError("holds NUL bytes; expected CSV as UTF-8 text, or Parquet", file=file.name)
    try:
        text = file.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.data.count(b"\n", 0, error.start) + 1
        raise UndecodableFileError(
            f"is not UTF-8: byte 0x{file.data[error.start]:02x} in line {line}", file=file.name
        ) from error
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    if not first:
        raise EmptyFileError("is empty", file=file.name)
    names = next(csv.reader([first]))
    if len(names) == 1 and (separator := next((mark for mark in ";\t|" if mark in first), None)):
        raise UndecodableFileError(f"is separated by {separator!r}; expected commas", file=file.name)
    return names


def _refuse_doubles(names: list[str], file: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ColumnError(f"is there {count} times", file=file, column=name)
