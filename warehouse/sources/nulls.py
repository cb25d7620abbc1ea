"""Numbers past what is none: words that stand for no value, and single bad cells.

Of samples one may be missing and the others stand, so that a word for nothing is no value and other text
refuses the file. Of rows that stand for themselves each bad cell costs its own.
"""

import re
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.errors import CellError
from warehouse.sources import single
from warehouse.sources.cells import Cells
from warehouse.sources.numbers import NO_VALUE, Decimal, numbers

MEASURED = frozenset({"telemetry", "soc_power", "metering", "checkups"})
"""Datasets of samples."""
_COMMA = re.compile(r"[+-]?[0-9.]*,[0-9]+")


def without_words(cells: Cells, words: Collection[str]) -> tuple[Cells, tuple[str, ...]]:
    """Return text cells without the words (of any case) that stand for nothing, and a note on each word."""
    if not words or not (pa.types.is_string(cells.data.type) or pa.types.is_large_string(cells.data.type)):
        return cells, ()
    lowered = pc.utf8_lower(cells.data)
    found = pc.is_in(lowered, value_set=pa.array(sorted({word.lower() for word in words}), lowered.type))
    if not pc.any(found).as_py():
        return cells, ()
    marked = np.flatnonzero(found.to_numpy(zero_copy_only=False))
    said = pd.Series(cells.data.take(pa.array(marked)).to_pandas())
    notes = tuple(
        f"column {cells.column!r}: {rows.size} × {word!r} was read as no value (first in row "
        f"{cells.row(int(marked[rows[0]]))})"
        for word, rows in ((word, np.flatnonzero(said == word)) for word in said.unique())
    )
    data = pc.if_else(found, pa.scalar(None, cells.data.type), cells.data)
    return replace(cells, data=data), notes


def floats(
    cells: Cells, dataset: str, decimal: str = ".", words: Collection[str] = ()
) -> tuple[pd.Series, tuple[str, ...]]:
    """Return numbers, NaN where there is none, and notes on those.

    words: that stand for nothing besides. Raises CellError, also for decimal marks of another dialect.
    """
    cells, notes = without_words(cells, words)
    try:
        return cells.floats(decimal), notes
    except CellError:
        texts = single.texts_of(cells)
        if dataset in MEASURED:
            cells, more = without_words(cells, NO_VALUE)
            return cells.floats(decimal), (*notes, *more)
        if dataset not in single.DATASETS or texts is None or _foreign(texts, decimal):
            raise
        mark: Decimal = "," if decimal == "," else "."
        values, more = numbers(texts, cells.file, cells.column, mark, what="rows", row_of=cells.row)
        return values, (*notes, *more)


def _foreign(texts: Collection[str | None], decimal: str) -> bool:
    """Whether commas stand where points are expected: a dialect, and no slip."""
    return decimal == "." and sum(bool(text and _COMMA.fullmatch(text)) for text in texts) > 1
