"""Words that stand for no value, where a number is expected."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.errors import CellError
from warehouse.sources.cells import Cells

WORDS = frozenset({"unavailable", "unknown", "none", "null", "nan", "na", "n/a", "#n/a", "-", "--"})
"""What loggers, clouds and spreadsheets write for no value; none of them can be a number."""
MEASURED = frozenset({"telemetry", "soc_power", "metering", "checkups"})
"""Datasets of samples, of which one may be missing and the others stand."""


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
    """Return numbers, in datasets of samples without the words that stand for nothing, and notes on those.

    words: that stand for nothing besides. Raises CellError.
    """
    cells, notes = without_words(cells, words)
    try:
        return cells.floats(decimal), notes
    except CellError:
        if dataset not in MEASURED:
            raise
        cells, more = without_words(cells, WORDS)
        return cells.floats(decimal), (*notes, *more)
