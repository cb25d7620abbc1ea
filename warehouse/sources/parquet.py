"""The columns of a Parquet file, each read when it is asked for: a few bytes can stand for all memory.

What the file declares is judged before anything is read: how long its description is, what its pages unpack
to, and what its rows come to once repetition is undone. A column that nobody needs is never read.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from warehouse.errors import ColumnError, OversizedFileError, UndecodableFileError
from warehouse.sources.caps import PACKING_FROM_BYTES
from warehouse.sources.rawfile import RawFile

_ARROW_TEXT_BYTES = 2**31 - 1
"""What a column of text can hold before its offsets overflow."""
_WORD = 8
"""Bytes of a value whose type does not tell, or that a shared dictionary tells."""


class ParquetColumns(Mapping[str, pa.ChunkedArray]):
    """Header → values. Raises UndecodableFileError, OversizedFileError, ColumnError.

    headers: as they stand in the file. rows: as the file announces them.
    """

    def __init__(self, file: RawFile) -> None:
        self._file = file
        footer = int.from_bytes(file.data[-8:-4], "little") if len(file.data) >= 12 else 0
        if len(file.data) > footer > file.caps.footer_bytes:
            raise OversizedFileError(
                f"describes itself in {footer:,} bytes; {file.caps.footer_bytes:,} are allowed",
                file=file.name,
            )
        try:
            self._meta = pq.read_metadata(pa.BufferReader(file.data))
            self._schema = self._meta.schema.to_arrow_schema()
            self.headers = list(self._schema.names)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._unreadable(error) from error
        groups = (self._meta.row_group(number) for number in range(self._meta.num_row_groups))
        sizes = [(group.num_rows, group.total_byte_size) for group in groups]
        self.rows = max(self._meta.num_rows, sum(rows for rows, _ in sizes))
        self._page_bytes = sum(size for _, size in sizes)
        self._names = {str(name).strip(): str(name) for name in self.headers}

    def refuse_bomb(self) -> None:
        """Refuse nested columns, and more bytes than a file of this size can mean."""
        for field in self._schema:
            if pa.types.is_nested(field.type):
                raise ColumnError(
                    f"holds {field.type}: one value a row is needed", file=self._file.name, column=field.name
                )
        self._refuse_size(
            max(self._page_bytes, self.rows * sum(_width(field.type) for field in self._schema))
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        header = self._names[name]
        kind = self._schema.field(header).type
        # Text stays in its dictionary until its length is known.
        coded = [header] if pa.types.is_string(kind) or pa.types.is_binary(kind) else None
        try:
            table, announced = self._read(header, coded)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._unreadable(error) from error
        if table.num_rows != announced:
            raise self._unreadable(f"it announces {announced:,} rows and holds {table.num_rows:,}")
        column = table.column(0)
        length = _unpacked_length(column)
        if length > _ARROW_TEXT_BYTES:
            raise OversizedFileError(
                f"unpacks to {length:,} bytes of text", file=self._file.name, column=name
            )
        self._refuse_size(length, name)
        return column

    def _read(self, header: str, coded: list[str] | None) -> tuple[pa.Table, int]:
        """Return a column of the rows that are wanted, and how many there are to be of it."""
        source, span = pa.BufferReader(self._file.data), self._file.span
        if span is None:
            table = pq.read_table(source, columns=[header], read_dictionary=coded, use_threads=False)
            return table, self._meta.num_rows
        sizes = [self._meta.row_group(number).num_rows for number in range(self._meta.num_row_groups)]
        ends = np.cumsum(sizes)
        groups = [n for n, end in enumerate(ends) if end > span.begin and end - sizes[n] < span.end]
        file = pq.ParquetFile(source, read_dictionary=coded)
        table = file.read_row_groups(groups, columns=[header], use_threads=False)
        skipped = span.begin - int(ends[groups[0]] - sizes[groups[0]])
        return table.slice(skipped, span.end - span.begin), span.end - span.begin

    def _refuse_size(self, size: int, column: str | None = None) -> None:
        caps = self._file.caps
        most = min(caps.unpacked_bytes, max(4 * PACKING_FROM_BYTES, caps.packing * len(self._file.data)))
        if size > most:
            raise OversizedFileError(
                f"unpacks to {size:,} bytes from {len(self._file.data):,}; {most:,} are allowed",
                file=self._file.name, column=column,
            )  # fmt: skip

    def _unreadable(self, why: object) -> UndecodableFileError:
        return UndecodableFileError(f"is not readable Parquet: {why}", file=self._file.name)


def _width(kind: pa.DataType) -> int:
    """Return the bytes of a value in memory; of text only those of its place in a dictionary."""
    try:
        return max(1, int(kind.bit_width) // 8)
    except ValueError:
        return _WORD


def _unpacked_length(column: pa.ChunkedArray) -> int:
    if not pa.types.is_dictionary(column.type):
        return 0
    longest = [int(pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0) for chunk in column.chunks]
    return sum(len(chunk) * size for chunk, size in zip(column.chunks, longest, strict=True))
