"""Cells of one column → values, or the first cell that is none (file, row, column, value).

Text cells are trimmed; empty is null. A decimal comma is refused, not guessed at. A time without zone counts
as UTC only where the column's name ends in `_utc`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from warehouse.errors import CellError, ColumnError, OversizedFileError, UnitError, nearest, printable
from warehouse.sources.rawtable import RawTable

_EARLIEST, _LATEST = pd.Timestamp("1900-01-01", tz="UTC"), pd.Timestamp("2200-01-01", tz="UTC")
"""A time outside is a sentinel or a wrong epoch, and later arithmetic in nanoseconds would overflow."""
_MICROSECONDS = pa.timestamp("us", tz="UTC")
_ZONED = r"[0-9]{2}:[0-9]{2}.*(?:Z|z|[+-][0-9]{2}(?::?[0-9]{2})?)$"
_SHOWN = 3
_FEW = 3
"""Numbers from which a column tells what it holds."""
_DATE_ONLY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """One column of a file, not yet interpreted; rows: the data row of each cell, None: each in turn."""

    file: str
    column: str
    data: pa.Array
    rows: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, table: RawTable, column: str) -> "Cells":
        """Return a column of a table, text trimmed and empty text null."""
        try:
            array = table.columns[column].combine_chunks()
            if not pa.types.is_dictionary(array.type):
                array = _trimmed(table.file, column, array)
            else:  # each distinct text is trimmed once
                texts = _trimmed(table.file, column, array.dictionary)
                array = pa.DictionaryArray.from_arrays(array.indices, texts).dictionary_decode()
        except (pa.ArrowInvalid, pa.ArrowCapacityError) as error:
            raise OversizedFileError(f"cannot be held: {error}", file=table.file, column=column) from error
        return cls(file=table.file, column=column, data=array, rows=table.numbers)

    @classmethod
    def found(cls, table: RawTable, column: str) -> "Cells":
        """Return a column that has to be there; ColumnError names the nearest one that is."""
        if column not in table.columns:
            raise ColumnError(f"is missing{nearest(column, table.columns)}", file=table.file, column=column)
        return cls.of(table, column)

    def error(self, index: int, problem: str) -> CellError:
        """Build the error of one cell; index from 0."""
        value = self._value(index)
        return CellError(problem, file=self.file, row=self.row(index), column=self.column, value=value)

    def row(self, index: int) -> int:
        """Return the data row in the file of a cell; index from 0."""
        return index + 1 if self.rows is None else int(self.rows[index])

    def set_aside(self, indices: Sequence[int] | NDArray[np.intp], problem: str) -> str:
        """Return the note on rows that a cell of theirs costs; indices from 0."""
        shown = ", ".join(f"{self.row(int(at))} ({self._shown(int(at))})" for at in indices[:_SHOWN])
        more = f" and {len(indices) - _SHOWN} more" if len(indices) > _SHOWN else ""
        return f"column {self.column!r}: {len(indices)} rows are set aside: row {shown}{more} {problem}"

    def refuse_first(self, bad: pa.Array | pd.Series, problem: str) -> None:
        """Raise CellError for the first cell marked bad, if any."""
        marked = pd.Series(bad.to_numpy(zero_copy_only=False)) if isinstance(bad, pa.Array) else bad
        marked = marked.fillna(value=False).astype(bool).reset_index(drop=True)
        if marked.any():
            raise self.error(int(marked.to_numpy().argmax()), problem)

    def text(self) -> pd.Series:
        """Return text values; whole numbers are text too, other values are not."""
        if not (_is_text(self.data.type) or _is_whole(self.data.type) or pa.types.is_null(self.data.type)):
            raise self._error(f"holds {self.data.type}, not text")
        return pd.Series(self._cast(self.data, pa.string(), "is not text").to_pandas(), dtype="str")

    def floats(self, decimal: str = ".") -> pd.Series:
        """Return float64 values; null is NaN. decimal: the mark of text cells."""
        kind, data = self.data.type, self.data
        if _is_text(kind) and decimal == ",":
            self.refuse_first(pc.match_substring(data, "."), "has a point, where commas mark decimals")
            data = pc.replace_substring(data, ",", ".")
        elif _is_text(kind):
            self._refuse_decimal_comma()
        elif pa.types.is_boolean(kind) or pa.types.is_temporal(kind):
            raise self._error(f"holds {kind}, not numbers")
        numbers = self._cast(data, pa.float64(), "is not a number")
        return pd.Series(numbers.to_pandas(), dtype="float64")

    def percents(self) -> pd.Series:
        """Return shares 0–1 of numbers 0–100; UnitError for a column that seems to hold shares itself."""
        numbers = self.floats()
        if numbers.notna().sum() >= _FEW and numbers.max() <= 1 and (numbers.dropna() % 1 != 0).any():
            raise UnitError(
                f"looks like shares 0 to 1 (at most {numbers.max():g}) where per cent are meant: nothing was "
                "converted",
                file=self.file, column=self.column,
            )  # fmt: skip
        self.refuse_first(numbers.notna() & ~numbers.between(0, 100), "is not a percentage, 0 to 100")
        return numbers / 100.0

    def integers(self, decimal: str = ".", factor: float = 1.0) -> pd.Series:
        """Return whole numbers, times a factor, as Int64; 15.0 is 15, 15.5 is refused."""
        numbers = self.floats(decimal) * factor
        self.refuse_first(numbers.notna() & (numbers % 1 != 0), "is not a whole number")
        return numbers.astype("Int64")

    def times(self) -> pd.Series:
        """Return UTC times from ISO 8601 text or timestamps."""
        data = self.data
        assume_utc = self.column.endswith("_utc")
        if _is_text(data.type):
            data = self._with_zone(data, assume_utc=assume_utc)
        elif pa.types.is_timestamp(data.type) and data.type.tz is None and not assume_utc:
            raise self._error("holds times without a zone; name it …_utc or give one")
        elif not pa.types.is_temporal(data.type) and not pa.types.is_null(data.type):
            raise self._error(f"holds {data.type}, not times")
        times = self._cast(data, _MICROSECONDS, "is not an ISO 8601 time")
        return self.plausible(pd.Series(times.to_pandas(), dtype="datetime64[us, UTC]"))

    def wall_times(self, pattern: str = "ISO8601") -> pd.Series:
        """Return local times as they stand, without a zone; pattern: as `strftime` writes them."""
        if pa.types.is_timestamp(self.data.type) and self.data.type.tz is None:
            wall = self._cast(self.data, pa.timestamp("us"), "is not a time").to_pandas()
        else:
            text = self.text()
            self.refuse_first(
                text.str.contains(_ZONED, regex=True), "has a time zone; a local time is expected"
            )
            wall = pd.to_datetime(text, format=pattern, errors="coerce")
            example = "2019-03-01T06:20:00" if pattern == "ISO8601" else pattern
            self.refuse_first(wall.isna() & text.notna(), f"is not a local time like {example}")
        self.plausible(wall.dt.tz_localize("UTC"))
        return pd.Series(wall).astype("datetime64[us]")

    def zoned_times(self, pattern: str) -> pd.Series:
        """Return UTC times from text with an offset; pattern: as `strftime` writes them, with %z."""
        text = self.text()
        times = pd.to_datetime(text, format=pattern, errors="coerce", utc=True)
        self.refuse_first(times.isna() & text.notna(), f"is not a time like {pattern}")
        return self.plausible(times.astype("datetime64[us, UTC]"))

    def epoch_seconds(self, factor: float = 1.0) -> pd.Series:
        """Return UTC times from seconds since 1970, or from what `factor` makes seconds of."""
        seconds = self.floats() * factor
        self.refuse_first(seconds.abs() > 4e9, "is no Unix time in seconds; milliseconds?")
        return pd.to_datetime((seconds * 1e6).round().astype("Int64"), unit="us", utc=True).dt.as_unit("us")

    def plausible(self, times: pd.Series) -> pd.Series:
        """Return times, of which none is a sentinel or of a wrong epoch."""
        self.refuse_first((times < _EARLIEST) | (times >= _LATEST), "is outside the years 1900 to 2199")
        return times

    def _value(self, index: int) -> str:
        try:
            return str(self.data[index].as_py())
        except (OverflowError, ValueError):  # a time that Python has no words for
            return str(self.data[index].cast(pa.int64()))

    def _shown(self, index: int) -> str:
        return printable(self._value(index))[:40]

    def _with_zone(self, data: pa.Array, *, assume_utc: bool) -> pa.Array:
        zoned = pc.match_substring_regex(data, _ZONED)
        if not assume_utc:
            self.refuse_first(pc.invert(zoned), "has no time zone; write e.g. 2020-03-29T00:00:00+01:00")
        dated = pc.match_substring_regex(data, _DATE_ONLY)
        suffix = pc.if_else(zoned, "", pc.if_else(dated, "T00:00:00Z", "Z"))
        return pc.binary_join_element_wise(data, suffix, "")

    def _refuse_decimal_comma(self) -> None:
        self.refuse_first(
            pc.match_substring_regex(self.data, r"^[+-]?[0-9.]*,[0-9]+$"),
            'has a decimal comma; write a point, or read it by a mapping with `decimal = ","`',
        )

    def _cast(self, data: pa.Array, wanted: pa.DataType, problem: str) -> pa.Array:
        try:
            # Nanoseconds lose their last digits; a time that would overflow is refused, not wrapped.
            return data.cast(options=pc.CastOptions(wanted, allow_time_truncate=True))
        except pa.ArrowInvalid:
            raise self.error(_first_bad(data, wanted), problem) from None
        except pa.ArrowNotImplementedError:
            raise self._error(f"{problem}: it holds {data.type}") from None

    def _error(self, problem: str) -> CellError:
        return CellError(problem, file=self.file, column=self.column)


def _trimmed(file: str, column: str, array: pa.Array) -> pa.Array:
    if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        try:
            array = array.cast(pa.string())
        except pa.ArrowInvalid as error:
            raise CellError(f"is not UTF-8 text: {error}", file=file, column=column) from None
    if not _is_text(array.type):
        return array
    array = pc.utf8_trim_whitespace(array.cast(pa.string()))
    return pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind))


def _first_bad(data: pa.Array, wanted: pa.DataType) -> int:
    """Return the index of the first value that does not cast, by bisection; one is known to be there."""
    low, high = 0, len(data)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            data.slice(low, middle - low).cast(options=pc.CastOptions(wanted, allow_time_truncate=True))
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low
