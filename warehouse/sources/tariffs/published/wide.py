"""One header's series of a table whose rows are local intervals: what the exports have in common."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import pyarrow as pa

from warehouse.errors import ColumnError
from warehouse.sources.cells import Cells
from warehouse.sources.numbers import Decimal, decimal_of, numbers
from warehouse.sources.rawtable import RawTable
from warehouse.sources.tariffs.money import Money
from warehouse.sources.tariffs.payload import Record
from warehouse.sources.tariffs.published.rows import Placed, Series


def texts_of(table: RawTable, column: str) -> list[str]:
    """Return the cells of a column that has to be there; an empty one is empty text, a number has a point."""
    cells = Cells.found(table, column)
    if pa.types.is_floating(cells.data.type):
        cells = replace(cells, data=cells.data.cast(pa.string()))
    return list(cells.text().fillna(""))


def series_of(
    table: RawTable, column: str, zone: str, when: Placed, unit: Money, decimal: Decimal | None = None
) -> Series:
    """Return the prices of a column at the rows that were placed; decimal: None = as the cells tell."""
    texts: Sequence[str] = texts_of(table, column)
    typed = pa.types.is_floating(table.columns[column].type)
    values, notes = numbers(texts, table.file, column, "." if typed else decimal or decimal_of(texts))
    prices: pd.Series = values.iloc[[row - 1 for row in when.rows]]
    return Series(zone=zone, column=column, placed=when, prices=prices, unit=unit, notes=notes)


def texts_under(items: Sequence[Record], key: str) -> list[str]:
    """Return what JSON objects have under a key, as text; nothing and null are empty text."""
    return ["" if (value := item.value.get(key)) is None else str(value).strip() for item in items]


def missing(table: RawTable, what: str) -> ColumnError:
    """Build the error of a file that has no column of the kind that is looked for."""
    return ColumnError(f"{what} is missing; the file has {', '.join(table.columns)}"[:400], file=table.file)
