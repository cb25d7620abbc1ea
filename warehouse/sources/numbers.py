"""Cells of a file → numbers; a word for "none" or a single bad cell costs its own row, and is reported."""

import re
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from warehouse.errors import CellError, printable

Decimal = Literal[".", ","]

NO_VALUE = frozenset(
    {
        "-", "--", "–", "—", ".", "?", "n/e", "n/a", "#n/a", "na", "n.a.", "nan", "null", "none", "nil", "sn",
        "missing", "unavailable", "unknown", "undefined", "no data", "no price", "not available", "k.a.",
        "nicht verfügbar",
    }
)  # fmt: skip
"""Words with which publishers, exchanges and clouds say that there is no value (SN: no market price)."""
_MOST_BAD = 0.5
"""Share of cells that are neither number nor such a word, above which the file is in another layout."""
_SHOWN = 3
_NUMBER = {
    ".": re.compile(r"[+-]?(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?"),
    ",": re.compile(r"[+-]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[0-9]+)?(?:,[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?"),
}


def decimal_of(texts: Sequence[str]) -> Decimal:
    """Return the mark before decimals in some cells: the one that stands last where there are both.

    A comma alone is a decimal mark: no publisher read here writes thousands without decimals.
    """
    for text in texts:
        if "," in text and "." in text:
            return "," if text.rindex(",") > text.rindex(".") else "."
    return "," if any("," in text for text in texts) and not any("." in text for text in texts) else "."


def numbers(
    texts: Sequence[str | None],
    file: str,
    column: str,
    decimal: Decimal = ".",
    what: str = "intervals",
    row_of: Callable[[int], int] = lambda index: index + 1,
) -> tuple[pd.Series, tuple[str, ...]]:
    """Return the numbers of a column, NaN where there is none, and notes on those; row_of: position → row.

    Raises CellError, for the first of them, where more than half of the cells are no numbers at all.
    """
    values = np.full(len(texts), np.nan)
    empty, words, bad = list[int](), list[int](), list[int]()
    for index, text in enumerate(texts):
        shown = "" if text is None else text.strip().replace("−", "-")
        if not shown:
            empty.append(index)
        elif shown.casefold() in NO_VALUE:
            words.append(index)
        elif (value := _number(shown, decimal)) is None:
            bad.append(index)
        else:
            values[index] = value
    stated = len(texts) - len(empty) - len(words)
    if len(bad) > _MOST_BAD * stated:
        first = bad[0]
        raise CellError(
            f"is not a number ({len(bad)} of {stated} cells)" if len(bad) > 1 else "is not a number",
            file=file, row=row_of(first), column=column, value=texts[first],
        )  # fmt: skip
    notes = []
    if empty:
        notes.append(
            f"column {column!r}: {len(empty)} {what} have no value, the first in row {row_of(empty[0])}"
        )
    for rows, why in ((words, "which is none"), (bad, "which is no number")):
        if rows:
            shown_words = ", ".join(sorted({repr(printable(str(texts[row]))[:40]) for row in rows})[:_SHOWN])
            where = ", ".join(str(row_of(row)) for row in rows[:_SHOWN])
            more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
            notes.append(
                f"column {column!r}: {len(rows)} {what} are missing, they have {shown_words}, {why} "
                f"(row {where}{more})"
            )
    return pd.Series(values), tuple(notes)


def _number(text: str, decimal: Decimal) -> float | None:
    if not any(mark.isdigit() for mark in text) or not _NUMBER[decimal].fullmatch(text):
        return None
    other = "," if decimal == "." else "."
    value = float(text.replace(other, "").replace(decimal, "."))
    return value if np.isfinite(value) else None
