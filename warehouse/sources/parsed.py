"""What a parser returns to the reader of files."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parsed:
    """Rows in the dataset's columns and units with `source_row`, and how the file spelled them.

    spelling: column → (header in the file, divisor applied); for errors that must speak the file's language.
    licence: what the file itself says of it, if it does. joined: what else the rows rest on, said of other
    files of its source: with them the same file is another source. transactions: what is held of it for
    those others, as JSON. not_before: when the last of what its rows rest on was received.
    """

    frame: pd.DataFrame
    spelling: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    licence: str | None = None
    joined: tuple[str, ...] = ()
    transactions: str | None = None
    not_before: dt.datetime | None = None
